"""Blocks of two pictures, each with its counterpart after motion: what a noise estimate compares. Pure.

Motion is found in whole pixels, because interpolation would smooth the noise that is to be measured.
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
VALUES: Final = BLOCK_PX**2
FEWEST_BLOCKS: Final = 12
"""Blocks without which nothing is said of a picture."""

_MAX_CLIPPED_SHARE: Final = 0.02
_FEW_UNCLIPPED: Final = 0.02
"""Share of blocks free of clipping below which partly clipped ones are measured, too: night scenes, strong noise."""

_KEPT_BY_CLIPPING: Final = ((0.0, 0.05, 0.1, 0.2, 0.3, 0.4), (1.0, 0.957, 0.915, 0.833, 0.751, 0.668))
"""Standard deviation of max(z, t), z standard normal, where a share P(z < t) is clipped; larger shares are not used."""

_BLACK: Final = 16
_WHITE: Final = 235
_BEYOND_RANGE_SHARE: Final = 0.001
"""More than this beyond nominal black or white: the signal goes on to the ends of the code."""

_ENOUGH_BLOCKS: Final = 600
"""More blocks of a larger picture would take longer and tell nothing new."""

_SEARCHED_WIDTH_PX: Final = 512
"""Motion is searched in pictures that are halved until they are at most this wide: exact enough for whole pixels."""

_DEAD_DEVIATION: Final = 0.3
"""Spatial and temporal deviation up to which a block at the edge is part of a border instead of the scene."""


@dataclass(frozen=True, slots=True)
class MatchedBlocks:
    """Blocks of a picture and their counterparts in another one.

    Attributes:
        now: of the picture.
        before: the counterparts.
        deviation: standard deviation of their difference, shape (blocks,).
    """

    now: Blocks
    before: Blocks
    deviation: NDArray[np.float32]


def matched_blocks(previous: Picture, current: Picture) -> MatchedBlocks:
    """Evenly spread blocks of a picture of whole blocks, without black bars, with what they show in another one."""
    rows, columns = _spread(current.shape[0] // BLOCK_PX, current.shape[1] // BLOCK_PX)
    now, before = _picked(current, rows, columns), _picked(previous, rows, columns)
    deviation = deviation_of(now - before)
    alive = ~_border(rows, columns, (deviation <= _DEAD_DEVIATION) & (deviation_of(now) <= _DEAD_DEVIATION))
    rows, columns = rows[alive], columns[alive]
    blocks = MatchedBlocks(now[alive], before[alive], deviation[alive])
    _follow_motion(previous, current, (rows, columns), blocks)
    return blocks


def kept_by_clipping(now: Blocks, alive: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Share of a normal deviation that is left in each block; 0 for blocks that cannot be used."""
    sample = now[::2, ::4]
    low = 0.5 if float((sample < _BLACK - 0.5).mean()) > _BEYOND_RANGE_SHARE else _BLACK + 0.5
    high = 254.5 if float((sample > _WHITE + 0.5).mean()) > _BEYOND_RANGE_SHARE else _WHITE - 0.5
    clipped = ((now <= low) | (now >= high)).mean(axis=1)
    free = clipped <= _MAX_CLIPPED_SHARE
    if int((free & alive).sum()) >= max(FEWEST_BLOCKS, _FEW_UNCLIPPED * len(now)):
        return free.astype(np.float32)
    shares, kept = _KEPT_BY_CLIPPING
    return np.where(clipped <= shares[-1], np.interp(clipped, shares, kept), 0).astype(np.float32)


def deviation_of(blocks: Blocks) -> NDArray[np.float32]:
    """Standard deviation of every block, shape (blocks,)."""
    count = np.float32(blocks.shape[1])
    mean = blocks.sum(axis=1, dtype=np.float32) / count
    square = np.einsum("ij,ij->i", blocks, blocks) / count
    deviation: NDArray[np.float32] = np.sqrt(np.maximum(square - mean * mean, 0))
    return deviation


def diagonal(blocks: Blocks) -> Blocks:
    """Diagonal band of the Haar transform at half the size, normalised so that white noise keeps its σ."""
    parts = blocks.reshape(-1, BLOCK_PX // 2, 2, BLOCK_PX // 2, 2)
    band: Blocks = (
        parts[:, :, 0, :, 0] - parts[:, :, 0, :, 1] - parts[:, :, 1, :, 0] + parts[:, :, 1, :, 1]
    ) * np.float32(0.5)
    return band.reshape(len(blocks), -1)


def _spread(height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of as many blocks as are enough, of a picture of this size in blocks.

    Each row begins one further along, so that no row and no column is left out.
    """
    every = max(1, height * width // _ENOUGH_BLOCKS)
    row, column = np.indices((height, width))
    rows, columns = np.nonzero((row + column) % every == 0)
    return rows, columns


def _picked(picture: Picture, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Blocks:
    height, width = picture.shape
    parts = picture.reshape(height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, BLOCK_PX)
    return parts[rows, :, columns].astype(np.float32).reshape(-1, VALUES)


def _border(
    rows: NDArray[np.int64], columns: NDArray[np.int64], is_dead: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Blocks in rows and columns, from the edges inwards, where nothing ever happens: black bars."""
    border = np.zeros(len(is_dead), np.bool_)
    if is_dead.all():
        return border
    for places in (rows, columns):
        lively = places[~is_dead]
        border |= (places < lively.min()) | (places > lively.max())
    return border


def _follow_motion(
    previous: Picture,
    current: Picture,
    places: tuple[NDArray[np.int64], NDArray[np.int64]],
    blocks: MatchedBlocks,
) -> None:
    """Put the counterparts that fit better after whole-pixel motion in the places of those that do not.

    Args:
        previous: picture of whole blocks.
        current: the next one.
        places: rows and columns of the blocks in the picture.
        blocks: at the same place in both pictures; counterparts and deviations are changed.
    """
    rows, columns = places
    x, y = _motion(previous, current, rows, columns)
    height, width = previous.shape
    moving = np.flatnonzero((x != 0) | (y != 0))
    if moving.size == 0:
        return
    left = np.clip(columns[moving] * BLOCK_PX + x[moving], 0, width - BLOCK_PX)
    top = np.clip(rows[moving] * BLOCK_PX + y[moving], 0, height - BLOCK_PX)
    windows = np.lib.stride_tricks.sliding_window_view(previous, (BLOCK_PX, BLOCK_PX))
    moved = windows[top, left].reshape(-1, VALUES).astype(np.float32)
    moved_deviation = deviation_of(blocks.now[moving] - moved)
    better = moved_deviation < blocks.deviation[moving]
    blocks.before[moving[better]] = moved[better]
    blocks.deviation[moving[better]] = moved_deviation[better]


def _motion(
    previous: Picture, current: Picture, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Whole-pixel motion of blocks to their places in the previous picture: x and y, each of shape (blocks,)."""
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
    at_x = np.minimum((columns * 2 + 1) * BLOCK_PX // (2 * scale), flow.shape[1] - 1)
    at_y = np.minimum((rows * 2 + 1) * BLOCK_PX // (2 * scale), flow.shape[0] - 1)
    steps = np.rint(flow[at_y, at_x] * scale).astype(np.int64)
    return steps[:, 0], steps[:, 1]


def _whole(picture: Picture) -> NDArray[np.uint8]:
    """Rounded to whole code values."""
    return np.asarray(cv2.convertScaleAbs(picture), np.uint8)
