"""The documents in a parts' folder: the segment plan, the list of its side files, a record for each finished segment.

What is read here is believed only when it matches its checksums. Blocking file I/O: belongs on a thread.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from workers.protocol.segments import SegmentPlan, SegmentRecord, Sha256
from workers.runtime import files, names

MAX_DOCUMENT_BYTES: Final = 64_000_000
_checksums: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, Sha256])


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A segment plan as it lies in the folder, with the checksum of its bytes."""

    plan: SegmentPlan
    sha256: str
    was_found: bool = True
    """False for the one that was published just now."""


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A finished segment under its final name."""

    video: Path
    record: SegmentRecord
    was_found: bool = True


def plan_bytes(plan: SegmentPlan) -> bytes:
    """The plan as canonical JSON: the same bytes for the same plan."""
    return json.dumps(plan.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode("ascii")


def read_plan(folder: Path, settings_key: str) -> StoredPlan | None:
    """The plan that lies in the folder; None without one of these settings.

    Raises:
        OSError: it is there and cannot be read.
    """
    data = _read(folder / names.SEGMENT_PLAN_NAME)
    if data is None:
        return None
    try:
        plan = SegmentPlan.model_validate_json(data)
    except ValidationError:
        return None
    if plan.settings_key != settings_key:
        return None
    return StoredPlan(plan, hashlib.sha256(data).hexdigest())


def side_files_bytes(checksums: Mapping[str, str]) -> bytes:
    """The list of side files, each with its SHA-256."""
    return json.dumps(checksums).encode("ascii")


def has_side_files(folder: Path) -> bool:
    """True when every side file that was listed is there with the bytes that were listed.

    Raises:
        OSError: one is there and cannot be read.
    """
    data = _read(folder / names.SIDE_FILES_NAME)
    if data is None:
        return False
    try:
        checksums = _checksums.validate_json(data)
        return all(files.sha256_of(folder / name) == digest for name, digest in checksums.items())
    except (ValidationError, FileNotFoundError):
        return False


def read_record(folder: Path, plan_sha256: str, number: int) -> SegmentRecord | None:
    """What a finished segment of this plan says of itself; its video is not looked at.

    Raises:
        OSError: it is there and cannot be read.
    """
    data = _read(folder / names.segment_record_name(number))
    if data is None:
        return None
    try:
        record = SegmentRecord.model_validate_json(data)
    except ValidationError:
        return None
    return record if (record.plan_sha256, record.number) == (plan_sha256, number) else None


def read_segment(folder: Path, plan_sha256: str, number: int) -> StoredSegment | None:
    """A finished segment of this plan whose video has the size and the SHA-256 that its record says.

    Raises:
        OSError: it is there and cannot be read.
    """
    record = read_record(folder, plan_sha256, number)
    if record is None:
        return None
    video = folder / record.file_name
    try:
        is_whole = video.stat().st_size == record.size_bytes and files.sha256_of(video) == record.sha256
    except FileNotFoundError:
        return None
    return StoredSegment(video, record) if is_whole else None


def _read(path: Path) -> bytes | None:
    """None when there is no such file, or none of ours.

    Raises:
        OSError: it is there and cannot be read.
    """
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            return None
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
