"""Noise removal: motion-compensated averaging, then a three-frame frequency-domain filter.

Thresholds are multiples of the measured σ. They come from a search over four natural clips with white noise of σ 10
and 20 and with camera noise after H.264 (resulting gains: benchmarks and DECISIONS.md). Planes keep their depth; SAD
thresholds are meant for 8 bits and scaled by the library.
"""

from dataclasses import dataclass
from typing import Final

import vapoursynth as vs

from workers.media.filters.caches import in_the_making, keep, keep_exactly, keep_none
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

_CUT_SAD: Final = 540
_CUT_SAD_PER_SIGMA: Final = 16
"""Sum of absolute differences of 8×8 px from which on a block counts as changed; after a cut most blocks are."""

_ENLARGED_PICTURES: Final = "MVUtensilsSuper*"
_SEARCH_PROPERTIES: Final = "MVUtensils*"
"""Properties that the search leaves on a picture. The enlarged pictures are among them, and live as long as it does."""

_NO_PROPERTY: Final = "VidprocAskedForOnly"
"""Nothing has it: a picture whose property of this name is copied is asked for, and nothing of it is taken."""

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
    """How different two blocks of luma may be, per σ, and still be averaged."""
    if step.is_correlated:
        return 95.0
    is_plain_search = not _EFFORTS[step.speed].is_search_filtered
    return 54.0 if is_plain_search and step.effective_sigma >= _STRONG_SIGMA else 80.0


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
    keep_exactly(node, 1)  # read twice, at about the same time
    luma = node if node.format.num_planes == 1 else keep_none(vs.core.std.ShufflePlanes(node, 0, vs.GRAY))
    searched = _without_picture(mvu.Super(keep_none(_search_clip(luma, sigma, effort)), pel=pel, **blocks))
    averaged = keep(_without_picture(mvu.Super(node, pel=pel, onelevel=1, **blocks)), reach)
    degrained = mvu.Degrain(
        averaged,
        averaged,
        _vectors(searched, reach),
        thsad=[round(thsad_per_sigma(step) * sigma)],
        thscd1=round(_CUT_SAD + _CUT_SAD_PER_SIGMA * sigma),
    )
    bare = vs.core.std.RemoveFrameProps(keep_none(degrained), [_SEARCH_PROPERTIES])
    return keep(bare, _DFT_FRAMES // 2)


def _vectors(searched: VideoNode, reach: int) -> list[VideoNode]:
    """Where every block was and will be in the `reach` pictures on each side.

    Where the newest picture was in those before it is searched for as soon as it is there, and the vectors are held:
    so the enlarged pictures before the one that is averaged need not be.
    """
    keep_exactly(searched, in_the_making() + reach)
    found: list[VideoNode] = []
    for distance in range(1, reach + 1):
        ahead, behind = (keep_none(vs.core.mvu.Analyse(searched, delta=sign * distance)) for sign in (1, -1))
        behind = keep_exactly(
            vs.core.std.RemoveFrameProps(behind, [_ENLARGED_PICTURES]), in_the_making() + reach
        )
        if searched.num_frames > reach:  # too short a clip has nothing to search for early
            early = keep_none(vs.core.std.Trim(behind, first=reach))
            ahead = keep_none(vs.core.std.CopyFrameProps(ahead, early, [_NO_PROPERTY]))
        found += [ahead, behind]
    return found


def _without_picture(node: VideoNode) -> VideoNode:
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
