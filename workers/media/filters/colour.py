"""One fixed curve for luma, one fixed correction for chroma and local contrast that keeps edges clean.

Everything is the same for every frame and depends on that frame only, so nothing can flicker by itself.
"""

from typing import Final

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from workers.media.filters.caches import keep
from workers.media.filters.clip import Clip, VideoNode
from workers.protocol.steps import ColourStep

_SMALLEST_BLURRED_PX: Final = 4
"""What BoxBlur asks of a side; a line of pixels has no neighbourhood anyway."""
_LOCAL_RADIUS_DIVISOR: Final = 24
"""Radius of the neighbourhood that local contrast is judged against: a 24th of the picture's height."""

_HEADROOM: Final = 0.25
"""Share of the range next to black and white in which local contrast fades out."""

_LOCAL_GAIN: Final = 0.25
"""Added share of the distance from the smooth picture, for a `local_contrast` of 1."""

_LIFT_OF_GAMMA: Final = 1.6
"""A gamma of 0.955 makes shadows at most 1.072 times as steep."""

_EDGE_CODES: Final = 20.0
"""Deviation of a neighbourhood, in 8-bit code values, that counts as an edge and is kept out of the detail."""

_REDUCED: Final = 4
"""The smooth picture is fitted on a picture reduced by this much."""

_SMALLEST_PX: Final = 4
"""Of that picture: the blur takes no less."""

_VIVID: Final = (48.0, 96.0)
"""Chroma magnitude, 8-bit code values, between which more saturation fades out: no colour reaches the range's end."""

_SKIN: Final = (-0.545, 0.839)
"""Direction of skin of all tones in the plane of Cb and Cr: the I axis of YIQ, at 123 degrees."""

_SKIN_NEARNESS: Final = (0.90, 0.97)
"""Cosine of the angle to it between which a colour turns into skin: 26 and 14 degrees."""

_SKIN_SHARE: Final = 0.3
"""Share of the added saturation that skin gets."""


def luma_curve(step: ColourStep, bits: int, *, is_full_range: bool) -> NDArray[np.int64]:
    """Lookup table for luma, `1 << bits` entries of stored code values.

    Strictly inside stays strictly inside: black and white are reached by no code that was neither.

    Args:
        step: levels as fractions of the nominal range.
        bits: of the samples.
        is_full_range: full swing instead of limited.
    """
    black, white, top = _levels(bits, is_full_range=is_full_range)
    codes = np.arange(top + 1)
    inside = (codes > black) & (codes < white)
    level = np.clip((codes - black) / (white - black), 0, 1)
    curved = _lifted(_stretched(level, step.black, step.white), step.gamma)
    table = np.clip(np.rint(black + curved * (white - black)), black + 1, white - 1)
    # What lies outside the nominal range stays as it is.
    return np.where(inside, table, codes).astype(np.int64)


def _lifted(level: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    """About level ** gamma in the middle tones, but with a bounded slope at black.

    l (1 + k (1 - l)²) is nowhere steeper than 1 + k for k > 0, so that neither the noise of shadows nor the flicker of
    dark pictures grows by more, and rises everywhere for k from -1 to 3.
    """
    lift = _LIFT_OF_GAMMA * (1 - gamma)
    return np.asarray(level * (1 + lift * (1 - level) ** 2))


def _stretched(level: NDArray[np.float64], black: float, white: float) -> NDArray[np.float64]:
    """A straight line from (black, 0) to (white, 1) that bends towards (0, 0) and (1, 1) before it gets there.

    Both bends are cubic Hermite segments; their chords are steep enough to keep them monotone (Fritsch and
    Carlson 1980: end slopes of at most three times the chord's).
    """
    gain = 1 / (white - black)
    foot = 1.5 * black + 0.02 if black > 0 else 0.0
    shoulder = 1.5 * white - 0.55 if white < 1 else 1.0
    line = (level - black) * gain
    if foot > 0:
        height = (foot - black) * gain
        line = np.where(level < foot, _bend(level / foot, 0, height, height / 2, gain * foot), line)
    if shoulder < 1:
        start, width = (shoulder - black) * gain, 1 - shoulder
        along = (level - shoulder) / width
        line = np.where(level > shoulder, _bend(along, start, 1, gain * width, (1 - start) / 2), line)
    return np.clip(line, 0, 1)


def _bend(
    along: NDArray[np.float64], start: float, end: float, slope_at_start: float, slope_at_end: float
) -> NDArray[np.float64]:
    """Cubic Hermite interpolation for `along` from 0 to 1; slopes per unit of `along`."""
    t = np.clip(along, 0, 1)
    bent: NDArray[np.float64] = (
        (2 * t**3 - 3 * t**2 + 1) * start
        + (t**3 - 2 * t**2 + t) * slope_at_start
        + (3 * t**2 - 2 * t**3) * end
        + (t**3 - t**2) * slope_at_end
    )
    return bent


def chroma_curve(shift: float, bits: int) -> NDArray[np.int64]:
    """Lookup table for one chroma plane: neutral axis moved by `shift` (8-bit code values)."""
    unit = 1 << (bits - 8)
    top = (1 << bits) - 1
    return np.clip(np.rint(np.arange(top + 1) + shift * unit), 0, top).astype(np.int64)


def correct_colour(clip: Clip, step: ColourStep) -> Clip:
    """Apply local contrast, the curve, the shift of the neutral axis and the saturation.

    Args:
        clip: YUV or gray, 8 to 16 bits.
        step: what to apply.
    """
    node = clip.node
    bits = clip.bits
    if step.local_contrast > 0:
        node = _locally_contrasted(node, step.local_contrast, is_full_range=clip.is_full_range)
    if (step.black, step.white, step.gamma) != (0.0, 1.0, 1.0):
        curve = luma_curve(step, bits, is_full_range=clip.is_full_range)
        node = vs.core.std.Lut(node, planes=[0], lut=curve.tolist())
    if node.format.num_planes == 3:
        for plane, shift in ((1, step.cb_shift), (2, step.cr_shift)):
            if shift:
                node = vs.core.std.Lut(node, planes=[plane], lut=chroma_curve(shift, bits).tolist())
        if step.saturation != 1.0:
            node = _saturated(node, step.saturation)
    return clip.with_node(node)


def _saturated(node: VideoNode, saturation: float) -> VideoNode:
    """More or less distance from neutral; more of it stops short of vivid colours and spares skin."""
    core = vs.core
    bits = node.format.bits_per_sample
    blue, red = (keep(core.std.ShufflePlanes(keep(node, 0), plane, vs.GRAY), 0) for plane in (1, 2))
    centre, unit = 1 << (bits - 1), float(1 << (bits - 8))
    cb, cr = f"x {centre} - {unit} /", f"y {centre} - {unit} /"
    size = f"{cb} dup * {cr} dup * + sqrt"
    vivid = f"{_VIVID[1]} {size} - {_VIVID[1] - _VIVID[0]} / 0 max 1 min"
    nearness = f"{cb} {_SKIN[0]} * {cr} {_SKIN[1]} * + {size} 0.001 + /"
    low, high = _SKIN_NEARNESS
    skin = f"{nearness} {low} - {high - low} / 0 max 1 min"
    gain = f"{saturation - 1} {vivid} * 1 {1 - _SKIN_SHARE} {skin} * - * 1 +"
    if saturation < 1:
        gain = f"{saturation}"
    mixed = [core.std.Expr([blue, red], f"{plane} {centre} - {gain} * {centre} +") for plane in ("x", "y")]
    return core.std.ShufflePlanes([node, *mixed], [0, 0, 0], vs.YUV)


def _locally_contrasted(node: VideoNode, amount: float, *, is_full_range: bool) -> VideoNode:
    """Move luma away from the smooth picture, less and less towards black and white so that nothing clips.

    The smooth picture follows edges (guided filter: He, Sun and Tang 2010; fitted on a reduced picture: He and Sun
    2015), so that they get no halo.
    """
    core = vs.core
    luma = keep(core.std.ShufflePlanes(keep(node, 0), 0, vs.GRAY), 0)
    scale, offset = _smooth_picture(luma)
    black, white, _ = _levels(node.format.bits_per_sample, is_full_range=is_full_range)
    margin = 1 / (_HEADROOM * (white - black))
    detail = "x y x * z + -"
    room = f"{detail} 0 > {white} x - x {black} - ? {margin} * 1 min 0 max"
    contrasted = core.std.Expr(
        [luma, scale, offset], f"{detail} {_LOCAL_GAIN * amount} * {room} * x +", luma.format.id
    )
    keep(contrasted, 0)
    if node.format.num_planes == 1:
        return contrasted
    return core.std.ShufflePlanes([contrasted, node, node], [0, 1, 2], vs.YUV)


def _smooth_picture(luma: VideoNode) -> tuple[VideoNode, VideoNode]:
    """Two float pictures a and b of the same size: the smooth picture is a x luma + b, in the luma's code values."""
    core = vs.core
    unit = float(1 << (luma.format.bits_per_sample - 8))
    radius = max(1, luma.height // _LOCAL_RADIUS_DIVISOR // _REDUCED)
    width, height = (max(_SMALLEST_PX, -(-size // _REDUCED)) for size in (luma.width, luma.height))
    small = core.resize.Bilinear(luma, width, height)

    def mean(clip: VideoNode) -> VideoNode:
        return core.std.BoxBlur(clip, hradius=radius, vradius=radius)

    small = keep(core.std.Expr(small, "x", vs.GRAYS), 0)
    middle = keep(mean(small), 0)
    square = mean(core.std.Expr(small, "x x *"))
    edges = (_EDGE_CODES * unit) ** 2
    scale = keep(core.std.Expr([square, middle], f"x y y * - 0 max dup {edges} + /"), 0)
    offset = core.std.Expr([middle, scale], "x 1 y - *")
    large = [core.resize.Bilinear(mean(part), luma.width, luma.height) for part in (scale, offset)]
    return large[0], large[1]


def _levels(bits: int, *, is_full_range: bool) -> tuple[int, int, int]:
    top = (1 << bits) - 1
    if is_full_range:
        return 0, top, top
    unit = 1 << (bits - 8)
    return 16 * unit, 235 * unit, top
