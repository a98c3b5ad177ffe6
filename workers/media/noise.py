"""How noisy a picture is, from two consecutive ones. Pure: arrays in, numbers out.

Noise is what is left of the difference of two pictures after motion is taken out: its standard deviation in the
blocks where that works best, divided by √2 because both pictures are noisy. Motion is found in whole pixels, because
interpolation would smooth the noise that is to be measured; what a shift by less than a pixel or a change of light
leaves is then fitted to each block and subtracted. What even that leaves lies on edges, so the pixels beside them
tell the noise. White noise is as strong in every block, and the quietest ones are free of everything else; of noise
that a codec has shaped the quietest blocks are those it copied, and the typical flat one counts.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

type Picture = NDArray[np.uint8] | NDArray[np.float32]
"""Luma in 8-bit code values, with fractions or without, shape (height, width)."""

type Blocks = NDArray[np.float32]
"""Blocks of a picture, shape (blocks, BLOCK_PX²), row by row in each."""

BLOCK_PX: Final = 16
_VALUES: Final = BLOCK_PX**2
_PERCENTILE: Final = 10.0
_MIN_BLOCKS: Final = 12
_MAX_CLIPPED_SHARE: Final = 0.02
_FEW_UNCLIPPED: Final = 0.02
"""Share of blocks free of clipping below which partly clipped ones are measured, too: night scenes, strong noise."""

_KEPT_BY_CLIPPING: Final = ((0.0, 0.05, 0.1, 0.2, 0.3, 0.4), (1.0, 0.957, 0.915, 0.833, 0.751, 0.668))
"""Standard deviation of max(z, t), z standard normal, where a share P(z < t) is clipped; larger shares are not used."""

_BLACK: Final = 16
_WHITE: Final = 235
_BEYOND_RANGE_SHARE: Final = 0.001
"""More than this beyond nominal black or white: the signal goes on to the ends of the code."""

_DUPLICATE_DIFFERENCE: Final = 0.01
"""Mean absolute difference (8-bit code values) below which a picture repeats the one before."""

_NORMAL_P90: Final = 1.2816
"""The normal distribution's 90th percentile. A sample deviation of n values scatters by σ/√2n, so the 10th percentile
of many such deviations is σ (1 - 1.2816/√2n)."""

_HIGH_BAND_SELECTION_BIAS: Final = 1.0 - _NORMAL_P90 / np.sqrt(_VALUES / 2)
_QUARTERS: Final = 4
_ENOUGH_BLOCKS: Final = 600
"""More blocks of a larger picture would take longer and tell nothing new."""

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
repeats noise from picture to picture, and the fit takes some of its coarse part. Fitted to six clips: with it the
estimate is 0.86–1.06 of what H.264 leaves of camera noise (0.73–0.91 on leaves in motion) and 1.03–1.19 of film grain.
"""

_LEAST_SEEN_HIGH_BAND: Final = 0.4
"""Where that was fitted: coarse blocks of a weak codec have less, and nothing is known of them."""

_UNEVEN_TO_EVEN: Final = (0.35, 0.6)
"""The quietest blocks relative to the typical one. Below, it is no noise but what a codec leaves around moving edges:
0.65 and more with noise on those clips, 0.4 on a drawn clip without noise in MPEG-2."""

_SEARCHED_WIDTH_PX: Final = 512
"""Motion is searched in pictures that are halved until they are at most this wide: exact enough for whole pixels."""

_DEAD_DEVIATION: Final = 0.3
"""Spatial and temporal deviation up to which a block at the edge is part of a border instead of the scene."""


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
    """Compare two consecutive pictures.

    Args:
        previous: limited-range luma.
        current: the same of the next picture, of the same type.

    Returns:
        None when the pictures are the same one, or too little of them can be compared.
    """
    height, width = (size // BLOCK_PX * BLOCK_PX for size in current.shape)
    if height < 2 * BLOCK_PX or width < 2 * BLOCK_PX:
        return None
    previous, current = previous[:height, :width], current[:height, :width]
    if cv2.norm(previous, current, cv2.NORM_L1) < _DUPLICATE_DIFFERENCE * current.size:
        return None
    now, before = _blocks(current), _blocks(previous)
    deviation = _deviation(now - before)
    shape = height // BLOCK_PX, width // BLOCK_PX
    alive = ~_border(shape, deviation, now) & _spread(shape)
    now, before, deviation = now[alive], before[alive], deviation[alive]
    _follow_motion(previous, current, np.flatnonzero(alive), (now, before, deviation))
    kept = _kept_by_clipping(now, deviation > 0)
    usable = (deviation > 0) & (kept > 0)
    count = int(usable.sum())
    if count < _MIN_BLOCKS:
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
    freedom = np.float32(np.sqrt((_VALUES - 1) / (_VALUES - 1 - _FITTED)))
    deviation, values = _calm_deviation(difference, kept >= 1)
    deviation /= kept * np.float32(np.sqrt(2))
    blocks_per_percent = len(now) / 100 / deviation.size
    quietest = float(np.percentile(deviation, min(100.0, 100 * _PERCENTILE * blocks_per_percent)))
    quietest /= 1.0 - _NORMAL_P90 / float(np.sqrt(2 * values))
    typical = _typical(deviation, difference.gradient, light)

    whole = _deviation(difference.residual)
    best = whole <= np.percentile(whole, min(100.0, 100 * 100 / _QUARTERS * blocks_per_percent))
    fine = _deviation(_diagonal(difference.residual[best])) / kept[best]
    rough = whole[best] * freedom / kept[best]
    ratio = float(np.sqrt(np.mean(fine**2) / max(1e-12, float(np.mean(rough**2)))))
    typical *= 1 + _UNSEEN * max(0.0, _SHAPED_TO - max(_LEAST_SEEN_HIGH_BAND, ratio))
    evenness = quietest / max(1e-12, typical)
    shaped = _between(ratio, _WHITE_FROM, _SHAPED_TO) * _between(evenness, *_UNEVEN_TO_EVEN)
    sigma = quietest + shaped * (typical - quietest)
    return NoiseEstimate(sigma, ratio, _confidence(sigma * ratio, now))


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
    return deviation, float(np.where(chosen, count, _VALUES).mean())


def _blocks(picture: Picture) -> Blocks:
    height, width = picture.shape
    parts = picture.reshape(height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, BLOCK_PX).swapaxes(1, 2)
    return np.ascontiguousarray(parts, np.float32).reshape(-1, _VALUES)


def _deviation(blocks: Blocks) -> NDArray[np.float32]:
    """Standard deviation of every block, shape (blocks,)."""
    count = np.float32(blocks.shape[1])
    mean = blocks.sum(axis=1, dtype=np.float32) / count
    square = np.einsum("ij,ij->i", blocks, blocks) / count
    deviation: NDArray[np.float32] = np.sqrt(np.maximum(square - mean * mean, 0))
    return deviation


def _border(shape: tuple[int, int], deviation: NDArray[np.float32], now: Blocks) -> NDArray[np.bool_]:
    """Blocks in rows and columns, from the edges inwards, where nothing ever happens: black bars."""
    is_dead = ((deviation <= _DEAD_DEVIATION) & (_deviation(now) <= _DEAD_DEVIATION)).reshape(shape)
    border = np.zeros(shape, np.bool_)
    rows, columns = is_dead.all(axis=1), is_dead.all(axis=0)
    for edge, part in ((rows, border), (rows[::-1], border[::-1])):
        part[: int(np.argmin(edge)) if not edge.all() else 0] = True
    for edge, part in ((columns, border.T), (columns[::-1], border.T[::-1])):
        part[: int(np.argmin(edge)) if not edge.all() else 0] = True
    return border.ravel()


def _spread(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Evenly spread blocks, as many as are enough: each row begins one further along."""
    every = max(1, shape[0] * shape[1] // _ENOUGH_BLOCKS)
    row, column = np.indices(shape)
    spread: NDArray[np.bool_] = ((row + column) % every == 0).ravel()
    return spread


def _follow_motion(
    previous: Picture,
    current: Picture,
    numbers: NDArray[np.int64],
    blocks: tuple[Blocks, Blocks, NDArray[np.float32]],
) -> None:
    """Put the counterparts that fit better after whole-pixel motion in the places of those that do not.

    Args:
        previous: picture of whole blocks.
        current: the next one.
        numbers: of the blocks in the picture, row by row.
        blocks: of the current picture, of the previous one at the same place, and the deviation of their difference;
            the latter two are changed.
    """
    now, before, deviation = blocks
    x, y = _motion(previous, current)
    height, width = previous.shape
    columns = width // BLOCK_PX
    moving = np.flatnonzero((x[numbers] != 0) | (y[numbers] != 0))
    if moving.size == 0:
        return
    number = numbers[moving]
    left = np.clip(number % columns * BLOCK_PX + x[number], 0, width - BLOCK_PX)
    top = np.clip(number // columns * BLOCK_PX + y[number], 0, height - BLOCK_PX)
    windows = np.lib.stride_tricks.sliding_window_view(previous, (BLOCK_PX, BLOCK_PX))
    moved = windows[top, left].reshape(-1, _VALUES).astype(np.float32)
    moved_deviation = _deviation(now[moving] - moved)
    better = moved_deviation < deviation[moving]
    before[moving[better]] = moved[better]
    deviation[moving[better]] = moved_deviation[better]


def _motion(previous: Picture, current: Picture) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Whole-pixel motion of every block to its place in the previous picture: x and y, each of shape (blocks,)."""
    small: list[NDArray[np.uint8]] = [
        np.ascontiguousarray(picture, np.uint8) if picture.dtype == np.uint8 else _whole(picture)
        for picture in (current, previous)
    ]
    scale = 1
    while small[0].shape[1] > _SEARCHED_WIDTH_PX and small[0].shape[0] >= 4 * BLOCK_PX:
        half = (small[0].shape[1] // 2, small[0].shape[0] // 2)
        small = [
            np.asarray(cv2.resize(picture, half, interpolation=cv2.INTER_AREA), np.uint8) for picture in small
        ]
        scale *= 2
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    flow = search.calc(small[0], small[1], None)  # type: ignore[call-overload]  # the stubs ask for an initial flow
    height, width = (size // BLOCK_PX for size in current.shape)
    at_x = np.minimum((np.arange(width) * 2 + 1) * BLOCK_PX // (2 * scale), flow.shape[1] - 1)
    at_y = np.minimum((np.arange(height) * 2 + 1) * BLOCK_PX // (2 * scale), flow.shape[0] - 1)
    steps = np.rint(flow[at_y[:, None], at_x[None, :]] * scale).astype(np.int64).reshape(-1, 2)
    return steps[:, 0], steps[:, 1]


def _whole(picture: Picture) -> NDArray[np.uint8]:
    """Rounded to whole code values."""
    return np.asarray(cv2.convertScaleAbs(picture), np.uint8)


def _unexplained(before: Blocks, now: Blocks) -> _Difference:
    """The difference of blocks less what a small shift and a change of light explain, by least squares.

    The mean of both blocks gives the gradient; its noise is independent of the difference's, so nothing of the noise
    is explained away beyond the three numbers fitted.
    """
    difference = now - before
    difference -= difference.mean(axis=1, keepdims=True)
    side = (-1, BLOCK_PX, BLOCK_PX)
    known = np.zeros((len(now), _FITTED, _VALUES), np.float32)
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
    gram = known @ known.swapaxes(1, 2) + np.eye(_FITTED, dtype=np.float32) * np.float32(_VALUES * 1e-3)
    share = np.linalg.solve(gram, known @ difference[..., None])
    explained = (share.swapaxes(1, 2) @ known)[:, 0]
    left: Blocks = np.subtract(difference, explained, dtype=np.float32)
    return _Difference(left, gradient, is_calm.reshape(-1, _VALUES))


def _kept_by_clipping(now: Blocks, alive: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Share of a normal deviation that is left in each block; 0 for blocks that cannot be used."""
    sample = now[::2, ::4]
    low = 0.5 if float((sample < _BLACK - 0.5).mean()) > _BEYOND_RANGE_SHARE else _BLACK + 0.5
    high = 254.5 if float((sample > _WHITE + 0.5).mean()) > _BEYOND_RANGE_SHARE else _WHITE - 0.5
    clipped = ((now <= low) | (now >= high)).mean(axis=1)
    free = clipped <= _MAX_CLIPPED_SHARE
    if int((free & alive).sum()) >= max(_MIN_BLOCKS, _FEW_UNCLIPPED * len(now)):
        return free.astype(np.float32)
    shares, kept = _KEPT_BY_CLIPPING
    return np.where(clipped <= shares[-1], np.interp(clipped, shares, kept), 0).astype(np.float32)


def _confidence(sigma_high: float, blocks: Blocks) -> float:
    """Noise in the high band relative to everything that is in the high band of the flattest blocks."""
    flattest = float(np.percentile(_deviation(_diagonal(blocks)), _PERCENTILE)) / _HIGH_BAND_SELECTION_BIAS
    return min(1.0, float(sigma_high / flattest)) if flattest > 0 else 1.0


def _diagonal(blocks: Blocks) -> Blocks:
    """Diagonal band of the Haar transform at half the size, normalised so that white noise keeps its σ."""
    parts = blocks.reshape(-1, BLOCK_PX // 2, 2, BLOCK_PX // 2, 2)
    band: Blocks = (
        parts[:, :, 0, :, 0] - parts[:, :, 0, :, 1] - parts[:, :, 1, :, 0] + parts[:, :, 1, :, 1]
    ) * np.float32(0.5)
    return band.reshape(len(blocks), -1)
