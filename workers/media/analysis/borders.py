"""Black borders, from how much of each line and column is lit. Pure.

A border is dark in nearly all samples and ends in one straight step that runs along the whole side. A night sky ends
in no such step; a picture without borders has none at all. Lines with writing in them (subtitles, a station's logo)
are no border: they are kept in the picture.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.media.analysis.pictures import Detail
from workers.protocol.analysis import Borders

_LIT: Final = 34
"""Code value from which on a sample is not black: black is 16, and noise and captured tapes lift it a little."""

_DARK_SHARE: Final = 0.01
_LIT_SHARE: Final = 0.5
_WRITTEN_SHARE: Final = 0.004
_CONTENT_SHARE: Final = 0.25
"""A sample with less of its picture lit says nothing: fades, titles on black, night."""

_IN_SAMPLES: Final = 0.9
_STEP_IN_SAMPLES: Final = 0.5
_STEP_PX: Final = 4
"""A border's edge may be this soft."""

_MOST_SHARE: Final = 0.4
_FEWEST_SAMPLES: Final = 3
_SURE_SAMPLES: Final = 8
_ONE_SIDED: Final = 0.5
"""Confidence of a border without its like on the other side."""


@dataclass(frozen=True, slots=True)
class Lit:
    """Which share of every line and every column of one picture is lit.

    Attributes:
        lines: shape (height,).
        columns: shape (width,).
    """

    lines: NDArray[np.float32]
    columns: NDArray[np.float32]


def lit_shares(detail: Detail) -> Lit:
    """Look at one picture."""
    lines = np.count_nonzero(detail.lines >= _LIT, axis=1) / detail.lines.shape[1]
    columns = np.count_nonzero(detail.columns >= _LIT, axis=0) / detail.columns.shape[0]
    return Lit(lines.astype(np.float32), columns.astype(np.float32))


def find_borders(samples: list[Lit]) -> Borders:
    """The borders that nearly all samples with something to see share; confidence 0 when too few have."""
    telling = [one for one in samples if float(one.lines.mean()) >= _CONTENT_SHARE]
    if len(telling) < _FEWEST_SAMPLES:
        return Borders()
    lines = np.stack([one.lines for one in telling])
    top, bottom = _side(lines), _side(lines[:, ::-1])
    # Sides are judged by what lies between the bars: a letterbox makes every column partly dark.
    columns = np.stack([one.columns for one in telling]) * lines.shape[1] / (lines.shape[1] - top - bottom)
    left, right = _side(columns), _side(columns[:, ::-1])
    sure = min(1.0, len(telling) / _SURE_SAMPLES)
    if not (_is_even(top, bottom, lines.shape[1]) and _is_even(left, right, columns.shape[1])):
        sure *= _ONE_SIDED
    return Borders(left_px=left, top_px=top, right_px=right, bottom_px=bottom, confidence=sure)


def _side(shares: NDArray[np.float32]) -> int:
    """Border at the first end of the profile, in px.

    Args:
        shares: lit share, shape (samples, positions).
    """
    dark = np.mean(shares <= _DARK_SHARE, axis=0) >= _IN_SAMPLES
    # Writing in a bar is lit, but far from all along it: the bar goes on behind it.
    little = np.mean(shares < _LIT_SHARE / 2, axis=0) >= _IN_SAMPLES
    if little.all() or not dark[0]:
        return 0
    end = int(np.flatnonzero(dark[: int(np.argmin(little))])[-1]) + 1
    inside = shares[:, end : end + _STEP_PX].max(axis=1)
    if end > shares.shape[1] * _MOST_SHARE or float(np.mean(inside >= _LIT_SHARE)) < _STEP_IN_SAMPLES:
        return 0
    written = np.flatnonzero(shares[:, :end].max(axis=0) > _WRITTEN_SHARE)
    return int(written[0]) if written.size else end


def _is_even(first: int, second: int, size: int) -> bool:
    return abs(first - second) <= max(4, size // 50)
