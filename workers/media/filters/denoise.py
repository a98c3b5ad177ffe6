"""Noise removal: motion-compensated averaging, then a three-frame frequency-domain filter.

Thresholds are multiples of the measured σ. They come from a search over six clips, σ 5–40 and codec-shaped noise
(resulting gains: benchmarks and DECISIONS.md). Planes keep their depth; SAD thresholds are meant for 8 bits and
scaled by the library.
"""

from typing import Final

import vapoursynth as vs

from workers.media.filters.clip import Clip, VideoNode
from workers.media.filters.frequency import in_frequency_domain
from workers.protocol.steps import DenoiseStep

_BLOCK_PX: Final = 16
_OVERLAP_PX: Final = 8
_HALF_PEL: Final = 2
_STRONG_SIGMA: Final = 20.0
"""From here on blocks match less surely and a lower threshold per σ gave the better picture."""

_SMOOTHED_SEARCH_SIGMA: Final = 15.0

_SMALLEST_SIDE_PX: Final = 2 * _BLOCK_PX


def denoise(clip: Clip, step: DenoiseStep) -> Clip:
    """Luma and chroma denoised by the planned σ."""
    node = clip.node
    if step.degrain_radius and min(node.width, node.height) >= _SMALLEST_SIDE_PX << node.format.subsampling_w:
        node = _degrained(node, step)
    return clip.with_node(in_frequency_domain(node, variance=0.8 * step.effective_sigma**2))


def thsad_per_sigma(step: DenoiseStep) -> float:
    """How different two blocks may be, per σ, and still be averaged."""
    if step.is_correlated:
        return 70.0
    return 40.0 if step.effective_sigma >= _STRONG_SIGMA else 60.0


def _degrained(node: VideoNode, step: DenoiseStep) -> VideoNode:
    sigma = step.effective_sigma
    blocks = {"blksize": [_BLOCK_PX, _BLOCK_PX], "overlap": [_OVERLAP_PX, _OVERLAP_PX]}
    mvu = vs.core.mvu
    vectors = mvu.AnalyseMany(
        mvu.Super(_search_clip(node, sigma), pel=_HALF_PEL, **blocks), radius=step.degrain_radius, **blocks
    )
    return mvu.Degrain(
        node,
        mvu.Super(node, pel=_HALF_PEL, onelevel=1, **blocks),
        vectors,
        thsad=[round(thsad_per_sigma(step) * sigma)],
        thscd1=round(400 + 12 * sigma),
    )


def _search_clip(node: VideoNode, sigma: float) -> VideoNode:
    """Smoothed, for finding motion only."""
    smooth = vs.core.std.Convolution(node, [1, 2, 1, 2, 4, 2, 1, 2, 1])
    if sigma >= _SMOOTHED_SEARCH_SIGMA:
        smooth = vs.core.std.Convolution(smooth, [1, 4, 6, 4, 1], mode="hv")
    return smooth
