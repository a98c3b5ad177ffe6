"""Bright and dark lines beside edges, left by someone's sharpening, from luma alone. Pure."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.media.analysis.pictures import Crop
from workers.protocol.analysis import Figure

_REACH_PX: Final = 9
_NEAR_PX: Final = 4
"""Overshoot is looked for this far from an edge, the plateau it is measured against beyond."""

_EVERY_LINE: Final = 8
_MIN_HEIGHT: Final = 40.0
_PLATEAU_SHARE: Final = 0.12
"""A plateau may vary by this share of the edge's height."""

_MOST_EDGES: Final = 3000
_MIN_EDGES: Final = 40
_SURE_EDGES: Final = 400


def overshoots(middle: Crop) -> NDArray[np.float32]:
    """Overshoot and undershoot at clean upright edges, mean of both as a share of the edge's height.

    Args:
        middle: luma, shape (height, width), 8-bit code values.

    Returns:
        One value for each edge, at most 3000 evenly chosen; empty for pictures without such edges.
    """
    if middle.shape[1] <= 2 * _REACH_PX + 1:
        return np.zeros(0, np.float32)
    luma = middle[::_EVERY_LINE].astype(np.float32)
    rise = luma[:, _REACH_PX + 1 : -_REACH_PX + 1] - luma[:, _REACH_PX - 1 : -_REACH_PX - 1]
    strength = np.abs(rise)
    peak = strength[:, 1:-1]
    is_edge = (peak > _MIN_HEIGHT / 2) & (peak >= strength[:, :-2]) & (peak > strength[:, 2:])
    lines, places = np.nonzero(is_edge)
    every = max(1, lines.size // _MOST_EDGES)
    lines, places = lines[::every], places[::every] + 1 + _REACH_PX
    if lines.size == 0:
        return np.zeros(0, np.float32)
    offsets = np.arange(-_REACH_PX, _REACH_PX + 1)
    inside = (places >= _REACH_PX) & (places + _REACH_PX < luma.shape[1])
    lines, places = lines[inside], places[inside]
    profiles = luma[lines[:, None], places[:, None] + offsets]
    return _shares(profiles * np.sign(profiles[:, -1:] - profiles[:, :1]))


def _shares(profiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of profiles that rise from left to right, shape (edges, 19)."""
    left, right = profiles[:, : _REACH_PX - _NEAR_PX], profiles[:, _REACH_PX + _NEAR_PX + 1 :]
    low, high = np.median(left, axis=1), np.median(right, axis=1)
    height = high - low
    steady = np.maximum(np.ptp(left, axis=1), np.ptp(right, axis=1)) <= _PLATEAU_SHARE * height
    clean = steady & (height >= _MIN_HEIGHT)
    beside_left = profiles[:, _REACH_PX - _NEAR_PX : _REACH_PX]
    beside_right = profiles[:, _REACH_PX + 1 : _REACH_PX + _NEAR_PX + 1]
    over = beside_right.max(axis=1) - high
    under = low - beside_left.min(axis=1)
    shares: NDArray[np.float32] = ((over + under) / 2)[clean] / height[clean]
    return shares


def halo(found: list[NDArray[np.float32]]) -> Figure:
    """Median over the edges of all samples; as sure as there are edges."""
    shares = np.concatenate(found) if found else np.zeros(0, np.float32)
    if shares.size < _MIN_EDGES:
        return Figure()
    return Figure(value=max(0.0, float(np.median(shares))), confidence=min(1.0, shares.size / _SURE_EDGES))
