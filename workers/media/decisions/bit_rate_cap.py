"""How many bits the source justifies at most. Pure.

Constant quality alone spends bits on everything that it finds, also on another encoder's artefacts and on noise that
is kept. Two things bound what can be worth coding: what the source itself was coded with, and how much a picture of
this size can show.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from workers.media.encoders.scales import RELATIVE_SIZE
from workers.protocol.media import VideoStreamInfo
from workers.protocol.settings import VideoCodec

_EFFICIENCY: Final = {
    "mjpeg": 0.35,
    "dvvideo": 0.35,
    "mpeg1video": 0.45,
    "mpeg2video": 0.5,
    "h263": 0.6,
    "flv1": 0.6,
    "mpeg4": 0.7,
    "msmpeg4v3": 0.7,
    "wmv1": 0.7,
    "wmv2": 0.7,
    "wmv3": 0.8,
    "vc1": 0.9,
    "vp8": 0.95,
    "h264": 1.0,
    "vp9": 1.5,
    "hevc": 1.5,
    "av1": 1.8,
}
"""H.264 bits that show what one bit of this codec shows: round figures from published comparisons, on the high side.

Codecs of pictures that stand alone (ProRes, FFV1, DNxHD) are left out: their bit rates say nothing about what is seen.
"""

_MARGIN: Final = 2.0
_NOISY_MARGIN: Final = 1.25
"""Coding something a second time at like quality took 0.6 to 2.1 times the source's bits on nine real clips (crf 18,
medium): twice is room for all but everything. Noise that is kept gets less: its exact grains are nothing to keep."""

_LEAST_MARGIN: Final = 3.0
_LEAST_BITS_PER_PIXEL: Final = 0.1
"""A source with very few bits may grow to three times its size, as long as its pictures stay small: sharpening and
colour bring details up that the source's encoder had nearly dropped."""

_MOST_BITS_PER_PIXEL: Final = 1.2
_MOST_BITS_PER_NOISY_PIXEL: Final = 0.6
"""Of a picture of 640 × 360. The most detailed lossless clip (a street with trees) takes 0.55 at x264's crf 18."""

_REFERENCE_PIXELS: Final = 640 * 360
_REFERENCE_RATE: Final = 30.0
_PIXEL_POWER: Final = 0.75
_RATE_POWER: Final = 0.6
"""Twice the pixels do not need twice the bits: neighbours are more alike, and so are pictures that follow faster."""

_ROUNDED_TO: Final = 1000


@dataclass(frozen=True, slots=True)
class OutputForm:
    """What will be coded.

    Attributes:
        width_px: of the output.
        height_px: of the output.
        rate: pictures per second; None: as many as the source has.
        is_noisy: noise or grain stays in the picture.
    """

    width_px: int
    height_px: int
    rate: Fraction | None = None
    is_noisy: bool = False


@dataclass(frozen=True, slots=True)
class BitRateCap:
    """bit/s, and the reason in words."""

    bit_rate: int
    reason: str


def justified_bit_rate(video: VideoStreamInfo, form: OutputForm, codec: VideoCodec) -> BitRateCap:
    """The most that this output may take on average."""
    source_rate = float(video.average_rate or _REFERENCE_RATE)
    rate = float(form.rate) if form.rate is not None else source_rate
    scale = _scale(form.width_px * form.height_px, rate)
    most = (_MOST_BITS_PER_NOISY_PIXEL if form.is_noisy else _MOST_BITS_PER_PIXEL) * scale
    bits, reason = most, "no more than pictures of this size can show"
    weight = _EFFICIENCY.get(video.codec or "")
    if weight is not None and form.is_noisy:
        weight = max(1.0, weight)  # no codec is much better at noise than another
    if weight is not None and video.bit_rate:
        growth = scale / _scale(max(1, video.width_px * video.height_px), source_rate)
        source = video.bit_rate * weight * max(1.0, growth)
        by_source = _by_source(source, form, scale)
        if by_source < most:
            bits = by_source
            reason = (
                f"no more than {by_source / (video.bit_rate * max(1.0, growth)):.2g} times "
                f"the source's {video.bit_rate / 1e6:.3g} Mbit/s of {video.codec}"
            )
            reason += " for as many pixels" if growth > 1 else ""
    bits *= RELATIVE_SIZE[codec]
    capped = max(_ROUNDED_TO, round(bits / _ROUNDED_TO) * _ROUNDED_TO)
    noise = ", whose noise is kept" if form.is_noisy else ""
    return BitRateCap(capped, f"At most {capped / 1e6:.3g} Mbit/s: {reason}{noise}.")


def is_from_better_codec(video: VideoStreamInfo) -> bool:
    """True where H.264 needs clearly more bits than the source to show the same."""
    return _EFFICIENCY.get(video.codec or "", 0.0) > 1


def _by_source(source: float, form: OutputForm, scale: float) -> float:
    usual = source * (_NOISY_MARGIN if form.is_noisy else _MARGIN)
    if form.is_noisy:
        return usual
    return max(usual, min(source * _LEAST_MARGIN, _LEAST_BITS_PER_PIXEL * scale))


def _scale(pixels: int, rate: float) -> float:
    """bit/s for one bit per pixel of the reference size and rate, at another size and rate."""
    area: float = (pixels / _REFERENCE_PIXELS) ** _PIXEL_POWER
    pace: float = (max(rate, 1.0) / _REFERENCE_RATE) ** _RATE_POWER
    return _REFERENCE_PIXELS * _REFERENCE_RATE * area * pace
