"""One fixed curve for luma and one fixed correction for chroma: the same for every frame, so nothing can flicker."""

from typing import Final

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from workers.media.filters.clip import Clip, VideoNode
from workers.protocol.steps import ColourStep

_SMALLEST_BLURRED_PX: Final = 4
"""What BoxBlur asks of a side; a line of pixels has no neighbourhood anyway."""
_LOCAL_RADIUS_DIVISOR: Final = 24
"""Radius of the neighbourhood that local contrast is judged against: a 24th of the picture's height."""

_HEADROOM: Final = 0.25
"""Share of the range next to black and white in which local contrast fades out."""

_LOCAL_GAIN: Final = 0.22
"""Added share of the distance from the neighbourhood's mean, for a `local_contrast` of 1."""


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
    curved = _stretched(level, step.black, step.white) ** step.gamma
    table = np.clip(np.rint(black + curved * (white - black)), black + 1, white - 1)
    # What lies outside the nominal range stays as it is.
    return np.where(inside, table, codes).astype(np.int64)


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


def chroma_curve(shift: float, saturation: float, bits: int) -> NDArray[np.int64]:
    """Lookup table for one chroma plane: neutral axis moved by `shift` (8-bit code values), then scaled."""
    unit = 1 << (bits - 8)
    centre, top = 128 * unit, (1 << bits) - 1
    codes = np.arange(top + 1)
    moved = centre + (codes - centre + shift * unit) * saturation
    return np.clip(np.rint(moved), 0, top).astype(np.int64)


def correct_colour(clip: Clip, step: ColourStep) -> Clip:
    """Apply the curves; local contrast as a fixed linear filter, which leaves the mean of every frame alone."""
    node = clip.node
    bits = clip.bits
    if step.local_contrast > 0:
        node = _locally_contrasted(node, step.local_contrast, is_full_range=clip.is_full_range)
    if (step.black, step.white, step.gamma) != (0.0, 1.0, 1.0):
        curve = luma_curve(step, bits, is_full_range=clip.is_full_range)
        node = vs.core.std.Lut(node, planes=[0], lut=curve.tolist())
    for plane, shift in ((1, step.cb_shift), (2, step.cr_shift)):
        if shift or step.saturation != 1.0:
            table = chroma_curve(shift, step.saturation, bits)
            node = vs.core.std.Lut(node, planes=[plane], lut=table.tolist())
    return clip.with_node(node)


def _locally_contrasted(node: VideoNode, amount: float, *, is_full_range: bool) -> VideoNode:
    """Move luma away from its neighbourhood's mean, less and less towards black and white so that nothing clips."""
    if min(node.width, node.height) < _SMALLEST_BLURRED_PX:
        return node
    radius = max(2, node.height // _LOCAL_RADIUS_DIVISOR)
    blurred = vs.core.std.BoxBlur(node, planes=[0], hradius=radius, vradius=radius, hpasses=2, vpasses=2)
    black, white, _ = _levels(node.format.bits_per_sample, is_full_range=is_full_range)
    margin = 1 / (_HEADROOM * (white - black))
    room = f"x y > {white} x - x {black} - ? {margin} * 1 min 0 max"
    return vs.core.std.Expr([node, blurred], [f"x y - {_LOCAL_GAIN * amount} * {room} * x +", ""])


def _levels(bits: int, *, is_full_range: bool) -> tuple[int, int, int]:
    top = (1 << bits) - 1
    if is_full_range:
        return 0, top, top
    unit = 1 << (bits - 8)
    return 16 * unit, 235 * unit, top
