"""What a status does to a task, and what follows a failed attempt. Pure: values in, values out.

Statuses arrive late, twice and out of order. `reduce` is therefore a join: whatever the order of arrival, the
record ends the same. Precedence: a completed result of any attempt, then the newest attempt; within an attempt
cancelled, then failed, then whatever is under way with the highest sequence.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from vidproc_desktop.domain.library import AttemptRecord, FileRecord, TaskRecord
from vidproc_desktop.domain.workers import WorkerView
from workers.protocol.messages import StatusMessage
from workers.protocol.model import FileId, WorkerId
from workers.protocol.results import TaskError
from workers.protocol.segments import PartName
from workers.protocol.states import ErrorCode, ProcessType, Stage, Status, WorkerState

_RANK: Final = {
    Status.PENDING: 0,
    Status.PROCESSING: 0,
    Status.FAILED: 1,
    Status.CANCELLED: 2,
    Status.COMPLETED: 3,
}
REJECTIONS_PER_TASK: Final = 2
"""After so many rejected results of one task a worker is not given it again."""
_TAKES_TASKS: Final = frozenset({WorkerState.STARTING, WorkerState.IDLE, WorkerState.BUSY})


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again: as `attempt`, at one worker or (None) at whoever is free first."""

    worker_id: WorkerId | None
    attempt: int
    gentle: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The failure is final, with the reason for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """The task has not failed."""


type NextStep = Retry | GiveUp | Nothing


def reduce(record: TaskRecord, status: StatusMessage) -> TaskRecord:
    """The record after a status. Returns `record` itself when the status says nothing new.

    A completed result wins over everything that is not completed, also that of an older attempt while the next
    one waits, and also after a cancel that came too late. The first result stays.
    """
    if record.status is Status.COMPLETED:
        return record
    if status.status is Status.COMPLETED:
        return _taken(record, status, progress=100.0)
    if status.attempt != record.attempt:
        return record if status.attempt < record.attempt else _taken(record, status, status.progress)
    old_rank, new_rank = _RANK[record.status], _RANK[status.status]
    progress = max(record.progress, status.progress)
    is_news = new_rank > old_rank or (new_rank == old_rank == 0 and status.sequence > record.sequence)
    if is_news:
        return _taken(record, status, progress)
    return record if progress == record.progress else replace(record, progress=progress)


def _taken(record: TaskRecord, status: StatusMessage, progress: float) -> TaskRecord:
    """The record with everything that the status says."""
    return TaskRecord(
        file_id=record.file_id,
        process_type=record.process_type,
        status=status.status,
        stage=status.stage,
        progress=progress,
        attempt=status.attempt,
        first_attempt=record.first_attempt,
        sequence=status.sequence,
        is_published=True,
        worker_id=WorkerId(status.worker_id),
        target_worker_id=record.target_worker_id,
        gentle=record.gentle,
        frames_done=status.frames_done,
        frames_total=status.frames_total,
        frames_per_s=status.frames_per_s,
        remaining_s=status.remaining_s,
        error=status.error,
        result=status.result,
        is_wanted=record.is_wanted,
        part=record.part,
    )


def is_result_wanted(record: TaskRecord) -> bool:
    """False when a completed attempt would change nothing, or was cancelled by the user."""
    return record.is_wanted and record.status not in (Status.COMPLETED, Status.CANCELLED)


def rejected(status: StatusMessage, error: TaskError) -> StatusMessage:
    """A completed status whose result was not taken: its attempt has failed, and the error says whose it was."""
    if error.code is ErrorCode.RESULT_REJECTED:
        words = f"The result of worker {status.worker_id} was not taken. {error.message}"
        error = error.model_copy(update={"message": words[:4096]})
    changes = {"status": Status.FAILED, "error": error, "result": None, "sent": ()}
    return status.model_copy(update=changes)


def is_progress_only(before: TaskRecord, after: TaskRecord) -> bool:
    """True when nothing is lost if the program forgets this change: only how far the work has come."""
    return (
        before.status is after.status
        and not after.status.is_final
        and before.attempt == after.attempt
        and before.is_published == after.is_published
        and before.target_worker_id == after.target_worker_id
    )


def cancelled(record: TaskRecord) -> TaskRecord:
    """The record after the user cancelled it. What is final stays as it is."""
    if record.is_settled:
        return record
    return replace(record, status=Status.CANCELLED, stage=Stage.WAITING, frames_per_s=None, remaining_s=None)


def retried_by_user(record: TaskRecord) -> TaskRecord:
    """A new round for a failed or cancelled process; anything else stays as it is."""
    if not record.is_wanted or record.status not in (Status.FAILED, Status.CANCELLED):
        return record
    attempt = record.attempt + 1
    return TaskRecord(
        record.file_id, record.process_type, attempt=attempt, first_attempt=attempt, part=record.part
    )


def retried(record: TaskRecord, retry: Retry) -> TaskRecord:
    """The next attempt of the same round, waiting in the outbox; why the last one failed stays visible."""
    return TaskRecord(
        record.file_id,
        record.process_type,
        attempt=retry.attempt,
        first_attempt=record.first_attempt,
        target_worker_id=retry.worker_id,
        gentle=retry.gentle,
        error=record.error,
        part=record.part,
    )


def started_over(record: TaskRecord, *, new_attempt: bool) -> TaskRecord:
    """An unfinished task back in the outbox, because whoever had it is gone with its queue.

    Args:
        record: the task; what is settled stays as it is.
        new_attempt: True when the old holder may still send statuses; they must not be taken for the new ones.
    """
    if record.is_settled:
        return record
    return TaskRecord(
        record.file_id,
        record.process_type,
        attempt=record.attempt + 1 if new_attempt else record.attempt,
        first_attempt=record.first_attempt,
        gentle=record.gentle,
        error=record.error if record.status is Status.PENDING else None,
        part=record.part,
    )


def without_target(record: TaskRecord) -> TaskRecord:
    """A waiting retry whose worker is gone: whoever is free may take it."""
    return replace(record, target_worker_id=None, is_published=False)


def attempt_of(record: TaskRecord, ended_at: float | None) -> AttemptRecord:
    """The ledger's line for a record whose attempt has ended."""
    return AttemptRecord(
        file_id=record.file_id,
        process_type=record.process_type,
        attempt=record.attempt,
        worker_id=record.worker_id,
        status=record.status,
        gentle=record.gentle,
        error=record.error,
        ended_at=ended_at,
        log_tail=record.error.log_tail if record.error is not None else (),
        part=record.part,
    )


def next_step(
    file: FileRecord,
    record: TaskRecord,
    ledger: Sequence[AttemptRecord],
    live_workers: Sequence[WorkerView],
    max_attempts: int,
) -> NextStep:
    """What follows a failed attempt.

    Args:
        file: the file, for the log.
        record: the failed process.
        ledger: its attempts, this failed one included. A crashed worker is a failed attempt like any other, so a
            file that kills every worker ends here too.
        live_workers: every worker known.
        max_attempts: `MAX_PROCESSING_ATTEMPTS`, counted from the start of the user's last retry.
    """
    if record.status is not Status.FAILED:
        return Nothing()
    if record.error is not None and not record.error.code.is_retryable:
        return GiveUp(f"{file.name}: {record.error.code.value} would end the same way again")
    failed = [
        line for line in ledger if line.status is Status.FAILED and line.attempt >= record.first_attempt
    ]
    if len({line.attempt for line in failed}) >= max_attempts:
        return GiveUp(f"{file.name}: {max_attempts} attempts failed")
    blamed = {line.worker_id for line in failed}
    barred = _barred(failed)
    able = [
        worker
        for worker in live_workers
        if can_take(worker, record.process_type) and worker.worker_id not in barred
    ]
    if barred and not able:
        # Whoever is free would be one of them.
        return GiveUp(f"{file.name}: nobody is there but workers whose results were rejected twice")
    fresh = [worker for worker in able if worker.worker_id not in blamed]
    attempt = record.attempt + 1
    if fresh:
        chosen = min(fresh, key=lambda worker: (len(worker.current), worker.worker_id))
        return Retry(chosen.worker_id, attempt, gentle=record.gentle)
    if any(worker.worker_id == record.worker_id for worker in able):
        return Retry(record.worker_id, attempt, gentle=True)
    return Retry(able[0].worker_id if able else None, attempt, gentle=True)


def _barred(failed: Sequence[AttemptRecord]) -> frozenset[WorkerId | None]:
    """Workers whose results of this task were rejected twice: they are not given it again."""
    rejected = Counter(
        line.worker_id
        for line in failed
        if line.error is not None and line.error.code is ErrorCode.RESULT_REJECTED
    )
    return frozenset(worker_id for worker_id, count in rejected.items() if count >= REJECTIONS_PER_TASK)


def can_take(worker: WorkerView, process_type: ProcessType) -> bool:
    """True for a worker that lives, takes tasks and does this kind of work."""
    return not worker.is_lost and worker.state in _TAKES_TASKS and process_type in worker.process_types


def crash_error(detail: str, log_tail: Sequence[str]) -> TaskError:
    """What a task is told when its worker process ended under it."""
    return TaskError(
        code=ErrorCode.WORKER_CRASHED,
        message="The worker process ended unexpectedly while it worked on this file.",
        detail=detail[:4096],
        log_tail=tuple(line[:4096] for line in log_tail[-20:]),
    )


def new_task(file_id: FileId, process_type: ProcessType, *, is_wanted: bool = True) -> TaskRecord:
    """A task that waits in the outbox for the first time."""
    return TaskRecord(file_id, process_type, is_wanted=is_wanted)


def new_part(file_id: FileId, part: PartName, attempt: int) -> TaskRecord:
    """A part of an enhancement that waits in the outbox; its attempts are counted from `attempt` on."""
    return TaskRecord(
        file_id, ProcessType.VIDEO_ENHANCEMENT, attempt=attempt, first_attempt=attempt, part=part
    )
