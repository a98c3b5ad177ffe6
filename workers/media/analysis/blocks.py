"""Steps across the borders of a codec's 8×8 blocks, from luma alone. Pure."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.media.analysis.pictures import Crop
from workers.protocol.analysis import Figure

BLOCK_PX: Final = 8
_LARGEST_STEP: Final = 20
"""Steps above this are edges of what is seen, 8-bit code values; they count as this much."""

_MIN_BLOCKS: Final = 6
_CODED_PHASE: Final = BLOCK_PX - 1
"""The step between the last sample of a block and the first of the next, for a grid that starts at the first
sample."""

_SCALED: Final = 0.3
"""Confidence where the strongest grid is not the one that a codec puts on an unscaled picture."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Steps of one picture by their position in a block of 8.

    Attributes:
        across: mean step between columns, shape (8,), 8-bit code values.
        down: mean step between lines.
    """

    across: NDArray[np.float64]
    down: NDArray[np.float64]


def grid_of(middle: Crop) -> Grid | None:
    """How much every step exceeds its two neighbours; None for pictures below 6 blocks.

    A border of blocks is a step between two smooth sides: the mean of the steps beside it is taken off, so that
    texture and ramps cancel (Wang, Bovik and Evans 2000 compare steps in the same way).
    """
    if min(middle.shape) < _MIN_BLOCKS * BLOCK_PX:
        return None
    # Every second line and column tells enough; neighbours across the step are whole.
    upright: Crop = np.ascontiguousarray(middle[:, ::2].T)  # type: ignore[assignment]  # its type is the picture's
    return Grid(across=_profile(middle[::2]), down=_profile(upright))


def _profile(luma: Crop) -> NDArray[np.float64]:
    steps = cv2.min(cv2.absdiff(luma[:, 1:], luma[:, :-1]), _LARGEST_STEP)  # type: ignore[call-overload]  # a number is allowed
    means = cv2.reduce(steps, 0, cv2.REDUCE_AVG, dtype=cv2.CV_64F)[0]
    excess = means[1:-1] - (means[:-2] + means[2:]) / 2
    whole = excess.size // BLOCK_PX * BLOCK_PX
    # The first entry belongs to step 1, between samples 1 and 2.
    by_phase: NDArray[np.float64] = np.roll(np.median(excess[:whole].reshape(-1, BLOCK_PX), axis=0), 1)
    return by_phase


def blockiness(grids: list[Grid]) -> Figure:
    """Excess of the coded grid over all other positions, mean of both directions, median over the samples.

    The confidence is low where another position stands out more: the picture was scaled or cropped after it was
    coded, and no filter finds its blocks again.
    """
    if not grids:
        return Figure()
    across = np.median(np.stack([grid.across for grid in grids]), axis=0)
    down = np.median(np.stack([grid.down for grid in grids]), axis=0)
    found = [_excess(profile) for profile in (across, down)]
    value = max(0.0, sum(excess for excess, _ in found) / 2)
    is_aligned = all(coded for _, coded in found)
    return Figure(value=value, confidence=1.0 if is_aligned or value == 0 else _SCALED)


def _excess(profile: NDArray[np.float64]) -> tuple[float, bool]:
    """Strength of the coded position over the strongest of the others that do not touch it."""
    others = np.delete(profile, [_CODED_PHASE - 1, _CODED_PHASE, (_CODED_PHASE + 1) % BLOCK_PX])
    coded = float(profile[_CODED_PHASE]) - float(np.median(others))
    strongest_other = float(others.max()) - float(np.median(others))
    return coded, coded >= strongest_other
