"""A decoded frame as a person sees it: small, upright, square pixels, SDR R'G'B' of 8 bit.

It knows frames and the facts of their stream; it reads and writes no file.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from workers.media.tone_map import Pixels, hlg_to_nits, nits_to_display, pq_to_nits
from workers.protocol.media import VideoStreamInfo

type Picture = npt.NDArray[np.uint8]
"""Shape (height, width, 3), R'G'B' as displayed, 0 to 255."""

_FULL_RANGE: Final = 2
_HD_LINES: Final = 720
"""From here on untagged video is taken for BT.709, below for BT.601."""

_LUMA_WEIGHTS: Final = {
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
    "bt2020c": (0.2627, 0.0593),
}
"""Kr and Kb of ITU-T H.273, table 4."""


def display_picture(frame: VideoFrame, stream: VideoStreamInfo, long_side_px: int) -> Picture:
    """Scale, convert and turn one frame; never enlarges.

    Args:
        frame: any pixel format that libav can convert.
        stream: facts about its stream (aspect, rotation, colour).
        long_side_px: longer side of the result.
    """
    width, height = fit_within(frame.width * float(stream.sample_aspect_ratio), frame.height, long_side_px)
    if frame.format.is_rgb or frame.format.has_palette:
        scaled = frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA)
        picture: Picture = np.ascontiguousarray(scaled.to_ndarray(), dtype=np.uint8)
    else:
        picture = _from_yuv(frame, stream, width, height)
    return turn(picture, stream.rotation_deg, is_mirrored=stream.is_mirrored)


def fit_within(width: float, height: float, long_side_px: int) -> tuple[int, int]:
    """Size with the same shape whose longer side is at most `long_side_px`; both sides at least 1."""
    scale = min(1.0, long_side_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def turn(picture: Picture, rotation_deg: int, *, is_mirrored: bool) -> Picture:
    """Turn clockwise by a multiple of 90°, then flip horizontally."""
    turned = np.rot90(picture, -(rotation_deg // 90) % 4)
    return np.ascontiguousarray(turned[:, ::-1] if is_mirrored else turned)


def yuv_to_rgb(yuv: npt.NDArray[np.uint16], *, matrix: str, is_full_range: bool) -> Pixels:
    """Y'CbCr to R'G'B' of 0 to 1, values outside clipped (ITU-T H.273, 8.3).

    Args:
        yuv: shape (height, width, 3), samples scaled to 16 bit by their value × 2^(16 − depth).
        matrix: a name of `_LUMA_WEIGHTS`; others are taken for BT.709.
        is_full_range: 0 to 255 instead of 16 to 235, in 8-bit terms.
    """
    red_weight, blue_weight = _LUMA_WEIGHTS.get(matrix, _LUMA_WEIGHTS["bt709"])
    samples = yuv.astype(np.float32) / 256
    if is_full_range:
        luma, chroma = samples[..., 0] / 255, (samples[..., 1:] - 128) / 255
    else:
        luma, chroma = (samples[..., 0] - 16) / 219, (samples[..., 1:] - 128) / 224
    blue = luma + 2 * (1 - blue_weight) * chroma[..., 0]
    red = luma + 2 * (1 - red_weight) * chroma[..., 1]
    green = (luma - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 1)


def _from_yuv(frame: VideoFrame, stream: VideoStreamInfo, width: int, height: int) -> Picture:
    # The same range on both sides keeps libav from rescaling; the range is undone here, where it is known.
    scaled = frame.reformat(
        width,
        height,
        "yuv444p16le",
        src_color_range=_FULL_RANGE,
        dst_color_range=_FULL_RANGE,
        interpolation=Interpolation.AREA,
    )
    samples = np.asarray(scaled.to_ndarray(channel_last=True), dtype=np.uint16)
    rgb = yuv_to_rgb(samples, matrix=_matrix(stream), is_full_range=_is_full_range(frame, stream))
    transfer = stream.colour.transfer
    if transfer == "smpte2084":
        rgb = nits_to_display(pq_to_nits(rgb))
    elif transfer == "arib-std-b67":
        rgb = nits_to_display(hlg_to_nits(rgb))
    return np.rint(rgb * 255).astype(np.uint8)


def _matrix(stream: VideoStreamInfo) -> str:
    if stream.colour.matrix is not None:
        return stream.colour.matrix
    return "bt709" if stream.height_px >= _HD_LINES else "smpte170m"


def _is_full_range(frame: VideoFrame, stream: VideoStreamInfo) -> bool:
    """As tagged; untagged grey is full, as libav shows it, everything else limited."""
    if stream.colour.range is not None:
        return stream.colour.range == "pc"
    return frame.format.name.startswith(("gray", "yuvj"))
