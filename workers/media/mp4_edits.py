"""Edit lists of an MP4 file, ISO/IEC 14496-12 section 8.6.6: when a track starts and which samples it passes over.

libav's muxer writes either a delay or the encoder's run-in to pass over, never both, and measures the length of a
delayed track wrongly. Both are put right here in place: no byte moves.
"""

import os
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from workers.exchange.stand_ins import open_bytes
from workers.media.mp4_boxes import Box, read_boxes


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry: `media_time` in ticks of the track, -1 for a pause; `duration` in ticks of the movie."""

    duration: int
    media_time: int


@dataclass(frozen=True, slots=True)
class EditList:
    """The edits of one track and where they stand in the file."""

    edits: tuple[Edit, ...]
    offset: int
    is_wide: bool


def read_edit_lists(path: Path) -> tuple[EditList | None, ...]:
    """The edit list of every track in file order; None for a track without one."""
    with open_bytes(path) as stream:
        moov = next((box for box in read_boxes(stream, 0, path.stat().st_size) if box.kind == "moov"), None)
        if moov is None:
            return ()
        traks = [box for box in _children(stream, moov) if box.kind == "trak"]
        return tuple(_edit_list(stream, trak) for trak in traks)


def movie_duration_s(path: Path) -> Fraction | None:
    """How long the whole presentation lasts as the movie header states it; None without one."""
    with open_bytes(path) as stream:
        header = _movie_header(stream, path.stat().st_size)
    return None if header is None else Fraction(header[1], header[0])


def shown_until_s(path: Path, track: int) -> Fraction | None:
    """When a track's last sample stops being shown; None without an edit list.

    The sample table holds distances between decoding times: with reordered pictures and a variable rate the last one
    shown carries the distance of another, and only the edit list says how long it stays.

    Args:
        path: an MP4 file.
        track: its number in file order, from 0.
    """
    lists = read_edit_lists(path)
    found = lists[track] if track < len(lists) else None
    if found is None:
        return None
    with open_bytes(path) as stream:
        header = _movie_header(stream, path.stat().st_size)
    return None if header is None else Fraction(sum(edit.duration for edit in found.edits), header[0])


def write_edits(path: Path, current: EditList, edits: tuple[Edit, ...]) -> None:
    """Replace the entries of one edit list by as many others.

    Raises:
        ValueError: the number of entries differs.
    """
    if len(edits) != len(current.edits):
        raise ValueError("an edit list can only be changed in place, entry by entry")
    form = ">Qq" if current.is_wide else ">Ii"
    with path.open("r+b") as stream:
        for number, edit in enumerate(edits):
            stream.seek(current.offset + number * (struct.calcsize(form) + 4))
            stream.write(struct.pack(form, edit.duration, edit.media_time))


def _movie_header(stream: BinaryIO, size_bytes: int) -> tuple[int, int] | None:
    """Ticks per second and length in ticks of the whole presentation, section 8.2.2."""
    moov = next((box for box in read_boxes(stream, 0, size_bytes) if box.kind == "moov"), None)
    header = next((box for box in _children(stream, moov) if box.kind == "mvhd"), None) if moov else None
    if header is None:
        return None
    stream.seek(header.offset + header.header_bytes)
    is_wide = stream.read(4)[0] == 1
    stream.seek(16 if is_wide else 8, os.SEEK_CUR)  # when it was made and changed
    timescale, duration = struct.unpack(">IQ" if is_wide else ">II", stream.read(12 if is_wide else 8))
    return (timescale, duration) if timescale else None


def _children(stream: BinaryIO, box: Box) -> list[Box]:
    return list(read_boxes(stream, box.offset + box.header_bytes, box.offset + box.size_bytes))


def _edit_list(stream: BinaryIO, trak: Box) -> EditList | None:
    container = next((box for box in _children(stream, trak) if box.kind == "edts"), None)
    if container is None:
        return None
    box = next((box for box in _children(stream, container) if box.kind == "elst"), None)
    if box is None:
        return None
    stream.seek(box.offset + box.header_bytes)
    version_and_flags, count = struct.unpack(">II", stream.read(8))
    is_wide = version_and_flags >> 24 == 1
    form = ">Qq" if is_wide else ">Ii"
    offset = stream.tell()
    edits = []
    for _ in range(count):
        edits.append(Edit(*struct.unpack(form, stream.read(struct.calcsize(form)))))
        stream.read(4)
    return EditList(tuple(edits), offset, is_wide)
