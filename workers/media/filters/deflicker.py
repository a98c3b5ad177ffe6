"""Brightness made steady: every picture's light multiplied by what the table says for its place in the source."""

from typing import Final

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from workers.media.exposure import GAIN_LIMITS, tone_curve
from workers.media.filters.clip import Clip, VideoNode
from workers.media.tables import FrameTables, SourcePosition, TablesError
from workers.protocol.steps import DeflickerStep

_STEPS_PER_ONE: Final = 1024
"""Gains are rounded to 1/1024: at most an eighth of an 8-bit code of luma, and a bounded number of curves."""


def deflicker(
    clip: Clip, step: DeflickerStep, tables: FrameTables, *, position: SourcePosition = float
) -> Clip:
    """Luma and chroma scaled about black and neutral, as more or less light scales them.

    Picture n of the result depends on picture n of the clip and the table only.

    Args:
        clip: YUV or gray, 8 to 16 bits.
        step: which share of the flicker goes.
        tables: with gains.
        position: where in the source the clip's pictures stand.

    Raises:
        TablesError: there are no gains.
    """
    if tables.frame_count and not len(tables.gain):
        raise TablesError("there is no table of gains")
    node = clip.node
    curves: dict[int, VideoNode] = {_STEPS_PER_ONE: node}

    def chosen(n: int) -> VideoNode:
        number = quantised(float(tables.at(tables.gain, position(n))) ** step.amount)
        if number not in curves:
            curves[number] = _curved(clip, number / _STEPS_PER_ONE)
        return curves[number]

    if bool(np.all(tables.gain == 1)):
        return clip
    return clip.with_node(vs.core.std.FrameEval(node, chosen, clip_src=[node]))


def quantised(gain: float) -> int:
    """The gain in 1/1024, within its limits."""
    return round(min(max(gain, GAIN_LIMITS[0]), GAIN_LIMITS[1]) * _STEPS_PER_ONE)


def _curved(clip: Clip, gain: float) -> VideoNode:
    bits = clip.bits
    luma = luma_table(gain, bits, is_full_range=clip.is_full_range)
    node = vs.core.std.Lut(clip.node, planes=[0], lut=luma.tolist())
    if clip.node.format.num_planes == 1:
        return node
    return vs.core.std.Lut(node, planes=[1, 2], lut=chroma_table(gain, bits).tolist())


def luma_table(gain: float, bits: int, *, is_full_range: bool) -> NDArray[np.int64]:
    """Stored code values after the gain, shape (2^bits,); what lies outside the nominal range stays as it is."""
    top = (1 << bits) - 1
    unit = 1 << (bits - 8)
    black, white = (0, top) if is_full_range else (16 * unit, 235 * unit)
    codes = np.arange(top + 1)
    inside = (codes > black) & (codes < white)
    curved = black + tone_curve(np.clip((codes - black) / (white - black), 0, 1), gain) * (white - black)
    # Strictly inside stays strictly inside: nothing is newly clipped.
    held = np.clip(np.rint(curved), black + 1, white - 1)
    return np.where(inside, held, codes).astype(np.int64)


def chroma_table(gain: float, bits: int) -> NDArray[np.int64]:
    """Stored code values after the gain about neutral, shape (2^bits,); bends towards the ends like luma."""
    top = (1 << bits) - 1
    centre = 1 << (bits - 1)
    offset = np.arange(top + 1) - centre
    curved = centre + np.sign(offset) * tone_curve(np.abs(offset) / centre, gain) * centre
    return np.clip(np.rint(curved), 0, top).astype(np.int64)
