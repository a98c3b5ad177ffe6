"""What edges look like across: how wide they are, and what someone's sharpening left beside them. Luma only, pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.media.analysis.pictures import Crop
from workers.protocol.analysis import Figure

_REACH_PX: Final = 12
_PLATEAU_PX: Final = 8
"""From here on the plateau lies that an edge leads to; overshoot is looked for on the way."""

_MIN_HEIGHT: Final = 30.0
_EVERY_LINE: Final = 8
_MOST_EDGES: Final = 1500
_MIN_EDGES: Final = 80
_SURE_EDGES: Final = 400
_STEEPEST_PERCENTILE: Final = 90.0
_TYPICAL: Final = 0.008
"""Overshoot of the typical profile, as a share of the edge's height, from which on it is no chance: it was 0.000 on
nine references and 0.008 to 0.16 on five of six that had been sharpened."""


@dataclass(frozen=True, slots=True)
class EdgeProfiles:
    """Luma across edges, from the darker plateau (0) to the brighter one (1).

    Attributes:
        upright: along lines, each from one field only: right in interlaced pictures as well; shape (edges, 25).
        level: along columns; combing looks like overshoot there.
    """

    upright: NDArray[np.float32]
    level: NDArray[np.float32]

    def without_level(self) -> "EdgeProfiles":
        """What holds of pictures that are combed."""
        return EdgeProfiles(self.upright, self.level[:0])


def edge_profiles(middle: Crop) -> EdgeProfiles:
    """Profiles across upright and level edges.

    Args:
        middle: luma, shape (height, width), 8-bit code values.

    Returns:
        At most 1500 of each direction, evenly chosen; none for pictures without edges.
    """
    return EdgeProfiles(_across(middle), _across(middle.T))


def _across(middle: Crop) -> NDArray[np.float32]:
    nothing = np.zeros((0, 2 * _REACH_PX + 1), np.float32)
    luma = middle[::_EVERY_LINE].astype(np.float32)
    if luma.shape[1] <= 2 * _REACH_PX + 1:
        return nothing
    strength = np.abs(luma[:, 2:] - luma[:, :-2])
    peak = strength[:, 1:-1]
    is_edge = (peak > _MIN_HEIGHT / 2) & (peak >= strength[:, :-2]) & (peak > strength[:, 2:])
    lines, places = np.nonzero(is_edge[:, _REACH_PX:-_REACH_PX])
    every = max(1, lines.size // _MOST_EDGES)
    lines, places = lines[::every], places[::every] + _REACH_PX + 2
    profiles = luma[lines[:, None], places[:, None] + np.arange(-_REACH_PX, _REACH_PX + 1)]
    profiles *= np.sign(profiles[:, _REACH_PX + 1] - profiles[:, _REACH_PX - 1])[:, None]
    low = np.median(profiles[:, : _REACH_PX - _PLATEAU_PX + 1], axis=1)
    height = np.median(profiles[:, _REACH_PX + _PLATEAU_PX :], axis=1) - low
    is_step = height >= _MIN_HEIGHT
    if not is_step.any():
        return nothing
    values: NDArray[np.float32] = (profiles[is_step] - low[is_step, None]) / height[is_step, None]
    return values


def softness(found: list[EdgeProfiles]) -> Figure:
    """Width of the sharpest tenth of all edges, in px: out of focus may be what is behind, but not everything."""
    profiles = _all(found)
    if len(profiles) < _MIN_EDGES:
        return Figure()
    slopes = (profiles[:, _REACH_PX + 1] - profiles[:, _REACH_PX - 1]) / 2
    steepest = float(np.percentile(slopes, _STEEPEST_PERCENTILE))
    return Figure(value=1 / max(steepest, 1e-3), confidence=min(1.0, len(profiles) / _SURE_EDGES))


def halo(found: list[EdgeProfiles]) -> Figure:
    """Median over the edges of their overshoot and undershoot; sure only where the typical profile has one, too.

    Texture beside an edge exceeds its plateaus as well, but not at the same distance every time: the median profile
    of all edges is smooth there.
    """
    profiles = _all(found)
    if len(profiles) < _MIN_EDGES:
        return Figure()
    before = slice(_REACH_PX - _PLATEAU_PX + 1, _REACH_PX)
    behind = slice(_REACH_PX + 1, _REACH_PX + _PLATEAU_PX)
    overshoot = np.median(profiles[:, behind].max(axis=1)) - 1
    undershoot = -np.median(profiles[:, before].min(axis=1))
    typical = np.median(profiles, axis=0)
    stands_out = (max(0.0, float(typical[behind].max()) - 1) + max(0.0, -float(typical[before].min()))) / 2
    return Figure(
        value=max(0.0, float(overshoot + undershoot) / 2),
        confidence=min(1.0, len(profiles) / _SURE_EDGES) * min(1.0, stands_out / _TYPICAL),
    )


def _all(found: list[EdgeProfiles]) -> NDArray[np.float32]:
    parts = [part for one in found for part in (one.upright, one.level)]
    return np.concatenate([np.zeros((0, 2 * _REACH_PX + 1), np.float32), *parts])
