"""Shrinkage in the frequency domain: overlapping windows of 16×16 px over one or more frames (dfttest)."""

from typing import Any, Final

import vapoursynth as vs
from dfttest2 import Backend, DFTTest

from workers.media.filters.clip import VideoNode

_BLOCK_PX: Final = 16
_PLUGIN_THREADS: Final = 4096
"""More threads than ever take part in one job; each that does costs the plugin one small buffer."""


def in_frequency_domain(node: VideoNode, variance: float, *, frames: int, overlap: int) -> VideoNode:
    """Take noise of this variance out of all planes.

    Args:
        node: of any integer format.
        variance: of the noise, in 8-bit code values squared.
        frames: in one window; half of those beside the middle one are needed on each side.
        overlap: of neighbouring windows, in px: 8 puts each pixel into 4 of them, 12 into 16.
    """
    # The plugin counts the pool's threads when a filter is made, and ends the process when more than that many ever
    # come by: threads of a pool that was larger for an earlier job do.
    threads = vs.core.num_threads
    vs.core.num_threads = max(threads, _PLUGIN_THREADS)
    try:
        return DFTTest(
            node, tbsize=frames, sbsize=_BLOCK_PX, sosize=overlap, sigma=variance, backend=_backend()
        )
    finally:
        vs.core.num_threads = threads


def _backend() -> Any:
    """The hand-vectorised plugin where it exists (x86-64), else the one for every other processor."""
    return Backend.CPU() if hasattr(vs.core, "dfttest2_cpu") else Backend.GCC()
