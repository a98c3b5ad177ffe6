"""How noisy a picture is, from two consecutive ones. Pure: arrays in, numbers out.

Noise is what is left of the difference of two pictures after motion is taken out: its standard deviation in the
blocks where that works best, divided by √2 because both pictures are noisy. Motion is found in whole pixels, because
interpolation would smooth the noise that is to be measured; what a shift by less than a pixel or a change of light
leaves is then fitted to each block and subtracted.
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

_SELECTION_BIAS: Final = 1.0 - 1.2816 / np.sqrt(2 * _VALUES)
"""The 10th percentile of the sample deviations of blocks of 256 normal values, relative to σ (1.2816: the
normal distribution's 90th percentile; a sample deviation of n values scatters by σ/√2n)."""

_HIGH_BAND_SELECTION_BIAS: Final = 1.0 - 1.2816 / np.sqrt(_VALUES / 2)
_QUARTERS: Final = 4
_ENOUGH_BLOCKS: Final = 600
"""More blocks of a larger picture would take longer and tell nothing new."""

_FITTED: Final = 3
"""Numbers that are fitted to a block beside its mean: two directions of a shift, and a factor of light."""

_FITTED_SHARE: Final = 0.5
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
    fitted = max(_MIN_BLOCKS, int(count * _FITTED_SHARE))
    limit = np.partition(deviation[usable], fitted - 1)[fitted - 1]
    chosen = usable & (deviation <= limit)
    return _measured(_unexplained(before[chosen], now[chosen]), kept[chosen], now[usable])


def _measured(residual: Blocks, kept: NDArray[np.float32], now: Blocks) -> NoiseEstimate:
    """What the differences in the best blocks say; `now` is all that could be used of the picture."""
    freedom = np.float32(np.sqrt((_VALUES - 1) / (_VALUES - 1 - _FITTED)))
    deviation = _deviation(residual) * freedom / kept
    blocks_per_percent = len(now) / 100 / deviation.size
    sigma = float(np.percentile(deviation, min(100.0, 100 * _PERCENTILE * blocks_per_percent)))
    sigma /= float(np.sqrt(2) * _SELECTION_BIAS)
    best = deviation <= np.percentile(deviation, min(100.0, 100 * 100 / _QUARTERS * blocks_per_percent))
    fine = _deviation(_diagonal(residual[best])) / kept[best]
    ratio = float(np.sqrt(np.mean(fine**2) / max(1e-12, float(np.mean(deviation[best] ** 2)))))
    return NoiseEstimate(sigma, ratio, _confidence(sigma * ratio, now))


def _blocks(picture: Picture) -> Blocks:
    height, width = picture.shape
    parts = picture.reshape(height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, BLOCK_PX).swapaxes(1, 2)
    return np.ascontiguousarray(parts).reshape(-1, _VALUES).astype(np.float32)


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


def _unexplained(before: Blocks, now: Blocks) -> Blocks:
    """The difference of blocks less what a small shift and a change of light explain, by least squares.

    The mean of both blocks gives the gradient; its noise is independent of the difference's, so nothing of the noise
    is explained away beyond the three numbers fitted.
    """
    difference = now - before
    difference -= difference.mean(axis=1, keepdims=True)
    side = (-1, BLOCK_PX, BLOCK_PX)
    mean = ((now + before) * np.float32(0.5)).reshape(side)
    mean = mean - mean.mean(axis=(1, 2), keepdims=True)
    across, down = np.zeros_like(mean), np.zeros_like(mean)
    across[:, :, 1:-1] = mean[:, :, 2:] - mean[:, :, :-2]
    down[:, 1:-1] = mean[:, 2:] - mean[:, :-2]
    known = np.stack([part.reshape(-1, _VALUES) for part in (across, down, mean)], axis=1)
    known -= known.mean(axis=2, keepdims=True)
    gram = known @ known.swapaxes(1, 2) + np.eye(_FITTED, dtype=np.float32) * np.float32(_VALUES * 1e-3)
    share = np.linalg.solve(gram, known @ difference[..., None])
    left: Blocks = difference - (share.swapaxes(1, 2) @ known)[:, 0]
    return left


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
