"""Fetching what a task needs beside its source, and handing over what was made of it. Blocking: belongs on a thread."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import urllib3
from pydantic import TypeAdapter

from workers.errors import TaskFailedError
from workers.exchange.addresses import Addresses, WrongOffsetError
from workers.protocol.messages import AnalysisTask, SegmentTask, WorkTask
from workers.protocol.results import (
    AnalysisResult,
    EnhancementResult,
    MetadataResult,
    SegmentResult,
    TaskResult,
)
from workers.protocol.states import ErrorCode
from workers.protocol.transfers import (
    CONTACT_SHEET,
    METADATA,
    POSTER,
    REPORT,
    SEGMENT_PLAN,
    SEGMENT_RECORD,
    SEGMENT_VIDEO,
    THUMBNAIL,
    VIDEO,
    ObjectName,
    ReadGrant,
    SentObject,
    WriteGrant,
    digest_header,
)
from workers.runtime import files, names
from workers.runtime.sources import path_from_uri

BLOCK_BYTES: Final = 8 << 20
MAX_VAIN_TRIES: Final = 50
"""Calls that brought nothing forward although the other side is there."""
_log = logging.getLogger(__name__)
_names: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


def fetch_all(reads: Sequence[ReadGrant], folder: Path, addresses: Addresses) -> None:
    """Have every object in a folder under its name. What is there already with the same bytes is not fetched again.

    Raises:
        TaskFailedError: see `Addresses.read`; TRANSFER_FAILED for other bytes than were announced.
        StoppedError: nobody waits any more.
        OSError: the disk refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for grant in reads:
        target = folder / grant.name
        if _is_there(target, grant):
            continue
        temporary = folder / f".{grant.name}.{secrets.token_hex(4)}"
        try:
            with temporary.open("xb") as file:
                addresses.fetch(grant.url, grant.size_bytes, file)
            if grant.sha256 is not None and files.sha256_of(temporary) != grant.sha256:
                raise TaskFailedError(
                    ErrorCode.TRANSFER_FAILED, "What was fetched is not what was announced.", grant.name
                )
            temporary.replace(target)
        finally:
            files.remove_file(temporary)


def _is_there(path: Path, grant: ReadGrant) -> bool:
    """Without a checksum the name has to tell: segments are named by theirs."""
    try:
        if path.stat().st_size != grant.size_bytes:
            return False
    except FileNotFoundError:
        return False
    return grant.sha256 is None or files.sha256_of(path) == grant.sha256


def objects_of(result: TaskResult, task: WorkTask) -> Mapping[ObjectName, Path]:
    """The files that make up a result, by the names under which they are handed over.

    Raises:
        OSError: the list of the side files cannot be read.
    """
    found: dict[ObjectName, str | None]
    match result:
        case EnhancementResult():
            found = {VIDEO: result.output_uri, REPORT: result.report_uri, POSTER: result.poster_uri}
        case MetadataResult():
            found = {
                METADATA: result.metadata_uri,
                CONTACT_SHEET: result.contact_sheet_uri,
                THUMBNAIL: result.thumbnail_uri,
            }
        case SegmentResult():
            assert isinstance(task, SegmentTask), "only a segment ends as one"
            video = path_from_uri(result.video_uri)
            record = video.with_name(names.segment_record_name(task.span.number))
            return {SEGMENT_VIDEO: video, SEGMENT_RECORD: record}
        case AnalysisResult():
            return _parts_of(result, isinstance(task, AnalysisTask))
    return {name: path_from_uri(uri) for name, uri in found.items() if uri is not None}


def _parts_of(result: AnalysisResult, with_side_files: bool) -> Mapping[ObjectName, Path]:
    if result.folder_uri is None:
        return {}
    folder = path_from_uri(result.folder_uri)
    found: dict[ObjectName, Path] = {SEGMENT_PLAN: folder / names.SEGMENT_PLAN_NAME}
    if with_side_files:
        listed = _names.validate_json((folder / names.SIDE_FILES_NAME).read_bytes())
        found |= {name: folder / name for name in listed}
    return found


def hand_over_all(
    objects: Mapping[ObjectName, Path],
    writes: Sequence[WriteGrant],
    addresses: Addresses,
) -> tuple[SentObject, ...]:
    """Hand over every object; what has arrived of an earlier try is not sent again.

    Raises:
        TaskFailedError: see `Addresses.write`; TRANSFER_FAILED when one is not expected.
        StoppedError: nobody waits any more.
        OSError: a file cannot be read.
    """
    grants = {grant.name: grant for grant in writes}
    sent = []
    for name, path in objects.items():
        grant = grants.get(name)
        if grant is None:
            raise TaskFailedError(
                ErrorCode.TRANSFER_FAILED, "A result was made that nobody has asked for.", name
            )
        one = SentObject(name=name, size_bytes=path.stat().st_size, sha256=files.sha256_of(path))
        _hand_over(grant, path, one, addresses)
        sent.append(one)
    return tuple(sent)


def _hand_over(grant: WriteGrant, path: Path, one: SentObject, addresses: Addresses) -> None:
    """One object, until it has arrived."""
    if not grant.is_resumable:
        with path.open("rb") as file:
            addresses.put(grant.url, file, one.size_bytes)
        return
    best, vain = -1, 0
    while True:
        offset, digest = addresses.offset(grant.url)
        if (offset, digest) == (one.size_bytes, digest_header(one.sha256)):
            return
        if digest is not None or offset >= one.size_bytes:
            offset = 0  # another worker's object: this one takes its place
        best, vain = (offset, 0) if offset > best else (best, vain + 1)
        if vain > MAX_VAIN_TRIES:
            raise TaskFailedError(
                ErrorCode.TRANSFER_FAILED, "A result cannot be handed over: it never arrives as a whole."
            )
        if _send_from(offset, grant, path, one, addresses):
            return


def _send_from(offset: int, grant: WriteGrant, path: Path, one: SentObject, addresses: Addresses) -> bool:
    """Send the rest; False when the connection broke or the other side disagreed."""
    try:
        with path.open("rb") as file:
            while True:
                file.seek(offset)
                block = file.read(BLOCK_BYTES)
                offset = addresses.write(grant.url, offset, one.size_bytes, block, one.sha256)
                if offset >= one.size_bytes:
                    return True
    except WrongOffsetError as error:
        _log.info("an object stands at %d bytes", error.offset)
    except urllib3.exceptions.HTTPError as error:
        _log.info("handing over was interrupted: %s", type(error).__name__)
        addresses.rest()
    return False
