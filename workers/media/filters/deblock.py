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

from workers.media.filters.clip import Clip
from workers.media.filters.frequency import in_frequency_domain
from workers.protocol.steps import DeblockStep


def deblock(clip: Clip, step: DeblockStep) -> Clip:
    """Luma and chroma; `amount` is the standard deviation of the coding noise."""
    return clip.with_node(in_frequency_domain(clip.node, variance=step.amount**2))
