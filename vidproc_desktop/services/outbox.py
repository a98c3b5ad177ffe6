"""What the broker has still to be given: published from the stored rows, few at a time, in order, until confirmed.

A task leaves the outbox only when the broker has confirmed it; a broker that is down only makes it wait.
"""

import asyncio
import heapq
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.domain.order import OutboxKey, bundles, outbox_key, publish_limit
from vidproc_desktop.domain.tasks import without_target
from vidproc_desktop.errors import UserFacingError
from vidproc_desktop.services.catalogue import Catalogue
from vidproc_desktop.services.ports import LibraryStore, SaveTask, TaskBroker
from vidproc_desktop.services.spawn import durable
from vidproc_desktop.services.worker_pool import WorkerPool
from workers.protocol.messages import FileTask, OutputTarget, SourceRef
from workers.protocol.model import FileId
from workers.protocol.states import ProcessType

_log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class TaskTerms:
    """What every published task carries."""

    client_id: str
    timeout_s: float
    metadata_directory: Path | None = None
    thumbnails_directory: Path | None = None


class Outbox:
    """Publishes what waits. `run` is its one task.

    Args:
        catalogue: the rows.
        store: where a confirmed publish is remembered.
        pool: who is there; decides how much is published.
        terms: what every task carries.
    """

    def __init__(self, catalogue: Catalogue, store: LibraryStore, pool: WorkerPool, terms: TaskTerms) -> None:
        self._catalogue = catalogue
        self._store = store
        self._pool = pool
        self._terms = terms
        self._broker: TaskBroker | None = None
        self._waiting: list[tuple[OutboxKey, FileId]] = []
        self._queued: dict[FileId, OutboxKey] = {}
        self._under_way: dict[ProcessType, set[FileId]] = {kind: set() for kind in ProcessType}
        self._wake = asyncio.Event()
        self._limits: dict[ProcessType, int] = {}
        catalogue.watch(self._look_at)

    def limit_time(self, timeout_s: float) -> None:
        """Tasks published from now on may take so long."""
        self._terms = replace(self._terms, timeout_s=timeout_s)

    def use(self, broker: TaskBroker | None) -> None:
        """Publish there from now on; None: wait."""
        self._broker = broker
        self._wake.set()

    def nudge(self) -> None:
        """Something that counts has changed: workers, or the broker's health."""
        self._limits.clear()
        self._wake.set()

    def forget(self, file_ids: tuple[FileId, ...]) -> None:
        """Rows are gone."""
        for file_id in file_ids:
            self._queued.pop(file_id, None)
            for ids in self._under_way.values():
                ids.discard(file_id)
        self._wake.set()

    def _look_at(self, file: FileRecord) -> None:
        """Keep count of a row that is new or has changed. On the hot path: constant time."""
        has_waiting = False
        for task in file.tasks:
            ids = self._under_way[task.process_type]
            if task.is_published and not task.is_settled:
                ids.add(file.file_id)
            elif file.file_id in ids:
                ids.discard(file.file_id)
                self._wake.set()
            has_waiting = has_waiting or task.is_in_outbox
        if not has_waiting:
            self._queued.pop(file.file_id, None)
        elif self._queued.get(file.file_id) != (key := outbox_key(file)):
            self._queued[file.file_id] = key
            heapq.heappush(self._waiting, (key, file.file_id))
            self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._wake.clear()
            try:
                while await self._publish_next():
                    pause_s = FIRST_PAUSE_S
            except UserFacingError as error:
                # The broker's health tells the user; here it only means later.
                _log.info("publishing waits: %s", error.title)
                await self._rest(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
                continue
            await self._wake.wait()

    async def _rest(self, pause_s: float) -> None:
        """Until something changed, at most `pause_s`."""
        try:
            async with asyncio.timeout(pause_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _publish_next(self) -> bool:
        """Publish what waits in front. False when there is nothing or no room."""
        broker, file = self._broker, self._front()
        if broker is None or file is None:
            return False
        for bundle in bundles(file):
            if not self._has_room(bundle):
                return False
            await self._publish(broker, file, self._aimed(bundle))
        return True

    def _front(self) -> FileRecord | None:
        while self._waiting:
            key, file_id = self._waiting[0]
            file = self._catalogue.get(file_id)
            if file is not None and self._queued.get(file_id) == key:
                return file
            heapq.heappop(self._waiting)
        return None

    def _has_room(self, bundle: tuple[TaskRecord, ...]) -> bool:
        return all(
            len(self._under_way[task.process_type]) < self._limit(task.process_type) for task in bundle
        )

    def _limit(self, process_type: ProcessType) -> int:
        if process_type not in self._limits:
            self._limits[process_type] = publish_limit(self._pool.views(), process_type)
        return self._limits[process_type]

    def _aimed(self, bundle: tuple[TaskRecord, ...]) -> tuple[TaskRecord, ...]:
        """A retry whose worker has gone meanwhile goes to whoever is free."""
        target = bundle[0].target_worker_id
        if target is None or self._pool.is_live(target):
            return bundle
        return tuple(without_target(task) for task in bundle)

    async def _publish(self, broker: TaskBroker, file: FileRecord, bundle: tuple[TaskRecord, ...]) -> None:
        await durable(self._store.settled())
        target = bundle[0].target_worker_id
        try:
            await broker.publish(self._message(file, bundle), worker_id=target)
        except UserFacingError:
            if target is not None:
                self._keep(tuple(without_target(task) for task in bundle))
            raise
        self._keep(tuple(replace(task, is_published=True) for task in bundle))

    def _keep(self, bundle: tuple[TaskRecord, ...]) -> None:
        """Remember what became of a publish, where the row has not moved on meanwhile by a status or a cancel."""
        file = self._catalogue.get(bundle[0].file_id)
        for task in bundle:
            now = file.task(task.process_type) if file is not None else None
            if file is not None and now is not None and now.is_in_outbox and now.attempt == task.attempt:
                file = file.with_task(task)
                self._store.write(SaveTask(task))
        if file is not None:
            self._catalogue.put(file)

    def _message(self, file: FileRecord, bundle: tuple[TaskRecord, ...]) -> FileTask:
        terms, first = self._terms, bundle[0]
        return FileTask(
            file_id=file.file_id,
            client_id=terms.client_id,
            process_types=tuple(task.process_type for task in bundle),
            attempt=first.attempt,
            source=SourceRef(
                uri=Path(file.source_path).as_uri(), size_bytes=file.size_bytes, mtime_ns=file.mtime_ns
            ),
            output=OutputTarget(
                directory_uri=Path(file.output_directory).as_uri(),
                stem=file.stem,
                metadata_directory_uri=_uri(terms.metadata_directory),
                thumbnails_directory_uri=_uri(terms.thumbnails_directory),
            ),
            settings=file.settings,
            timeout_s=terms.timeout_s,
            gentle=first.gentle,
        )


def _uri(path: Path | None) -> str | None:
    return None if path is None else path.as_uri()
