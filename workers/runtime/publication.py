"""How verified results get their final names, and how an attempt recognises that it was finished before.

The report is placed first, then the video by one atomic rename: a video under a final name always has its report.
Publications into one folder exclude each other by a lock on the folder. Blocking file I/O: belongs on a thread.
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from workers.errors import TaskFailedError
from workers.media.jobs import EnhancementOutcome, MetadataOutcome
from workers.protocol.pictures import MetadataDocument
from workers.protocol.report import EnhancementReport
from workers.protocol.results import EnhancementResult
from workers.protocol.states import ErrorCode
from workers.runtime import files, names
from workers.runtime.locks import lock_folder
from workers.runtime.sources import display_name, uri_from_path

MAX_DOCUMENT_BYTES: Final = 64_000_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one file's results belong. All folders exist."""

    file_id: str
    source: Path
    stem: str
    videos: Path
    documents: Path
    """Reports and metadata."""
    pictures: Path


@dataclass(frozen=True, slots=True)
class PublishedEnhancement:
    """An enhanced file under its final name."""

    video: Path
    report_path: Path
    poster: Path | None
    report: EnhancementReport
    was_found: bool


@dataclass(frozen=True, slots=True)
class PublishedMetadata:
    """A metadata document under its final name."""

    document: Path
    contact_sheet: Path | None
    thumbnail: Path | None


def enhancement_result(published: PublishedEnhancement) -> EnhancementResult:
    """What the sender of the task is told of an enhanced file."""
    report = published.report
    duration_s = report.duration_out_s
    return EnhancementResult(
        output_uri=uri_from_path(published.video),
        report_uri=uri_from_path(published.report_path),
        poster_uri=None if published.poster is None else uri_from_path(published.poster),
        size_bytes=report.output_size_bytes,
        frames=report.frames_out,
        duration_s=None if duration_s is None else float(duration_s),
        was_remuxed=report.plan.remux,
        was_found_finished=published.was_found,
        warnings=report.warnings,
    )


def find_finished(destination: Destination, settings_key: str) -> PublishedEnhancement | None:
    """This file's finished output of the same settings, size and SHA-256 checked; None when there is none."""
    found = _find_claimed(destination, settings_key)
    if found is not None and files.sha256_of(found.video) == found.report.output_sha256:
        return found
    return None


def publish_enhancement(
    destination: Destination, outcome: EnhancementOutcome, workspace: Path
) -> PublishedEnhancement:
    """Place report, poster and video. A duplicate that comes second discards its own and returns the first's.

    Raises:
        TaskFailedError: OUTPUT_NOT_WRITABLE when no free name is left.
        OSError: the disk refused.
    """
    files.sync_file(outcome.output)
    with lock_folder(destination.videos):
        finished = _find_claimed(destination, outcome.report.settings_key)
        if finished is not None:
            _log.info("another attempt published first: this output is discarded")
            return finished
        for stem in _candidates(destination):
            if not _is_free_for_video(destination, stem):
                continue
            try:
                return _place_enhancement(destination, stem, outcome, workspace)
            except FileExistsError:
                _log.info("the name %s was taken at the last moment", stem)
    raise _no_name(destination)


def publish_metadata(
    destination: Destination, outcome: MetadataOutcome, workspace: Path
) -> PublishedMetadata:
    """Place the document, then the pictures that it names.

    Raises:
        TaskFailedError: OUTPUT_NOT_WRITABLE when no free name is left.
        OSError: the disk refused.
    """
    with lock_folder(destination.documents):
        for stem in _candidates(destination):
            document_path = destination.documents / (stem + names.METADATA_SUFFIX)
            owner = _owner(document_path)
            pictures = [
                destination.pictures / (stem + s) for s in (names.CONTACT_SUFFIX, names.THUMBNAIL_SUFFIX)
            ]
            is_ours = owner == destination.file_id
            if not is_ours and (_exists(document_path) or any(map(_exists, pictures))):
                continue
            return _place_metadata(destination, stem, outcome, workspace)
    raise _no_name(destination)


def find_metadata(destination: Destination, size_bytes: int) -> PublishedMetadata | None:
    """This file's document of a source of that size, with the pictures beside it; None when there is none.

    Raises:
        OSError: the disk refused.
    """
    for stem in _candidates(destination):
        path = destination.documents / (stem + names.METADATA_SUFFIX)
        if not _exists(path):
            return None
        if _owner(path) != destination.file_id:
            continue
        document = _read_metadata(path)
        if document is None or document.media.size_bytes != size_bytes:
            return None
        contact = destination.pictures / (stem + names.CONTACT_SUFFIX)
        thumbnail = destination.pictures / (stem + names.THUMBNAIL_SUFFIX)
        is_whole = document.contact_sheet is None or contact.is_file()
        found = PublishedMetadata(
            path,
            contact if document.contact_sheet is not None else None,
            thumbnail if thumbnail.is_file() else None,
        )
        return found if is_whole else None
    return None


def _place_enhancement(
    destination: Destination, stem: str, outcome: EnhancementOutcome, workspace: Path
) -> PublishedEnhancement:
    video = destination.videos / (stem + names.VIDEO_SUFFIX)
    report_path = destination.documents / (stem + names.REPORT_SUFFIX)
    report = outcome.report.model_copy(update={"output_name": video.name})
    had_report = _exists(report_path)
    # The report claims the stem: whatever is there after a crash, the next attempt sees that it is its own.
    _place_document(report.model_dump_json(indent=2).encode(), report_path, workspace)
    poster_path = destination.pictures / (stem + names.POSTER_SUFFIX)
    try:
        poster = _place_picture(outcome.poster, poster_path)
        files.rename_without_replacing(outcome.output, video)
    except OSError:
        if not had_report:
            if outcome.poster is not None and not _exists(outcome.poster) and _exists(poster_path):
                _move(poster_path, outcome.poster)  # the next name needs it
            files.remove_file(report_path)
        raise
    files.sync_folder(destination.videos)
    return PublishedEnhancement(video, report_path, poster, report, was_found=False)


def _place_metadata(
    destination: Destination, stem: str, outcome: MetadataOutcome, workspace: Path
) -> PublishedMetadata:
    contact_path = destination.pictures / (stem + names.CONTACT_SUFFIX)
    document = outcome.document
    if document.contact_sheet is not None:
        sheet = document.contact_sheet.model_copy(update={"file_name": contact_path.name})
        document = document.model_copy(update={"contact_sheet": sheet})
    path = destination.documents / (stem + names.METADATA_SUFFIX)
    # The document claims the stem, as a report does.
    _place_document(document.model_dump_json(indent=2).encode(), path, workspace)
    contact = _place_picture(outcome.contact_sheet, contact_path)
    thumbnail = _place_picture(outcome.thumbnail, destination.pictures / (stem + names.THUMBNAIL_SUFFIX))
    return PublishedMetadata(path, contact, thumbnail)


def _place_document(data: bytes, target: Path, workspace: Path) -> None:
    """Write, sync, and rename over our own earlier document of that name, if there is one."""
    temporary = workspace / "document.json"
    files.write_durably(temporary, data)
    _move(temporary, target)


def _place_picture(picture: Path | None, target: Path) -> Path | None:
    if picture is None:
        return None
    files.sync_file(picture)
    _move(picture, target)
    return target


def _move(source: Path, target: Path) -> None:
    """Atomic also when the target lies on another disk than the workspace: copied beside it first."""
    if source.stat().st_dev != target.parent.stat().st_dev:
        beside = target.parent / f".vidproc-{source.parent.name}.part"
        try:
            source = files.copy_durably(source, beside)
            source.replace(target)
        finally:
            files.remove_file(beside)
    else:
        source.replace(target)
    files.sync_folder(target.parent)


def _find_claimed(destination: Destination, settings_key: str) -> PublishedEnhancement | None:
    """Our own report of the same settings beside a video of the reported size."""
    for stem in _candidates(destination):
        video = destination.videos / (stem + names.VIDEO_SUFFIX)
        report_path = destination.documents / (stem + names.REPORT_SUFFIX)
        if not _exists(video) and not _exists(report_path):
            return None
        report = _read_report(report_path)
        if report is None or report.file_id != destination.file_id or report.settings_key != settings_key:
            continue
        if video.is_file() and video.stat().st_size == report.output_size_bytes:
            poster = destination.pictures / (stem + names.POSTER_SUFFIX)
            return PublishedEnhancement(
                video, report_path, poster if poster.is_file() else None, report, was_found=True
            )
    return None


def _is_free_for_video(destination: Destination, stem: str) -> bool:
    """No video of that name (so never the source), and no report or poster of another file."""
    if _exists(destination.videos / (stem + names.VIDEO_SUFFIX)):
        return False
    report_path = destination.documents / (stem + names.REPORT_SUFFIX)
    if _exists(report_path):
        return _owner(report_path) == destination.file_id
    return not _exists(destination.pictures / (stem + names.POSTER_SUFFIX))


def _candidates(destination: Destination) -> Iterator[str]:
    folders = (destination.videos, destination.documents, destination.pictures)
    return names.candidate_stems(destination.stem, min(files.name_limit_bytes(folder) for folder in folders))


def _read_report(path: Path) -> EnhancementReport | None:
    data = _read_document(path)
    if data is None:
        return None
    try:
        return EnhancementReport.model_validate_json(data)
    except ValidationError:
        return None


def _read_metadata(path: Path) -> MetadataDocument | None:
    data = _read_document(path)
    if data is None:
        return None
    try:
        return MetadataDocument.model_validate_json(data)
    except ValidationError:
        return None


def _owner(path: Path) -> str | None:
    """The file id inside a document; None when there is no document or it is somebody else's kind of file."""
    data = _read_document(path)
    if data is None:
        return None
    try:
        value = json.loads(data)
    except ValueError:
        return None
    owner = value.get("file_id") if isinstance(value, dict) else None
    return owner if isinstance(owner, str) else None


def _read_document(path: Path) -> bytes | None:
    try:
        if not path.is_file() or path.stat().st_size > MAX_DOCUMENT_BYTES:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _no_name(destination: Destination) -> TaskFailedError:
    return TaskFailedError(
        ErrorCode.OUTPUT_NOT_WRITABLE,
        f"The folder “{display_name(destination.videos)}” already holds {names.MAX_CANDIDATES} files of this name.",
    )
