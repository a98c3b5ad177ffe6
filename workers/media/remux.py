"""Copying coded pictures into the output, packet by packet, where nothing has to change."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, cast

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from workers.media.colour_names import MATRICES, PRIMARIES, TRANSFERS
from workers.media.encode import code_point
from workers.media.packet_scan import DemuxErrors, packets
from workers.media.ticks import MediaPacket, fraction
from workers.media.timestamps import TrackClock
from workers.protocol.plan import OutputColour

_LIMITED_RANGE: Final = 1


class UncopyableError(Exception):
    """The coded pictures cannot be copied; they have to be encoded again."""


class CopiedVideo:
    """The coded pictures of one stream on the output's clock, with complete colour tags.

    Args:
        source: open for this purpose alone.
        stream_index: of the H.264 stream in it.
        clock: of the output track.
        colour: tags written into the stream's parameter sets.
    """

    def __init__(
        self, source: InputContainer, stream_index: int, clock: TrackClock, colour: OutputColour
    ) -> None:
        self._source = source
        self._stream = cast(VideoStream, source.streams[stream_index])
        self._clock = clock
        self._colour = colour
        self._output: VideoStream | None = None
        self._tagger: BitStreamFilterContext | None = None
        self._decoding_times: list[int] = []

    def plan_times(self, other: InputContainer, step: int) -> None:
        """Read all packets once for their times.

        Args:
            other: the same file, opened a second time.
            step: usual distance of two pictures in ticks of the source.

        Raises:
            UncopyableError: a packet has no time, or two have the same.
        """
        stream = other.streams[self._stream.index]
        pts = [packet.pts for packet in packets(other, DemuxErrors(), (stream,))]
        known = [value for value in pts if value is not None]
        if len(known) != len(pts) or len(set(known)) != len(known):
            raise UncopyableError("pictures without a time of their own")
        self._decoding_times = decoding_times(known, step)

    def open(self, container: OutputContainer) -> VideoStream:
        """Add the output's stream.

        Raises:
            UncopyableError: MP4 needs the parameter sets beforehand.
        """
        if not self._stream.codec_context.extradata:
            raise UncopyableError("its parameter sets are only in the stream")
        output = container.add_stream_from_template(self._stream)
        output.time_base = self._clock.time_base
        description = (
            f"h264_metadata=colour_primaries={code_point(PRIMARIES, self._colour.primaries)}"
            f":transfer_characteristics={code_point(TRANSFERS, self._colour.transfer)}"
            f":matrix_coefficients={code_point(MATRICES, self._colour.matrix)}:video_full_range_flag=0"
        )
        self._tagger = BitStreamFilterContext(description, self._stream, output)
        self._output = output
        return output

    def packets(self, on_packet: Callable[[int], None]) -> Iterator[MediaPacket]:
        """Every packet, times moved to the output's clock."""
        assert self._tagger is not None, "open() comes first"
        tick_s = fraction(self._stream.time_base)
        for number, (packet, dts) in enumerate(zip(self._read(), self._decoding_times, strict=True), start=1):
            duration = round((packet.duration or 0) * tick_s * self._clock.timescale)
            try:
                tagged = self._tagger.filter(packet)
            except av.FFmpegError as error:
                raise UncopyableError("a picture's headers are damaged") from error
            if len(tagged) != 1 or tagged[0].pts is None:
                raise UncopyableError("a picture has no packet or no time of its own")
            copy = tagged[0]
            copy.pts = self._clock.ticks(tagged[0].pts)
            copy.dts = self._clock.ticks(dts)
            copy.duration = duration
            copy.time_base = self._clock.time_base
            copy.stream = self._output
            yield copy
            on_packet(number)

    def _read(self) -> Iterator[MediaPacket]:
        return packets(self._source, DemuxErrors(), (self._stream,))


def decoding_times(pts: Sequence[int], step: int) -> list[int]:
    """Decoding times for pictures in coding order: ascending, none after its picture is shown.

    Containers often leave them out or guess them. The smallest delay that works is used, so that the first
    picture's time is as close to its showing as reordering allows.

    Args:
        pts: of every picture in coding order, all different.
        step: usual distance of two pictures, in the same ticks.
    """
    shown = sorted(pts)
    rank = {value: number for number, value in enumerate(shown)}
    delay = max((number - rank[value] for number, value in enumerate(pts)), default=0)
    before = [shown[0] - (delay - number) * step for number in range(delay)] if shown else []
    return [*before, *shown[: len(shown) - delay]]
