"""Small JPEG pictures: choosing the telling one, laying out a contact sheet, writing them.

It gets displayed pictures (`workers.media.display`) and knows nothing of streams.
"""

import errno
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from workers.errors import TaskFailedError
from workers.media.colour_statistics import LUMA_WEIGHTS
from workers.media.display import Picture
from workers.protocol.pictures import ContactSheet
from workers.protocol.states import ErrorCode

THUMBNAIL_LONG_SIDE_PX: Final = 320
SHEET_COLUMNS: Final = 4
_JPEG_QUALITY: Final = 85
_EMPTY_CELL: Final = 24
"""Grey of the cells that no picture fills."""

_DARK_MEAN: Final = 0.1
_FLAT_SPREAD: Final = 0.04
"""Mean and standard deviation of luma, 0 to 1, under which a picture shows nothing: black, fade, plain card."""


def is_telling(picture: Picture) -> bool:
    """Whether the picture is more than black, near-black or one flat colour."""
    mean, spread = _brightness(picture)
    return mean > _DARK_MEAN and spread > _FLAT_SPREAD


def choose_poster(pictures: Sequence[Picture]) -> int:
    """Index of the picture that stands for the film: well exposed and rich in detail, the earlier of equals.

    Raises:
        ValueError: no picture at all.
    """
    if not pictures:
        raise ValueError("a poster is chosen from at least one picture")
    scores = [_poster_score(picture) for picture in pictures]
    return int(np.argmax(scores))


def draw_contact_sheet(
    pictures: Sequence[Picture], times_s: Sequence[Fraction], file_name: str
) -> tuple[Picture, ContactSheet]:
    """A grid of equal cells, row by row, each with its time written in the lower left corner.

    Pictures of another size than the first are scaled to its size (a stream may change size on its way).

    Raises:
        ValueError: no picture, or not as many times as pictures.
    """
    if not pictures or len(pictures) != len(times_s):
        raise ValueError("a contact sheet needs pictures and one time for each")
    columns = min(SHEET_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    height, width = pictures[0].shape[:2]
    sheet: Picture = np.full((rows * height, columns * width, 3), _EMPTY_CELL, dtype=np.uint8)
    for number, (picture, time_s) in enumerate(zip(pictures, times_s, strict=True)):
        row, column = divmod(number, columns)
        cell = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        cell[:] = _fitted(picture, width, height)
        _stamp(cell, format_time(time_s))
    description = ContactSheet(
        file_name=file_name,
        columns=columns,
        rows=rows,
        cell_width_px=width,
        cell_height_px=height,
        times_s=tuple(times_s),
    )
    return sheet, description


def format_time(time_s: Fraction) -> str:
    """`m:ss.t` below an hour, `h:mm:ss` from there on."""
    tenths = int(time_s * 10)
    seconds, tenth = divmod(tenths, 10)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}.{tenth}"


def write_jpeg(picture: Picture, path: Path) -> None:
    """Write a picture; the folder exists.

    Raises:
        TaskFailedError: the disk is full or the folder cannot be written to.
    """
    ok, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    if not ok:
        raise TaskFailedError(ErrorCode.INTERNAL, "A thumbnail could not be encoded.")
    try:
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise TaskFailedError(
                ErrorCode.DISK_FULL, f"There is no space left for “{path.name}”.", detail=str(error)
            ) from error
        raise TaskFailedError(
            ErrorCode.OUTPUT_NOT_WRITABLE, f"“{path.name}” cannot be written.", detail=str(error)
        ) from error


def _brightness(picture: Picture) -> tuple[float, float]:
    luma = picture.astype(np.float32) @ LUMA_WEIGHTS / 255
    return float(luma.mean()), float(luma.std())


def _poster_score(picture: Picture) -> float:
    """Entropy of the luma histogram in bits, less what is lost to very dark or very bright exposure."""
    luma = np.rint(picture.astype(np.float32) @ LUMA_WEIGHTS).astype(np.uint8)
    shares = np.bincount(luma.ravel(), minlength=256) / luma.size
    present = shares[shares > 0]
    entropy = float(-(present * np.log2(present)).sum())
    exposure = abs(float(luma.mean()) / 255 - 0.45)
    return round(entropy - 4 * exposure, 3)


def _fitted(picture: Picture, width: int, height: int) -> Picture:
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _stamp(cell: Picture, text: str) -> None:
    """White letters with a dark edge: legible on any picture."""
    scale = max(0.3, min(cell.shape[:2]) / 400)
    at = (4, cell.shape[0] - 5)
    drawn = np.ascontiguousarray(cell)
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)
    cell[:] = drawn
