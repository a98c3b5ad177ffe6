"""HDR to SDR: absolute light to what a BT.709 screen can show, in linear light.

Knee and roll-off follow the EETF of ITU-R BT.2390-10, section 5.4.1, applied to the largest of R, G and B so that
hues stay; reference white is 203 cd/m² (ITU-R BT.2408-7).
"""

from typing import Final

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from workers.media.filters.clip import LINEAR, MATRIX_RGB, Clip, VideoNode
from workers.protocol.steps import ToneMapStep

REFERENCE_WHITE_NITS: Final = 203.0
BT709: Final = 1
_BRIGHTEST: Final = 10_000 / REFERENCE_WHITE_NITS
"""Most light that PQ can say, in reference whites."""

_TABLE_TOP: Final = 65_535

_M1: Final = 2610 / 16384
_M2: Final = 2523 / 4096 * 128
_C1: Final = 3424 / 4096
_C2: Final = 2413 / 4096 * 32
_C3: Final = 2392 / 4096 * 32
"""Constants of the perceptual quantiser, SMPTE ST 2084."""


def perceptual(nits: float) -> float:
    """PQ code (0–1) of an absolute luminance in cd/m²."""
    powered = (max(0.0, nits) / 10_000) ** _M1
    return float(((_C1 + _C2 * powered) / (1 + _C3 * powered)) ** _M2)


def absolute(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Luminance in cd/m² of PQ codes (0–1), any shape."""
    powered = code ** (1 / _M2)
    nits: NDArray[np.float64] = 10_000 * (np.maximum(powered - _C1, 0) / (_C2 - _C3 * powered)) ** (1 / _M1)
    return nits


def tone_map(clip: Clip, step: ToneMapStep) -> Clip:
    """BT.709 SDR, limited range, 16 bits in the subsampling that came in."""
    form = clip.node.format
    linear = vs.core.resize.Bicubic(
        clip.node,
        format=vs.RGBS,
        matrix_in=clip.matrix,
        transfer_in=clip.transfer,
        primaries_in=clip.primaries,
        range_in_s="full" if clip.is_full_range else "limited",
        chromaloc_in=clip.chroma_location,
        transfer=LINEAR,
        primaries=clip.primaries,
        matrix=MATRIX_RGB,
        nominal_luminance=REFERENCE_WHITE_NITS,
    )
    wanted = vs.core.query_video_format(vs.YUV, vs.INTEGER, 16, form.subsampling_w, form.subsampling_h)
    node = vs.core.resize.Bicubic(
        _compressed(linear, step.peak_nits),
        format=wanted.id,
        matrix_in=MATRIX_RGB,
        transfer_in=LINEAR,
        primaries_in=clip.primaries,
        range_in_s="full",
        matrix=BT709,
        transfer=BT709,
        primaries=BT709,
        range_s="limited",
        chromaloc=clip.chroma_location,
        # The curve has already brought white to 1.0; SDR counts its own white as 100 cd/m².
        nominal_luminance=100,
    )
    return Clip(node, BT709, BT709, BT709, is_full_range=False, chroma_location=clip.chroma_location)


def _compressed(linear: VideoNode, peak_nits: float) -> VideoNode:
    """Scale every pixel so that its largest channel follows the curve; 1.0 is reference white before and after.

    The gain is looked up by the fourth root of the light, which spreads 16 bits about evenly over what is seen.
    """
    expr = vs.core.std.Expr
    planes = vs.core.std.SplitPlanes(linear)
    index = expr(planes, f"x y max z max 0 max sqrt sqrt {_TABLE_TOP / _BRIGHTEST**0.25} *", format=vs.GRAY16)
    gain = vs.core.std.Lut(index, lutf=gain_table(peak_nits).tolist(), floatout=True)
    gains = vs.core.std.ShufflePlanes([gain, gain, gain], [0, 0, 0], vs.RGB)
    return expr([linear, gains], "x y *")


def gain_table(peak_nits: float) -> NDArray[np.float64]:
    """What light is multiplied by, shape (65536,); entry i is for (i / 65535)⁴ of 10,000 cd/m²."""
    nits = (np.arange(_TABLE_TOP + 1) / _TABLE_TOP) ** 4 * 10_000
    nits[0] = nits[1]
    source_white = perceptual(max(peak_nits, REFERENCE_WHITE_NITS * 1.05))
    powered = (nits / 10_000) ** _M1
    code = ((_C1 + _C2 * powered) / (1 + _C3 * powered)) ** _M2
    rolled = rolled_off(np.minimum(code / source_white, 1), perceptual(REFERENCE_WHITE_NITS) / source_white)
    return absolute(rolled * source_white) / nits


def rolled_off(code: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """BT.2390's Hermite spline: the identity below the knee, ending at `target` with slope 0.

    Args:
        code: PQ code relative to the source's peak, 0–1, any shape.
        target: PQ code of the target's white relative to the source's peak, 0.5–1.
    """
    knee = 1.5 * target - 0.5
    along = np.maximum(code - knee, 0) / (1 - knee)
    cubic, square = 2 * knee + (1 - knee) - 2 * target, -3 * knee - 2 * (1 - knee) + 3 * target
    spline = ((cubic * along + square) * along + (1 - knee)) * along + knee
    return np.where(code < knee, code, spline)
