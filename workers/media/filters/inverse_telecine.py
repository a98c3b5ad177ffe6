"""What is left to do for film pictures that were put together again: a few whose fields do not belong together.

The fields themselves are woven where the clip is fed; which ones, a table says (`workers.media.field_match`).
"""

from typing import Any, Final

import vapoursynth as vs

from workers.media.filters.clip import Clip, VideoNode
from workers.media.filters.deinterlace import bwdif
from workers.protocol.steps import InverseTelecineStep

COMBED: Final = "_Combed"
"""Frame property, VapourSynth's own name for it: 1 where the table says that no field fits."""


def settle_combed(clip: Clip, step: InverseTelecineStep) -> Clip:
    """Pictures marked as combed keep their first field and get the other lines anew; all others pass untouched.

    Args:
        clip: film pictures; the marked ones are video among film, or what an edit left over. An unmarked clip passes.
        step: knows the order of the fields.
    """
    settled = bwdif(clip.node, step.field_order)

    # VapourSynth names the arguments.
    def choose(n: int, f: Any) -> VideoNode:  # noqa: ARG001  # VapourSynth gives both by name
        return settled if f.props.get(COMBED, 0) else clip.node

    chosen = vs.core.std.FrameEval(clip.node, choose, prop_src=clip.node, clip_src=[settled, clip.node])
    return clip.with_node(chosen)
