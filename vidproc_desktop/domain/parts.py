"""One enhancement in parts: which parts there are, and what follows from each of their results. Pure.

The analysis comes first. It says how the output is shared out; then every segment is a task of its own, and when all
are completed the assembly joins them. What is due follows from the records alone, so that a program that was killed
at any point goes on where it was.

All parts of one way through these steps have attempts from one number on: the first attempt of the analysis. A way
that begins again has higher ones, and so a late word of the way before is never taken for one of the new.
"""

from dataclasses import dataclass, replace
from typing import Final

from vidproc_desktop.domain.aggregate import spans_of, tally_of, with_parts
from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.domain.tasks import cancelled, new_part, retried_by_user, started_over
from workers.protocol.messages import StatusMessage
from workers.protocol.results import AnalysisResult, EnhancementResult, MediaSummary, SegmentResult, TaskError
from workers.protocol.segments import ANALYSIS, ASSEMBLY, segment_part
from workers.protocol.states import ErrorCode, Status


@dataclass(frozen=True, slots=True)
class Step:
    """A file after something has happened to it."""

    file: FileRecord
    changed: tuple[TaskRecord, ...] | None
    """Published records that are other than before; None: the file has other parts altogether."""
    unwanted: tuple[TaskRecord, ...] = ()
    """What the broker has been given and nobody needs any more."""


_ANSWERS: Final = {ANALYSIS: (AnalysisResult,), ASSEMBLY: (EnhancementResult, AnalysisResult)}


def suits_parts(summary: MediaSummary | None, from_s: float) -> bool:
    """True for a file of known duration that lasts `from_s` seconds or longer; 0: for none."""
    duration_s = None if summary is None else summary.duration_s
    return duration_s is not None and 0 < from_s <= duration_s


def in_parts(file: FileRecord) -> FileRecord:
    """A new file that is to be enhanced in parts: its analysis waits."""
    return with_parts(file, (new_part(file.file_id, ANALYSIS, 1),), file.enhancement)


def is_current(file: FileRecord, status: StatusMessage) -> bool:
    """False for a word about a part as it was before everything began again."""
    return status.part is None or not file.parts or status.attempt >= file.parts[0].first_attempt


def believed(file: FileRecord, status: StatusMessage) -> StatusMessage:
    """The status as it can be used: a part completed with an answer that makes no sense has failed."""
    if status.part is None or status.status is not Status.COMPLETED:
        return status
    wanted = _ANSWERS.get(status.part, (SegmentResult,))
    result = status.result
    is_sound = isinstance(result, wanted)
    if isinstance(result, AnalysisResult) and is_sound:
        is_sound = _is_sound(result) and (status.part == ANALYSIS or _is_next_round(file, result))
    if is_sound:
        return status
    error = TaskError(
        code=ErrorCode.INTERNAL,
        message="A worker's answer to a part of this file cannot be used.",
        detail=f"{status.part}: {'no result' if result is None else result.kind}",
    )
    return status.model_copy(update={"status": Status.FAILED, "error": error, "result": None})


def after_end(file: FileRecord, record: TaskRecord, max_attempts: int) -> Step:
    """What follows when a task has ended and will not be tried again; a whole file's ends everything by itself.

    Args:
        file: with the record among its own.
        record: the task, completed, failed or cancelled.
        max_attempts: how often the way through all parts may be begun before the user has to ask for more.
    """
    if record.part is None:
        return Step(file, (record,))
    if record.status is Status.COMPLETED:
        step = _followed(file)
    elif record.status is Status.FAILED:
        step = _failed(file, record, max_attempts)
    else:
        # A worker has cancelled a part that was wanted: the others are of no use without it.
        step = _stopped(file, cancelled(file.enhancement))
    return Step(step.file, None if step.changed is None else (record, *step.changed), step.unwanted)


def stopped_by_user(file: FileRecord) -> Step:
    """After a cancel of the whole file: what is finished stays."""
    step = (
        _stopped(file, cancelled(file.enhancement))
        if file.parts
        else _with(file, cancelled(file.enhancement))
    )
    last = _with(step.file, cancelled(file.metadata))
    return Step(last.file, (*(step.changed or ()), *(last.changed or ())), step.unwanted + last.unwanted)


def tried_again(file: FileRecord, now: FileRecord) -> FileRecord:
    """A new round for what failed or was cancelled; finished segments of an unchanged source stay.

    Args:
        file: the row with the source's present size and time.
        now: the row as it is.
    """
    enhancement = retried_by_user(now.enhancement)
    file = replace(
        file,
        enhancement=enhancement,
        metadata=retried_by_user(now.metadata),
        parts=now.parts,
        tally=now.tally,
    )
    if not now.parts or enhancement is now.enhancement:
        return file
    if (file.size_bytes, file.mtime_ns) != (now.size_bytes, now.mtime_ns):
        return _begun_again(file, enhancement).file
    return _followed(with_parts(file, tuple(map(retried_by_user, now.parts)), enhancement)).file


def restarted(file: FileRecord, *, new_attempt: bool) -> Step:
    """With everything unfinished back in the outbox, because whoever had it is gone with its queue.

    Args:
        file: the file; what is finished stays.
        new_attempt: True when the old holder may still send statuses of its own.
    """

    def again(task: TaskRecord) -> TaskRecord:
        return started_over(task, new_attempt=new_attempt and task.is_published)

    tasks = tuple(again(task) for task in file.published_tasks)
    changed = tuple(new for new, old in zip(tasks, file.published_tasks, strict=True) if new != old)
    if not changed:
        return Step(file, ())
    for task in tasks[len(file.parts) :]:
        file = file.with_task(task)
    if file.parts:
        begun = file.enhancement
        begun = begun if begun.is_settled else replace(begun, progress=0.0)
        file = with_parts(file, tasks[: len(file.parts)], begun)
    return Step(file, changed)


def _followed(file: FileRecord) -> Step:
    """With what is due now that one of the parts has been completed; nothing is, once the file has ended."""
    if not file.parts or file.enhancement.is_settled:
        return Step(file, ())
    analysis, assembly = file.parts[0], file.assembly
    if analysis.status is not Status.COMPLETED:
        return Step(file, ())
    if assembly is not None:
        if not isinstance(assembly.result, AnalysisResult):
            return Step(file, ())
        return _another_round(file, assembly.result) if assembly.result.spans else _whole(file)
    if not spans_of(file):
        return _whole(file)
    if len(file.parts) == 1:
        return Step(_shared_out(file, analysis, file.enhancement), None)
    if (file.tally or tally_of(file)).completed == len(file.parts) - 1:
        assembly = new_part(file.file_id, ASSEMBLY, analysis.first_attempt)
        return Step(with_parts(file, (*file.parts, assembly), file.enhancement), (assembly,))
    return Step(file, ())


def _whole(file: FileRecord) -> Step:
    """Back to one task for the whole enhancement."""
    enhancement = TaskRecord(
        file.file_id,
        file.enhancement.process_type,
        attempt=file.enhancement.attempt,
        first_attempt=file.enhancement.first_attempt,
    )
    return Step(replace(file, parts=(), tally=None, enhancement=enhancement), None, _under_way(file))


def _failed(file: FileRecord, record: TaskRecord, max_attempts: int) -> Step:
    """A part has failed for good: once more from the analysis, in one task, or not at all, as its code says."""
    code = None if record.error is None else record.error.code
    if code is ErrorCode.NOT_IN_PARTS:
        return _whole(file)
    begun = file.enhancement.attempt - file.enhancement.first_attempt + 1
    if code is ErrorCode.PARTS_MISSING and begun < max_attempts:
        return _begun_again(file, _next_way(file.enhancement))
    enhancement = replace(
        cancelled(file.enhancement), status=Status.FAILED, worker_id=record.worker_id, error=record.error
    )
    return _stopped(file, enhancement)


def _begun_again(file: FileRecord, enhancement: TaskRecord) -> Step:
    """From the analysis on. Segments that are finished will say so at once, if they can still be used."""
    analysis = new_part(file.file_id, ANALYSIS, _next_attempt(file))
    return Step(with_parts(file, (analysis,), enhancement), None, _under_way(file))


def _another_round(file: FileRecord, answer: AnalysisResult) -> Step:
    """All segments again by another plan, which the assembly has made."""
    attempt = _next_attempt(file)
    analysis = replace(file.parts[0], attempt=attempt, first_attempt=attempt, result=answer)
    return Step(_shared_out(file, analysis, _next_way(file.enhancement)), None)


def _shared_out(file: FileRecord, analysis: TaskRecord, enhancement: TaskRecord) -> FileRecord:
    """With the segments that the analysis found."""
    spans = spans_of(replace(file, parts=(analysis,)))
    segments = (new_part(file.file_id, segment_part(span.number), analysis.first_attempt) for span in spans)
    return with_parts(file, (analysis, *segments), enhancement)


def _stopped(file: FileRecord, enhancement: TaskRecord) -> Step:
    """The enhancement has ended before its time: nothing of it is worked on any more."""
    parts = tuple(cancelled(part) for part in file.parts)
    changed = tuple(new for new, old in zip(parts, file.parts, strict=True) if new is not old)
    return Step(with_parts(file, parts, enhancement), changed, _under_way(file))


def _with(file: FileRecord, task: TaskRecord) -> Step:
    """One of the file's own tasks stopped; nothing where it had ended before."""
    if task is file.task(task.process_type):
        return Step(file, ())
    return Step(file.with_task(task), (task,), (task,) if task.is_published else ())


def _under_way(file: FileRecord) -> tuple[TaskRecord, ...]:
    return tuple(part for part in file.parts if part.is_published and not part.is_settled)


def _next_attempt(file: FileRecord) -> int:
    """Higher than any attempt of any part there has been."""
    return 1 + max(part.attempt for part in file.parts)


def _next_way(enhancement: TaskRecord) -> TaskRecord:
    """The enhancement as it begins once more without having been asked to by the user."""
    return TaskRecord(
        enhancement.file_id,
        enhancement.process_type,
        attempt=enhancement.attempt + 1,
        first_attempt=enhancement.first_attempt,
    )


def _is_sound(answer: AnalysisResult) -> bool:
    """True when it can be gone by: segments numbered from 0, by a plan with a checksum; or no segments."""
    numbers = [span.number for span in answer.spans]
    return not numbers or (answer.plan_sha256 is not None and numbers == list(range(len(numbers))))


def _is_next_round(file: FileRecord, answer: AnalysisResult) -> bool:
    """False for the plan that the segments were made by: they would be made by it for ever."""
    before = file.parts[0].result
    return not answer.spans or not isinstance(before, AnalysisResult) or answer.round > before.round
