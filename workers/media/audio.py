"""Audio tracks on their way to AAC-LC: copied where they are that already, decoded and encoded otherwise.

Each track is a lazy stream of packets with exact times on the output's clock, so that the muxer can take as much
as it needs. Knows one track at a time and nothing of pictures.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from workers.media.audio_audit import AudioAudit
from workers.media.audio_plan import OUTPUT_RATE_HZ, AudioPlan
from workers.media.packet_scan import DemuxErrors, packets
from workers.media.source import open_source
from workers.media.ticks import MediaPacket, fraction

_FRAME_SAMPLES: Final = 1024
"""Samples of an AAC-LC frame, ISO/IEC 14496-3."""

_PRIMING_SAMPLES: Final = 1024
"""Run-in of libav's AAC encoder: it starts this much before the first sample it is given."""

_GAP_S: Final = Fraction(1, 50)
"""Timestamps may wander by this much (milliseconds in Matroska, 90 kHz in MPEG) before sound is moved."""

_SAMPLE_CLOCK: Final = Fraction(1, OUTPUT_RATE_HZ)
_JUMP_S: Final = 1
"""A leap forward by more than this is looked at twice."""
_STRAYS_TOGETHER: Final = 32
"""So many pieces that agree about a leap prove it; a packet of a broadcast holds a dozen at most."""
_STRAY_S: Final = 60
"""Further from what is before it no last piece of sound is believed to be."""
_MAX_FILL_S: Final = 3600
"""Longest silence that is made up for a gap in the timestamps."""


class UncopyableSoundError(Exception):
    """A copy of a track would not be heard exactly when the source is; it has to be encoded."""


@dataclass(slots=True)
class AudioStatistics:
    """What happened to one track; final once its packets are used up."""

    broken_packets: int = 0
    filled_s: Fraction = Fraction(0)
    cut_s: Fraction = Fraction(0)
    first_s: Fraction | None = None
    """Start of the first sound on the output's clock; of an encoded track."""
    end_s: Fraction | None = None
    priming_samples: int = 0
    """Samples of run-in that the muxer was not told about; the edit list has to pass over them."""


class AudioTrack:
    """One track of the output, pulled packet by packet.

    Args:
        path: the source.
        plan: what becomes of the track.
        origin_s: the moment of the source's clock that becomes zero.
        bit_rate_per_channel: bit/s, for a track that is encoded.
        audited: what decoding a track that is copied has shown.
    """

    def __init__(
        self,
        path: Path,
        plan: AudioPlan,
        *,
        origin_s: Fraction,
        bit_rate_per_channel: int,
        audited: AudioAudit | None = None,
    ) -> None:
        self._path = path
        self.plan = plan
        self._origin_s = origin_s
        self._bit_rate_per_channel = bit_rate_per_channel
        self._audit = audited
        self._source: InputContainer | None = None
        self._output: AudioStream | None = None
        self.statistics = AudioStatistics()

    def open(self, container: OutputContainer) -> AudioStream:
        """Open the source and add the output's stream."""
        self._source = open_source(self._path)
        template = self._template
        if self.plan.is_copied:
            output = container.add_stream_from_template(template)
            output.time_base = Fraction(1, self.plan.info.sample_rate_hz)
        else:
            layout = self.plan.layout or "stereo"
            output = container.add_stream("aac", rate=OUTPUT_RATE_HZ, layout=layout)
            output.codec_context.bit_rate = self._bit_rate_per_channel * AudioLayout(layout).nb_channels
            output.codec_context.time_base = Fraction(1, OUTPUT_RATE_HZ)
        self._output = output
        return output

    def close(self) -> None:
        """Close the source."""
        if self._source is not None:
            self._source.close()
            self._source = None

    @property
    def _template(self) -> AudioStream:
        assert self._source is not None, "open() comes first"
        return cast(AudioStream, self._source.streams[self.plan.info.index])

    def packets(self) -> Iterator[MediaPacket]:
        """The track's packets in order, ready to be muxed."""
        yield from self._copied() if self.plan.is_copied else self._encoded()

    def _source_packets(self) -> Iterator[MediaPacket]:
        assert self._source is not None, "open() comes first"
        yield from packets(self._source, DemuxErrors(), (self._template,))

    def _copied(self) -> Iterator[MediaPacket]:
        """Packets on a clock of samples: coarse timestamps are replaced by counting where they agree with it."""
        rate = self.plan.info.sample_rate_hz
        assert self._output is not None, "open() comes first"
        expected: int | None = None
        delay = 0
        moments = ((packet, _moment_s(packet)) for packet in self._source_packets())
        for packet, at in without_strays(moments):
            if expected is None:
                if packet.pts is None:
                    continue
                expected, delay = self._copied_start(packet, rate)
            stated = expected if at is None else self._samples_at(packet, rate)
            tolerance = max(1, round(_tick_s(packet) * rate * 2))
            start = expected if abs(stated - expected) <= tolerance else stated
            if start < expected:
                self.statistics.cut_s += Fraction(expected - start, rate)
                continue
            expected = start + _duration_samples(packet, rate)
            packet.pts = packet.dts = start + delay
            packet.duration = expected - start
            packet.time_base = Fraction(1, rate)
            packet.stream = self._output
            yield packet

    def _copied_start(self, packet: MediaPacket, rate: int) -> tuple[int, int]:
        """Where the first packet starts, in samples, and how far the run-in moves the track in the sample table."""
        stated = self._samples_at(packet, rate)
        run_in = _skipped_samples(packet)
        if not run_in or self._audit is None or self._audit.first_s is None:
            return stated, 0
        first_s = self._audit.first_s - self._origin_s
        start = round(first_s * rate)
        # Less than half a sample late is not late: the muxer writes no pause for it.
        if start > 0:
            self.statistics.first_s = first_s
            self.statistics.end_s = None if self._audit.end_s is None else self._audit.end_s - self._origin_s
            self.statistics.priming_samples = run_in
        return start - run_in, run_in if start > 0 else 0

    def _samples_at(self, packet: MediaPacket, rate: int) -> int:
        assert packet.pts is not None
        return round((packet.pts * _tick_s(packet) - self._origin_s) * rate)

    def _encoded(self) -> Iterator[MediaPacket]:
        output = self._output
        assert output is not None, "open() comes first"
        context = output.codec_context
        fifo = AudioFifo()
        start: int | None = None
        written = 0
        for frame in self._on_the_clock():
            if start is None:
                start = frame.pts or 0
                # A delay and a run-in cannot both be told to the muxer: the run-in is left to the edit list.
                self.statistics.priming_samples = _PRIMING_SAMPLES if start > 0 else 0
            frame.pts = None
            fifo.write(frame)
            for whole in fifo.read_many(_FRAME_SAMPLES):
                yield from self._encode(whole, start + written)
                written += whole.samples
        rest = fifo.read(0, partial=True) if fifo.samples else None
        if rest is not None:
            yield from self._encode(rest, (start or 0) + written)
            written += rest.samples
        if start is not None:
            self.statistics.first_s = Fraction(start, OUTPUT_RATE_HZ)
            self.statistics.end_s = Fraction(start + written, OUTPUT_RATE_HZ)
            for packet in context.encode(None):
                packet.stream = output
                yield packet

    def _encode(self, frame: AudioFrame, position: int) -> Iterator[MediaPacket]:
        assert self._output is not None
        frame.pts = position + self.statistics.priming_samples
        frame.time_base = Fraction(1, OUTPUT_RATE_HZ)
        frame.sample_rate = OUTPUT_RATE_HZ
        for packet in self._output.codec_context.encode(frame):
            packet.stream = self._output
            yield packet

    def _on_the_clock(self) -> Iterator[AudioFrame]:
        """Resampled sound without holes: silence where the source has a gap, a cut where it overlaps itself."""
        resampling = _Resampling(self.plan.layout or "stereo")
        start: int | None = None
        made = 0
        for frame, at in without_strays(self._placed()):
            position = None if at is None else round(at * OUTPUT_RATE_HZ)
            if start is None:
                start = max(0, position or 0)
            gap = 0 if position is None else position - (start + made)
            frame.pts = None
            pieces = resampling.feed(frame)
            if abs(gap) > _GAP_S * OUTPUT_RATE_HZ:
                pieces = self._adjusted(pieces, gap)
            for piece in pieces:
                piece.pts, piece.time_base = start + made, _SAMPLE_CLOCK
                made += piece.samples
                yield piece
        if start is not None:
            for piece in resampling.finish():
                piece.pts, piece.time_base = start + made, _SAMPLE_CLOCK
                made += piece.samples
                yield piece

    def _adjusted(self, pieces: list[AudioFrame], gap: int) -> list[AudioFrame]:
        if gap > 0:
            self.statistics.filled_s += Fraction(gap, OUTPUT_RATE_HZ)
            return [*_silence(min(gap, _MAX_FILL_S * OUTPUT_RATE_HZ), self.plan.layout or "stereo"), *pieces]
        kept: list[AudioFrame] = []
        surplus = -gap
        for piece in pieces:
            cut = min(surplus, piece.samples)
            surplus -= cut
            self.statistics.cut_s += Fraction(cut, OUTPUT_RATE_HZ)
            if cut < piece.samples:
                kept.append(_tail(piece, cut))
        return kept

    def _placed(self) -> Iterator[tuple[AudioFrame, Fraction | None]]:
        """Every frame with its moment on the output's clock."""
        for frame in self._decoded():
            yield frame, None if frame.pts is None else frame.pts * fraction(frame.time_base) - self._origin_s

    def _decoded(self) -> Iterator[AudioFrame]:
        context = self._template.codec_context
        for packet in self._source_packets():
            try:
                frames = context.decode(packet)
            except av.FFmpegError:
                self.statistics.broken_packets += 1
                continue
            yield from frames
        try:
            yield from context.decode(None)
        except av.FFmpegError:
            self.statistics.broken_packets += 1


def without_strays[T](sound: Iterable[tuple[T, Fraction | None]]) -> Iterator[tuple[T, Fraction | None]]:
    """Pieces of sound with their moments, None for a moment that cannot be right.

    One flipped bit moves a packet, and the few pieces in it, by hours; it is known by what follows, which is back
    where it should be. At the end nothing follows: what is far away there is not believed either.
    """
    jumped: list[tuple[T, Fraction | None]] = []
    before: Fraction | None = None
    jump_s: Fraction | None = None
    for piece, at in sound:
        if jump_s is not None and at is not None and at < jump_s:
            yield from ((entry, None) for entry, _ in jumped)
            jumped, jump_s = [], None
        elif jump_s is not None and (before is None or len(jumped) == _STRAYS_TOGETHER):
            yield from jumped
            before = next((moment for _, moment in reversed(jumped) if moment is not None), jump_s)
            jumped, jump_s = [], None
        if jump_s is None and at is not None and (before is None or at - before > _JUMP_S):
            jump_s = at
        if jump_s is not None:
            jumped.append((piece, at))
            continue
        before = at if at is not None else before
        yield piece, at
    is_far = jump_s is not None and before is not None and jump_s - before > _STRAY_S
    yield from ((piece, None if is_far else at) for piece, at in jumped)


def _moment_s(packet: MediaPacket) -> Fraction | None:
    return None if packet.pts is None else packet.pts * _tick_s(packet)


class _Resampling:
    """Sound of any form to the output's, also when that form changes on the way, as broadcasts do."""

    def __init__(self, layout: str) -> None:
        self._layout = layout
        self._form: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None

    def feed(self, frame: AudioFrame) -> list[AudioFrame]:
        """What one frame, and a change before it, yield."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        before = self.finish() if form != self._form else []
        if self._resampler is None:
            self._form = form
            self._resampler = AudioResampler(format="fltp", layout=self._layout, rate=OUTPUT_RATE_HZ)
        return [*before, *self._resampler.resample(frame)]

    def finish(self) -> list[AudioFrame]:
        """What is still held."""
        held = self._resampler.resample(None) if self._resampler is not None else []
        self._resampler = None
        return held


def _tick_s(packet: MediaPacket) -> Fraction:
    return fraction(packet.time_base)


def _skipped_samples(packet: MediaPacket) -> int:
    """Samples at the beginning of a packet's sound that are not for the ear (AV_PKT_DATA_SKIP_SAMPLES)."""
    if not packet.has_sidedata("skip_samples"):
        return 0
    count: int = struct.unpack_from("<I", bytes(packet.get_sidedata("skip_samples")))[0]
    return count


def _duration_samples(packet: MediaPacket, rate: int) -> int:
    if not packet.duration:
        return _FRAME_SAMPLES
    samples = packet.duration * _tick_s(packet) * rate
    # A coarse clock rounds the 1024 samples of a frame; an exact one states longer stays on purpose.
    return _FRAME_SAMPLES if abs(samples - _FRAME_SAMPLES) <= _tick_s(packet) * rate else round(samples)


def _silence(samples: int, layout: str) -> Iterator[AudioFrame]:
    """Made from one channel by the resampler: PyAV cannot fill the planes of eight channels itself."""
    resampler = AudioResampler(format="fltp", layout=layout, rate=OUTPUT_RATE_HZ)
    while samples > 0:
        length = min(samples, OUTPUT_RATE_HZ)
        frame = AudioFrame.from_ndarray(np.zeros((1, length), np.float32), format="fltp", layout="mono")
        frame.sample_rate = OUTPUT_RATE_HZ
        samples -= length
        yield from resampler.resample(frame)


def _tail(piece: AudioFrame, cut: int) -> AudioFrame:
    if cut == 0:
        return piece
    fifo = AudioFifo()
    piece.pts = None
    fifo.write(piece)
    fifo.read(cut)
    rest = fifo.read(0, partial=True)
    assert rest is not None, "less was cut than there is"
    return rest
