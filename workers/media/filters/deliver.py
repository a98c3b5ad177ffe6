"""The last conversion: size, subsampling, range and depth of the output in one resampling, with dither."""

from typing import Final

import vapoursynth as vs

from workers.media.filters.clip import MATRIX_RGB, Clip, VideoNode

_EDGE_STEP_PX: Final = 1
"""A size that is only made even grows by at most this much."""


def unify(clip: Clip, matrix: int) -> Clip:
    """Bring gray and RGB to YUV in their depth; `matrix` is the code point of the wanted YUV."""
    family = clip.node.format.color_family
    if family == vs.YUV:
        return clip
    form = vs.core.query_video_format(vs.YUV, vs.INTEGER, clip.bits, 0, 0)
    full = "full" if clip.is_full_range or family == vs.RGB else "limited"
    range_out = "full" if clip.is_full_range and family == vs.GRAY else "limited"
    arguments = {"matrix_in": MATRIX_RGB} if family == vs.RGB else {"matrix_in": matrix}
    node = vs.core.resize.Bicubic(
        clip.node, format=form.id, matrix=matrix, range_in_s=full, range_s=range_out, **arguments
    )
    return Clip(node, matrix, clip.transfer, clip.primaries, is_full_range=range_out == "full")


def deliver(
    clip: Clip,
    *,
    width: int,
    height: int,
    matrix: int,
    picture_width: int,
    picture_height: int,
    bits: int = 8,
) -> VideoNode:
    """4:2:0 limited range of the wanted size and depth.

    Args:
        clip: YUV of any depth and subsampling.
        width: px, even.
        height: px, even.
        matrix: code point of the output's YUV.
        picture_width: px of the picture in `clip`, which may be padded at the right edge.
        picture_height: px, likewise at the bottom.
        bits: of a sample, 8 or 10.
    """
    node = clip.node
    form = node.format
    if (
        (node.width, node.height) == (width, height)
        and (form.bits_per_sample, form.subsampling_w, form.subsampling_h) == (bits, 1, 1)
        and not clip.is_full_range
        and clip.matrix == matrix
    ):
        return node
    only_evened = (
        0 <= width - picture_width <= _EDGE_STEP_PX and 0 <= height - picture_height <= _EDGE_STEP_PX
    )
    # Sampling past the edge repeats it: one more column or row, and no other sample is moved.
    window = (width, height) if only_evened else (picture_width, picture_height)
    return vs.core.resize.Spline36(
        node,
        width=width,
        height=height,
        format=vs.YUV420P10 if bits == 10 else vs.YUV420P8,
        matrix_in=clip.matrix,
        matrix=matrix,
        range_in_s="full" if clip.is_full_range else "limited",
        range_s="limited",
        chromaloc_in=clip.chroma_location,
        chromaloc=0,
        src_left=0,
        src_top=0,
        src_width=window[0],
        src_height=window[1],
        dither_type="error_diffusion",
    )
