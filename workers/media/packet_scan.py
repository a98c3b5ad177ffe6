"""Timestamps and sizes of a file's packets, read without decoding one of them.

Memory stays flat: eight bytes a picture. It knows packets, not what they mean for the user.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from typing import Any

import av
import av.container
import numpy as np
import numpy.typing as npt
from av.codec.codec import Codec, UnknownCodecError
from av.packet import Packet
from av.stream import Stream

from workers.media.limits import MAX_CONSECUTIVE_DEMUX_ERRORS

_PACKETS_PER_REPORT = 512
_SAMPLE_WINDOWS = 8
_PACKETS_PER_WINDOW = 240
_REORDER_MARGIN = 16
"""The deepest picture reordering of H.264 and HEVC."""
_MICROSECOND = Fraction(1, 1_000_000)
_VP8_SHOWN = 0x10
"""`show_frame` in the first byte of a frame, RFC 6386 section 9.1: reference pictures that are never shown lack it."""


@dataclass(frozen=True, slots=True)
class PacketScan:
    """What the packets of one stream say.

    `pts` holds the displayed packets' timestamps in ticks of `time_base`, ascending; packets that an edit list hides
    (flag DISCARD) are only counted. `keyframe_pts` is the part of `pts` at which decoding can start.
    """

    stream_index: int
    time_base: Fraction
    pts: array[int]
    keyframe_pts: array[int]
    count: int
    """Displayed packets, those without a timestamp included."""
    hidden: int
    without_timestamp: int
    out_of_order: int
    """Packets whose decoding timestamp is before the one before them."""
    damaged: int
    size_bytes: int
    end: int | None
    """Largest pts + duration, in ticks."""
    last_duration: int
    """Duration of the picture that is shown last as its container states it, in ticks; 0 where it does not. Of a stream
    without timestamps the duration of its packets."""
    is_variable: bool
    """True when the pictures are not evenly spaced, rounding to the time base aside."""
    is_complete: bool = True
    """False when only samples of the file were read: `pts` is then the first sample and `count` an estimate."""

    @property
    def shown_pts(self) -> array[int]:
        """`pts`; for an elementary stream, which has none, counted along from 0."""
        if self.pts or not self.count:
            return self.pts
        step = max(1, self.last_duration)
        return array("q", range(0, self.count * step, step))

    @property
    def span_s(self) -> Fraction | None:
        """From the first picture to the end of the last one; None where neither times nor lengths are known."""
        if not self.pts and self.last_duration:
            return self.count * self.last_duration * self.time_base
        if not self.pts or self.end is None:
            return None
        return (max(self.end, self.pts[-1] + self.typical_step) - self.pts[0]) * self.time_base

    @property
    def typical_step(self) -> int:
        """Ticks a picture stays: the median step, or what the container says of the only picture."""
        return _median(_steps(self.pts)) if len(self.pts) > 1 else self.last_duration

    @property
    def measured_rate(self) -> Fraction | None:
        """Pictures per second from first to last timestamp; None below two pictures."""
        if not self.pts and self.last_duration:
            return 1 / (self.last_duration * self.time_base)
        if len(self.pts) < 2 or self.pts[-1] == self.pts[0]:
            return None
        return (len(self.pts) - 1) / ((self.pts[-1] - self.pts[0]) * self.time_base)


@dataclass(frozen=True, slots=True)
class FileScan:
    """The packets of a whole file, per stream index."""

    streams: dict[int, PacketScan]
    errors: tuple[str, ...]
    """What the demuxer complained about, one text per place, repeated ones once."""
    error_count: int
    gave_up: bool
    """True when the demuxer reported errors without end and the scan stopped there."""


@dataclass(slots=True)
class _Tally:
    """Counters of one stream while packets go by."""

    is_vp8: bool = False
    pts: array[int] = field(default_factory=lambda: array("q"))
    keyframe_pts: array[int] = field(default_factory=lambda: array("q"))
    count: int = 0
    hidden: int = 0
    without_timestamp: int = 0
    out_of_order: int = 0
    damaged: int = 0
    size_bytes: int = 0
    end: int | None = None
    last_pts: int | None = None
    last_duration: int = 0
    last_dts: int | None = None

    def add(self, packet: "Packet[Stream]") -> None:
        """Count one packet."""
        self.size_bytes += packet.size
        self.damaged += packet.is_corrupt
        dts = packet.dts
        if dts is not None:
            if self.last_dts is not None and dts < self.last_dts:
                self.out_of_order += 1
            self.last_dts = dts
        if packet.is_discard or (self.is_vp8 and packet.size and not memoryview(packet)[0] & _VP8_SHOWN):
            self.hidden += 1
            return
        self.count += 1
        pts = packet.pts
        if pts is None:
            self.without_timestamp += 1
            if not self.pts:
                self.last_duration = packet.duration or 0
            return
        self.pts.append(pts)
        if packet.is_keyframe:
            self.keyframe_pts.append(pts)
        duration = packet.duration or 0
        self.end = pts + duration if self.end is None else max(self.end, pts + duration)
        if self.last_pts is None or pts >= self.last_pts:
            self.last_pts, self.last_duration = pts, duration

    def finish(self, stream: Stream) -> PacketScan:
        """The frozen value."""
        time_base = stream.time_base
        pts = array("q", sorted(self.pts))
        return PacketScan(
            stream_index=stream.index,
            time_base=Fraction(time_base.numerator, time_base.denominator) if time_base else Fraction(1),
            pts=pts,
            keyframe_pts=array("q", sorted(self.keyframe_pts)),
            count=self.count,
            hidden=self.hidden,
            without_timestamp=self.without_timestamp,
            out_of_order=self.out_of_order,
            damaged=self.damaged,
            size_bytes=self.size_bytes,
            end=self.end,
            last_duration=self.last_duration,
            is_variable=is_unevenly_spaced(pts),
        )


def _tally(stream: Stream) -> _Tally:
    codec = codec_of(getattr(stream, "codec_context", None))
    return _Tally(is_vp8=codec is not None and codec.canonical_name == "vp8")


def codec_of(context: Any) -> Codec | None:
    """The decoder of a context; None without one, and where a decoder that refused to open was taken out of it."""
    try:
        return context.codec if context is not None else None
    except UnknownCodecError:
        return None


@dataclass(slots=True)
class DemuxErrors:
    """What went wrong while packets were read."""

    texts: dict[str, None] = field(default_factory=dict)
    count: int = 0
    gave_up: bool = False

    def add(self, error: av.FFmpegError) -> None:
        """Remember one error; the text only the first time."""
        self.count += 1
        if len(self.texts) < 8:
            self.texts[str(error.strerror or error)] = None


def is_unevenly_spaced(pts: array[int]) -> bool:
    """Whether any step between ascending timestamps is more than one tick away from the median step.

    One tick is what rounding an even rate to the time base may cost (29.97 in milliseconds: 33 and 34). Where a tick
    is as long as a picture, a step of two ticks is a gap, and a repeated timestamp is never even.
    """
    if len(pts) < 3:
        return False
    steps = _steps(pts)
    typical = _median(steps)
    shortest, longest = int(steps.min()), int(steps.max())
    return shortest <= 0 or longest - typical > 1 or typical - shortest > 1 or longest >= 2 * typical


def _steps(pts: array[int]) -> npt.NDArray[np.int64]:
    ticks: npt.NDArray[np.int64] = np.frombuffer(pts, dtype=np.int64)
    return ticks[1:] - ticks[:-1]


def _median(steps: npt.NDArray[np.int64]) -> int:
    """The lower median, so that it is one of the steps."""
    middle = (len(steps) - 1) // 2
    return int(np.partition(steps, middle)[middle])


def packets(
    container: av.container.InputContainer, errors: DemuxErrors, streams: tuple[Stream, ...] | None = None
) -> "Iterator[Packet[Stream]]":
    """All packets from the current position on, past errors that the demuxer can recover from.

    libav's closing empty packets are left out.
    """
    chosen = streams if streams is not None else tuple(container.streams)
    in_a_row = 0
    while in_a_row < MAX_CONSECUTIVE_DEMUX_ERRORS:
        try:
            for packet in container.demux(chosen):
                if packet.pts is None and packet.dts is None and packet.size == 0:
                    continue
                in_a_row = 0
                yield packet
        except av.FFmpegError as error:
            errors.add(error)
            in_a_row += 1
        else:
            return
    errors.gave_up = True


def scan_packets(
    container: av.container.InputContainer, on_fraction: Callable[[float], None] | None = None
) -> FileScan:
    """Read every packet of an opened file, from its current position to its end."""
    tallies = {stream.index: _tally(stream) for stream in container.streams}
    errors = DemuxErrors()
    size_bytes, furthest = container.size or 1, 0
    for number, packet in enumerate(packets(container, errors)):
        tallies[packet.stream_index].add(packet)
        if on_fraction is not None and number % _PACKETS_PER_REPORT == 0:
            furthest = max(furthest, packet.pos or 0)
            on_fraction(min(1.0, furthest / size_bytes))
    return FileScan(
        streams={stream.index: tallies[stream.index].finish(stream) for stream in container.streams},
        errors=tuple(errors.texts),
        error_count=errors.count,
        gave_up=errors.gave_up,
    )


def scan_samples(container: av.container.InputContainer, video: Stream) -> FileScan:
    """Read packets of one video stream at a few places spread over the file; for files too large to read at once.

    `count` is the header's, or the duration at the rate of the samples. Streams other than `video` come out empty.
    """
    errors = DemuxErrors()
    duration = container.duration or 0
    windows = []
    for number in range(_SAMPLE_WINDOWS):
        if number and not _seek(
            container, (container.start_time or 0) + duration * number // _SAMPLE_WINDOWS
        ):
            break
        tally = _tally(video)
        for packet in islice(packets(container, errors, (video,)), _PACKETS_PER_WINDOW):
            tally.add(packet)
        windows.append(tally.finish(video))
    scans = {stream.index: _Tally().finish(stream) for stream in container.streams}
    scans[video.index] = _extrapolated(windows, getattr(video, "frames", 0), duration * _MICROSECOND)
    scans = {index: replace(scan, is_complete=False) for index, scan in scans.items()}
    return FileScan(scans, tuple(errors.texts), errors.count, errors.gave_up)


def _extrapolated(windows: list[PacketScan], declared_count: int, duration_s: Fraction) -> PacketScan:
    """The first window, with count and end for the whole file."""
    first = windows[0]
    if first.count + first.hidden < _PACKETS_PER_WINDOW:
        return first  # the stream ended inside it
    # The last few pictures in decoding order may wait for earlier ones that were not read any more.
    settled = [window.pts[:-_REORDER_MARGIN] for window in windows]
    length = round(duration_s / first.time_base)
    step = first.typical_step
    return replace(
        first,
        pts=settled[0],
        count=declared_count or max(first.count, length // step if step else 0),
        is_variable=any(is_unevenly_spaced(pts) for pts in settled),
        end=first.pts[0] + length if first.pts and length else first.end,
    )


def _seek(container: av.container.InputContainer, microseconds: int) -> bool:
    try:
        container.seek(microseconds)
    except av.FFmpegError:
        return False  # a file that cannot be sought is judged by the samples read so far
    return True
