"""The clock of the output: exact integer ticks made from whatever the source says. Pure; no floats, no I/O.

One track time base holds the source's ticks exactly, so that a variable frame rate stays what it is. Frames
without a timestamp, or with one that does not follow its predecessor's, get one that does, and are counted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

MAX_TIMESCALE: Final = 2**31 - 1
"""ISO/IEC 14496-12 stores the timescale in 32 bits; libav reads it as a signed integer."""

FALLBACK_TIMESCALE: Final = 1_000_000
MAX_STEP_TICKS: Final = 2**31 - 1
"""Longest sample duration libav's mov muxer accepts."""

_FINEST_TIMESCALE: Final = 20_000_000
"""Ticks per second up to which a pause of a hundred seconds still fits into one sample duration."""


@dataclass(frozen=True, slots=True)
class TrackClock:
    """Turns a source timestamp into ticks of the output track.

    Attributes:
        source_time_base: seconds per source tick.
        timescale: output ticks per second.
        origin: the moment of the source's clock that becomes zero, in output ticks.
    """

    source_time_base: Fraction
    timescale: int
    origin: int

    @property
    def is_exact(self) -> bool:
        """True when every source tick is a whole number of output ticks."""
        return (self.source_time_base * self.timescale).denominator == 1

    @property
    def time_base(self) -> Fraction:
        """Seconds per output tick."""
        return Fraction(1, self.timescale)

    @property
    def origin_s(self) -> Fraction:
        """The moment of the source's clock that becomes zero, in seconds."""
        return Fraction(self.origin, self.timescale)

    def finer(self, factor: int) -> "TrackClock":
        """The same clock with `factor` times as many ticks; itself where a track cannot have so many."""
        timescale = self.timescale * factor
        if factor == 1 or timescale > _FINEST_TIMESCALE:
            return self
        return TrackClock(self.source_time_base, timescale, self.origin * factor)

    def ticks(self, pts: int) -> int:
        """Output ticks of a source timestamp."""
        return self.span(pts) - self.origin

    def span(self, source_ticks: int) -> int:
        """Output ticks of a duration in source ticks, to the nearest."""
        whole, rest = divmod(
            self.source_time_base.numerator * self.timescale, self.source_time_base.denominator
        )
        if not rest:  # nearly always, and a film has hundreds of thousands of pictures
            return source_ticks * whole
        return round(source_ticks * self.source_time_base * self.timescale)


def track_clock(source_time_base: Fraction, start_s: Fraction, longest_gap_s: Fraction) -> TrackClock:
    """The clock for a video track.

    Args:
        source_time_base: seconds per tick of the source stream, positive.
        start_s: first moment of the kept streams; becomes the output's zero, rounded down to a tick so that
            nothing starts before it.
        longest_gap_s: longest time between two frames.
    """
    timescale = source_time_base.denominator
    if timescale > MAX_TIMESCALE or longest_gap_s * timescale > MAX_STEP_TICKS:
        timescale = FALLBACK_TIMESCALE
    return TrackClock(source_time_base, timescale, (start_s * timescale).__floor__())


@dataclass(frozen=True, slots=True)
class FrameTime:
    """When an output frame is shown and for how long, in ticks of the output track."""

    ticks: int
    duration: int

    @property
    def end(self) -> int:
        """The tick at which the frame stops being shown."""
        return self.ticks + self.duration


def is_variable(times: Sequence[FrameTime], tolerance: int) -> bool:
    """True when a step between two frames differs from the mean step by more than rounding explains.

    Args:
        times: of all frames.
        tolerance: what one tick of the source is in ticks of the track.
    """
    if len(times) < 3:
        return False
    steps, length = len(times) - 1, times[-1].ticks - times[0].ticks
    return any(
        abs((later.ticks - earlier.ticks) * steps - length) > max(1, tolerance) * steps
        for earlier, later in pairwise(times)
    )


@dataclass(slots=True)
class RepairCounts:
    """How many source timestamps could not be used as they were."""

    missing: int = 0
    not_increasing: int = 0
    before_start: int = 0

    @property
    def total(self) -> int:
        """All frames whose time was decided here."""
        return self.missing + self.not_increasing + self.before_start


@dataclass(frozen=True, slots=True)
class SourceTime:
    """What the decoder said about one frame, in source ticks; duration 0: not known."""

    pts: int | None
    duration: int


class TimestampRepair:
    """Gives every frame a time that follows its predecessor's.

    Args:
        clock: of the output track.
        nominal_s: usual time between two frames, positive; used where the source says nothing.
    """

    def __init__(self, clock: TrackClock, nominal_s: Fraction) -> None:
        self._clock = clock
        self._nominal = max(1, round(nominal_s * clock.timescale))
        self.counts = RepairCounts()

    def times(self, source: Iterable[SourceTime]) -> Iterator[FrameTime]:
        """One time for every source time; each is yielded once its two successors are known."""
        held: tuple[int, SourceTime] | None = None
        step = 0
        for ticks, current in self._placed(source):
            if held is not None:
                step = ticks - held[0]
                yield FrameTime(held[0], step)
            held = (ticks, current)
        if held is not None:
            yield FrameTime(held[0], self._last_duration(held[1], step))

    def _placed(self, source: Iterable[SourceTime]) -> Iterator[tuple[int, SourceTime]]:
        previous: int | None = None
        waiting: SourceTime | None = None
        for current in source:
            if waiting is not None:
                previous = self._place(previous, waiting.pts, current.pts)
                yield previous, waiting
            waiting = current
        if waiting is not None:
            yield self._place(previous, waiting.pts, None), waiting

    def _last_duration(self, last: SourceTime, step: int) -> int:
        declared = self._clock.span(last.duration) if last.duration > 0 else 0
        # Demuxers that do not know state a tick or nothing: nobody would see the last picture.
        return declared if declared * 2 >= self._nominal else step or self._nominal

    def _place(self, previous: int | None, pts: int | None, following: int | None) -> int:
        ticks = None if pts is None else self._clock.ticks(pts)
        if previous is None:
            return self._place_first(ticks)
        after = None if following is None else self._clock.ticks(following)
        if ticks is not None and ticks > previous and not _overshoots(previous, ticks, after):
            return ticks
        if ticks is None:
            self.counts.missing += 1
        else:
            self.counts.not_increasing += 1
        room = 0 if after is None else after - previous
        # Halfway to a successor that is sound keeps that one where it is; nothing after it is pushed along.
        return previous + (room // 2 if room > 1 else self._nominal)

    def _place_first(self, ticks: int | None) -> int:
        if ticks is None:
            self.counts.missing += 1
            return 0
        if ticks < 0:
            self.counts.before_start += 1
        return max(0, ticks)


def _overshoots(previous: int, ticks: int, after: int | None) -> bool:
    """True when this timestamp is the odd one out: its successor fits its predecessor, but not it."""
    return after is not None and previous < after < ticks
