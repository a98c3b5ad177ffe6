"""HDR to SDR: absolute light to what a BT.709 screen can show, in linear light.

Knee and roll-off follow the EETF of ITU-R BT.2390-10, section 5.4.1, applied to the largest of R, G and B so that
hues stay; reference white is 203 cd/m² (ITU-R BT.2408-7).
"""

from typing import Final

import vapoursynth as vs

from workers.media.filters.clip import LINEAR, MATRIX_RGB, Clip, VideoNode
from workers.protocol.steps import ToneMapStep

REFERENCE_WHITE_NITS: Final = 203.0
BT709: Final = 1

_M1: Final = 2610 / 16384
_M2: Final = 2523 / 4096 * 128
_C1: Final = 3424 / 4096
_C2: Final = 2413 / 4096 * 32
_C3: Final = 2392 / 4096 * 32
"""Constants of the perceptual quantiser, SMPTE ST 2084."""


_PQ: Final = f"dup {_C2} * {_C1} + swap {_C3} * 1 + / {_M2} pow"
"""Reverse Polish: luminance^m1 on the stack becomes the PQ code."""


def perceptual(nits: float) -> float:
    """PQ code (0–1) of an absolute luminance in cd/m²."""
    powered = (max(0.0, nits) / 10_000) ** _M1
    return float(((_C1 + _C2 * powered) / (1 + _C3 * powered)) ** _M2)


def tone_map(clip: Clip, step: ToneMapStep) -> Clip:
    """BT.709 SDR in 16-bit 4:4:4, limited range, whatever depth came in."""
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
    mapped = _compressed(linear, step.peak_nits)
    node = vs.core.resize.Bicubic(
        mapped,
        format=vs.YUV444P16,
        matrix_in=MATRIX_RGB,
        transfer_in=LINEAR,
        primaries_in=clip.primaries,
        range_in_s="full",
        matrix=BT709,
        transfer=BT709,
        primaries=BT709,
        range_s="limited",
        # The curve has already brought white to 1.0; SDR counts its own white as 100 cd/m².
        nominal_luminance=100,
    )
    return Clip(node, BT709, BT709, BT709, is_full_range=False)


def _compressed(linear: VideoNode, peak_nits: float) -> VideoNode:
    """Scale every pixel so that its largest channel follows the curve; 1.0 is reference white before and after.

    Constants are multiplied, never divided by: VapourSynth R81 folds `pow C /` into a wrong power (gives 0).
    """
    expr = vs.core.std.Expr
    red, green, blue = (vs.core.std.ShufflePlanes(linear, plane, vs.GRAY) for plane in range(3))
    brightest = expr([red, green, blue], "x y max z max 0.000001 max")
    peak = max(peak_nits, REFERENCE_WHITE_NITS * 1.05)
    source_white = perceptual(peak)
    code = expr(
        [brightest], f"x {REFERENCE_WHITE_NITS / 10_000} * {_M1} pow {_PQ} {1 / source_white} * 1 min"
    )
    rolled = _rolled_off(code, perceptual(REFERENCE_WHITE_NITS) / source_white)
    decoded = expr([rolled], f"x {source_white} * {1 / _M2} pow")
    light = expr(
        [decoded],
        f"x {_C1} - 0 max {_C2} x {_C3} * - / {1 / _M1} pow {10_000 / REFERENCE_WHITE_NITS} *",
    )
    gain = expr([light, brightest], "x y /")
    scaled = [expr([plane, gain], "x y * 0 max 1 min") for plane in (red, green, blue)]
    return vs.core.std.ShufflePlanes(scaled, [0, 0, 0], vs.RGB)


def _rolled_off(code: VideoNode, target: float) -> VideoNode:
    """BT.2390's Hermite spline: the identity below the knee, ending at `target` with slope 0.

    Args:
        code: PQ code relative to the source's peak, 0–1.
        target: PQ code of the target's white relative to the source's peak, 0.5–1.
    """
    knee = 1.5 * target - 0.5
    along = vs.core.std.Expr([code], f"x {knee} - {1 / (1 - knee)} * 0 max")
    cubic, square = 2 * knee + (1 - knee) - 2 * target, -3 * knee - 2 * (1 - knee) + 3 * target
    spline = f"y {cubic} * {square} + y * {1 - knee} + y * {knee} +"
    return vs.core.std.Expr([code, along], f"x {knee} < x {spline} ?")
