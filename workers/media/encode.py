"""Pictures to packets, with exact timestamps and complete colour tags, whichever encoder the plan names.

Knows pictures and ticks; knows nothing of where they come from or what container they go into.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from workers.media.colour_names import MATRICES, PRIMARIES, TRANSFERS
from workers.media.encoders.buffer import buffer_bits
from workers.media.encoders.catalogue import ENCODERS, PIXEL_FORMAT_8, EncoderFamily
from workers.media.encoders.options import EncodingOrder, encoder_options
from workers.media.ticks import MediaPacket
from workers.media.timestamps import FrameTime
from workers.protocol.media import HdrInfo
from workers.protocol.plan import EncoderPlan, OutputColour
from workers.protocol.settings import VideoCodec

OUTPUT_PIXEL_FORMAT: Final = PIXEL_FORMAT_8
_LIMITED_RANGE: Final = 1
_KEYFRAME_INTERVAL_S: Final = 8
_MAX_KEYFRAME_INTERVAL_FRAMES: Final = 250
_FORCED_KEYFRAME_S: Final = 10
"""With a variable rate, frames do not tell how long seeking takes: a keyframe at the latest after this time."""

_FRAME_DURATION_FLAG: Final = 1 << 8
"""AV_CODEC_FLAG_FRAME_DURATION: the encoder passes each frame's duration on to its packet."""

_APPLE_HEVC_TAG: Final = "hvc1"
"""The sample entry that Apple's players take; libav would write hev1, which they refuse."""


@dataclass(frozen=True, slots=True)
class VideoForm:
    """What the encoder is told about its input."""

    width_px: int
    height_px: int
    timescale: int
    average_rate: Fraction
    colour: OutputColour
    hdr: HdrInfo | None = None
    """Description of a high dynamic range that is kept; None for standard range."""


def code_point(names: dict[int, str], name: str) -> int:
    """The number of a colour property in ITU-T H.273; 2 (unspecified) for an unknown name."""
    return next((number for number, known in names.items() if known == name), 2)


def keyframe_interval(rate: Fraction) -> int:
    """Pictures from one keyframe to the next at most: eight seconds, and never more than 250."""
    return max(1, min(_MAX_KEYFRAME_INTERVAL_FRAMES, round(rate * _KEYFRAME_INTERVAL_S)))


def _buffer_bits(plan: EncoderPlan, form: VideoForm) -> int | None:
    if plan.max_bit_rate is None:
        return None
    return buffer_bits(plan.max_bit_rate, form.width_px, form.height_px, form.average_rate)


class VideoEncoder:
    """The plan's encoder for one output stream.

    Args:
        container: the output; the stream is added to it.
        form: of the pictures.
        plan: encoder, quality and speed.
        threads: upper bound; 0: the encoder decides.
        is_beside_search: whether a search for motion runs at the same time.
    """

    def __init__(
        self,
        container: OutputContainer,
        form: VideoForm,
        plan: EncoderPlan,
        *,
        threads: int,
        is_beside_search: bool = False,
    ) -> None:
        encoder = ENCODERS[plan.encoder]
        if encoder.family is EncoderFamily.SVT_AV1:
            os.environ.setdefault("SVT_LOG", "1")  # errors only: it knows no option for what it prints
        order = EncodingOrder(
            plan,
            keyframe_interval(form.average_rate),
            threads,
            form.hdr,
            _buffer_bits(plan, form),
            picture_px=form.width_px * form.height_px,
            is_beside_search=is_beside_search,
        )
        rate = min(form.average_rate, Fraction(encoder.most_rate))
        stream = container.add_stream(plan.encoder, rate=rate, options=encoder_options(order))
        assert isinstance(stream, VideoStream), "the catalogue holds video encoders only"
        self.stream = stream
        self._time_base = Fraction(1, form.timescale)
        self._forced_interval = _FORCED_KEYFRAME_S * form.timescale
        self._last_forced = 0
        self._durations: dict[int, int] = {}
        context = self.stream.codec_context
        self._configure(context, form, threads)
        context.framerate = rate
        context.pix_fmt = encoder.input_format(plan.pixel_format)
        if encoder.codec is VideoCodec.HEVC:
            context.codec_tag = _APPLE_HEVC_TAG

    def _configure(self, context: VideoCodecContext, form: VideoForm, threads: int) -> None:
        context.width = form.width_px
        context.height = form.height_px
        context.time_base = self._time_base
        context.sample_aspect_ratio = Fraction(1)
        context.color_primaries = code_point(PRIMARIES, form.colour.primaries)
        context.color_trc = code_point(TRANSFERS, form.colour.transfer)
        context.colorspace = code_point(MATRICES, form.colour.matrix)
        context.color_range = _LIMITED_RANGE
        context.flags |= _FRAME_DURATION_FLAG
        context.thread_count = threads
        # PyAV's default, slices alone, makes x264 cut each picture into slices: a fifth slower, and larger.
        context.thread_type = "FRAME"

    def encode(self, picture: VideoFrame, time: FrameTime) -> list[MediaPacket]:
        """Take one picture; return the packets that are ready, each with its duration."""
        picture.pts = time.ticks
        picture.duration = time.duration
        picture.time_base = self._time_base
        picture.pict_type = PictureType.NONE
        if time.ticks - self._last_forced >= self._forced_interval:
            picture.pict_type = PictureType.I
            self._last_forced = time.ticks
        self._durations[time.ticks] = time.duration
        return [self._timed(packet) for packet in self.stream.encode(picture)]

    def finish(self) -> Iterator[MediaPacket]:
        """The packets that the encoder still holds."""
        for packet in self.stream.encode(None):
            yield self._timed(packet)

    def _timed(self, packet: MediaPacket) -> MediaPacket:
        """SVT-AV1 and some drivers lose durations, and with them the end of the last picture."""
        if packet.pts is not None:
            packet.duration = self._durations.pop(packet.pts, packet.duration or 0)
        return packet
