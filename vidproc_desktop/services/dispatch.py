"""What happens to every task between the drop and its result: statuses in, verdicts, cancels, retries.

Decides with the pure rules of the domain; writes through the store; publishes through the outbox.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vidproc_desktop.domain.library import AttemptRecord, FileRecord, TaskRecord
from vidproc_desktop.domain.tasks import (
    GiveUp,
    Retry,
    attempt_of,
    cancelled,
    is_progress_only,
    next_step,
    reduce,
    retried,
    retried_by_user,
    started_over,
    without_target,
)
from vidproc_desktop.services.catalogue import Catalogue
from vidproc_desktop.services.outbox import Outbox
from vidproc_desktop.services.ports import (
    Change,
    LibraryStore,
    RemoveFiles,
    SaveAttempt,
    SaveFiles,
    SaveTask,
)
from vidproc_desktop.services.spawn import durable
from vidproc_desktop.services.worker_pool import WorkerPool
from workers.protocol.messages import ControlMessage, StatusMessage
from workers.protocol.model import FileId, WorkerId
from workers.protocol.states import ControlAction, ProcessType, Status

_log = logging.getLogger(__name__)

REMIND_EVERY_S: Final = 5.0
type _TaskKey = tuple[FileId, ProcessType]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the dispatcher goes by."""

    client_id: str
    max_attempts: int


class Dispatch:
    """The dispatcher. All on the loop's thread.

    Args:
        catalogue: the rows.
        store: where they outlive the program.
        pool: who is there.
        outbox: what has still to be published.
        rules: whose tasks these are, and how often one is tried.
        control: sends a control message without waiting for it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: LibraryStore,
        *,
        pool: WorkerPool,
        outbox: Outbox,
        rules: Rules,
        control: Callable[[ControlMessage], None],
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._pool = pool
        self._outbox = outbox
        self._rules = rules
        self._control = control
        self._failures: dict[_TaskKey, list[AttemptRecord]] = {}
        self._reminded: dict[_TaskKey, float] = {}

    def apply(self, status: StatusMessage) -> asyncio.Future[None] | None:
        """Take one status: reduce it, hand the change to the store, publish the event. Never waits, never blocks.

        Call it on the loop's thread, in any order and as often as a status arrives; what says nothing new changes
        nothing. Afterwards the row in the catalogue is the new one, every listener of `FileChanged` has been
        called, and a failed attempt has been given its verdict: the next attempt waits in the outbox, or the
        failure is final.

        Returns:
            A future that is done when everything known of this task is durable, and raises UserFacingError when it
            could not be written; wait with `services.spawn.durable`, because it is shared. None when there is
            nothing to wait for: progress may be forgotten, and is written about twice a second.
        """
        file = self._catalogue.get(FileId(status.file_id))
        if file is None or status.client_id != self._rules.client_id:
            self._note_stray(status)
            return None
        before = file.task(status.process_type)
        if not before.is_wanted:
            return None
        after = reduce(before, status)
        if after is before:
            return self._nothing_new(before, status)
        if is_progress_only(before, after):
            self._catalogue.put(file.with_task(after))
            self._store.write_progress(after)
            return None
        return self._changed(file, before, after)

    def _nothing_new(self, record: TaskRecord, status: StatusMessage) -> asyncio.Future[None] | None:
        if status.status.is_final:
            # Its first copy may still be on the way to the disk; only then may this one be acknowledged.
            return self._store.settled()
        if record.status is Status.CANCELLED:
            self._remind((record.file_id, record.process_type), record.attempt)
        return None

    def _changed(self, file: FileRecord, before: TaskRecord, after: TaskRecord) -> asyncio.Future[None]:
        changes: list[Change] = []
        key = after.file_id, after.process_type
        if after.status.is_final:
            line = attempt_of(after, time.time())
            changes.append(SaveAttempt(line))
            after = self._verdict(file, after, line)
            if after.status.is_final:
                self._failures.pop(key, None)
        if before.attempt > after.attempt and before.is_published:
            # An older attempt came home first: whoever works on the newer one can stop.
            self._remind(key, before.attempt)
        self._catalogue.put(file.with_task(after))
        return self._store.write(*changes, SaveTask(after))

    def _verdict(self, file: FileRecord, record: TaskRecord, line: AttemptRecord) -> TaskRecord:
        """The record after a final status: failed attempts may be followed by another."""
        if record.status is not Status.FAILED:
            return record
        ledger = self._failures.setdefault((record.file_id, record.process_type), [])
        ledger.append(line)
        step = next_step(file, record, ledger, self._pool.views(), self._rules.max_attempts)
        match step:
            case Retry():
                _log.info(
                    "file %s %s: attempt %d follows", record.file_id, record.process_type.value, step.attempt
                )
                return retried(record, step)
            case GiveUp(reason):
                _log.info("file %s %s failed: %s", record.file_id, record.process_type.value, reason)
        return record

    # ------------------------------------------------------------ what the user asks for

    async def cancel(self, file_ids: Iterable[FileId]) -> None:
        """Stop what has not finished; durable when this returns, and the workers have been told."""
        changes: list[Change] = []
        told: list[TaskRecord] = []
        for file in self._present(file_ids):
            ended = tuple(cancelled(task) for task in file.tasks)
            changed = [new for new, old in zip(ended, file.tasks, strict=True) if new is not old]
            if not changed:
                continue
            told += [task for task in changed if task.is_published]
            for task in changed:
                file = file.with_task(task)  # noqa: PLW2901 - the row grows by each of its two tasks
                changes += [SaveTask(task), SaveAttempt(attempt_of(task, time.time()))]
                self._failures.pop((task.file_id, task.process_type), None)
            self._catalogue.put(file)
        if changes:
            written = self._store.write(*changes)
            for task in told:
                self._send_cancel((task.file_id, task.process_type), task.attempt)
            await durable(written)

    async def retry(self, files: Sequence[FileRecord]) -> None:
        """A new round for the failed and cancelled processes of these rows, given with their present identity."""
        changed = []
        for given in files:
            now = self._catalogue.get(given.file_id)
            if now is None:
                continue
            again = given.with_task(retried_by_user(now.enhancement)).with_task(retried_by_user(now.metadata))
            if again.tasks != now.tasks:
                changed.append(again)
                self._catalogue.put(again)
        if changed:
            await durable(self._store.write(SaveFiles(tuple(changed))))

    async def remove(self, file_ids: Sequence[FileId]) -> None:
        """Take rows off the list, cancelling what is under way."""
        for file in self._present(file_ids):
            for task in file.tasks:
                if task.is_published and not task.is_settled:
                    self._send_cancel((task.file_id, task.process_type), task.attempt)
        removed = self._catalogue.remove(file_ids)
        if not removed:
            return
        self._outbox.forget(removed)
        for file_id in removed:
            for process_type in ProcessType:
                self._failures.pop((file_id, process_type), None)
        await durable(self._store.write(RemoveFiles(removed)))

    # ------------------------------------------------------------ what the surroundings do

    def limit_attempts(self, max_attempts: int) -> None:
        """Failures that come from now on are judged by this."""
        self._rules = replace(self._rules, max_attempts=max_attempts)

    def remember(self, failures: Iterable[AttemptRecord]) -> None:
        """The ledger's failed attempts, as the store had them at start."""
        for line in failures:
            self._failures.setdefault((line.file_id, line.process_type), []).append(line)

    def start_over(self, *, new_attempt: bool) -> None:
        """Put everything unfinished back into the outbox: its queue is gone.

        Args:
            new_attempt: True when the old holder may still send statuses of its own.
        """
        changes: list[Change] = []
        for file in self._catalogue:
            tasks = tuple(
                started_over(task, new_attempt=new_attempt and task.is_published) for task in file.tasks
            )
            if tasks != file.tasks:
                self._catalogue.put(file.with_task(tasks[0]).with_task(tasks[1]))
                changes += [SaveTask(task) for task in tasks]
        if changes:
            self._store.write(*changes)

    def on_worker_lost(self, worker_id: WorkerId) -> None:
        """Retries that waited for this worker alone may go to anybody."""
        for file in self._catalogue:
            for task in file.tasks:
                if (
                    task.target_worker_id == worker_id
                    and task.status is Status.PENDING
                    and task.is_published
                    and not task.is_settled
                ):
                    again = without_target(task)
                    self._catalogue.put_task(again)
                    self._store.write(SaveTask(again))

    def _present(self, file_ids: Iterable[FileId]) -> list[FileRecord]:
        return [file for file_id in file_ids if (file := self._catalogue.get(file_id)) is not None]

    def _note_stray(self, status: StatusMessage) -> None:
        """A status of a row that was removed: whoever still works on it can stop."""
        if status.client_id == self._rules.client_id and not status.status.is_final:
            self._remind((FileId(status.file_id), status.process_type), status.attempt)

    def _remind(self, key: _TaskKey, attempt: int) -> None:
        """Tell the workers again, at most every few seconds, that this task is not wanted any more."""
        now = time.monotonic()
        if now - self._reminded.get(key, float("-inf")) < REMIND_EVERY_S:
            return
        if len(self._reminded) > 1000:
            self._reminded.clear()
        self._reminded[key] = now
        self._send_cancel(key, attempt)

    def _send_cancel(self, key: _TaskKey, attempt: int) -> None:
        """This attempt and those before; one that the user asks for later is not meant."""
        file_id, process_type = key
        self._control(
            ControlMessage(
                action=ControlAction.CANCEL,
                client_id=self._rules.client_id,
                file_id=file_id,
                process_type=process_type,
                attempt=attempt,
            )
        )
