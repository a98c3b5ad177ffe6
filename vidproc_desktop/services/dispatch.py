"""What happens to every task between the drop and its result: statuses in, verdicts, cancels, retries.

Decides with the pure rules of the domain; writes through the store; publishes through the outbox.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vidproc_desktop.domain.aggregate import with_record
from vidproc_desktop.domain.library import AttemptRecord, FileRecord, TaskKey, TaskRecord
from vidproc_desktop.domain.parts import (
    Step,
    after_end,
    believed,
    is_current,
    restarted,
    stopped_by_user,
    tried_again,
)
from vidproc_desktop.domain.tasks import (
    GiveUp,
    Retry,
    attempt_of,
    is_progress_only,
    next_step,
    reduce,
    retried,
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
from workers.protocol.states import ControlAction, Status

_log = logging.getLogger(__name__)

REMIND_EVERY_S: Final = 5.0


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
        self._failures: dict[TaskKey, list[AttemptRecord]] = {}
        self._reminded: dict[TaskKey, float] = {}
        self._doubled: set[TaskKey] = set()
        """Parts of which an older attempt still runs beside the newest."""

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
        before = None if file is None else file.published(status.process_type, status.part)
        is_ours = status.client_id == self._rules.client_id
        if file is None or before is None or not is_ours or not is_current(file, status):
            return self._stray(status)
        if not before.is_wanted:
            return None
        after = reduce(before, believed(file, status))
        if after is before:
            return self._nothing_new(before, status)
        if is_progress_only(before, after):
            file = with_record(file, after)
            self._catalogue.put(file, (after,))
            self._store.write_progress(after)
            if after.part is not None:
                self._store.write_progress(file.enhancement)
            return None
        return self._changed(file, before, after)

    def _nothing_new(self, record: TaskRecord, status: StatusMessage) -> asyncio.Future[None] | None:
        if status.status.is_final:
            # Its first copy may still be on the way to the disk; only then may this one be acknowledged.
            return self._store.settled()
        if record.status is Status.CANCELLED:
            self._remind(_key(record), record.attempt)
        return None

    def _changed(self, file: FileRecord, before: TaskRecord, after: TaskRecord) -> asyncio.Future[None]:
        step, ledger = Step(with_record(file, after), (after,)), []
        if after.status.is_final:
            line = attempt_of(after, time.time())
            ledger.append(SaveAttempt(line))
            step = self._verdict(step.file, after, line)
        if before.attempt > after.attempt and before.is_published:
            # An older attempt came home first: whoever works on the newer one can stop.
            self._remind(_key(before), before.attempt)
        return self._take(step, *ledger)

    def _verdict(self, file: FileRecord, record: TaskRecord, line: AttemptRecord) -> Step:
        """What follows a final status: another attempt, other parts, or nothing more."""
        if record.status is Status.FAILED:
            ledger = self._failures.setdefault(_key(record), [])
            ledger.append(line)
            step = next_step(file, record, ledger, self._pool.views(), self._rules.max_attempts)
            match step:
                case Retry():
                    _log.info("%s: attempt %d follows", _name(record), step.attempt)
                    again = retried(record, step)
                    return Step(with_record(file, again), (again,))
                case GiveUp(reason):
                    _log.info("%s failed: %s", _name(record), reason)
        self._failures.pop(_key(record), None)
        if _key(record) in self._doubled:
            self._doubled.remove(_key(record))
            # The first result counts: whoever works on an attempt up to this one can stop.
            self._send_cancel(_key(record), record.attempt)
        return after_end(file, record, self._rules.max_attempts)

    def _take(self, step: Step, *ledger: Change) -> asyncio.Future[None]:
        """Let a step be the present: in the catalogue, in the store, and for the workers that are no longer needed."""
        self._catalogue.put(step.file, step.changed)
        written = self._store.write(*ledger, *_saved(step))
        for task in step.unwanted:
            self._send_cancel(_key(task), task.attempt)
        return written

    # ------------------------------------------------------------ what the user asks for

    async def cancel(self, file_ids: Iterable[FileId]) -> None:
        """Stop what has not finished; durable when this returns, and the workers have been told."""
        written = None
        for file in self._present(file_ids):
            step = stopped_by_user(file)
            if step.file.tasks == file.tasks:
                continue
            ended = [task for task in step.changed or () if task.part is None or task.is_published]
            lines = [SaveAttempt(attempt_of(task, time.time())) for task in ended]
            for task in step.changed or ():
                self._failures.pop(_key(task), None)
            written = self._take(step, *lines)
        await durable(written)

    async def retry(self, files: Sequence[FileRecord]) -> None:
        """A new round for the failed and cancelled processes of these rows, given with their present identity.

        Of an enhancement in parts, what is finished stays, unless the source has changed.
        """
        changed = []
        for given in files:
            now = self._catalogue.get(given.file_id)
            if now is None:
                continue
            again = tried_again(given, now)
            if again.tasks != now.tasks:
                changed.append(again)
                self._catalogue.put(again)
        if changed:
            await durable(self._store.write(SaveFiles(tuple(changed))))

    async def remove(self, file_ids: Sequence[FileId]) -> None:
        """Take rows off the list, cancelling what is under way."""
        for file in self._present(file_ids):
            for task in file.published_tasks:
                self._failures.pop(_key(task), None)
                if task.is_published and not task.is_settled:
                    self._send_cancel(_key(task), task.attempt)
        removed = self._catalogue.remove(file_ids)
        if not removed:
            return
        self._outbox.forget(removed)
        await durable(self._store.write(RemoveFiles(removed)))

    # ------------------------------------------------------------ what the surroundings do

    def limit_attempts(self, max_attempts: int) -> None:
        """Failures that come from now on are judged by this."""
        self._rules = replace(self._rules, max_attempts=max_attempts)

    @property
    def max_attempts(self) -> int:
        """How often a task is tried."""
        return self._rules.max_attempts

    def runs_twice(self, status: StatusMessage) -> bool:
        """True for a part of which an older attempt may still run beside the newest."""
        return (FileId(status.file_id), status.process_type, status.part) in self._doubled

    def try_beside(self, record: TaskRecord, retry: Retry) -> None:
        """Issue the next attempt of a part while the present one goes on; the first result counts."""
        file = self._catalogue.get(record.file_id)
        if file is None or record.part is None or file.part(record.part) is not record:
            return
        _log.info("%s: attempt %d beside the one that runs", _name(record), retry.attempt)
        again = retried(record, retry)
        self._doubled.add(_key(record))
        self._take(Step(with_record(file, again), (again,)))

    def remember(self, failures: Iterable[AttemptRecord]) -> None:
        """The ledger's failed attempts, as the store had them at start."""
        for line in failures:
            self._failures.setdefault((line.file_id, line.process_type, line.part), []).append(line)

    def start_over(self, *, new_attempt: bool) -> None:
        """Put everything unfinished back into the outbox: its queue is gone.

        Args:
            new_attempt: True when the old holder may still send statuses of its own.
        """
        for file in self._catalogue:
            step = restarted(file, new_attempt=new_attempt)
            if step.changed:
                self._take(step)

    def on_worker_lost(self, worker_id: WorkerId) -> None:
        """Retries that waited for this worker alone may go to anybody."""
        for file in self._catalogue:
            now, changed = file, []
            for task in file.published_tasks:
                waits = task.status is Status.PENDING and task.is_published and not task.is_settled
                if waits and task.target_worker_id == worker_id:
                    changed.append(without_target(task))
                    now = with_record(now, changed[-1])
            if changed:
                self._take(Step(now, tuple(changed)))

    def _present(self, file_ids: Iterable[FileId]) -> list[FileRecord]:
        return [file for file_id in file_ids if (file := self._catalogue.get(file_id)) is not None]

    def _stray(self, status: StatusMessage) -> asyncio.Future[None] | None:
        """A status of what is not, or no more, in the list: whoever still works on it can stop."""
        if status.status.is_final:
            # It may have led to what took its place; like any second copy it waits until that is durable.
            return self._store.settled()
        if status.client_id == self._rules.client_id:
            self._remind((FileId(status.file_id), status.process_type, status.part), status.attempt)
        return None

    def _remind(self, key: TaskKey, attempt: int) -> None:
        """Tell the workers again, at most every few seconds, that this task is not wanted any more."""
        now = time.monotonic()
        if now - self._reminded.get(key, float("-inf")) < REMIND_EVERY_S:
            return
        if len(self._reminded) > 1000:
            self._reminded.clear()
        self._reminded[key] = now
        self._send_cancel(key, attempt)

    def _send_cancel(self, key: TaskKey, attempt: int) -> None:
        """This attempt and those before; one that the user asks for later is not meant."""
        file_id, process_type, part = key
        self._control(
            ControlMessage(
                action=ControlAction.CANCEL,
                client_id=self._rules.client_id,
                file_id=file_id,
                process_type=process_type,
                part=part,
                attempt=attempt,
            )
        )


def _key(task: TaskRecord) -> TaskKey:
    return task.file_id, task.process_type, task.part


def _name(task: TaskRecord) -> str:
    """For the log."""
    return f"file {task.file_id} {task.part or task.process_type.value}"


def _saved(step: Step) -> list[Change]:
    """What has to be written so that the file is as after the step."""
    if step.changed is None:
        return [SaveFiles((step.file,))]
    saved: list[Change] = [SaveTask(task) for task in step.changed]
    if step.file.parts:
        saved.append(SaveTask(step.file.enhancement))
    return saved
