"""Contrast-adaptive sharpening of luma: strong where contrast is low, nothing where there is an edge already."""

from typing import Final

import vapoursynth as vs

from workers.media.filters.clip import Clip
from workers.protocol.steps import SharpenStep

_SMALLEST_PX: Final = 3


def sharpen(clip: Clip, step: SharpenStep) -> Clip:
    """AMD's contrast-adaptive sharpening on the luma plane."""
    if min(clip.node.width, clip.node.height) < _SMALLEST_PX:
        return clip
    return clip.with_node(vs.core.cas.CAS(clip.node, sharpness=step.amount, planes=[0]))
