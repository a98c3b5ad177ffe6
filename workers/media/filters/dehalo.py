"""Bright and dark lines beside edges reduced: sharpening undone, near edges only.

Sharpening adds a multiple of the difference from a blurred picture; a share of that difference is taken off again
where an edge is near. Luma only: chroma is hardly ever sharpened. Six references sharpened with unsharp masks, those
where a halo was found, the share set by what was measured:

| mask | found in | gain, dB PSNR |
|---|---|---|
| 5×5, 1.5 | 4 of 6 | 8.1 to 11.9 |
| 9×9, 1.2 | 3 of 6 | 8.1 to 13.7 |
| 13×13, 0.8, then H.264 | 2 of 6 | 12 to 13.3 |
| 5×5, 0.6 | 2 of 6 | 6.9 and more |

The others are too soft for halos, or have too few edges. None is found in the references themselves.
"""

from typing import Final

import vapoursynth as vs

from workers.media.filters.caches import keep
from workers.media.filters.clip import Clip, VideoNode
from workers.protocol.steps import DehaloStep

_BLUR_PX: Final = 2
_PASSES: Final = 2
"""Two box blurs of 5×5: a standard deviation of 2 px, between the usual sharpeners' masks."""

_EDGE_CODES: Final = 40
"""Contrast within 3×3 px, in 8-bit code values, from which on something is an edge; 64 more is one for certain."""

_NEAR_PX: Final = 3
_SMALLEST_PX: Final = 16


def dehalo(clip: Clip, step: DehaloStep) -> Clip:
    """Take `amount` of the difference from the blurred luma off near edges."""
    node = clip.node
    if min(node.width, node.height) < _SMALLEST_PX:
        return clip
    core = vs.core
    luma = keep(core.std.ShufflePlanes(keep(node, 0), 0, vs.GRAY), 0)
    wide = core.std.Expr([luma], "x", vs.GRAYS)
    blurred = core.std.BoxBlur(wide, hradius=_BLUR_PX, vradius=_BLUR_PX, hpasses=_PASSES, vpasses=_PASSES)
    softened = core.std.Expr(
        [luma, blurred, _near_edges(luma)], f"x x y - {step.amount} * z 255 / * -", luma.format.id
    )
    if node.format.num_planes == 1:
        return clip.with_node(softened)
    keep(softened, 0)
    return clip.with_node(core.std.ShufflePlanes([softened, node, node], [0, 1, 2], node.format.color_family))


def _near_edges(luma: VideoNode) -> VideoNode:
    """8 bits: 255 on edges and beside them, fading out."""
    core = vs.core
    unit = 1 << (luma.format.bits_per_sample - 8)
    contrast = core.std.Expr(
        [core.std.Minimum(luma), core.std.Maximum(luma)],
        f"y x - {unit} / {_EDGE_CODES} - 4 * 0 max 255 min",
        vs.GRAY8,
    )
    for _ in range(_NEAR_PX):
        contrast = core.std.Maximum(contrast)
    return core.std.Convolution(contrast, [1] * 9)
