"""Rates of a stream: what the header says, what can be believed of it, and what the timestamps show. Pure."""

from fractions import Fraction

from av.rational import AVRational
from av.video.stream import VideoStream

from workers.media.packet_scan import PacketScan

_MAX_RATE = 1000
"""Rates above this are time bases that a header passes off as a rate."""

_COMMON_RATES = tuple(
    Fraction(rate, over) for rate in (24, 30, 48, 60, 120) for over in (Fraction(1), Fraction(1001, 1000))
) + tuple(Fraction(rate) for rate in (5, 10, 12, 15, 20, 25, 50, 90, 100, 240))
"""Rates that a coarse time base (milliseconds) may hide; taken only when they explain every timestamp."""


def rational(value: AVRational | Fraction | None) -> Fraction | None:
    """A rational of libav as a Fraction; None where it is unset (0/0 or n/0)."""
    if value is None or value.denominator == 0:
        return None
    return Fraction(value.numerator, value.denominator)


def plausible(rate: Fraction | None) -> Fraction | None:
    """The rate, unless it is a time base in disguise."""
    return rate if rate is not None and 0 < rate <= _MAX_RATE else None


def average_rate(stream: VideoStream, scan: PacketScan, *, is_variable: bool) -> Fraction | None:
    """The exact rate: a rate of the header that explains every timestamp, else the measured one."""
    candidates = [plausible(rational(rate)) for rate in (stream.base_rate, stream.average_rate)]
    measured = scan.measured_rate
    if measured is None:
        return next((rate for rate in candidates if rate is not None), None)
    if is_variable or not scan.pts:
        return measured
    for rate in candidates:
        if rate is not None and _missed_ticks(rate, scan) <= 1:
            return rate
    nearest = min(_COMMON_RATES, key=lambda rate: _missed_ticks(rate, scan))
    return nearest if _missed_ticks(nearest, scan) <= 1 else measured


def _missed_ticks(rate: Fraction, scan: PacketScan) -> Fraction:
    """By how much the rate, counted from the first timestamp, misses the last one."""
    expected = scan.pts[0] + (len(scan.pts) - 1) / rate / scan.time_base
    return abs(scan.pts[-1] - expected)
