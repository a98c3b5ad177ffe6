"""Interlaced and pulled-down clips with known truth, made from progressive references and coded in many ways."""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import imageio_ffmpeg
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from benchmarks.quality_clips import REFERENCES

type Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Y, Cb, Cr of 8-bit 4:2:0, each of shape (height, width)."""

SIXTY: Final = {
    "bbb": "ref_bbb60p_720x480_60f",
    "pegboard": "ref_pegboard60p_720x480_18f",
    "portrait": "ref_portrait4k60_540x960_18f",
}
"""References of 60 pictures a second; the first one is drawn."""

FILM: Final = "ref_motorway24p_720x480_24f"
_RATE: Final = "30000/1001"
_CODECS: Final = {
    "ffv1": (".mkv", ("-c:v", "ffv1")),
    "mpeg2": (".mpg", ("-c:v", "mpeg2video", "-b:v", "5M")),
    "h264": (".mp4", ("-c:v", "libx264", "-crf", "22", "-preset", "veryfast")),
    "prores": (".mov", ("-c:v", "prores_ks", "-profile:v", "1", "-pix_fmt", "yuv422p10le")),
}


@dataclass(frozen=True, slots=True)
class Coding:
    """How a woven clip is stored.

    Attributes:
        codec: ffv1, mpeg2, h264 or prores.
        top_first: the first field is that of the lines 0, 2, …
        is_flagged: the encoder was told of the fields, and the file says so.
    """

    codec: str
    top_first: bool
    is_flagged: bool

    def __str__(self) -> str:
        order = "top" if self.top_first else "bottom"
        return f"{self.codec}, {order} first" + ("" if self.is_flagged else ", not flagged")


def codings() -> Iterator[Coding]:
    """What broadcasts, discs, cameras and careless conversions leave behind."""
    for codec in ("mpeg2", "h264", "prores"):
        for top_first in (True, False):
            for is_flagged in (True, False):
                yield Coding(codec, top_first, is_flagged)


def load(file: str, count: int) -> list[Planes]:
    """The first pictures of a reference."""
    found: list[Planes] = []
    with av.open(str(REFERENCES / f"{file}.mkv")) as container:
        for picture in container.decode(video=0):
            assert isinstance(picture, VideoFrame)
            rows = [np.frombuffer(plane, np.uint8).reshape(plane.height, -1) for plane in picture.planes]
            y, cb, cr = (
                values[:, : plane.width].copy() for values, plane in zip(rows, picture.planes, strict=True)
            )
            found.append((y, cb, cr))
            if len(found) == count:
                break
    return found


def weave(top: Planes, bottom: Planes) -> Planes:
    """Lines 0, 2, … of every plane of one picture, 1, 3, … of the other."""
    made = [plane.copy() for plane in top]
    for plane, other in zip(made, bottom, strict=True):
        plane[1::2] = other[1::2]
    return made[0], made[1], made[2]


def interlaced(pictures: Sequence[Planes], *, top_first: bool) -> list[Planes]:
    """Two moments for each picture."""
    pairs = zip(pictures[::2], pictures[1::2], strict=False)
    return [weave(first, second) if top_first else weave(second, first) for first, second in pairs]


def pulled_down(pictures: Sequence[Planes], rhythm: Sequence[int], *, top_first: bool) -> list[Planes]:
    """Film spread over fields."""
    fields = [n for n in range(len(pictures)) for _ in range(rhythm[n % len(rhythm)])]
    pairs = (pair if top_first else pair[::-1] for pair in zip(fields[::2], fields[1::2], strict=False))
    return [weave(pictures[top], pictures[bottom]) for top, bottom in pairs]


def write(pictures: Sequence[Planes], coding: Coding, folder: Path) -> Path:
    """Code a clip with ffmpeg, 29.97 pictures a second."""
    ending, arguments = _CODECS[coding.codec]
    path = folder / f"clip{ending}"
    height, width = pictures[0][0].shape
    told: tuple[str, ...] = ()
    if coding.is_flagged:
        told = ("-vf", f"setfield={'tff' if coding.top_first else 'bff'}", "-flags", "+ildct+ilme")
    subprocess.run(
        [
            imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y",
            "-f", "rawvideo", "-s", f"{width}x{height}", "-pix_fmt", "yuv420p", "-r", _RATE, "-i", "-",
            *told, *arguments, str(path),
        ],
        input=b"".join(plane.tobytes() for picture in pictures for plane in picture),
        check=True,
    )  # fmt: skip
    return path
