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
    previous, current = previous[:height, :width], current[:height, :width]
    still = current - previous
    moved = current - _motion_compensated(previous, current)
    still_deviation, moved_deviation = _deviation(still), _deviation(moved)
    deviations = np.minimum(still_deviation, moved_deviation)
    usable = (_clipped_share(current, low, high) <= _MAX_CLIPPED_SHARE) & (deviations > 0)
    if int(usable.sum()) < _MIN_BLOCKS:
        return None
    chosen = deviations[usable]
    sigma = float(np.percentile(chosen, _PERCENTILE)) / np.sqrt(2) / _SELECTION_BIAS
    kept = max(_MIN_BLOCKS, chosen.size // _QUARTERS)
    limit = np.partition(chosen, kept - 1)[kept - 1]
    best = usable & (deviations <= limit)
    high_still, high_moved = (
        _deviation(_diagonal(still), BLOCK_PX // 2),
        _deviation(_diagonal(moved), BLOCK_PX // 2),
    )
    high_band = np.where(moved_deviation < still_deviation, high_moved, high_still)[best]
    ratio = float(np.sqrt(np.mean(high_band**2) / np.mean(deviations[best] ** 2)))
    return NoiseEstimate(float(sigma), ratio, _confidence(float(sigma) * ratio, current, usable))


def _motion_compensated(previous: NDArray[np.float32], current: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whole-pixel motion for each block: interpolation would smooth the noise that is to be measured."""
    height, width = current.shape
    flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    before = np.clip(previous[:height, :width], 0, 255).astype(np.uint8)
    flow = flow_of.calc(np.clip(current, 0, 255).astype(np.uint8), before, None)  # type: ignore[call-overload]  # the stubs ask for an initial flow
    rows, columns = height // BLOCK_PX, width // BLOCK_PX
    centres = flow.reshape(rows, BLOCK_PX, columns, BLOCK_PX, 2)[:, 4:12:3, :, 4:12:3]
    steps = np.rint(np.median(centres, axis=(1, 3))).astype(np.float32)
    whole = steps.repeat(BLOCK_PX, 0).repeat(BLOCK_PX, 1)
    x = np.arange(width, dtype=np.float32)[None, :] + whole[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + whole[..., 1]
    moved: NDArray[np.float32] = cv2.remap(
        previous, x, y, interpolation=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )  # type: ignore[assignment]  # the stubs do not know that the type of the input is kept
    return moved


def _deviation(picture: NDArray[np.float32], block: int = BLOCK_PX) -> NDArray[np.float32]:
    """Standard deviation of every block, shape (rows, columns)."""
    size = (picture.shape[1] // block, picture.shape[0] // block)
    mean = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    square = cv2.resize(picture * picture, size, interpolation=cv2.INTER_AREA)
    deviation: NDArray[np.float32] = np.sqrt(np.maximum(square - mean * mean, 0)).astype(np.float32)
    return deviation


def _clipped_share(picture: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    clipped = ((picture <= low) | (picture >= high)).astype(np.float32)
    size = (picture.shape[1] // BLOCK_PX, picture.shape[0] // BLOCK_PX)
    share: NDArray[np.float32] = np.asarray(
        cv2.resize(clipped, size, interpolation=cv2.INTER_AREA), np.float32
    )
    return share


def _confidence(sigma_high: float, picture: NDArray[np.float32], usable: NDArray[np.bool_]) -> float:
    """Noise in the high band relative to everything that is in the high band of the flattest blocks."""
    deviations = _deviation(_diagonal(picture), BLOCK_PX // 2)[usable]
    flattest = float(np.percentile(deviations, _PERCENTILE)) / _HIGH_BAND_SELECTION_BIAS
    return min(1.0, sigma_high / flattest) if flattest > 0 else 1.0


def _diagonal(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Diagonal band of the Haar transform at half the size, normalised so that white noise keeps its σ."""
    band: NDArray[np.float32] = (
        picture[::2, ::2] - picture[::2, 1::2] - picture[1::2, ::2] + picture[1::2, 1::2]
    ) * np.float32(0.5)
    return band
