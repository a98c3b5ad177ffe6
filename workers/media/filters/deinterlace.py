"""Interlaced pictures to progressive ones, one for each picture or one for each field.

Lines that were filmed are kept bit for bit; the lines between them are made anew. Fast, by bwdif alone. Otherwise that
is only the first guess: the guesses for neighbouring moments are shifted along the motion and averaged in, each block
by how well it fits, because a neighbour of the other parity was filmed just where a line is missing.

Measured on three clips woven from 60 pictures a second (`benchmarks/quality_fields.py`): balanced is 2.2 dB above
bwdif, best 2.6 dB. With decoding that takes 2.5 and 8 times the processor time of ffmpeg's bwdif; the filters alone
4 to 12 and 9 to 30 times, more the larger the picture: 56 ms for a picture of 1080 lines, balanced, one for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import vapoursynth as vs

from workers.media.field_evidence import is_interlaced
from workers.media.filters.clip import Clip, VideoNode
from workers.protocol.media import FieldOrder
from workers.protocol.settings import ChainSpeed, DeinterlaceOutput
from workers.protocol.steps import DeinterlaceStep

_BLOCK_PX: Final = 16
_OVERLAP_PX: Final = 8
_HALF_PEL: Final = 2
_THSAD: Final = 650
"""How different a block and its neighbour may be and still be averaged, for 8×8 px of 8 bits: between 400 and 1500 on
eight clips the natural ones gain from more, the drawn one from less; all gain at 650."""

_CUT_THSAD: Final = 800
"""A block this different counts towards a scene cut; the library's own 400 takes fast pans for cuts."""

_PASSES: Final = {ChainSpeed.BALANCED: 1, ChainSpeed.BEST: 2}
_SMALLEST_SIDE_PX: Final = 2 * _BLOCK_PX
_LONGEST: Final = 2**27
"""Pictures: fields are taken apart and doubled along the way, and VapourSynth counts to 2³¹. 51 days of video."""


@dataclass(frozen=True, slots=True)
class _Order:
    """Which field comes first, as VapourSynth and the plugins number it."""

    field_based: int
    same_rate: int
    double_rate: int

    @property
    def top_first(self) -> bool:
        return self.same_rate == 1


_ORDERS: Final = {
    FieldOrder.BOTTOM_FIRST: _Order(field_based=1, same_rate=0, double_rate=2),
    FieldOrder.TOP_FIRST: _Order(field_based=2, same_rate=1, double_rate=3),
}


def deinterlace(clip: Clip, step: DeinterlaceStep) -> Clip:
    """Take every picture apart.

    Args:
        clip: interlaced pictures; subsampled chroma is interlaced like luma.
        step: with output by fields the clip becomes twice as long, pictures 2n and 2n + 1 are the first and the
            second field of picture n; by frames picture n shows the moment of its first field.
    """
    order = _ORDERS[step.field_order]
    whole = _even_fields(clip.node.std.Trim(length=min(clip.node.num_frames, _LONGEST)))
    node = whole.std.SetFieldBased(order.field_based)
    made = _one_for_each_picture(node, order, step.speed)
    if step.output is DeinterlaceOutput.FIELD:
        made = _one_for_each_field(node, order, step.speed)
    if step.only_combed:
        made = _where_interlaced(whole.std.SetFieldBased(0), made)
    surplus = made.height - clip.node.height
    return clip.with_node(made.std.Crop(bottom=surplus) if surplus else made)


def bwdif(node: VideoNode, order: FieldOrder) -> VideoNode:
    """One picture for each, the first field kept bit for bit."""
    made = _same_rate(_even_fields(node), _ORDERS[order])
    surplus = made.height - node.height
    return made.std.Crop(bottom=surplus) if surplus else made


def _same_rate(node: VideoNode, order: _Order) -> VideoNode:
    made = vs.core.bwdif.Bwdif(node.std.SetFieldBased(order.field_based), field=order.same_rate)
    return made.std.SetFieldBased(0)


def _one_for_each_picture(node: VideoNode, order: _Order, speed: ChainSpeed) -> VideoNode:
    if not _can_search(node, speed):
        return _same_rate(node, order)
    return _one_for_each_field(node, order, speed).std.SelectEvery(cycle=2, offsets=[0])


def _one_for_each_field(node: VideoNode, order: _Order, speed: ChainSpeed) -> VideoNode:
    spatial = {}
    if speed is ChainSpeed.BEST:
        spatial["edeint"] = vs.core.znedi3.nnedi3(node, field=order.double_rate)
    guess = vs.core.bwdif.Bwdif(node, field=order.double_rate, **spatial).std.SetFieldBased(0)
    if not _can_search(node, speed):
        return guess
    made = guess
    for _ in range(_PASSES[speed]):
        made = _with_filmed_lines(guess, _averaged_along_motion(made), order)
    return made


def _can_search(node: VideoNode, speed: ChainSpeed) -> bool:
    smallest = min(node.width >> node.format.subsampling_w, node.height >> node.format.subsampling_h)
    return speed in _PASSES and smallest >= _SMALLEST_SIDE_PX


def _averaged_along_motion(node: VideoNode) -> VideoNode:
    blocks = {"blksize": [_BLOCK_PX, _BLOCK_PX], "overlap": [_OVERLAP_PX, _OVERLAP_PX]}
    mvu = vs.core.mvu
    # Made lines shimmer from field to field; the search must not take that for motion.
    smooth = vs.core.std.Convolution(node, [1, 2, 1, 2, 4, 2, 1, 2, 1])
    vectors = mvu.AnalyseMany(mvu.Super(smooth, pel=_HALF_PEL, **blocks), radius=1, **blocks)
    return mvu.Degrain(
        node,
        mvu.Super(node, pel=_HALF_PEL, onelevel=1, **blocks),
        vectors,
        thsad=[_THSAD],
        thscd1=_CUT_THSAD,
    )


def _with_filmed_lines(filmed: VideoNode, made: VideoNode, order: _Order) -> VideoNode:
    """Lines of `filmed` where the camera gave them, of `made` elsewhere; both one picture for each field."""
    fields = vs.core.std.Interleave([node.std.SeparateFields(tff=True) for node in (filmed, made)])
    # Of two pictures: 0, 2, 4, 6 are top, bottom, top, bottom as filmed, the odd numbers the same as made.
    wanted = [0, 3, 5, 6] if order.top_first else [1, 2, 4, 7]
    woven = fields.std.SelectEvery(cycle=8, offsets=wanted).std.DoubleWeave(tff=True)
    return woven.std.SelectEvery(cycle=2, offsets=[0]).std.SetFieldBased(0)


def _where_interlaced(whole: VideoNode, made: VideoNode) -> VideoNode:
    """`made` where a picture shows two moments, which it and its neighbours tell, elsewhere the whole picture.

    Args:
        whole: the source.
        made: one or two pictures for each of `whole`.
    """
    pace = made.num_frames // whole.num_frames
    repeated = vs.core.std.Interleave([whole] * pace) if pace > 1 else whole
    luma = _luma_of_8_bits(repeated)
    before = luma.std.Trim(length=pace) + luma
    after = luma.std.Trim(first=pace) + luma.std.Trim(first=max(0, luma.num_frames - pace))

    # VapourSynth names the arguments.
    def choose(n: int, f: Sequence[Any]) -> VideoNode:  # noqa: ARG001  # VapourSynth gives both by name
        pictures = [np.asarray(frame[0]) for frame in f]
        return made if is_interlaced(*pictures) else repeated

    same_length = [node.std.Trim(length=made.num_frames) for node in (before, luma, after)]
    return made.std.FrameEval(choose, prop_src=same_length, clip_src=[repeated, made])


def _luma_of_8_bits(node: VideoNode) -> VideoNode:
    plain = node.std.ShufflePlanes(planes=0, colorfamily=vs.GRAY)
    bits = plain.format.bits_per_sample
    return plain if bits == 8 else plain.std.Expr(f"x {1 << (bits - 8)} /", format=vs.GRAY8)


def _even_fields(node: VideoNode) -> VideoNode:
    """Enough lines for two fields of equal height in every plane; the last lines repeat."""
    unit = 2 << node.format.subsampling_h
    missing = -node.height % unit
    if not missing:
        return node
    return vs.core.std.StackVertical([node, node.std.Crop(top=node.height - missing)])
