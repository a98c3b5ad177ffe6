"""Facts and packet scans of a source as one checksummed file, so that it is read to its end only once.

A line that says what it is, a line of JSON, then the timestamps as little-endian integers. What is read back is checked
against the checksum first: nothing in it is executed, and no number in it is trusted beyond its own length.
"""

import hashlib
import json
from array import array
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np

from workers.media.packet_scan import PacketScan
from workers.media.probe import Examination
from workers.protocol.media import MediaInfo

_MAGIC: Final = b"VPSCAN1\n"
_MAX_BYTES: Final = 1 << 30
_ARRAYS: Final = ("pts", "keyframe_pts")


class ExaminationFileError(ValueError):
    """A file is not the one that was asked for, or damaged."""


def to_bytes(examination: Examination) -> bytes:
    """The file."""
    streams = [_header(scan) for scan in examination.scans.values()]
    header = {"info": json.loads(examination.info.model_dump_json()), "streams": streams}
    body = b"".join(
        np.asarray(getattr(scan, name), "<i8").tobytes()
        for scan in examination.scans.values()
        for name in _ARRAYS
    )
    return _MAGIC + json.dumps(header, sort_keys=True).encode() + b"\n" + body


def save_examination(examination: Examination, path: Path) -> str:
    """Write the file; returns its checksum, hexadecimal SHA-256.

    Raises:
        OSError: it cannot be written.
    """
    data = to_bytes(examination)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def load_examination(path: Path, sha256: str) -> Examination:
    """Read the file back.

    Args:
        path: of the file.
        sha256: as `save_examination` returned it.

    Raises:
        ExaminationFileError: it is another file, or damaged.
        OSError: it cannot be read.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise ExaminationFileError(f"{path.name} is too large for a file of timestamps")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ExaminationFileError(f"{path.name} is not the file that the plan was made with")
    return from_bytes(data)


def from_bytes(data: bytes) -> Examination:
    """What `to_bytes` made.

    Raises:
        ExaminationFileError: it did not.
    """
    if not data.startswith(_MAGIC):
        raise ExaminationFileError("this is not a file of timestamps")
    line, _, body = data[len(_MAGIC) :].partition(b"\n")
    try:
        header = json.loads(line)
        info = MediaInfo.model_validate_json(json.dumps(header["info"]))
        scans: dict[int, PacketScan] = {}
        offset = 0
        for entry in header["streams"]:
            scan, offset = _scan(entry, body, offset)
            scans[scan.stream_index] = scan
    except (KeyError, TypeError, ValueError) as error:
        raise ExaminationFileError(f"the file of timestamps is damaged: {error}") from error
    if offset != len(body):
        raise ExaminationFileError("the file of timestamps has something behind its end")
    return Examination(info, scans)


def _header(scan: PacketScan) -> dict[str, Any]:
    values = asdict(scan)
    return {
        **values,
        "time_base": str(scan.time_base),
        **{name: len(values[name]) for name in _ARRAYS},
    }


def _scan(entry: dict[str, Any], body: bytes, offset: int) -> tuple[PacketScan, int]:
    values = dict(entry)
    for name in _ARRAYS:
        column = np.frombuffer(body, "<i8", int(entry[name]), offset)
        values[name] = array("q", column.astype(np.int64).tobytes())
        offset += column.nbytes
    values["time_base"] = Fraction(entry["time_base"])
    return PacketScan(**values), offset
