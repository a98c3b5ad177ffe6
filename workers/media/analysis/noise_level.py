"""The noise of a file, from pairs of pictures of all samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from workers.media.analysis.pictures import Crop, SampleRun
from workers.media.noise import NoiseEstimate, estimate_noise

_PERCENTILE: Final = 75.0
"""Over the samples: noise varies, and what is left in the noisiest quarter would be seen."""

_LINES: Final = 512
_COLUMNS: Final = 896
_CORRELATED_BELOW: Final = 0.6


@dataclass(frozen=True, slots=True)
class RunNoise:
    """Noise in one run of samples.

    Attributes:
        near: between consecutive pictures.
        distant: between pictures with others between them.
    """

    near: tuple[NoiseEstimate, ...]
    distant: tuple[NoiseEstimate, ...]


@dataclass(frozen=True, slots=True)
class NoiseLevel:
    """Noise of a file.

    Attributes:
        sigma: standard deviation of luma noise, 8-bit code values.
        is_correlated: a codec has removed its fine part.
        confidence: 0–1, as that of an estimate.
    """

    sigma: float
    is_correlated: bool
    confidence: float


def noise_of(run: SampleRun) -> RunNoise:
    """Measure all pairs of a run."""
    return RunNoise(_estimates(run.noise_pairs), _estimates(run.distant_pairs))


def noise_level(runs: Sequence[RunNoise]) -> NoiseLevel:
    """All runs together.

    A codec copies noise from picture to picture, so that consecutive ones show only what was renewed: of leaves in
    motion after H.264 a good half. Several pictures further all of it is new, but motion leaves more as well. The
    distant pairs therefore count as far as the near ones speak for copying, and only where they show more.
    """
    near = [estimate for run in runs for estimate in run.near]
    if not near:
        return NoiseLevel(0.0, is_correlated=False, confidence=0.0)
    sigma = _high(near)
    distant = [estimate for run in runs for estimate in run.distant]
    if distant:
        copying = float(np.median([estimate.copying for estimate in near]))
        sigma += copying * max(0.0, _high(distant) - sigma)
    ratio = float(np.median([estimate.high_band_ratio for estimate in near]))
    confidence = float(np.median([estimate.confidence for estimate in near]))
    return NoiseLevel(sigma, ratio < _CORRELATED_BELOW, confidence)


def _estimates(pairs: Sequence[tuple[Crop, Crop]]) -> tuple[NoiseEstimate, ...]:
    found = (estimate_noise(_centre(first), _centre(second)) for first, second in pairs)
    return tuple(estimate for estimate in found if estimate is not None)


def _high(estimates: Sequence[NoiseEstimate]) -> float:
    return float(np.percentile([estimate.sigma for estimate in estimates], _PERCENTILE))


def _centre(middle: Crop) -> Crop:
    """Enough blocks for the noise; aligned to those of a codec."""
    height, width = middle.shape
    top = max(0, (height - _LINES) // 32 * 16)
    left = max(0, (width - _COLUMNS) // 32 * 16)
    return middle[top : top + _LINES, left : left + _COLUMNS]
