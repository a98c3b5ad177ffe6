"""How many bytes a file lacks of what its own container announces: what tells a cut download from a short film.

Only sizes are read; what the bytes mean is libav's business. Pure but for reading.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from workers.exchange.stand_ins import open_bytes

_HEADER_BYTES: Final = 64 << 10
"""Where the sizes of Matroska and ASF stand at the latest."""
_PADDING_BYTES: Final = 8
"""Writers forget a byte of padding; that much is not missed."""

_SEGMENT: Final = b"\x18\x53\x80\x67"
"""EBML id of Matroska's one large element, RFC 9559 section 5.1."""
_ASF_PROPERTIES: Final = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
"""GUID of the file properties object, Advanced Systems Format 1.2, section 3.2."""
_TS_PACKET_BYTES: Final = 188
_TS_SYNC: Final = 0x47


def missing_bytes(path: Path, format_name: str) -> int:
    """Bytes that the container announces beyond the end of the file; 0 where it announces none.

    Args:
        path: an existing file.
        format_name: libav's name of the container, alternatives separated by commas.
    """
    size = path.stat().st_size
    with open_bytes(path) as stream:
        for name in format_name.split(","):
            announced = _READERS.get(name)
            if announced is not None:
                missing = announced(stream, size) - size
                return missing if missing > _PADDING_BYTES else 0
    return 0


def _matroska(stream: BinaryIO, size: int) -> int:
    head = stream.read(_HEADER_BYTES)
    at = head.find(_SEGMENT)
    if at < 0 or at + 4 >= len(head):
        return size
    first = head[at + 4]
    length = 9 - first.bit_length()
    if not 1 <= length <= 8 or at + 4 + length > len(head):
        return size
    mask = (1 << 7 * length) - 1
    value = int.from_bytes(head[at + 4 : at + 4 + length]) & mask
    # All ones: a live recording whose length nobody knew.
    return size if value == mask else at + 4 + length + value


def _riff(stream: BinaryIO, size: int) -> int:
    head = stream.read(8)
    length = int.from_bytes(head[4:8], "little")
    return size if head[:4] != b"RIFF" or length in {0, 0xFFFFFFFF} else 8 + length


def _asf(stream: BinaryIO, size: int) -> int:
    head = stream.read(_HEADER_BYTES)
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or at + 92 > len(head):
        return size
    (announced,) = struct.unpack_from("<Q", head, at + 40)
    (flags,) = struct.unpack_from("<I", head, at + 88)
    is_broadcast = bool(flags & 1)
    return size if is_broadcast or announced == 0 else int(announced)


def _boxes(stream: BinaryIO, size: int) -> int:
    """The end of the last top-level box of MP4 and QuickTime, ISO/IEC 14496-12 section 4.2."""
    offset = 0
    while offset + 8 <= size:
        stream.seek(offset)
        length = int.from_bytes(stream.read(4))
        kind = stream.read(4)
        if length == 1:
            length = int.from_bytes(stream.read(8))
        if length < 8 or not all(32 <= letter < 127 or letter == 0xA9 for letter in kind):
            return size  # to the end of the file, or no box at all
        offset += length
    return max(offset, size)


def _transport(stream: BinaryIO, size: int) -> int:
    """A transport stream announces nothing, but its packets are all of one length."""
    head = stream.read(2 * _TS_PACKET_BYTES + 1)
    if len(head) <= 2 * _TS_PACKET_BYTES or any(
        head[at] != _TS_SYNC for at in range(0, len(head), _TS_PACKET_BYTES)
    ):
        return size
    return -(-size // _TS_PACKET_BYTES) * _TS_PACKET_BYTES


_READERS: Final[dict[str, Callable[[BinaryIO, int], int]]] = {
    "matroska": _matroska,
    "webm": _matroska,
    "avi": _riff,
    "asf": _asf,
    "mov": _boxes,
    "mp4": _boxes,
    "mpegts": _transport,
}
