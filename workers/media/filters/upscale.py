"""More pixels, every plane where it belongs.

Edges are interpolated by nnedi3, whose doubled picture keeps the source's samples at every second place and so lies
beside the place where an enlarged picture belongs; one resampling moves it there and makes the exact factor. What
that costs in sharpness is put back from the source: the result, made small again, has to be the source
(iterative back-projection, Irani and Peleg 1991, one round). A neural network, where asked for, takes luma's place.
"""

from typing import Any, Final

import vapoursynth as vs

from workers.media.filters.clip import Clip, VideoNode
from workers.media.filters.network import enlarged_by_network
from workers.protocol.settings import ChainSpeed, UpscaleMethod
from workers.protocol.steps import UpscaleStep

_WINDOW_8X6: Final = 0
"""nnedi3's `nsize` with the best luma on six natural clips, for less time than the larger ones."""

_LUMA: Final[dict[ChainSpeed, dict[str, int]]] = {
    ChainSpeed.FAST: {"nsize": _WINDOW_8X6, "nns": 3},
    ChainSpeed.BALANCED: {"nsize": _WINDOW_8X6, "nns": 4, "pscrn": 4},
    ChainSpeed.BEST: {"nsize": _WINDOW_8X6, "nns": 4, "pscrn": 1, "qual": 2},
}
"""Gain over lanczos at 2 × of crf 20 sources: 0.50, 0.54 and 0.55 dB for 0.06, 0.14 and 0.25 CPU s per megapixel."""

_CHROMA: Final[dict[str, int]] = {"nsize": _WINDOW_8X6, "nns": 1}
_KEEP_TOP: Final = 1
_SMALLEST_SIDE_PX: Final = 16
"""Of a plane that nnedi3 is given; smaller ones are resampled."""

_LEFT: Final = frozenset({0, 2, 4})
_TOP: Final = frozenset({2, 3})
_BOTTOM: Final = frozenset({4, 5})
_CENTRE: Final = 0.5
_GRAY16: Final = vs.GRAY16


def upscale(clip: Clip, step: UpscaleStep) -> Clip:
    """All planes larger by the planned factor, in 16 bits and the source's subsampling."""
    form = clip.node.format
    planes = [
        vs.core.resize.Point(vs.core.std.ShufflePlanes(clip.node, number, vs.GRAY), format=_GRAY16)
        for number in range(form.num_planes)
    ]
    larger = [_luma(planes[0], step)]
    siting = _siting(clip)
    larger += [_interpolated(plane, step.factor, siting, _CHROMA) for plane in planes[1:]]
    if form.color_family == vs.GRAY:
        return clip.with_node(larger[0])
    joined = vs.core.std.ShufflePlanes(larger, [0, 0, 0], vs.YUV)
    return clip.with_node(joined)


def _luma(plane: VideoNode, step: UpscaleStep) -> VideoNode:
    if step.method is UpscaleMethod.NETWORK:
        return enlarged_by_network(plane, step.factor)
    larger = _interpolated(plane, step.factor, (_CENTRE, _CENTRE), _LUMA[step.speed])
    return _consistent(larger, plane)


def _interpolated(
    plane: VideoNode, factor: int, siting: tuple[float, float], strength: dict[str, int]
) -> VideoNode:
    """One plane enlarged by nnedi3 with these parameters.

    `siting` is where the first sample lies, right of and below the picture's corner, in samples of this plane.
    """
    width, height = plane.width * factor, plane.height * factor
    doubled, doublings = plane, 0
    if min(plane.width, plane.height) >= _SMALLEST_SIDE_PX:
        doublings = (factor - 1).bit_length()
    for _ in range(doublings):
        doubled = _doubled(_doubled(doubled, strength), strength)
    made = 1 << doublings
    return vs.core.resize.Spline36(
        doubled,
        width=width,
        height=height,
        src_left=_offset(siting[0], made, factor),
        src_top=_offset(siting[1], made, factor),
        src_width=doubled.width,
        src_height=doubled.height,
    )


def _doubled(plane: VideoNode, strength: dict[str, int]) -> VideoNode:
    """Twice as high and turned; two of them leave the picture upright."""
    higher = vs.core.znedi3.nnedi3(plane, field=_KEEP_TOP, dh=True, **strength)
    return vs.core.std.Transpose(higher)


def _offset(siting: float, made: int, wanted: int) -> float:
    """Where resampling has to begin, in samples of the doubled plane.

    Sample j of the doubled plane lies on sample j / made of the source; sample j of the wanted one belongs on
    (j + siting) / wanted − siting.
    """
    scale = made / wanted
    return siting * (scale - made) - (scale - 1) / 2


def _consistent(larger: VideoNode, source: VideoNode) -> VideoNode:
    """What the result lacks of the source, when made as small as that, is added."""
    resize = vs.core.resize
    exact = resize.Point(larger, format=vs.GRAYS)
    small = resize.Spline16(exact, width=source.width, height=source.height)
    lacking = vs.core.std.Expr([resize.Point(source, format=vs.GRAYS), small], "x y -")
    added = resize.Spline36(lacking, width=larger.width, height=larger.height)
    return resize.Point(vs.core.std.Expr([exact, added], "x y +"), format=_GRAY16)


def _siting(clip: Clip) -> tuple[float, float]:
    form: Any = clip.node.format
    across = down = _CENTRE
    if form.subsampling_w and clip.chroma_location in _LEFT:
        across = _CENTRE / (1 << form.subsampling_w)
    if form.subsampling_h and clip.chroma_location in _TOP:
        down = _CENTRE / (1 << form.subsampling_h)
    if form.subsampling_h and clip.chroma_location in _BOTTOM:
        down = 1 - _CENTRE / (1 << form.subsampling_h)
    return across, down
