"""How the camera moved from picture to picture, and how pictures are moved so that it moves smoothly. Pure.

Measured on small pictures with square pixels: corners are followed with pyramidal Lucas-Kanade forwards and back, and
the movement that most of them share (RANSAC) counts. The smooth path is the measured one, low-passed again and again
and pulled back each time into the room that the crop limit leaves, so that it is as calm as that room allows.
"""

from array import array
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

type Path = NDArray[np.float64]
"""Shape (n, 4): right, down (px), clockwise rotation (radians), logarithm of the enlargement."""

LONG_SIDE_PX: Final = 480
"""Of the pictures that corners are followed in."""

_CORNERS: Final = 240
_CORNER_QUALITY: Final = 0.01
_CORNER_DISTANCE_PX: Final = 12.0
_MIN_TRACKED: Final = 16
_WINDOW_PX: Final = (17, 17)
_LEVELS: Final = 4
_MAX_RETURN_ERROR_PX: Final = 0.3
_MAX_RESIDUAL_PX: Final = 1.0
_MIN_AGREEING: Final = 0.3
"""Share of the corners that must move alike: fewer do so when things move, not the camera."""

_FITS: Final = 10
_LEAST_SCALE_PX: Final = 0.3
_GRID: Final = 4
_MIN_CELLS: Final = 7
"""Of 4 x 4 parts of the picture, in so many corners must move alike: what moves in fewer is a thing, not the camera."""

_AT_REST: Final = 0.08
_AT_REST_PX: Final = 0.03
"""Share of the common movement, and distance, below which a corner rests. Corners of a walking camera that lie where
it walks to hardly move, but they do move."""

_MAX_AT_REST: Final = 0.2
"""When so large a share of the corners rests, the camera does, whatever moves in front of it."""

_LARGEST_STEP: Final = np.array([0.2, 0.2, 0.15, 0.12])
"""Largest movement between two pictures that is believed: shares of the sides, radians, logarithm."""

_SMOOTHING_S: Final = 0.15
_ROUNDS: Final = 60
"""Repeated, so that where there is room the low-pass is one of 0.15 s x sqrt(60) = 1.2 s (standard deviation)."""

_TRANSLATION_SHARE: Final = 0.7
"""Share of the room that is for moving; the rest is for turning and zooming, which need corners."""

_MUST_CALM: Final = 0.8
_UNSEEN_PX: Final = 0.1
"""Root mean square of the second differences of a path, in px of `LONG_SIDE_PX`, up to which it seems to rest."""

_STEADY_PX: Final = 0.25
"""A scene in which no picture has to be moved by more than this (of `LONG_SIDE_PX`, root mean square) is left alone."""


@dataclass(slots=True)
class CameraPath:
    """Feed every picture, in order; keeps one picture and four numbers for each."""

    _previous: NDArray[np.uint8] | None = None
    _half: NDArray[np.float32] | None = None
    _steps: "array[float]" = field(default_factory=lambda: array("d"))
    _shifts: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, luma: NDArray[np.uint8]) -> None:
        """The next picture, shape (height, width), square pixels, reduced to `LONG_SIDE_PX`; all of one shape."""
        size = (max(2, luma.shape[1] // 2), max(2, luma.shape[0] // 2))
        half = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.float32)
        before, half_before = self._previous, self._half
        self._steps.extend(_STILL if before is None else _step(before, luma))
        self._shifts.extend((0.0, 0.0) if half_before is None else _shift(half_before, half))
        self._previous, self._half = luma, half

    def steps(self) -> Path:
        """Movement of what is seen, from the picture before to each, about the middle of the small picture."""
        return np.array(self._steps, np.float64).reshape(-1, 4)

    def shifts(self) -> Path:
        """The same, right and down only, measured in another way: by phase correlation; shape (n, 2)."""
        return np.array(self._shifts, np.float64).reshape(-1, 2)


type _Move = tuple[float, float, float, float]

_STILL: Final[_Move] = (0.0, 0.0, 0.0, 0.0)


def _shift(before: NDArray[np.float32], now: NDArray[np.float32]) -> tuple[float, float]:
    """By phase correlation of pictures of half the size (Kuglin and Hines 1975)."""
    window = cv2.createHanningWindow((now.shape[1], now.shape[0]), cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(before, now, window)
    return 2 * right, 2 * down


def _step(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> _Move:
    tracked = _tracked(before, now)
    if tracked is None:
        return _STILL
    source, target = tracked
    matrix, inliers = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=_MAX_RESIDUAL_PX
    )
    # The library answers None where nothing fits; its stubs do not say so.
    found: Any = matrix
    if found is None or not _is_camera(source, target, inliers.ravel() == 1, before.shape):
        return _STILL
    step = _fitted(source.astype(np.float64), target.astype(np.float64), np.asarray(found, np.float64))
    limits = _LARGEST_STEP * (before.shape[1], before.shape[0], 1, 1)
    return _STILL if bool((np.abs(step) > limits).any()) else step


def _fitted(source: Path, target: Path, start: NDArray[np.float64]) -> _Move:
    """The similarity that most of the corners follow, by weighted least squares with Cauchy's weights.

    Where near and far things move differently, a hard choice of corners jumps from picture to picture; weights that
    fade do not.

    Args:
        source: shape (n, 2), px.
        target: shape (n, 2), px.
        start: shape (2, 3), a first guess.
    """
    moved = source @ start[:, :2].T + start[:, 2]
    real, imaginary, shift = 1.0, 0.0, np.zeros(2)
    for _ in range(_FITS):
        residual = np.hypot(*(target - moved).T)
        scale = max(_LEAST_SCALE_PX, 1.4826 * float(np.median(residual)))
        weight = 1 / (1 + (residual / scale) ** 2)
        total = weight.sum()
        from_middle, to_middle = weight @ source / total, weight @ target / total
        one, two = source - from_middle, target - to_middle
        spread = max(1e-9, float(weight @ (one**2).sum(axis=1)))
        real = float(weight @ (one * two).sum(axis=1)) / spread
        imaginary = float(weight @ (one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])) / spread
        linear = np.array([[real, -imaginary], [imaginary, real]])
        shift = to_middle - linear @ from_middle
        moved = source @ linear.T + shift
    growth = max(1e-3, float(np.hypot(real, imaginary)))
    return float(shift[0]), float(shift[1]), float(np.arctan2(imaginary, real)), float(np.log(growth))


def _is_camera(
    source: NDArray[np.float32],
    target: NDArray[np.float32],
    is_alike: NDArray[np.bool_],
    shape: tuple[int, ...],
) -> bool:
    """Whether the corners that move alike are many, all over the picture, and do not move in front of resting ones."""
    if float(is_alike.mean()) < _MIN_AGREEING:
        return False
    size = np.array([shape[1], shape[0]])
    cells = np.clip(np.floor((source[is_alike] / size + 0.5) * _GRID), 0, _GRID - 1)
    if len(np.unique(cells, axis=0)) < _MIN_CELLS:
        return False
    distances = np.hypot(*(target - source).T)
    rests = distances < max(_AT_REST_PX, _AT_REST * float(np.median(distances[is_alike])))
    if float(np.median(distances[is_alike])) < 2 * _AT_REST_PX:
        return True
    return float(rests.mean()) < _MAX_AT_REST


def _tracked(
    before: NDArray[np.uint8], now: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Corners and where they went, each of shape (n, 2), from the middle of the picture; None when there are few."""
    corners: Any = cv2.goodFeaturesToTrack(before, _CORNERS, _CORNER_QUALITY, _CORNER_DISTANCE_PX)
    if corners is None or len(corners) < _MIN_TRACKED:
        return None
    follow: Any = cv2.calcOpticalFlowPyrLK
    there, found, _ = follow(before, now, corners, None, winSize=_WINDOW_PX, maxLevel=_LEVELS)
    back, found_back, _ = follow(now, before, there, None, winSize=_WINDOW_PX, maxLevel=_LEVELS)
    error = np.abs(back - corners).reshape(-1, 2).max(axis=1)
    good = (found.ravel() == 1) & (found_back.ravel() == 1) & (error < _MAX_RETURN_ERROR_PX)
    if int(good.sum()) < _MIN_TRACKED:
        return None
    middle = np.array([(before.shape[1] - 1) / 2, (before.shape[0] - 1) / 2], np.float32)
    return corners.reshape(-1, 2)[good] - middle, there.reshape(-1, 2)[good] - middle


@dataclass(frozen=True, slots=True)
class Steadied:
    """What is done to every picture.

    Attributes:
        correction: shape (n, 4), in px of the pictures that were measured.
        zoom: shape (n,), the same for all pictures of a scene.
    """

    correction: Path
    zoom: NDArray[np.float64]


def steady(
    steps: Path,
    shifts: Path,
    cuts: NDArray[np.int32],
    *,
    size: tuple[int, int],
    pictures_per_s: float,
    crop: float,
) -> Steadied:
    """Moves that make the camera's path smooth.

    Args:
        steps: from `CameraPath.steps`.
        shifts: from `CameraPath.shifts`; a scene that they do not find calmer afterwards stays as it is.
        cuts: numbers of the pictures that begin a scene.
        size: width and height in px of the pictures that were measured.
        pictures_per_s: of the source, on average.
        crop: share of width and height that may be lost, 0 to 0.2.
    """
    count = len(steps)
    correction, zoom = np.zeros((count, 4)), np.ones(count)
    for start, end in pairwise([0, *cuts.tolist(), count]):
        if end - start < 2:
            continue
        path = np.cumsum(np.vstack([np.zeros(4), steps[start + 1 : end]]), axis=0)
        moved = _smoothed(path, _room(size, crop), pictures_per_s) - path
        if float(np.sqrt((moved[:, :2] ** 2).sum(axis=1).mean())) <= _STEADY_PX:
            continue
        largest = 1 / (1 - crop)
        moved = np.array([_held(row, size, largest) for row in moved])
        seen = np.cumsum(np.vstack([np.zeros(2), shifts[start + 1 : end]]), axis=0)
        if not is_calmer(seen, seen + moved[:, :2], pictures_per_s):
            continue
        correction[start:end] = moved
        zoom[start:end] = max(needed_zoom(row, size) for row in moved)
    return Steadied(correction, zoom)


def is_calmer(before: Path, after: Path, pictures_per_s: float) -> bool:
    """Whether a path sways clearly less than another one and does not tremble more than can be seen.

    Args:
        before: shape (n, 2), px of `LONG_SIDE_PX`.
        after: the same.
        pictures_per_s: of the source.
    """
    sway = [_root_mean_square(_around(path, pictures_per_s)) for path in (before, after)]
    tremble = [
        _root_mean_square(np.diff(path, 2, axis=0)) if len(path) > 2 else 0.0 for path in (before, after)
    ]
    return sway[1] < _MUST_CALM * sway[0] and tremble[1] <= max(_UNSEEN_PX, tremble[0])


def _root_mean_square(path: Path) -> float:
    return float(np.sqrt((path**2).sum(axis=1).mean()))


def _around(path: Path, pictures_per_s: float) -> Path:
    """What is left of a path when its course over a second is taken out; beyond both ends it goes on straight."""
    reach = min(max(2, round(pictures_per_s / 2)), len(path) - 1)
    weights = np.hanning(2 * reach + 3)[1:-1]
    return path - _low_passed(path, weights / weights.sum())


def _low_passed(path: Path, weights: NDArray[np.float64]) -> Path:
    """Each column convolved; continued point-symmetrically beyond both ends, so that a pan goes on as the pan it is."""
    reach = len(weights) // 2
    before = 2 * path[0] - path[reach:0:-1]
    after = 2 * path[-1] - path[-2 : -2 - reach : -1]
    long = np.concatenate([before, path, after])
    columns = [np.convolve(long[:, column], weights, mode="valid") for column in range(path.shape[1])]
    return np.stack(columns, axis=1)


def _room(size: tuple[int, int], crop: float) -> NDArray[np.float64]:
    """How far each of the four numbers may be from the measured path, shape (4,)."""
    width, height = size
    margin = crop / 2
    rest = (1 - _TRANSLATION_SHARE) * margin
    moving = _TRANSLATION_SHARE * margin
    return np.array([moving * width, moving * height, rest * min(size) / max(size), rest])


def _smoothed(path: Path, room: NDArray[np.float64], pictures_per_s: float) -> Path:
    """Low-pass and pull back in turn (projections onto two convex sets); ends with a path inside the room."""
    deviation = max(1.0, _SMOOTHING_S * pictures_per_s)
    reach = max(1, min(int(np.ceil(3 * deviation)), len(path) - 1))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weights /= weights.sum()
    smooth = path.copy()
    for _ in range(_ROUNDS):
        smooth = np.clip(_low_passed(smooth, weights), path - room, path + room)
    return np.asarray(smooth)


def needed_zoom(row: NDArray[np.float64], size: tuple[int, int]) -> float:
    """Smallest enlargement about the middle that hides the borders which moving a picture leaves.

    Every corner of the result, brought back, has to lie inside the picture; with the enlargement z it comes from
    (R / (s z)) corner - R t / s, which is linear in 1 / z.

    Args:
        row: right, down, rotation, logarithm of the enlargement.
        size: width and height in px.
    """
    half = np.array([size[0], size[1]], np.float64) / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    inverse = linear_part(row).T / np.exp(2 * row[3])
    reach, offset = np.abs(corners @ inverse.T).max(axis=0), np.abs(inverse @ row[:2])
    room = np.maximum(half - offset, 1e-6)
    return max(1.0, float((reach / room).max()))


def linear_part(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation times enlargement, shape (2, 2), of columns (right, down)."""
    turn, growth = row[2], np.exp(row[3])
    return np.asarray(np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * growth)


def _held(row: NDArray[np.float64], size: tuple[int, int], largest: float) -> NDArray[np.float64]:
    """The move, made smaller until the largest enlargement hides its borders."""
    low, high = 0.0, 1.0
    if needed_zoom(row, size) <= largest:
        return row
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if needed_zoom(row * middle, size) <= largest else (low, middle)
    return row * low
