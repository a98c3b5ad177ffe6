"""H.264 as every browser plays it, with exact timestamps and complete colour tags.

Knows pictures and ticks; knows nothing of where they come from or what container they go into.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from workers.media.colour_names import MATRICES, PRIMARIES, TRANSFERS
from workers.media.ticks import MediaPacket
from workers.media.timestamps import FrameTime
from workers.protocol.plan import OutputColour
from workers.protocol.settings import EnhancementSettings

OUTPUT_PIXEL_FORMAT: Final = "yuv420p"
_LIMITED_RANGE: Final = 1
_KEYFRAME_INTERVAL_S: Final = 8
_MAX_KEYFRAME_INTERVAL_FRAMES: Final = 250
_FORCED_KEYFRAME_S: Final = 10
"""With a variable rate, frames do not tell how long seeking takes: a keyframe at the latest after this time."""

_FRAME_DURATION_FLAG: Final = 1 << 8
"""AV_CODEC_FLAG_FRAME_DURATION: the encoder passes each frame's duration on to its packet."""


@dataclass(frozen=True, slots=True)
class VideoForm:
    """What the encoder is told about its input."""

    width_px: int
    height_px: int
    timescale: int
    average_rate: Fraction
    colour: OutputColour


def code_point(names: dict[int, str], name: str) -> int:
    """The number of a colour property in ITU-T H.273; 2 (unspecified) for an unknown name."""
    return next((number for number, known in names.items() if known == name), 2)


class VideoEncoder:
    """libx264 for one output stream.

    Args:
        container: the output; the stream is added to it.
        form: of the pictures.
        settings: rate factor and speed.
        threads: upper bound; 0: x264 decides.
    """

    def __init__(
        self, container: OutputContainer, form: VideoForm, settings: EnhancementSettings, *, threads: int
    ) -> None:
        rate = form.average_rate
        interval = max(1, min(_MAX_KEYFRAME_INTERVAL_FRAMES, round(rate * _KEYFRAME_INTERVAL_S)))
        self.stream: VideoStream = container.add_stream(
            "libx264",
            rate=rate,
            options={
                "crf": f"{settings.crf:g}",
                "preset": settings.encoder_speed.value,
                "forced-idr": "1",
                # The profile is High whatever the preset leaves out.
                "x264-params": f"8x8dct=1:keyint={interval}:open-gop=0:stitchable=1",
            },
        )
        self._time_base = Fraction(1, form.timescale)
        self._forced_interval = _FORCED_KEYFRAME_S * form.timescale
        self._last_forced = 0
        self._configure(self.stream.codec_context, form, threads)

    def _configure(self, context: VideoCodecContext, form: VideoForm, threads: int) -> None:
        context.width = form.width_px
        context.height = form.height_px
        context.pix_fmt = OUTPUT_PIXEL_FORMAT
        context.time_base = self._time_base
        context.framerate = form.average_rate
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
        return list(self.stream.encode(picture))

    def finish(self) -> Iterator[MediaPacket]:
        """The packets that the encoder still holds."""
        yield from self.stream.encode(None)
