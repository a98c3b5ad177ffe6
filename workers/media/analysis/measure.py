"""All measurements of all samples, beside the decoding of the next ones."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.media.analysis.blocks import Grid, blockiness, grid_of
from workers.media.analysis.borders import Lit, find_borders, lit_shares
from workers.media.analysis.edges import EdgeProfiles, edge_profiles, halo, softness
from workers.media.analysis.gradients import banded_share, banding
from workers.media.analysis.levels import (
    Cast,
    cast_over_samples,
    chroma_of,
    histogram_of,
    levels_confidence,
    mean_level,
    percentiles,
    sharpness,
)
from workers.media.analysis.movement import Movement, cuts_per_minute, flicker, movement_of, shake
from workers.media.analysis.noise_level import RunNoise, noise_level, noise_of
from workers.media.analysis.pictures import Detail, Plane8, SampleRun
from workers.media.field_scan import scan_fields
from workers.protocol.analysis import Analysis, ScanKind
from workers.protocol.media import VideoStreamInfo

_MEASURED_AT_ONCE: Final = 2
"""More would keep more large pictures in memory than they gain."""

_LAPLACIAN_NOISE_GAIN: Final = 20
"""1² + 1² + 1² + 1² + 4²: what the kernel makes of the variance of white noise."""


@dataclass(slots=True)
class _Gathered:
    """What is known of the samples so far."""

    histograms: list[NDArray[np.int64]] = field(default_factory=list)
    noise: list[RunNoise] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    saturation: list[float] = field(default_factory=list)
    casts: list[Cast] = field(default_factory=list)
    lit: list[Lit] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    banded: list[float] = field(default_factory=list)
    edges: list[EdgeProfiles] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)
    strips: list[tuple[Plane8, ...]] = field(default_factory=list)

    def add(self, other: "_Gathered") -> None:
        """Take over what was found in another run."""
        for name in self.__slots__:
            getattr(self, name).extend(getattr(other, name))


def analyse(runs: Iterable[SampleRun], video: VideoStreamInfo) -> Analysis:
    """Measure all samples.

    Args:
        runs: from several places of the file; a run of one picture counts for everything but noise and motion.
        video: what the file says of the stream.
    """
    gathered = _gathered(runs)
    noise = noise_level(gathered.noise)
    histogram = sum(gathered.histograms, np.zeros(256, np.int64))
    black, low, high, white = percentiles(histogram, (0.1, 5, 95, 99.9))
    scan, duplicates = scan_fields(gathered.strips, video.field_order, video.average_rate)
    is_combed = scan.kind not in {ScanKind.PROGRESSIVE, ScanKind.UNKNOWN}
    edges = [one.without_level() if is_combed else one for one in gathered.edges]
    return Analysis(
        sampled_frames=len(gathered.sharpness),
        noise_sigma=noise.sigma,
        noise_is_correlated=noise.is_correlated,
        noise_confidence=noise.confidence,
        black_level=black,
        white_level=white,
        mean_level=mean_level(histogram),
        contrast_spread=high - low,
        levels_confidence=levels_confidence(gathered.histograms),
        cast=cast_over_samples(gathered.casts),
        sharpness=max(0.0, _median(gathered.sharpness) - _LAPLACIAN_NOISE_GAIN * noise.sigma**2),
        saturation=_median(gathered.saturation),
        scan=scan,
        duplicates=duplicates,
        borders=find_borders(gathered.lit),
        blockiness=blockiness(gathered.grids),
        banding=banding(gathered.banded),
        halo=halo(edges),
        softness=softness(edges),
        flicker=flicker(gathered.movements),
        shake=shake(gathered.movements),
        cuts_per_minute=cuts_per_minute(gathered.movements, _rate(video), video.frame_count),
        hdr=video.hdr.kind,
        rotation_deg=video.rotation_deg,
        is_variable_rate=video.is_variable_rate,
    )


def _gathered(runs: Iterable[SampleRun]) -> _Gathered:
    gathered = _Gathered()
    for one in _measured(runs):
        gathered.add(one)
    return gathered


def _measured(runs: Iterable[SampleRun]) -> Iterator[_Gathered]:
    """Each run measured, in order; a few at a time, beside the decoding of the next ones."""
    with ThreadPoolExecutor(_MEASURED_AT_ONCE, "analysis") as pool:
        waiting: deque[Future[_Gathered]] = deque()
        for run in runs:
            waiting.append(pool.submit(_measure, run))
            if len(waiting) > _MEASURED_AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _measure(run: SampleRun) -> _Gathered:
    gathered = _Gathered()
    gathered.noise.append(noise_of(run))
    for number, detail in enumerate(run.details):
        _measure_detail(detail, gathered)
        if number == 0:
            # What a codec or a maker did to a scene, it did to all of its pictures.
            _measure_structure(detail, gathered)
    gathered.movements.append(movement_of([picture.small for picture in run.pictures]))
    if len(run.pictures) > 2:
        gathered.strips.append(tuple(picture.strip for picture in run.pictures))
    return gathered


def _measure_detail(detail: Detail, into: _Gathered) -> None:
    into.histograms.append(histogram_of(detail.tone))
    into.sharpness.append(sharpness(detail.middle))
    into.lit.append(lit_shares(detail))
    chroma = chroma_of(detail)
    if chroma is not None:
        into.saturation.append(chroma[0])
        into.casts += [] if chroma[1] is None else [chroma[1]]


def _measure_structure(detail: Detail, into: _Gathered) -> None:
    into.edges.append(edge_profiles(detail.middle))
    grid = grid_of(detail.middle)
    into.grids += [] if grid is None else [grid]
    share = banded_share(detail.middle)
    into.banded += [] if share is None else [share]


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else 0.0


def _rate(video: VideoStreamInfo) -> Fraction | None:
    return video.average_rate or video.base_rate
