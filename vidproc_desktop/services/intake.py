"""From dropped paths to rows: found, probed, named, stored. Rows appear while the rest is being looked at.

Decides nothing about media: the probe, in a worker process, says what a file is.
"""

import asyncio
import os
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vidproc_desktop.domain.library import FileRecord, IntakeReport, Refusal
from vidproc_desktop.domain.names import displayable, fold, unique_stem
from vidproc_desktop.domain.parts import in_parts, suits_parts
from vidproc_desktop.domain.tasks import new_task
from vidproc_desktop.services import scan
from vidproc_desktop.services.catalogue import Catalogue
from vidproc_desktop.services.events import EventHub, IntakeFinished
from vidproc_desktop.services.file_uris import local_path
from vidproc_desktop.services.ports import LibraryStore, Prober, SaveFiles
from vidproc_desktop.services.scan import FoundFile
from vidproc_desktop.services.spawn import durable
from workers.protocol.messages import ProbeReply
from workers.protocol.model import FileId
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, ProcessType

PROBES_AT_ONCE: Final = 4
BOTH: Final = (ProcessType.VIDEO_ENHANCEMENT, ProcessType.METADATA_EXTRACTION)


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """What holds for every drop."""

    max_size_bytes: int
    row_pictures: Path
    """Folder for the small pictures of the rows."""
    segment_from_s: float = 0.0
    """Files of this duration or longer are enhanced in parts; 0: none."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants done with one drop."""

    settings: EnhancementSettings
    output_directory: Path
    process_types: tuple[ProcessType, ...] = BOTH


@dataclass(slots=True)
class _Drop:
    """One drop on its way."""

    wishes: Wishes
    directory: str
    taken_stems: frozenset[str]
    added: list[FileId] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    already_there: list[str] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Probed:
    """A file and what the probe said."""

    found: FoundFile
    file_id: FileId
    reply: ProbeReply


class Intake:
    """Takes drops; several at a time share the probes.

    Args:
        catalogue: where rows appear.
        store: where they are written first.
        prober: looks at files.
        events: told when a drop has been looked at.
        rules: limits and places.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: LibraryStore,
        *,
        prober: Prober,
        events: EventHub,
        rules: IntakeRules,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._prober = prober
        self._events = events
        self._rules = rules
        self._free_probes = asyncio.Semaphore(PROBES_AT_ONCE)
        self._reserved: set[tuple[str, str]] = set()
        """(folder, folded stem) of rows that are being written."""

    async def add(self, paths: Sequence[Path], wishes: Wishes) -> IntakeReport:
        """Take a drop.

        Raises:
            UserFacingError: the output folder cannot be written, or rows cannot be stored.
        """
        folder = await asyncio.to_thread(_absolute, wishes.output_directory)
        taken = await asyncio.to_thread(scan.prepare_folder, folder)
        await asyncio.to_thread(scan.make_folder, self._rules.row_pictures)
        drop = _Drop(wishes, str(folder), taken)
        async for ready in self._probed(paths, drop):
            await self._take(ready, drop)
        report = IntakeReport(tuple(drop.added), tuple(drop.refused), tuple(drop.already_there))
        self._events.publish(IntakeFinished(report))
        return report

    async def _probed(self, paths: Sequence[Path], drop: _Drop) -> AsyncIterator[list[_Probed]]:
        """Probe ahead, a few at a time, and hand over in the order of the drop, as many as are ready at once."""
        findings = scan.walk(paths, self._rules.max_size_bytes)
        ahead: deque[asyncio.Task[_Probed]] = deque()
        try:
            while chunk := await asyncio.to_thread(scan.take, findings):
                for found in chunk:
                    if isinstance(found, Refusal):
                        drop.refused.append(found)
                    elif self._is_new(found, drop):
                        ahead.append(asyncio.create_task(self._probe(found), name=f"probe {found.path.name}"))
                    if len(ahead) > 2 * PROBES_AT_ONCE:
                        yield await _ready(ahead)
            while ahead:
                yield await _ready(ahead)
        finally:
            for task in ahead:
                task.cancel()
            if ahead:
                await asyncio.wait(ahead)

    def _is_new(self, found: FoundFile, drop: _Drop) -> bool:
        """False for what is in the list already, unchanged, and for what the drop holds twice."""
        if found.path in drop.seen:
            return False
        drop.seen.add(found.path)
        known = self._catalogue.find_source(str(found.path))
        if known is None or (known.size_bytes, known.mtime_ns) != (found.size_bytes, found.mtime_ns):
            return True
        drop.already_there.append(displayable(str(found.path)))
        return False

    async def _probe(self, found: FoundFile) -> _Probed:
        file_id = FileId(uuid.uuid4().hex)
        async with self._free_probes:
            reply = await self._prober.probe(found.path, self._rules.row_pictures / f"{file_id}.jpg")
        return _Probed(found, file_id, reply)

    async def _take(self, ready: list[_Probed], drop: _Drop) -> None:
        """Rows for what the probe accepted, durable before they appear."""
        files = []
        for probed in ready:
            refusal = _refusal(probed)
            if refusal is not None:
                drop.refused.append(refusal)
            else:
                files.append(self._row(probed, drop))
        if not files:
            return
        try:
            await durable(self._store.write(SaveFiles(tuple(files))))
        finally:
            self._reserved.difference_update((file.output_directory, fold(file.stem)) for file in files)
        self._catalogue.add(files)
        drop.added += [file.file_id for file in files]

    def _row(self, probed: _Probed, drop: _Drop) -> FileRecord:
        found, reply = probed.found, probed.reply
        stem = unique_stem(found.path.name, self._is_stem_taken(drop))
        wanted = drop.wishes.process_types
        file = FileRecord(
            file_id=probed.file_id,
            position=self._catalogue.take_position(),
            source_path=str(found.path),
            name=displayable(found.path.name),
            size_bytes=found.size_bytes,
            mtime_ns=found.mtime_ns,
            added_at=time.time(),
            output_directory=drop.directory,
            stem=stem,
            settings=drop.wishes.settings,
            enhancement=new_task(
                probed.file_id,
                ProcessType.VIDEO_ENHANCEMENT,
                is_wanted=ProcessType.VIDEO_ENHANCEMENT in wanted,
            ),
            metadata=new_task(
                probed.file_id,
                ProcessType.METADATA_EXTRACTION,
                is_wanted=ProcessType.METADATA_EXTRACTION in wanted,
            ),
            summary=reply.summary,
            thumbnail_path=None if reply.thumbnail_uri is None else str(local_path(reply.thumbnail_uri)),
        )
        self._reserved.add((drop.directory, fold(file.stem)))
        if file.enhancement.is_wanted and suits_parts(file.summary, self._rules.segment_from_s):
            return in_parts(file)
        return file

    def _is_stem_taken(self, drop: _Drop) -> Callable[[str], bool]:
        def is_taken(folded: str) -> bool:
            return (
                folded in drop.taken_stems
                or (drop.directory, folded) in self._reserved
                or self._catalogue.has_stem(drop.directory, folded)
            )

        return is_taken


async def _ready(ahead: deque[asyncio.Task[_Probed]]) -> list[_Probed]:
    """Wait for the first, then take what else is done behind it."""
    done = [await ahead[0]]
    ahead.popleft()
    while ahead and ahead[0].done():
        done.append(ahead.popleft().result())
    return done


def _refusal(probed: _Probed) -> Refusal | None:
    """Why the probe did not accept the file; None when it did."""
    reply = probed.reply
    shown = displayable(str(probed.found.path))
    if reply.error is not None:
        return Refusal(shown, reply.error.code, reply.error.message)
    if reply.summary is None:
        return Refusal(shown, ErrorCode.NO_VIDEO_STREAM, "There is no moving picture in this file.")
    return None


def _absolute(folder: Path) -> Path:
    """Never raises for a loop of links, unlike Path.resolve: what is wrong shows when the folder is made."""
    return Path(os.path.realpath(folder.expanduser()))
