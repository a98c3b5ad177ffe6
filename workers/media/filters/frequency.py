"""Shrinkage in the frequency domain: overlapping windows of 16×16 px over three frames (dfttest)."""

from typing import Any, Final

import vapoursynth as vs
from dfttest2 import Backend, DFTTest

from workers.media.filters.clip import VideoNode

_DFT_FRAMES: Final = 3
_PLUGIN_THREADS: Final = 4096
"""More threads than ever take part in one job; each that does costs the plugin one small buffer."""


def in_frequency_domain(node: VideoNode, *, variance: float) -> VideoNode:
    """Take noise of this variance (8-bit code values squared) out of all planes; one frame is needed on each side."""
    # The plugin counts the pool's threads when a filter is made, and ends the process when more than that many ever
    # come by: threads of a pool that was larger for an earlier job do.
    threads = vs.core.num_threads
    vs.core.num_threads = max(threads, _PLUGIN_THREADS)
    try:
        return DFTTest(node, tbsize=_DFT_FRAMES, sigma=variance, backend=_backend())
    finally:
        vs.core.num_threads = threads


def _backend() -> Any:
    """The hand-vectorised plugin where it exists (x86-64), else the one for every other processor."""
    return Backend.CPU() if hasattr(vs.core, "dfttest2_cpu") else Backend.GCC()
