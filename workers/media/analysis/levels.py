"""Levels, colour cast and sharpness of single pictures, and what they come to over all samples. Pure."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.media.analysis.pictures import Crop, Detail, Plane8
from workers.protocol.analysis import ColourCast

_CODES: Final = 256
_TONES: Final = ((40, 100), (100, 160), (160, 225))
"""Shadows, middle tones and lights, luma in 8-bit code values."""

_NEAR_GREY: Final = 14.0
_MIN_GREY_SHARE: Final = 0.01
_AGREEING: Final = 0.05
_DISAGREEING: Final = 0.5
"""Mean distance (fractions of the range) of the samples' own percentiles from the median one, between which the
confidence in the levels falls from 1 to 0."""

type Cast = tuple[float, float, float]
"""Cb and Cr of the near-grey pixels, and how much they differ between tones; 8-bit code values."""


def histogram_of(tone: Plane8) -> NDArray[np.int64]:
    """Pixels of each code value, shape (256,)."""
    return np.bincount(tone.ravel(), minlength=_CODES).astype(np.int64)


def percentiles(histogram: NDArray[np.int64], wanted: tuple[float, ...]) -> tuple[float, ...]:
    """Fractions of the nominal range below which so many percent of the pixels lie; `wanted` / 100 without pixels."""
    total = int(histogram.sum())
    if total == 0:
        return tuple(percent / 100 for percent in wanted)
    cumulated = np.cumsum(histogram)
    return tuple(level(float(np.searchsorted(cumulated, total * percent / 100))) for percent in wanted)


def level(code: float) -> float:
    """Fraction of the nominal range (ITU-T H.273, limited range of 8 bits: 16 to 235) of a code value."""
    return (code - 16) / 219


def mean_level(histogram: NDArray[np.int64]) -> float:
    """Mean as a fraction of the nominal range; 0.5 without pixels."""
    total = int(histogram.sum())
    return level(float(histogram @ np.arange(_CODES)) / total) if total else 0.5


def levels_confidence(histograms: list[NDArray[np.int64]]) -> float:
    """How far the samples agree on where dark and light are, 0–1."""
    if not histograms:
        return 0.0
    ends = np.array([percentiles(one, (5, 95)) for one in histograms])
    distance = float(np.abs(ends - np.median(ends, axis=0)).mean(axis=0).max())
    return float(np.clip((_DISAGREEING - distance) / (_DISAGREEING - _AGREEING), 0, 1))


def sharpness(middle: Crop) -> float:
    """Variance of the Laplacian (4 neighbours)."""
    laplacian = cv2.Laplacian(middle, cv2.CV_16S if middle.dtype == np.uint8 else cv2.CV_32F)
    _, deviation = cv2.meanStdDev(laplacian)
    return float(deviation[0, 0]) ** 2


def chroma_of(detail: Detail) -> tuple[float, Cast | None] | None:
    """Mean chroma magnitude, and the cast where greys of all tones are seen; None for gray."""
    if detail.cb is None or detail.cr is None:
        return None
    blue, red = detail.cb.astype(np.float32) - 128, detail.cr.astype(np.float32) - 128
    magnitude = np.hypot(blue, red)
    grey = magnitude < _NEAR_GREY
    tones = [grey & (detail.tone > low) & (detail.tone <= high) for low, high in _TONES]
    saturation = float(magnitude.mean())
    if min(float(tone.mean()) for tone in tones) < _MIN_GREY_SHARE:
        return saturation, None
    medians = np.array([(np.median(blue[tone]), np.median(red[tone])) for tone in tones])
    mean = medians.mean(axis=0)
    return saturation, (float(mean[0]), float(mean[1]), float(np.abs(medians - mean).max()))


def cast_over_samples(casts: list[Cast]) -> ColourCast:
    """Median over the samples. A cast of the light tints greys of all tones and all samples alike: as sure as that."""
    if not casts:
        return ColourCast(cb=0, cr=0, confidence=0)
    values = np.array(casts)
    blue, red = float(np.median(values[:, 0])), float(np.median(values[:, 1]))
    between_samples = float(np.median(np.abs(values[:, :2] - (blue, red)).max(axis=1)))
    between_tones = float(np.median(values[:, 2]))
    size = max(1.0, float(np.hypot(blue, red)))
    return ColourCast(cb=blue, cr=red, confidence=max(0.0, 1 - (between_samples + between_tones) / size))
