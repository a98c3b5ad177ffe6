"""Noise removal: motion-compensated averaging, then a three-frame frequency-domain filter.

Thresholds are multiples of the measured σ. They come from a search over four natural clips with white noise of σ 10
and 20 and with camera noise after H.264 (resulting gains: benchmarks and DECISIONS.md). Planes keep their depth; SAD
thresholds are meant for 8 bits and scaled by the library.
"""

from dataclasses import dataclass
from typing import Final

import vapoursynth as vs

from workers.media.filters.caches import keep, keep_none
from workers.media.filters.clip import Clip, VideoNode
from workers.media.filters.frequency import in_frequency_domain
from workers.protocol.settings import ChainSpeed
from workers.protocol.steps import DenoiseStep

_BLOCK_PX: Final = 16
_OVERLAP_PX: Final = 8
_STRONG_SIGMA: Final = 20.0
"""From here on blocks match less surely after a plain smoothing, and a lower threshold gave the better picture."""

_SMOOTHED_SEARCH_SIGMA: Final = 15.0
_DFT_FRAMES: Final = 3
_SEARCH_OVERLAP_PX: Final = 8
_SEARCH_VARIANCE: Final = 1.5
"""Of the filter before the motion search, times σ²: it may be stronger, because nobody sees its pictures."""

_HALF_PEL: Final = 2
_WHOLE_PEL: Final = 1
_LARGE_PX: Final = 4_000_000
"""Above this, motion in whole pixels is fine enough, and planes of half pixels would take four times the memory."""

_SMALLEST_SIDE_PX: Final = 2 * _BLOCK_PX


@dataclass(frozen=True, slots=True)
class _Effort:
    """How a speed is set.

    Attributes:
        overlap_px: of the blocks of the frequency-domain filter: 8 puts each pixel into 4 of them, 12 into 16.
        variance: of that filter, times σ²; the more pictures were averaged, the less noise is left for it.
        is_search_filtered: whether the pictures in which motion is searched go through the same kind of filter
            instead of a plain smoothing.
    """

    overlap_px: int
    variance: float
    is_search_filtered: bool


_EFFORTS: Final = {
    ChainSpeed.FAST: _Effort(8, 0.8, is_search_filtered=False),
    ChainSpeed.BALANCED: _Effort(8, 0.45, is_search_filtered=True),
    ChainSpeed.BEST: _Effort(12, 0.45, is_search_filtered=True),
}


def denoise(clip: Clip, step: DenoiseStep) -> Clip:
    """Luma and chroma denoised by the planned σ."""
    node, effort = clip.node, _EFFORTS[step.speed]
    variance = effort.variance
    sides = (node.width >> node.format.subsampling_w, node.height >> node.format.subsampling_h)
    if step.degrain_radius and min(sides) >= _SMALLEST_SIDE_PX:
        node = _degrained_planes(node, step, effort)
    else:
        variance = _EFFORTS[ChainSpeed.FAST].variance
    return clip.with_node(
        in_frequency_domain(
            node, variance * step.effective_sigma**2, frames=_DFT_FRAMES, overlap=effort.overlap_px
        )
    )


def thsad_per_sigma(step: DenoiseStep) -> float:
    """How different two blocks may be, per σ, and still be averaged."""
    if step.is_correlated:
        return 70.0
    is_plain_search = not _EFFORTS[step.speed].is_search_filtered
    return 40.0 if is_plain_search and step.effective_sigma >= _STRONG_SIGMA else 60.0


def _degrained_planes(node: VideoNode, step: DenoiseStep, effort: _Effort) -> VideoNode:
    """Every plane by itself where the motion search does not know the chroma format, as 4:1:1 of DV tapes."""
    form = node.format
    if form.subsampling_w <= 1 and form.subsampling_h <= 1:
        return _degrained(node, step, effort)
    planes = [vs.core.std.ShufflePlanes(node, number, vs.GRAY) for number in range(form.num_planes)]
    return vs.core.std.ShufflePlanes([_degrained(plane, step, effort) for plane in planes], [0, 0, 0], vs.YUV)


def _degrained(node: VideoNode, step: DenoiseStep, effort: _Effort) -> VideoNode:
    sigma = step.effective_sigma
    is_large = node.width * node.height > _LARGE_PX and step.speed is not ChainSpeed.BEST
    pel = _WHOLE_PEL if is_large else _HALF_PEL
    blocks = {"blksize": [_BLOCK_PX, _BLOCK_PX], "overlap": [_OVERLAP_PX, _OVERLAP_PX]}
    mvu = vs.core.mvu
    reach = step.degrain_radius
    searched = mvu.Super(keep_none(_search_clip(keep(node, reach), sigma, effort)), pel=pel, **blocks)
    searched = _without_planes(searched)
    vectors = mvu.AnalyseMany(keep(searched, reach), radius=step.degrain_radius, **blocks)
    degrained = mvu.Degrain(
        node,
        keep(mvu.Super(node, pel=pel, onelevel=1, **blocks), reach),
        [keep_none(vector) for vector in vectors],
        thsad=[round(thsad_per_sigma(step) * sigma)],
        thscd1=round(400 + 12 * sigma),
    )
    return keep(degrained, _DFT_FRAMES // 2)


def _without_planes(node: VideoNode) -> VideoNode:
    """For enlarged pictures, which travel in the properties of pictures that nobody looks at."""
    blank = keep_none(vs.core.std.BlankClip(node, keep=True))
    return vs.core.std.CopyFrameProps(blank, keep_none(node))


def _search_clip(node: VideoNode, sigma: float, effort: _Effort) -> VideoNode:
    """Smoothed, for finding motion only."""
    if effort.is_search_filtered:
        return in_frequency_domain(node, _SEARCH_VARIANCE * sigma**2, frames=1, overlap=_SEARCH_OVERLAP_PX)
    smooth = vs.core.std.Convolution(node, [1, 2, 1, 2, 4, 2, 1, 2, 1])
    return (
        vs.core.std.Convolution(smooth, [1, 4, 6, 4, 1], mode="hv")
        if sigma >= _SMOOTHED_SEARCH_SIGMA
        else smooth
    )
