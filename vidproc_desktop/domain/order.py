"""What is published next: few at a time, retries first, then assemblies, then files as they arrived. Pure."""

from collections.abc import Iterable
from heapq import nsmallest
from typing import Final

from vidproc_desktop.domain.aggregate import spans_of
from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.domain.tasks import can_take
from vidproc_desktop.domain.workers import WorkerView
from workers.protocol.segments import ASSEMBLY, SegmentSpan, segment_number
from workers.protocol.states import ProcessType

PUBLISHED_PER_SLOT: Final = 2
"""One that runs and one that waits behind it: a worker never idles, and a cancel or a retry never waits long."""
_FIRST_US: Final = 10**15
"""Longer than any segment."""

type OutboxKey = tuple[int, int, int, int]
"""Smaller is sooner: urgency, the file's position, then its own tasks before its parts, of which the longest first."""

_RETRY, _ASSEMBLY, _REST = 0, 1, 2


def outbox_key(file: FileRecord) -> OutboxKey:
    """Of a file's own tasks. A retry belongs to a file that somebody has been waiting for longest."""
    is_retry = any(task.is_in_outbox and task.attempt > 1 for task in file.file_tasks)
    return (_RETRY if is_retry else _REST, file.position, -_FIRST_US, 0)


def part_key(file: FileRecord, part: TaskRecord) -> OutboxKey:
    """Of one part. An assembly is all that a film still waits for: it goes before everything that is only begun."""
    number = segment_number(part.part) if part.part is not None else None
    span = spans_of(file)[number] if number is not None else None
    urgency = _ASSEMBLY if part.part == ASSEMBLY else _REST
    if part.attempt > part.first_attempt:
        urgency = _RETRY
    return (urgency, file.position, -round(span.duration_s * 1e6) if span is not None else 0, number or 0)


def slots_for(workers: Iterable[WorkerView], process_type: ProcessType) -> int:
    """How many tasks of this kind are worked on at once; at least one, in a cluster that is just starting."""
    return max(1, sum(worker.slots for worker in workers if can_take(worker, process_type)))


def publish_limit(workers: Iterable[WorkerView], process_type: ProcessType) -> int:
    """How many tasks of this kind may be at the broker at once.

    Never less than one slot's worth, so that a cluster that is just starting finds something to do.
    """
    return PUBLISHED_PER_SLOT * slots_for(workers, process_type)


def likely_next(file: FileRecord, part: TaskRecord, slots: int) -> SegmentSpan | None:
    """The segment of the same file that the worker that gets this one will probably be given next.

    Segments are published in a known order, and while `slots` of them are worked on at once, whoever gets one of them
    gets the one that many places further on. None where no segment waits there any more, and for other parts.
    """
    if part.part is None or segment_number(part.part) is None:
        return None
    own = part_key(file, part)
    waiting = (
        (key, record.part)
        for record in file.parts
        if record.is_in_outbox and record.part is not None and segment_number(record.part) is not None
        if (key := part_key(file, record)) > own
    )
    following = nsmallest(slots, waiting)
    number = segment_number(following[-1][1]) if len(following) == slots else None
    return None if number is None else spans_of(file)[number]


def bundles(file: FileRecord) -> tuple[tuple[TaskRecord, ...], ...]:
    """The file's own waiting tasks as they are published: both in one message when nothing tells them apart."""
    waiting = tuple(task for task in file.file_tasks if task.is_in_outbox)
    if len(waiting) == 2 and _terms(waiting[0]) == _terms(waiting[1]):
        return (waiting,)
    return tuple((task,) for task in waiting)


def _terms(task: TaskRecord) -> tuple[int, bool, str | None]:
    return task.attempt, task.gentle, task.target_worker_id
