"""What is published next: few at a time, retries first, then files in the order of their arrival. Pure."""

from collections.abc import Iterable
from typing import Final

from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.domain.tasks import can_take
from vidproc_desktop.domain.workers import WorkerView
from workers.protocol.states import ProcessType

PUBLISHED_PER_SLOT: Final = 2
"""One that runs and one that waits behind it: a worker never idles, and a cancel or a retry never waits long."""

type OutboxKey = tuple[int, int]


def outbox_key(file: FileRecord) -> OutboxKey:
    """Smaller is sooner. A retry belongs to a file that somebody has been waiting for longest."""
    is_retry = any(task.is_in_outbox and task.attempt > 1 for task in file.tasks)
    return (0 if is_retry else 1, file.position)


def publish_limit(workers: Iterable[WorkerView], process_type: ProcessType) -> int:
    """How many tasks of this kind may be at the broker at once.

    Never less than one slot's worth, so that a cluster that is just starting finds something to do.
    """
    slots = sum(worker.slots for worker in workers if can_take(worker, process_type))
    return PUBLISHED_PER_SLOT * max(1, slots)


def bundles(file: FileRecord) -> tuple[tuple[TaskRecord, ...], ...]:
    """The file's waiting tasks as they are published: both in one message when nothing tells them apart."""
    waiting = tuple(task for task in file.tasks if task.is_in_outbox)
    if len(waiting) == 2 and _terms(waiting[0]) == _terms(waiting[1]):
        return (waiting,)
    return tuple((task,) for task in waiting)


def _terms(task: TaskRecord) -> tuple[int, bool, str | None]:
    return task.attempt, task.gentle, task.target_worker_id
