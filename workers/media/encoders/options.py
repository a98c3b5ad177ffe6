"""What an encoder is told: one promise for all of them, in each one's own words. Pure.

The promise: constant quality, every group of pictures closed and no longer than asked for, a picture that is asked to
be a keyframe really is one from which playback can start, and no more threads than allowed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from workers.media.encoders.catalogue import ENCODERS, EncoderFamily
from workers.media.encoders.mastering import content_light, svt_mastering, x265_mastering
from workers.protocol.media import HdrInfo
from workers.protocol.plan import EncoderPlan

_X264_LOOKAHEAD: Final = {"fast": 30, "medium": 40, "slow": 50, "slower": 60, "veryslow": 60, "placebo": 60}
"""Pictures that x264 looks ahead by its presets; the faster ones stay below the bound."""

_THOROUGH_PRESETS: Final = frozenset({"slow", "slower", "veryslow", "placebo"})

_LOOKAHEAD_PX: Final = 25 * 1920 * 1080
_SHORTEST_LOOKAHEAD: Final = 20
"""x264 keeps everything it has looked ahead at, 7 MB a picture at 1080 lines and 28 MB at 2160. Of a camera's clip at
1080 lines, 20 pictures instead of 40 made the same file within 0.1 % and 0.008 dB."""

_LOOKAHEAD_BESIDE_SEARCH: Final = 8
"""Of the same clip, 10 pictures instead of 25 made a file 0.5 % smaller with 0.04 dB less, 8 one that was smaller by
another 0.5 %; with 5 it was 3 % and 0.28 dB."""

_SVT_MOST_PARALLEL: Final = 6
"""The largest of SVT-AV1's levels of parallelism."""

_VIDEOTOOLBOX_LAMBDA: Final = 118
"""FF_QP2LAMBDA of libavutil: qualities travel multiplied by it."""


@dataclass(frozen=True, slots=True)
class EncodingOrder:
    """What the options follow from.

    Attributes:
        plan: encoder, quality and speed.
        keyframe_interval: at most so many pictures from one keyframe to the next.
        threads: upper bound; 0: the encoder decides.
        hdr: description of a high dynamic range that is kept; None for standard range.
        buffer_bits: of the rate control, where the plan caps the bit rate; None: one second's worth.
        picture_px: pixels of a picture; 0: small ones.
        is_beside_search: whether a search for motion runs beside it: all else waits for that, and it needs the memory.
    """

    plan: EncoderPlan
    keyframe_interval: int
    threads: int = 0
    hdr: HdrInfo | None = None
    buffer_bits: int | None = None
    picture_px: int = 0
    is_beside_search: bool = False


def keeps_up(plan: EncoderPlan) -> bool:
    """Whether half the processor's threads are enough to never let a search for motion wait."""
    return ENCODERS[plan.encoder].family is EncoderFamily.X264 and plan.preset not in _THOROUGH_PRESETS


type Options = dict[str, str]


def encoder_options(order: EncodingOrder) -> Options:
    """Options of libav for one encoder.

    Raises:
        KeyError: the encoder is not in the catalogue.
    """
    plan = order.plan
    options = _FAMILIES[ENCODERS[plan.encoder].family](order)
    options["g"] = str(order.keyframe_interval)
    if plan.max_bit_rate is not None:
        options["maxrate"] = str(plan.max_bit_rate)
        options["bufsize"] = str(order.buffer_bits or plan.max_bit_rate)
    return options


def _x264(order: EncodingOrder) -> Options:
    plan = order.plan
    # The profile is High whatever the preset leaves out.
    parameters = {"8x8dct": "1", "keyint": str(order.keyframe_interval), "open-gop": "0", "stitchable": "1"}
    lookahead = max(_SHORTEST_LOOKAHEAD, _LOOKAHEAD_PX // max(1, order.picture_px))
    if order.is_beside_search:
        lookahead = _LOOKAHEAD_BESIDE_SEARCH
        # Without a thread of its own it needs no pictures of its own either.
        parameters["sync-lookahead"] = "0"
    if lookahead < _X264_LOOKAHEAD.get(plan.preset, 0):
        parameters["rc-lookahead"] = str(lookahead)
    options = {
        "crf": f"{plan.quality:g}",
        "preset": plan.preset,
        "forced-idr": "1",
        "x264-params": _joined(parameters),
    }
    return options if plan.tune is None else {**options, "tune": plan.tune}


def _x265(order: EncodingOrder) -> Options:
    plan = order.plan
    # Its own description of itself is 2.4 kB long and would stand in the file's index.
    parameters = {"log-level": "error", "info": "0", "keyint": str(order.keyframe_interval), "open-gop": "0"}
    if order.threads:
        parameters["pools"] = str(order.threads)
    parameters |= _described(order.hdr, {"mastering": "master-display", "light": "max-cll"}, x265_mastering)
    options = {
        "crf": f"{plan.quality:g}",
        "preset": plan.preset,
        "forced-idr": "1",
        "x265-params": _joined(parameters),
    }
    return options if plan.tune is None else {**options, "tune": plan.tune}


def _svt_av1(order: EncodingOrder) -> Options:
    plan = order.plan
    # Keyframes, not forward references: a group of pictures needs nothing of the one before.
    parameters = {"irefresh-type": "2"}
    if order.threads:
        parameters["lp"] = str(min(order.threads, _SVT_MOST_PARALLEL))
    if plan.film_grain:
        parameters |= {"film-grain": str(plan.film_grain), "film-grain-denoise": "1"}
    parameters |= _described(
        order.hdr, {"mastering": "mastering-display", "light": "content-light"}, svt_mastering
    )
    return {"crf": f"{round(plan.quality)}", "preset": plan.preset, "svtav1-params": _joined(parameters)}


def _nvenc(order: EncodingOrder) -> Options:
    plan = order.plan
    # Variable rate with nothing but a quality to hold is NVENC's constant quality.
    return {
        "rc": "vbr",
        "cq": f"{plan.quality:g}",
        "b": "0",
        "preset": plan.preset,
        "tune": "hq",
        "spatial-aq": "1",
        "forced-idr": "1",
    }


def _qsv(order: EncodingOrder) -> Options:
    # A global quality without a bit rate is "intelligent constant quality".
    plan = order.plan
    return {"global_quality": f"{round(plan.quality)}", "preset": plan.preset, "forced_idr": "1"}


def _amf(order: EncodingOrder) -> Options:
    plan = order.plan
    quality = {"rc": "qvbr", "qvbr_quality_level": f"{round(plan.quality)}"}
    return {**quality, "quality": plan.preset, "forced_idr": "1"}


def _videotoolbox(order: EncodingOrder) -> Options:
    # Refusing its software fallback makes the trial honest.
    scaled = round(order.plan.quality * _VIDEOTOOLBOX_LAMBDA)
    return {"flags": "+qscale", "global_quality": str(scaled), "allow_sw": "0", "realtime": "0"}


def _vaapi(order: EncodingOrder) -> Options:
    return {"rc_mode": "CQP", "global_quality": f"{round(order.plan.quality)}"}


_FAMILIES: Final[Mapping[EncoderFamily, Callable[[EncodingOrder], Options]]] = {
    EncoderFamily.X264: _x264,
    EncoderFamily.X265: _x265,
    EncoderFamily.SVT_AV1: _svt_av1,
    EncoderFamily.NVENC: _nvenc,
    EncoderFamily.QSV: _qsv,
    EncoderFamily.AMF: _amf,
    EncoderFamily.VIDEOTOOLBOX: _videotoolbox,
    EncoderFamily.VAAPI: _vaapi,
}


def _described(
    hdr: HdrInfo | None, names: Mapping[str, str], mastering: Callable[..., str | None]
) -> Options:
    found: Options = {}
    if hdr is None:
        return found
    display = mastering(hdr.mastering_display) if hdr.mastering_display is not None else None
    if display is not None:
        found[names["mastering"]] = display
    if hdr.content_light is not None:
        found[names["light"]] = content_light(hdr.content_light)
    return found


def _joined(parameters: Mapping[str, str]) -> str:
    return ":".join(f"{name}={value}" for name, value in parameters.items())
