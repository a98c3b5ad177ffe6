"""How bright every picture is, and by how much its light has to be multiplied to be steady. Pure.

Brightness is followed from picture to picture by the middle of many blocks, so that what moves through the picture
plays no part. What is left of that curve after its own slow course is taken out is flicker, if there is enough of it.
"""

from array import array
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_ROWS: Final = 9
_COLUMNS: Final = 16
_DARKEST: Final = 0.04
_LIGHTEST: Final = 0.9
"""Blocks beyond these fractions of the range say nothing: they are crushed or clipped."""

_MIN_BLOCKS: Final = 12
_BINS: Final = 32

_WINDOW_S: Final = 0.5
"""What changes more slowly than this is light, not flicker."""

_MIN_WINDOW: Final = 7
_MIN_SCENE: Final = 8
_MIN_DEVIATION: Final = 0.01
"""Robust standard deviation of the logarithm of the light from which on it counts as flicker: 1 %. Clean clips stay
below 0.003; very dark ones, where a code is much of the light, reach 0.013."""

_MIN_CODES: Final = 0.5
"""The same in 8-bit code values of mean luma: less is not seen, and in the dark it is coding noise."""

_MIN_QUICKNESS: Final = 1.0
"""Energy of the second differences over that of the first: 3 for white flicker, 1 for a wave of six pictures."""

_LONGEST_REACH: Final = 0.35
"""A deviation larger than this (logarithm: about 1.4 times the light) is an event, not flicker."""

_EVENT: Final = 5.0
"""Nor is one so many standard deviations large."""

_MUST_CALM: Final = 0.9
"""Share of the change of mean luma from picture to picture that may be left; otherwise a scene stays as it is."""

GAIN_LIMITS: Final = (0.67, 1.5)
_HIGHEST_KNEE: Final = 0.85


@dataclass(slots=True)
class ExposureMeter:
    """Feed every picture, in order; keeps some numbers of each.

    Args:
        black: code value of black.
        white: code value of white.
    """

    black: float
    white: float
    _previous: NDArray[np.float32] | None = None
    _steps: "array[float]" = field(default_factory=lambda: array("d"))
    _means: "array[float]" = field(default_factory=lambda: array("d"))
    _histograms: bytearray = field(default_factory=bytearray)

    def add(self, luma: NDArray[np.uint8]) -> None:
        """The next picture, reduced, shape (height, width), 8-bit code values."""
        level = (luma.astype(np.float32) - np.float32(self.black)) / np.float32(self.white - self.black)
        blocks = cv2.resize(level, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
        self._steps.append(0.0 if self._previous is None else _step(self._previous, np.asarray(blocks)))
        self._previous = np.asarray(blocks)
        self._means.append(float(level.mean()))
        bins = np.clip(level * _BINS, 0, _BINS - 1).astype(np.int64)
        shares = np.bincount(bins.ravel(), minlength=_BINS) * (65535 / bins.size)
        self._histograms += np.rint(shares).astype(np.uint16).tobytes()

    @property
    def mean_luma(self) -> NDArray[np.float32]:
        """Mean of every picture, fraction of the nominal range."""
        return np.array(self._means, np.float32)

    def gains(self, cuts: NDArray[np.int32], pictures_per_s: float) -> NDArray[np.float32]:
        """What the light of every picture is multiplied by; 1 throughout scenes that do not flicker.

        Args:
            cuts: numbers of the pictures that begin a scene.
            pictures_per_s: of the source, on average.
        """
        count = len(self._means)
        gains = np.ones(count)
        if not count:
            return gains.astype(np.float32)
        steps = np.array(self._steps)
        histograms = np.frombuffer(self._histograms, np.uint16).reshape(count, _BINS)
        edges = [0, *cuts.tolist(), count]
        for start, end in pairwise(edges):
            curve = np.cumsum(np.concatenate([[0.0], steps[start + 1 : end]]))
            level = float(np.mean(self._means[start:end]))
            found = scene_gains(curve, level, pictures_per_s)
            if found is not None and is_calmer(histograms[start:end].astype(np.float64), found):
                gains[start:end] = found
        return gains.astype(np.float32)


def _step(before: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    """Logarithm of how much more light there is now: the median over blocks that can tell."""
    low, high = np.minimum(before, now), np.maximum(before, now)
    usable = (low > _DARKEST) & (high < _LIGHTEST)
    if int(usable.sum()) < _MIN_BLOCKS:
        return 0.0
    return float(np.median(np.log(now[usable] / before[usable])))


def flicker_of(curve: NDArray[np.float64], pictures_per_s: float) -> NDArray[np.float64]:
    """What is left of a curve after its slow course, shape as given.

    Args:
        curve: logarithm of the light of every picture of one scene.
        pictures_per_s: sets how slow is slow.
    """
    window = max(_MIN_WINDOW, round(_WINDOW_S * pictures_per_s)) | 1
    window = min(window, (len(curve) - 1) // 2 * 2 + 1)
    reach = window // 2
    # Continued point-symmetrically beyond both ends: a fade goes on as the fade it is.
    before = 2 * curve[0] - curve[reach:0:-1]
    after = 2 * curve[-1] - curve[-2 : -2 - reach : -1]
    weights = np.hanning(window + 2)[1:-1]
    slow = np.convolve(np.concatenate([before, curve, after]), weights / weights.sum(), mode="valid")
    return np.asarray(curve - slow)


def scene_gains(
    curve: NDArray[np.float64], level: float, pictures_per_s: float
) -> NDArray[np.float64] | None:
    """Gains that take the flicker out of one scene; None where there is too little, or none that is quick.

    Args:
        curve: logarithm of the light of every picture.
        level: mean luma of the scene, fraction of the range.
        pictures_per_s: of the source.
    """
    if len(curve) < _MIN_SCENE:
        return None
    left = flicker_of(curve, pictures_per_s)
    deviation = 1.4826 * float(np.median(np.abs(left - np.median(left))))
    if deviation < _MIN_DEVIATION or deviation * level * 219 < _MIN_CODES:
        return None
    first, second = np.diff(left), np.diff(left, 2)
    if float((second**2).sum()) < _MIN_QUICKNESS * float((first**2).sum()):
        return None
    is_event = np.abs(left) > min(_LONGEST_REACH, _EVENT * deviation)
    return np.asarray(np.exp(-np.where(is_event, 0.0, left)))


def is_calmer(histograms: NDArray[np.float64], gains: NDArray[np.float64]) -> bool:
    """Whether mean luma changes less from picture to picture with the gains than without.

    Args:
        histograms: shape (pictures, bins), of luma over the nominal range.
        gains: shape (pictures,).
    """
    levels = (np.arange(histograms.shape[1]) + 0.5) / histograms.shape[1]
    total = histograms.sum(axis=1)
    plain = histograms @ levels / total
    steady = (histograms * tone_curve(levels[None, :], gains[:, None])).sum(axis=1) / total
    return float(np.abs(np.diff(steady)).sum()) < _MUST_CALM * float(np.abs(np.diff(plain)).sum())


def tone_curve(level: NDArray[np.float64], gain: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Levels after a gain that bends towards white before it gets there: rising, black and white stay where they are.

    Above a knee that comes the earlier the stronger the gain is, a cubic Hermite segment leads to white. Its chord is
    at least 1 / 2.2 of the gain, well inside of what keeps it rising (Fritsch and Carlson 1980: a third).

    Args:
        level: fractions of the range, 0 to 1.
        gain: about 1; held to 0.67 to 1.5.
    """
    gain = np.clip(gain, *GAIN_LIMITS)
    knee = np.minimum(_HIGHEST_KNEE, np.where(gain > 1, (2.2 - gain) / (1.2 * gain), 0.8 / (1.8 - gain)))
    width, start = 1 - knee, gain * knee
    chord = (1 - start) / width
    t = np.clip((level - knee) / width, 0, 1)
    bent = (
        (2 * t**3 - 3 * t**2 + 1) * start
        + (t**3 - 2 * t**2 + t) * gain * width
        + (3 * t**2 - 2 * t**3)
        + (t**3 - t**2) * chord * width
    )
    return np.asarray(np.where(level <= knee, level * gain, bent))
