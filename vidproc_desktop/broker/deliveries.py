"""The local broker's queue: which task goes to which free worker. Pure: no processes, no loop, no clock."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from workers.protocol.messages import AnyWorkTask, ControlMessage, FileTask, StatusMessage
from workers.protocol.model import WorkerId
from workers.protocol.results import TaskError
from workers.protocol.segments import PartName
from workers.protocol.states import ProcessType, Status

type DeliveryKey = tuple[str, ProcessType, PartName | None]
"""File, process, and which part of it; None: the whole file in one task."""


@dataclass(slots=True, eq=False)
class Delivery:
    """One process of one file, or one part of it, from its publishing to its final status."""

    task: AnyWorkTask
    process_type: ProcessType
    target: WorkerId | None = None
    """Only this worker, as long as it is there."""
    last_sequence: int = -1
    progress: float = 0.0
    cancelled_at: float | None = None
    """When its worker was told to stop."""

    @property
    def key(self) -> DeliveryKey:
        """One task of this key is under way at a time."""
        return self.task.file_id, self.process_type, self.task.part

    @property
    def message(self) -> AnyWorkTask:
        """The task as its worker gets it: of a whole file, this process only."""
        if isinstance(self.task, FileTask):
            return self.task.model_copy(update={"process_types": (self.process_type,)})
        return self.task

    def note(self, status: StatusMessage) -> None:
        """Remember how far it came."""
        self.last_sequence = max(self.last_sequence, status.sequence)
        self.progress = max(self.progress, status.progress)

    def ending(
        self, status: Status, *, worker_id: str, now_us: int, error: TaskError | None = None
    ) -> StatusMessage:
        """A final status in the place of a worker that cannot send it."""
        return StatusMessage(
            file_id=self.task.file_id,
            client_id=self.task.client_id,
            process_type=self.process_type,
            part=self.task.part,
            status=status,
            progress=self.progress,
            error=error,
            attempt=self.task.attempt,
            sequence=max(self.last_sequence + 1, now_us),
            worker_id=worker_id,
        )


class DeliveryQueue:
    """Waiting deliveries, first come, first served; one that was handed back comes first again."""

    def __init__(self) -> None:
        self._waiting: list[Delivery] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, task: AnyWorkTask, target: WorkerId | None) -> None:
        """Add every process of a task. A key that waits already is replaced: the newer attempt counts."""
        for process_type in _process_types(task):
            delivery = Delivery(task, process_type, target)
            self._waiting = [other for other in self._waiting if other.key != delivery.key]
            self._waiting.append(delivery)

    def put_back(self, deliveries: Iterable[Delivery]) -> None:
        """Handed back unfinished."""
        self._waiting[:0] = deliveries

    def take(
        self, worker_id: WorkerId, process_types: Collection[ProcessType], present: Collection[WorkerId]
    ) -> Delivery | None:
        """The next one for this worker.

        Args:
            worker_id: who is free.
            process_types: what it does.
            present: every worker that is there; a delivery for one that is not goes to anybody.
        """
        for index, delivery in enumerate(self._waiting):
            is_for_us = delivery.target in (None, worker_id) or delivery.target not in present
            if is_for_us and delivery.process_type in process_types:
                return self._waiting.pop(index)
        return None

    def drop(self, is_cancelled: Callable[[Delivery], bool]) -> list[Delivery]:
        """Take out what was cancelled."""
        dropped = [delivery for delivery in self._waiting if is_cancelled(delivery)]
        self._waiting = [delivery for delivery in self._waiting if not is_cancelled(delivery)]
        return dropped


def _process_types(task: AnyWorkTask) -> tuple[ProcessType, ...]:
    """Parts are parts of an enhancement."""
    return task.process_types if isinstance(task, FileTask) else (ProcessType.VIDEO_ENHANCEMENT,)


def concerns(message: ControlMessage, delivery: Delivery) -> bool:
    """True when a cancel means this delivery: one without a part means the whole file's task, and none of its parts."""
    task = delivery.task
    return (
        message.client_id in (None, task.client_id)
        and message.file_id in (None, task.file_id)
        and message.process_type in (None, delivery.process_type)
        and message.part == task.part
        and (message.attempt is None or task.attempt <= message.attempt)
    )
