"""How noisy a picture is, from two of one scene. Pure: arrays in, numbers out.

Noise is what is left of the difference of two pictures after motion is taken out: its standard deviation in the
blocks where that works best, divided by √2 because both pictures are noisy. What a shift by less than a pixel or a
change of light leaves is fitted to each block and subtracted. What even that leaves lies on edges, so the pixels
beside them tell the noise. White noise is as strong in every block, and the quietest ones are free of everything
else; of noise that a codec has shaped the quietest blocks are those it copied, and the typical flat one counts.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.media.noise_blocks import (
    BLOCK_PX,
    FEWEST_BLOCKS,
    VALUES,
    Blocks,
    Picture,
    deviation_of,
    diagonal,
    kept_by_clipping,
    matched_blocks,
)

_PERCENTILE: Final = 10.0
_DUPLICATE_DIFFERENCE: Final = 0.01
"""Mean absolute difference (8-bit code values) below which a picture repeats the one before."""

_NORMAL_P90: Final = 1.2816
"""The normal distribution's 90th percentile. A sample deviation of n values scatters by σ/√2n, so the 10th percentile
of many such deviations is σ (1 - 1.2816/√2n)."""

_HIGH_BAND_SELECTION_BIAS: Final = 1.0 - _NORMAL_P90 / np.sqrt(VALUES / 2)
_QUARTERS: Final = 4
_FITTED: Final = 3
"""Numbers that are fitted to a block beside its mean: two directions of a shift, and a factor of light."""

_FITTED_DIVISOR: Final = 2
"""The better half of the blocks, of each class of light."""

_LIGHT_CLASSES: Final = 4
"""A camera's noise follows the light: the quieter half of all blocks would be the darker one."""

_CALM_GRADIENT: Final = 0.5
"""Of a block's mean squared gradient: pixels up to it are measured. The gradient is that of the mean of two pictures,
whose noise is independent of that of their difference: the choice does not favour small differences."""

_FEWEST_CALM: Final = 64
"""Pixels; in a block with fewer (an even ramp) all are measured."""

_WHITE_FROM: Final = 0.95
_SHAPED_TO: Final = 0.7
"""Share of the high band between which the estimate passes from the quietest blocks to the typical one."""

_UNSEEN: Final = 0.6
"""How much of noise the temporal difference does not show, for each part that is missing in the high band: a codec
repeats noise from picture to picture, and the fit takes some of its coarse part. Fitted to six clips, before distant
pictures were compared."""

_LEAST_SEEN_HIGH_BAND: Final = 0.4
"""Where that was fitted: coarse blocks of a weak codec have less, and nothing is known of them."""

_UNEVEN_TO_EVEN: Final = (0.35, 0.6)
"""The quietest blocks relative to the typical one. Below, it is no noise but what a codec leaves around moving edges:
0.65 and more with noise on those clips, 0.4 on a drawn clip without noise in MPEG-2."""

_EVEN_TO_COPIED: Final = (0.85, 0.75)
"""The same figure between that of noise which is new in every picture (film grain: 0.89 and more on 15 clips) and that
of noise which a codec copies. With 0.95–0.8 or 0.9–0.7 the estimates are within 2 % of these."""


@dataclass(frozen=True, slots=True)
class NoiseEstimate:
    """Noise between two pictures.

    Attributes:
        sigma: standard deviation of luma noise, 8-bit code values.
        high_band_ratio: share of it in the diagonal high band; 1 for white noise, below about 0.6 when a codec
            has removed the fine part.
        confidence: how much of the fine detail of the flattest blocks the noise explains, 0–1. Where texture is
            everywhere and moves, `sigma` is only an upper bound, and this is well below 1.
        copying: how much speaks for a codec that repeats noise from picture to picture, 0–1: it is coarse, and some
            blocks have much less of it than others. Consecutive pictures then tell less than all of it.
    """

    sigma: float
    high_band_ratio: float
    confidence: float
    copying: float


@dataclass(frozen=True, slots=True)
class _Difference:
    """What is left of the difference of blocks.

    Attributes:
        residual: shape (blocks, BLOCK_PX²).
        gradient: mean square of each block's gradient, shape (blocks,).
        is_calm: pixels beside the edges, of the shape of `residual`.
    """

    residual: Blocks
    gradient: NDArray[np.float32]
    is_calm: NDArray[np.bool_]


def estimate_noise(previous: Picture, current: Picture) -> NoiseEstimate | None:
    """Compare two pictures of one scene.

    Of consecutive ones motion leaves least; from one to the next but three, a codec has replaced the noise it copied.

    Args:
        previous: limited-range luma.
        current: the same of a later picture, of the same type.

    Returns:
        None when the pictures are the same one, or too little of them can be compared.
    """
    height, width = (size // BLOCK_PX * BLOCK_PX for size in current.shape)
    if height < 2 * BLOCK_PX or width < 2 * BLOCK_PX:
        return None
    previous, current = previous[:height, :width], current[:height, :width]
    if cv2.norm(previous, current, cv2.NORM_L1) < _DUPLICATE_DIFFERENCE * current.size:
        return None
    blocks = matched_blocks(previous, current)
    now, before, deviation = blocks.now, blocks.before, blocks.deviation
    kept = kept_by_clipping(now, deviation > 0)
    usable = (deviation > 0) & (kept > 0)
    count = int(usable.sum())
    if count < FEWEST_BLOCKS:
        return None
    light = _light_classes(now, usable)
    chosen = np.zeros_like(usable)
    for number in range(_LIGHT_CLASSES):
        members = np.flatnonzero(light == number)
        fitted = -(-len(members) // _FITTED_DIVISOR)
        chosen[members[np.argpartition(deviation[members], fitted - 1)[:fitted]]] = True
    difference = _unexplained(before[chosen], now[chosen])
    return _measured(difference, light[chosen], kept[chosen], now[usable])


def _light_classes(now: Blocks, usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Which class of light each block belongs to, all of about the same size; -1: the block is not used."""
    numbers = np.flatnonzero(usable)
    order = np.argsort(now[numbers].sum(axis=1), kind="stable")
    light = np.full(len(now), -1, np.int64)
    light[numbers[order]] = np.arange(len(numbers)) * _LIGHT_CLASSES // len(numbers)
    return light


def _measured(
    difference: _Difference, light: NDArray[np.int64], kept: NDArray[np.float32], now: Blocks
) -> NoiseEstimate:
    """What the differences in the best blocks say; `now` is all that could be used of the picture."""
    freedom = np.float32(np.sqrt((VALUES - 1) / (VALUES - 1 - _FITTED)))
    deviation, values = _calm_deviation(difference, kept >= 1)
    deviation /= kept * np.float32(np.sqrt(2))
    blocks_per_percent = len(now) / 100 / deviation.size
    quietest = float(np.percentile(deviation, min(100.0, 100 * _PERCENTILE * blocks_per_percent)))
    quietest /= 1.0 - _NORMAL_P90 / float(np.sqrt(2 * values))
    typical = _typical(deviation, difference.gradient, light)

    whole = deviation_of(difference.residual)
    best = whole <= np.percentile(whole, min(100.0, 100 * 100 / _QUARTERS * blocks_per_percent))
    fine = deviation_of(diagonal(difference.residual[best])) / kept[best]
    rough = whole[best] * freedom / kept[best]
    ratio = float(np.sqrt(np.mean(fine**2) / max(1e-12, float(np.mean(rough**2)))))
    typical *= 1 + _UNSEEN * max(0.0, _SHAPED_TO - max(_LEAST_SEEN_HIGH_BAND, ratio))
    evenness = quietest / max(1e-12, typical)
    shaped = _between(ratio, _WHITE_FROM, _SHAPED_TO)
    sigma = quietest + shaped * _between(evenness, *_UNEVEN_TO_EVEN) * (typical - quietest)
    copying = shaped * _between(evenness, *_EVEN_TO_COPIED)
    return NoiseEstimate(sigma, ratio, _confidence(sigma * ratio, now), copying)


def _typical(
    deviation: NDArray[np.float32], gradient: NDArray[np.float32], light: NDArray[np.int64]
) -> float:
    """Root mean square over the classes of light of what the flatter half of the blocks has in the middle."""
    classes = [light == number for number in range(_LIGHT_CLASSES)]
    flat = [one & (gradient <= np.median(gradient[one])) for one in classes]
    return float(np.sqrt(np.mean([np.median(deviation[one]) ** 2 for one in flat])))


def _between(value: float, nothing: float, everything: float) -> float:
    """0 at one value and beyond, 1 at the other."""
    return float(np.clip((value - nothing) / (everything - nothing), 0, 1))


def _calm_deviation(
    difference: _Difference, is_unclipped: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], float]:
    """Root mean square of every block's pixels beside its edges, and how many those are in the mean.

    What was fitted is the gradient, which takes next to nothing from them. Clipping leaves no gradient: of a
    clipped block all pixels count.
    """
    squares = difference.residual * difference.residual
    calm = difference.is_calm
    count = calm.sum(axis=1, dtype=np.float32)
    chosen = is_unclipped & (count >= _FEWEST_CALM)
    calm_sum = np.einsum("ij,ij->i", squares, calm.astype(np.float32))
    mean = np.where(chosen, calm_sum / np.maximum(count, 1), squares.mean(axis=1))
    deviation: NDArray[np.float32] = np.sqrt(mean).astype(np.float32)
    return deviation, float(np.where(chosen, count, VALUES).mean())


def _unexplained(before: Blocks, now: Blocks) -> _Difference:
    """The difference of blocks less what a small shift and a change of light explain, by least squares.

    The mean of both blocks gives the gradient; its noise is independent of the difference's, so nothing of the noise
    is explained away beyond the three numbers fitted.
    """
    difference = now - before
    difference -= difference.mean(axis=1, keepdims=True)
    side = (-1, BLOCK_PX, BLOCK_PX)
    known = np.zeros((len(now), _FITTED, VALUES), np.float32)
    across, down, mean = (known[:, number].reshape(side) for number in range(_FITTED))
    np.add(now.reshape(side), before.reshape(side), out=mean)
    mean *= np.float32(0.5)
    mean -= mean.mean(axis=(1, 2), keepdims=True)
    across[:, :, 1:-1] = mean[:, :, 2:] - mean[:, :, :-2]
    down[:, 1:-1] = mean[:, 2:] - mean[:, :-2]
    slope = across * across + down * down
    inner = slope[:, 1:-1, 1:-1]
    gradient = inner.mean(axis=(1, 2), dtype=np.float32)
    is_calm = np.zeros(mean.shape, np.bool_)
    np.less_equal(inner, gradient[:, None, None] * np.float32(_CALM_GRADIENT), out=is_calm[:, 1:-1, 1:-1])
    known -= known.mean(axis=2, keepdims=True)
    gram = known @ known.swapaxes(1, 2) + np.eye(_FITTED, dtype=np.float32) * np.float32(VALUES * 1e-3)
    share = np.linalg.solve(gram, known @ difference[..., None])
    explained = (share.swapaxes(1, 2) @ known)[:, 0]
    left: Blocks = np.subtract(difference, explained, dtype=np.float32)
    return _Difference(left, gradient, is_calm.reshape(-1, VALUES))


def _confidence(sigma_high: float, blocks: Blocks) -> float:
    """Noise in the high band relative to everything that is in the high band of the flattest blocks."""
    flattest = float(np.percentile(deviation_of(diagonal(blocks)), _PERCENTILE)) / _HIGH_BAND_SELECTION_BIAS
    return min(1.0, float(sigma_high / flattest)) if flattest > 0 else 1.0
