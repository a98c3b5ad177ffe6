"""Bridges between libav's rationals and Python's: exact both ways."""

from fractions import Fraction

from av.packet import Packet
from av.rational import AVRational
from av.stream import Stream

type MediaPacket = Packet[Stream]


def fraction(value: AVRational) -> Fraction:
    """The same number as a `Fraction`."""
    return Fraction(value.numerator, value.denominator)
