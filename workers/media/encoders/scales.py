"""What a quality and a speed are called on each encoder's own scale. Pure tables with the figures behind them.

Like quality was measured on three lossless natural clips (street with trees 640 × 360, motorway 720 × 480, lawn
540 × 960; 18 to 30 pictures each) with libx264 medium, libx265 medium (4.3) and SVT-AV1 preset 6 (4.2), once by SSIM
and once by VMAF-NEG; for every rate factor of x264, the value with which the other encoder reaches the same figure:

=========  ====  ====  ====  ====  ====  ====
x264 crf     12    15    18    21    24    28
=========  ====  ====  ====  ====  ====  ====
x265 mean  12.7  16.4  19.9  23.0  26.1  29.7
x265 min   11.7  15.5  19.0  21.7  25.0  28.9
AV1 mean   10.7  17.0  24.9  32.8  41.7    —
AV1 min     8.2  14.6  22.3  30.5  39.9    —
=========  ====  ====  ====  ====  ====  ====

("min": the most cautious of the six figures.) The tables lie between the two: the other encoder is on average a
little better. At x264's 18 the files then have, for the same figure, 0.83 to 0.93 (x265) and 0.59 to 0.89 (AV1) of
x264's size. Encoders of graphics processors could not be measured here: theirs are the scales of their own
documentation, taken to be quantisers like x264's.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from workers.media.encoders.catalogue import EncoderFamily
from workers.protocol.settings import EncoderSpeed, VideoCodec

type _Curve = tuple[tuple[float, float], ...]

_LEAST_CRF: Final = 1.0
"""x264's 0 is lossless, a profile (High 4:4:4 Predictive) that no browser plays."""

_SAME: Final[_Curve] = ((0, _LEAST_CRF), (_LEAST_CRF, _LEAST_CRF), (51, 51))
_X265: Final[_Curve] = ((0, 1), (12, 12.5), (18, 19.5), (24, 25.5), (28, 29.5), (40, 41.5))
_AV1: Final[_Curve] = ((0, 1), (12, 10), (15, 16), (18, 24), (21, 32), (24, 41), (28, 52), (40, 63))
_VIDEOTOOLBOX: Final[_Curve] = ((0, 100), (18, 70), (28, 50), (40, 26))
"""0 to 100, more is better."""

_QUALITY: Final[Mapping[EncoderFamily, _Curve]] = {
    EncoderFamily.X264: _SAME,
    EncoderFamily.X265: _X265,
    EncoderFamily.SVT_AV1: _AV1,
    EncoderFamily.VIDEOTOOLBOX: _VIDEOTOOLBOX,
}
_NAMES: Final = tuple(speed.value for speed in EncoderSpeed)
_SPEED: Final[Mapping[EncoderFamily, tuple[str, ...]]] = {
    EncoderFamily.X264: _NAMES,
    EncoderFamily.X265: _NAMES,
    EncoderFamily.SVT_AV1: ("12", "10", "8", "6", "4"),
    EncoderFamily.NVENC: ("p1", "p2", "p4", "p5", "p7"),
    EncoderFamily.QSV: ("veryfast", "faster", "fast", "medium", "slow"),
    EncoderFamily.AMF: ("speed", "speed", "balanced", "balanced", "quality"),
}
"""In the order of `EncoderSpeed`; families that are not named have one speed."""

RELATIVE_SIZE: Final[Mapping[VideoCodec, float]] = {
    VideoCodec.H264: 1.0,
    VideoCodec.HEVC: 0.85,
    VideoCodec.AV1: 0.7,
}
"""Bits that a codec's software encoder needs for what x264 shows with 1: the figures above."""


def native_quality(family: EncoderFamily, codec: VideoCodec, crf: float) -> float:
    """The value of like quality on an encoder's own scale.

    Args:
        family: of the encoder.
        codec: that it makes.
        crf: x264's constant rate factor, 0 to 51.
    """
    by_codec = {VideoCodec.H264: _SAME, VideoCodec.HEVC: _X265, VideoCodec.AV1: _X265}
    return round(_interpolated(_QUALITY.get(family, by_codec[codec]), crf), 1)


def native_preset(family: EncoderFamily, speed: EncoderSpeed) -> str:
    """The encoder's own name for a speed; empty where it has only one."""
    names = _SPEED.get(family)
    return "" if names is None else names[tuple(EncoderSpeed).index(speed)]


def _interpolated(curve: _Curve, at: float) -> float:
    if at <= curve[0][0]:
        return curve[0][1]
    for (left, low), (right, high) in pairwise(curve):
        if at <= right:
            return low + (high - low) * (at - left) / (right - left)
    return curve[-1][1]
