"""Blocks of codecs without a loop filter made less visible: a three-frame frequency-domain filter set to their noise.

Its overlapping windows lie across the borders of the codec's blocks, so that a step there is noise like any other.
Gain over the decoded picture on six references, luma, dB PSNR, set by the measured blockiness (smallest to largest):

| source | quantiser | gain |
|---|---|---|
| MPEG-2 | 6 | 0.4 to 1.0 |
| MPEG-2 | 12 | 0.3 to 0.8 |
| MPEG-4 ASP | 12 | 0.1 to 0.6 |

and 0.2 to 1.0 dB on chroma. Smoothing the borders alone (the filter of H.263 annex J) gained half of that at most and
lost up to 1 dB at quantiser 6; a window of one frame gained 0.0 to 0.9.
"""

from typing import Final

import vapoursynth as vs

from workers.media.filters.caches import keep
from workers.media.filters.clip import Clip
from workers.media.filters.frequency import in_frequency_domain
from workers.protocol.steps import DeblockStep

_FRAMES: Final = 3
_OVERLAP_PX: Final = 12


def deblock(clip: Clip, step: DeblockStep) -> Clip:
    """Luma and chroma; `amount` is the standard deviation of the coding noise.

    Luma that was neither black nor white does not become it: a filter's ripple beside an edge would be cut off.
    """
    node = keep(clip.node, _FRAMES // 2)
    filtered = in_frequency_domain(node, step.amount**2, frames=_FRAMES, overlap=_OVERLAP_PX)
    top = (1 << clip.bits) - 1
    unit = 1 << (clip.bits - 8)
    black, white = (0, top) if clip.is_full_range else (16 * unit, 235 * unit)
    kept = f"x {black} > x {white} < and y {black + 1} max {white - 1} min y ?"
    expressions = [kept] if node.format.num_planes == 1 else [kept, "y", "y"]
    return clip.with_node(vs.core.std.Expr([node, filtered], expressions))
