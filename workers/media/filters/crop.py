"""Borders cut off, in whole samples of chroma."""

import vapoursynth as vs

from workers.media.filters.clip import Clip
from workers.protocol.steps import CropStep


def crop(clip: Clip, step: CropStep) -> Clip:
    """What is left of the picture; no sample's value changes.

    A clip of an odd source is padded at its right and bottom edge. Where that edge is cut, the padding goes with it.
    """
    node = clip.node
    form = node.format
    width = _kept(node.width - step.left_px, step.right_px, 1 << form.subsampling_w)
    height = _kept(node.height - step.top_px, step.bottom_px, 1 << form.subsampling_h)
    return clip.with_node(
        vs.core.std.CropAbs(node, width=width, height=height, left=step.left_px, top=step.top_px)
    )


def _kept(size_px: int, cut_px: int, unit: int) -> int:
    """What is cut leaves whole units of the source, so anything beyond them is padding."""
    return (size_px - cut_px) // unit * unit if cut_px else size_px
