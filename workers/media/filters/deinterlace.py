"""Interlaced pictures to progressive ones, one for one."""

from typing import Final

import vapoursynth as vs

from workers.media.filters.clip import Clip
from workers.protocol.media import FieldOrder
from workers.protocol.steps import DeinterlaceStep

_SAME_RATE_FIELD: Final = {FieldOrder.BOTTOM_FIRST: 0, FieldOrder.TOP_FIRST: 1}
"""bwdif's `field`: which field is kept; 2 and 3 would double the rate."""


def deinterlace(clip: Clip, step: DeinterlaceStep) -> Clip:
    """Keep the first field of every picture and rebuild the other from its neighbours (bwdif)."""
    return clip.with_node(vs.core.bwdif.Bwdif(clip.node, field=_SAME_RATE_FIELD[step.field_order]))
