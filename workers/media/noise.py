"""How noisy a picture is, from two consecutive ones. Pure: arrays in, numbers out.

Noise is what is left of the difference of two pictures after motion is taken out: its standard deviation in the
blocks where that works best, divided by √2 because both pictures are noisy.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK_PX: Final = 16
_PERCENTILE: Final = 10.0
_MIN_BLOCKS: Final = 12
_MAX_CLIPPED_SHARE: Final = 0.02
_DUPLICATE_DIFFERENCE: Final = 0.01
"""Mean absolute difference (8-bit code values) below which a picture repeats the one before."""

_SELECTION_BIAS: Final = 1.0 - 1.2816 / np.sqrt(2 * BLOCK_PX**2)
"""The 10th percentile of the sample deviations of blocks of 256 normal values, relative to σ (1.2816: the
normal distribution's 90th percentile; a sample deviation of n values scatters by σ/√2n)."""

_HIGH_BAND_SELECTION_BIAS: Final = 1.0 - 1.2816 / np.sqrt(2 * (BLOCK_PX // 2) ** 2)
_QUARTERS: Final = 4


@dataclass(frozen=True, slots=True)
class NoiseEstimate:
    """Noise between two pictures.

    Attributes:
        sigma: standard deviation of luma noise, 8-bit code values.
        high_band_ratio: share of it in the diagonal high band; 1 for white noise, below about 0.6 when a codec
            has removed the fine part.
        confidence: how much of the fine detail of the flattest blocks the noise explains, 0–1. Where texture is
            everywhere and moves, `sigma` is only an upper bound, and this is well below 1.
    """

    sigma: float
    high_band_ratio: float
    confidence: float


def estimate_noise(
    previous: NDArray[np.float32], current: NDArray[np.float32], *, low: float = 16.5, high: float = 234.5
) -> NoiseEstimate | None:
    """Compare two consecutive pictures.

    Args:
        previous: luma, shape (height, width), 8-bit code values with fractions.
        current: the same of the next picture.
        low: values up to here count as clipped.
        high: values from here on count as clipped.

    Returns:
        None when the pictures are the same one, or too little of them can be compared.
    """
    if float(np.mean(cv2.absdiff(previous, current))) < _DUPLICATE_DIFFERENCE:
        return None
    height, width = (size // BLOCK_PX * BLOCK_PX for size in current.shape)
    if height < 2 * BLOCK_PX or width < 2 * BLOCK_PX:
        return None
    current = current[:height, :width]
    residual = _best_residual(previous, current)
    blocks = _blocks(residual)
    usable = _clipped_share(current, low, high) <= _MAX_CLIPPED_SHARE
    deviations = blocks.std(axis=(1, 2))
    usable &= deviations > 0
    if int(usable.sum()) < _MIN_BLOCKS:
        return None
    chosen = deviations[usable]
    sigma = float(np.percentile(chosen, _PERCENTILE)) / np.sqrt(2) / _SELECTION_BIAS
    best = blocks[usable][np.argsort(chosen)[: max(_MIN_BLOCKS, chosen.size // _QUARTERS)]]
    ratio = _high_band_ratio(best)
    return NoiseEstimate(float(sigma), ratio, _confidence(float(sigma) * ratio, _blocks(current)[usable]))


def _best_residual(previous: NDArray[np.float32], current: NDArray[np.float32]) -> NDArray[np.float32]:
    """For every block the difference to the better of: the same place, the place the motion points to."""
    height, width = current.shape
    still = current - previous[:height, :width]
    moved = current - _motion_compensated(previous, current)
    better = _blocks(moved).std(axis=(1, 2)) < _blocks(still).std(axis=(1, 2))
    mask = better.reshape(height // BLOCK_PX, width // BLOCK_PX).repeat(BLOCK_PX, 0).repeat(BLOCK_PX, 1)
    chosen: NDArray[np.float32] = np.where(mask, moved, still)
    return chosen


def _motion_compensated(previous: NDArray[np.float32], current: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whole-pixel motion for each block: interpolation would smooth the noise that is to be measured."""
    height, width = current.shape
    flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    before = np.clip(previous[:height, :width], 0, 255).astype(np.uint8)
    flow = flow_of.calc(np.clip(current, 0, 255).astype(np.uint8), before, None)  # type: ignore[call-overload]  # the stubs ask for an initial flow
    rows, columns = height // BLOCK_PX, width // BLOCK_PX
    steps = np.median(flow.reshape(rows, BLOCK_PX, columns, BLOCK_PX, 2), axis=(1, 3))
    whole = np.rint(steps).astype(np.int32).repeat(BLOCK_PX, 0).repeat(BLOCK_PX, 1)
    y, x = np.mgrid[:height, :width]
    source_y = np.clip(y + whole[..., 1], 0, height - 1)
    source_x = np.clip(x + whole[..., 0], 0, width - 1)
    moved: NDArray[np.float32] = previous[source_y, source_x]
    return moved


def _blocks(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shape (blocks, 16, 16), row by row."""
    height, width = picture.shape
    rows, columns = height // BLOCK_PX, width // BLOCK_PX
    grid = picture.reshape(rows, BLOCK_PX, columns, BLOCK_PX).swapaxes(1, 2)
    return grid.reshape(rows * columns, BLOCK_PX, BLOCK_PX)


def _clipped_share(picture: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    clipped = ((picture <= low) | (picture >= high)).astype(np.float32)
    share: NDArray[np.float32] = _blocks(clipped).mean(axis=(1, 2))
    return share


def _confidence(sigma_high: float, blocks: NDArray[np.float32]) -> float:
    """Noise in the high band relative to everything that is in the high band of the flattest blocks."""
    deviations = _diagonal(blocks).std(axis=(1, 2))
    flattest = float(np.percentile(deviations, _PERCENTILE)) / _HIGH_BAND_SELECTION_BIAS
    return min(1.0, sigma_high / flattest) if flattest > 0 else 1.0


def _diagonal(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Diagonal band of the Haar transform, normalised so that white noise keeps its σ."""
    band: NDArray[np.float32] = (
        blocks[:, ::2, ::2] - blocks[:, ::2, 1::2] - blocks[:, 1::2, ::2] + blocks[:, 1::2, 1::2]
    ) * np.float32(0.5)
    return band


def _high_band_ratio(blocks: NDArray[np.float32]) -> float:
    """Deviation of the diagonal Haar band relative to that of the whole, which white noise spreads evenly."""
    whole = blocks - blocks.mean(axis=(1, 2), keepdims=True)
    diagonal = _diagonal(whole)
    deviation = float(np.sqrt(np.mean(whole**2)))
    return float(np.sqrt(np.mean(diagonal**2))) / deviation if deviation > 0 else 1.0
