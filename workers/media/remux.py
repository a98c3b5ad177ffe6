"""Copying coded pictures into the output, packet by packet, where nothing has to change."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Final, cast

from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from workers.media.colour_names import MATRICES, PRIMARIES, TRANSFERS
from workers.media.encode import code_point
from workers.media.packet_scan import DemuxErrors, packets
from workers.media.timestamps import TrackClock
from workers.protocol.plan import OutputColour

_LIMITED_RANGE: Final = 1


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

    def open(self, container: OutputContainer) -> VideoStream:
        """Add the output's stream."""
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

    def packets(self, on_packet: Callable[[int], None]) -> Iterator[Packet]:
        """Every packet, times moved to the output's clock."""
        assert self._tagger is not None, "open() comes first"
        tick_s = Fraction(self._stream.time_base.numerator, self._stream.time_base.denominator)
        scale = tick_s * self._clock.timescale
        for number, packet in enumerate(packets(self._source, DemuxErrors(), (self._stream,)), start=1):
            for tagged in self._tagger.filter(packet):
                if tagged.pts is None or tagged.dts is None:
                    raise ValueError("a packet without timestamps cannot be copied")
                pts, dts, duration = tagged.pts, tagged.dts, tagged.duration or 0
                tagged.pts = self._clock.ticks(pts)
                tagged.dts = self._clock.ticks(dts)
                tagged.duration = round(duration * scale)
                tagged.time_base = self._clock.time_base
                tagged.stream = self._output
                yield tagged
            on_packet(number)
