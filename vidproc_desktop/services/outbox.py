"""What the broker has still to be given: published from the stored rows, few at a time, in order, until confirmed.

A task leaves the outbox only when the broker has confirmed it; a broker that is down only makes it wait.
"""

import asyncio
import heapq
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vidproc_desktop.domain.aggregate import with_record
from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.domain.order import (
    OutboxKey,
    bundles,
    likely_next,
    outbox_key,
    part_key,
    publish_limit,
    slots_for,
)
from vidproc_desktop.domain.tasks import without_target
from vidproc_desktop.errors import UserFacingError
from vidproc_desktop.services.catalogue import Catalogue
from vidproc_desktop.services.lending import Lending
from vidproc_desktop.services.ports import LibraryStore, SaveTask, TaskBroker
from vidproc_desktop.services.spawn import durable
from vidproc_desktop.services.task_messages import TaskTerms, task_message
from vidproc_desktop.services.worker_pool import WorkerPool
from workers.protocol.messages import AnyWorkTask
from workers.protocol.model import FileId
from workers.protocol.segments import PartName
from workers.protocol.states import ProcessType

_log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 10.0


type _Item = tuple[ProcessType, PartName | None]


@dataclass(slots=True)
class _Row:
    """What a file has in the outbox and at the broker."""

    queued: dict[PartName | None, OutboxKey] = field(default_factory=dict)
    """None: the file's own tasks."""
    under_way: set[_Item] = field(default_factory=set)


class Outbox:
    """Publishes what waits. `run` is its one task.

    Args:
        catalogue: the rows.
        store: where a confirmed publish is remembered.
        pool: who is there; decides how much is published.
        terms: what every task carries.
        lending: gives tasks the addresses that workers elsewhere need; None: nobody works elsewhere.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: LibraryStore,
        pool: WorkerPool,
        terms: TaskTerms,
        lending: Lending | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._pool = pool
        self._terms = terms
        self._lending = lending
        self._broker: TaskBroker | None = None
        self._waiting: list[tuple[OutboxKey, FileId, PartName | None]] = []
        """A heap; what is not, or not so, in `queued` of its row has been published or given up."""
        self._rows: dict[FileId, _Row] = {}
        """Of files with something in the outbox or at the broker."""
        self._under_way: Counter[ProcessType] = Counter()
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

    @property
    def has_waiting(self) -> bool:
        """True as long as something has still to be published."""
        return self._front() is not None

    def forget(self, file_ids: tuple[FileId, ...]) -> None:
        """Rows are gone."""
        for file_id in file_ids:
            row = self._rows.pop(file_id, None)
            if row is not None:
                self._under_way.subtract(process_type for process_type, _ in row.under_way)
        self._wake.set()

    def _look_at(self, file: FileRecord, changed: Sequence[TaskRecord] | None) -> None:
        """Keep count of a row that is new or has changed. On the hot path: looks at what has changed only."""
        row = self._rows.setdefault(file.file_id, _Row())
        if changed is None:
            changed = file.published_tasks
            self._forget_parts(row, {task.part for task in changed})
        for task in changed:
            self._count(row, task)
            if task.part is not None:
                self._queue(file.file_id, row, task.part, part_key(file, task) if task.is_in_outbox else None)
        if any(task.part is None for task in changed):
            has_waiting = any(task.is_in_outbox for task in file.file_tasks)
            self._queue(file.file_id, row, None, outbox_key(file) if has_waiting else None)
        if not row.queued and not row.under_way:
            del self._rows[file.file_id]

    def _forget_parts(self, row: _Row, present: set[PartName | None]) -> None:
        """Parts are gone with everything that was known of them; so is an enhancement that is now in parts."""
        for part in row.queued.keys() - present:
            del row.queued[part]
        gone = {item for item in row.under_way if item[1] not in present}
        row.under_way -= gone
        self._under_way.subtract(process_type for process_type, _ in gone)

    def _count(self, row: _Row, task: TaskRecord) -> None:
        item = (task.process_type, task.part)
        if task.is_published and not task.is_settled:
            if item not in row.under_way:
                row.under_way.add(item)
                self._under_way[task.process_type] += 1
        elif item in row.under_way:
            row.under_way.remove(item)
            self._under_way[task.process_type] -= 1
            self._wake.set()

    def _queue(self, file_id: FileId, row: _Row, part: PartName | None, key: OutboxKey | None) -> None:
        """Put it where it belongs in the order; None: it waits no more."""
        if key is None:
            row.queued.pop(part, None)
        elif row.queued.get(part) != key:
            row.queued[part] = key
            heapq.heappush(self._waiting, (key, file_id, part))
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
        broker, front = self._broker, self._front()
        if broker is None or front is None:
            return False
        file, waiting = front
        for bundle in waiting:
            if not self._has_room(bundle):
                return False
            await self._publish(broker, file, self._aimed(bundle))
        return True

    def _front(self) -> tuple[FileRecord, tuple[tuple[TaskRecord, ...], ...]] | None:
        """What comes first, as it travels."""
        while self._waiting:
            key, file_id, part = self._waiting[0]
            file, row = self._catalogue.get(file_id), self._rows.get(file_id)
            if file is not None and row is not None and row.queued.get(part) == key:
                if part is None:
                    return file, bundles(file)
                if (record := file.part(part)) is not None:
                    return file, ((record,),)
            heapq.heappop(self._waiting)
        return None

    def _has_room(self, bundle: tuple[TaskRecord, ...]) -> bool:
        return all(self._under_way[task.process_type] < self._limit(task.process_type) for task in bundle)

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
        message = await self._message(file, bundle)
        if message is None:
            return
        target = bundle[0].target_worker_id
        try:
            await broker.publish(message, worker_id=target)
        except UserFacingError:
            if target is not None:
                self._keep(tuple(without_target(task) for task in bundle))
            raise
        self._keep(tuple(replace(task, is_published=True) for task in bundle))

    async def _message(self, file: FileRecord, bundle: tuple[TaskRecord, ...]) -> AnyWorkTask | None:
        """What is published; None when the rows have moved on while its addresses were made."""
        message = task_message(self._terms, file, bundle)
        if self._lending is None or self._lending.exchange is None:
            return message
        slots = slots_for(self._pool.views(), ProcessType.VIDEO_ENHANCEMENT)
        lent = await self._lending.with_addresses(message, file, likely_next(file, bundle[0], slots))
        if all(self._still_waits(task) for task in bundle):
            return lent
        for task in bundle:
            self._lending.discard(message, task.process_type)
        return None

    def _still_waits(self, task: TaskRecord) -> bool:
        file = self._catalogue.get(task.file_id)
        now = None if file is None else file.published(task.process_type, task.part)
        return now is not None and now.is_in_outbox and now.attempt == task.attempt

    def _keep(self, bundle: tuple[TaskRecord, ...]) -> None:
        """Remember what became of a publish, where the row has not moved on meanwhile by a status or a cancel."""
        file, kept = self._catalogue.get(bundle[0].file_id), []
        for task in bundle:
            now = file.published(task.process_type, task.part) if file is not None else None
            if file is not None and now is not None and now.is_in_outbox and now.attempt == task.attempt:
                file = with_record(file, task)
                kept.append(task)
                self._store.write(SaveTask(task))
        if file is not None and kept:
            self._catalogue.put(file, kept)
