"""The samples that are measured: runs of consecutive pictures, cut down so that memory does not grow with their size.

All luma and chroma is in 8-bit code values of the limited range, whatever the source's depth and range.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

type Plane8 = NDArray[np.uint8]
type Crop = NDArray[np.uint8] | NDArray[np.float32]
"""8-bit code values; with fractions where the source has more than 8 bits or the full range."""

STRIP_PX: Final = 960
"""Most columns of a picture that are kept at full resolution: motion of fields is seen in them as well."""

MIDDLE_LINES: Final = 720
MIDDLE_COLUMNS: Final = 1280
SMALL_PX: Final = 320
"""Width, about, of the small whole picture."""

PROFILE_SAMPLES: Final = 480
"""Samples of a line that tell whether it is black."""


@dataclass(frozen=True, slots=True)
class Detail:
    """What the measurements of one picture need.

    Attributes:
        middle: luma of the middle at full resolution, at most 720 lines of 1280; its origin is a multiple of 16 px.
        lines: luma of every line, at most 480 evenly spaced columns.
        columns: luma of every column, at most 480 evenly spaced lines.
        tone: luma of the whole picture, reduced to about 320 columns.
        cb: as `tone`; None for gray.
        cr: as `cb`.
    """

    middle: Crop
    lines: Plane8
    columns: Plane8
    tone: Plane8
    cb: Plane8 | None
    cr: Plane8 | None


@dataclass(frozen=True, slots=True)
class SamplePicture:
    """One picture.

    Attributes:
        strip: luma of all lines, at most 960 columns of the middle.
        small: luma of the whole picture, reduced to about 320 columns.
        detail: None where only movement is looked at.
    """

    strip: Plane8
    small: Plane8
    detail: Detail | None


@dataclass(frozen=True, slots=True)
class SampleRun:
    """Consecutive pictures from one place of a file, at least one."""

    pictures: tuple[SamplePicture, ...]

    @property
    def noise_pairs(self) -> tuple[tuple[Crop, Crop], ...]:
        """Middles of consecutive pictures that both have a detail, each picture in one pair at most."""
        pairs = []
        previous: Detail | None = None
        for picture in self.pictures:
            detail = picture.detail
            if detail is not None and previous is not None:
                pairs.append((previous.middle, detail.middle))
                detail = None
            previous = detail
        return tuple(pairs)

    @property
    def distant_pairs(self) -> tuple[tuple[Crop, Crop], ...]:
        """Middles of pictures with a detail and the next such picture, where others lie between."""
        detailed = [
            (number, picture.detail)
            for number, picture in enumerate(self.pictures)
            if picture.detail is not None
        ]
        return tuple(
            (first.middle, second.middle)
            for (at, first), (then, second) in pairwise(detailed)
            if then - at > 1
        )

    @property
    def details(self) -> tuple[Detail, ...]:
        """Those that are measured one by one: of two neighbours the second, which is no key frame."""
        chosen: list[Detail] = []
        follows = False
        for picture in self.pictures:
            if picture.detail is not None:
                chosen[-1:] = [picture.detail] if follows else [*chosen[-1:], picture.detail]
            follows = picture.detail is not None and not follows
        return tuple(chosen)
