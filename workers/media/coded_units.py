"""Coded pictures taken apart into their units, whatever they are framed with. Pure: bytes in, bytes out.

An encoder hands units out in one framing and a file holds them in another. What a decoder reads are the units: two
packets with the same ones are the same picture.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from workers.protocol.settings import VideoCodec

_START_CODE: Final = b"\0\0\1"
_HEVC_RECORD_BYTES: Final = 22
_AV1_RECORD_BYTES: Final = 4
_OBU_TEMPORAL_DELIMITER: Final = 2
_OBU_PADDING: Final = 15
_HAS_SIZE: Final = 0x02
_HAS_EXTENSION: Final = 0x04
_LONGEST_SIZE_BYTES: Final = 8

type Units = Callable[[bytes], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Framing:
    """How the units of one codec are found.

    Attributes:
        of_packet: in what the encoder hands out.
        of_parameters: in the encoder's own parameter sets.
        of_sample: in a sample of an MP4 file.
        of_record: in the decoder configuration of an MP4 file.
        decoder: libav's name of the decoder.
    """

    of_packet: Units
    of_parameters: Units
    of_sample: Units
    of_record: Units
    decoder: str


def units_after_start_codes(coded: bytes) -> Iterator[bytes]:
    """NAL units of a byte stream, annex B of H.264 and H.265: none ends with a zero byte or holds a start code."""
    for part in coded.split(_START_CODE)[1:]:
        unit = part.rstrip(b"\0")
        if unit:
            yield unit


def units_after_lengths(coded: bytes) -> Iterator[bytes]:
    """NAL units of an MP4 sample with lengths of four bytes, ISO/IEC 14496-15; ends at the first that does not fit."""
    position = 0
    while position + 4 <= len(coded):
        length = int.from_bytes(coded[position : position + 4], "big")
        position += 4
        yield coded[position : position + length]
        position += length


def units_of_avc_record(record: bytes) -> Iterator[bytes]:
    """Parameter sets of an AVCDecoderConfigurationRecord, ISO/IEC 14496-15 section 5.3.3.1, in their order."""
    position = 5
    for mask in (0x1F, 0xFF):
        if position >= len(record):
            return
        count = record[position] & mask
        position += 1
        for _ in range(count):
            length = int.from_bytes(record[position : position + 2], "big")
            yield record[position + 2 : position + 2 + length]
            position += 2 + length


def units_of_hevc_record(record: bytes) -> Iterator[bytes]:
    """Units of an HEVCDecoderConfigurationRecord, ISO/IEC 14496-15 section 8.3.3.1, in their order."""
    if len(record) <= _HEVC_RECORD_BYTES:
        return
    position = _HEVC_RECORD_BYTES + 1
    for _ in range(record[_HEVC_RECORD_BYTES]):
        count = int.from_bytes(record[position + 1 : position + 3], "big")
        position += 3
        for _ in range(count):
            length = int.from_bytes(record[position : position + 2], "big")
            yield record[position + 2 : position + 2 + length]
            position += 2 + length


def open_bitstream_units(coded: bytes) -> Iterator[bytes]:
    """OBUs of AV1, sections 5.3 and 5.9.2 of its specification, each as its header without size and its payload.

    Delimiters and padding are passed over: a file must not hold them. Ends at the first unit that does not fit.
    """
    position = 0
    while position < len(coded):
        header = coded[position]
        start = position + 1 + bool(header & _HAS_EXTENSION)
        length, begin = len(coded) - start, start
        if header & _HAS_SIZE:
            length, begin = _leb128(coded, start)
        end = begin + length
        if begin > len(coded) or end > len(coded):
            return
        kind = header >> 3 & 0xF
        if kind not in {_OBU_TEMPORAL_DELIMITER, _OBU_PADDING}:
            yield bytes([header & ~_HAS_SIZE]) + coded[position + 1 : start] + coded[begin:end]
        position = end


def units_of_av1_record(record: bytes) -> Iterator[bytes]:
    """OBUs of an AV1CodecConfigurationRecord, section 2.3 of the AV1 ISO media file format binding."""
    return open_bitstream_units(record[_AV1_RECORD_BYTES:])


def _leb128(coded: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends; AV1 specification 4.10.5."""
    value = 0
    for shift in range(_LONGEST_SIZE_BYTES):
        if position + shift >= len(coded):
            break
        byte = coded[position + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if not byte & 0x80:
            return value, position + shift + 1
    return len(coded), len(coded) + 1


FRAMINGS: Final = {
    VideoCodec.H264: Framing(
        units_after_start_codes, units_after_start_codes, units_after_lengths, units_of_avc_record, "h264"
    ),
    VideoCodec.HEVC: Framing(
        units_after_start_codes, units_after_start_codes, units_after_lengths, units_of_hevc_record, "hevc"
    ),
    VideoCodec.AV1: Framing(
        open_bitstream_units, open_bitstream_units, open_bitstream_units, units_of_av1_record, "libdav1d"
    ),
}
