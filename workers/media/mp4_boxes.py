"""The top level of an MP4 file: which boxes in which order, ISO/IEC 14496-12 section 4.2."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Box:
    """One box.

    Attributes:
        kind: its four characters.
        offset: of its first byte in the file.
        size_bytes: header included.
        header_bytes: 8, or 16 with a 64-bit size.
    """

    kind: str
    offset: int
    size_bytes: int
    header_bytes: int


def read_boxes(stream: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes between two offsets; ends at the first that does not fit.

    Args:
        stream: seekable.
        start: offset of the first box.
        end: offset after the last one.
    """
    offset = start
    while offset + 8 <= end:
        stream.seek(offset)
        size, kind = struct.unpack(">I4s", stream.read(8))
        header = 8
        if size == 1:
            (size,) = struct.unpack(">Q", stream.read(8))
            header = 16
        elif size == 0:
            size = end - offset
        if size < header or offset + size > end:
            return
        yield Box(kind.decode("latin-1"), offset, size, header)
        offset += size


def is_fast_start(path: Path) -> bool:
    """True when the index (moov) stands before the media data (mdat): playback can start while loading."""
    with path.open("rb") as stream:
        kinds = [box.kind for box in read_boxes(stream, 0, path.stat().st_size)]
    return "moov" in kinds and "mdat" in kinds and kinds.index("moov") < kinds.index("mdat")
