"""Finished segments as one track: their coded pictures copied in order, each at its exact tick of the whole clock."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from workers.media.packet_scan import DemuxErrors, packets
from workers.media.remux import decoding_times
from workers.media.ticks import MediaPacket, fraction
from workers.media.timestamps import FrameTime, TrackClock


class UnjoinableError(Exception):
    """The segments do not make one track."""


@dataclass(frozen=True, slots=True)
class JoinedSegment:
    """One segment's share of the track.

    Attributes:
        path: an MP4 file with nothing but the video.
        times: of its pictures in order, in ticks of the whole clock; its file begins with the first one.
    """

    path: Path
    times: Sequence[FrameTime]


class JoinedVideo:
    """The track that segments make.

    Args:
        segments: in order, at least one.
        clock: of the track.
        step: usual distance of two pictures in ticks of it.
    """

    def __init__(self, segments: Sequence[JoinedSegment], clock: TrackClock, step: int) -> None:
        self._segments = segments
        self._clock = clock
        self._step = step
        self._output: VideoStream | None = None
        self._decoding_times: list[int] = []

    def plan_times(self) -> None:
        """Read the times of all packets.

        Decoding times are made for the whole track: every segment states its own, which overlap at the joins.

        Raises:
            UnjoinableError: a segment does not hold the pictures that it should, each at its time.
        """
        coded: list[int] = []
        for segment in self._segments:
            with av.open(str(segment.path)) as container:
                found = [_pts(packet, segment) for packet in self._packets(container, segment)]
            if sorted(found) != [time.ticks for time in segment.times]:
                raise UnjoinableError(f"{segment.path.name} does not hold the pictures that it should")
            coded += found
        self._decoding_times = decoding_times(coded, self._step)

    def open(self, container: OutputContainer) -> VideoStream:
        """Add the output's stream, with the parameter sets of the first segment: all have the same."""
        with av.open(str(self._segments[0].path)) as first:
            template = first.streams.video[0]
            output = container.add_stream_from_template(template, opaque=True)
            output.codec_context.codec_tag = template.codec_context.codec_tag
        output.time_base = self._clock.time_base
        self._output = output
        return output

    def packets(self, on_packet: Callable[[int], None]) -> Iterator[MediaPacket]:
        """Every coded picture on the clock of the track.

        Raises:
            UnjoinableError: the files are not what they were when their times were read.
        """
        output = self._output
        assert output is not None, "open() comes first"
        number = 0
        for segment in self._segments:
            durations = {time.ticks: time.duration for time in segment.times}
            with av.open(str(segment.path)) as container:
                for place, packet in enumerate(self._packets(container, segment)):
                    pts = _pts(packet, segment)
                    if pts not in durations or number == len(self._decoding_times):
                        raise UnjoinableError(f"{segment.path.name} has changed")
                    if place == 0 and not packet.is_keyframe:
                        raise UnjoinableError(f"{segment.path.name} does not begin with a keyframe")
                    packet.pts, packet.dts = pts, self._decoding_times[number]
                    packet.duration = durations[pts]
                    packet.time_base = self._clock.time_base
                    packet.stream = output
                    yield packet
                    number += 1
                    on_packet(number)

    def _packets(self, container: InputContainer, segment: JoinedSegment) -> Iterator[MediaPacket]:
        if len(container.streams) != 1 or not container.streams.video:
            raise UnjoinableError(f"{segment.path.name} holds something else than one track of pictures")
        stream = container.streams[0]
        if fraction(stream.time_base) != self._clock.time_base:
            raise UnjoinableError(f"{segment.path.name} counts in other ticks")
        yield from packets(container, DemuxErrors(), (stream,))


def _pts(packet: MediaPacket, segment: JoinedSegment) -> int:
    """On the clock of the track."""
    if packet.pts is None:
        raise UnjoinableError(f"{segment.path.name} holds a picture without a time")
    return packet.pts + segment.times[0].ticks
