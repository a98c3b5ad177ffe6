"""When the last segments of a film are under way and a worker has nothing to do: which segment it tries as well. Pure.

A machine that is much slower than the others, or hangs, would hold up the whole film with its last segment. The
first result counts, and so nothing is lost when the guess was wrong but the idle worker's time.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Final

from vidproc_desktop.domain.aggregate import spans_of
from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.domain.tasks import Retry, can_take
from vidproc_desktop.domain.workers import WorkerView
from workers.protocol.results import SegmentResult
from workers.protocol.segments import PartName
from workers.protocol.states import ProcessType, Status, WorkerState

GAIN: Final = 1.5
"""What is left must take so many times as long as all of the segment anew, or else it is not worth the guess."""
SILENT_S: Final = 60.0
"""A part of which nothing was heard for so long, and for longer than it should take altogether, hangs."""


def backup(
    file: FileRecord,
    workers: Sequence[WorkerView],
    silent_s: Mapping[PartName, float],
    max_attempts: int,
) -> tuple[TaskRecord, Retry] | None:
    """The segment that is worth another attempt beside the one that runs, and that attempt; None: there is none.

    Args:
        file: nothing of it waits in the outbox.
        workers: everybody known.
        silent_s: for how long nothing has been heard of the parts that run.
        max_attempts: a failure of both attempts must leave room for a third.
    """
    tally, spans = file.tally, spans_of(file)
    if tally is None or tally.running == 0 or tally.completed + tally.running < len(spans):
        return None
    pace_s = _seconds_per_picture(file)
    slowest, longest_s = None, 0.0
    for record, span in zip(file.parts[1:], spans, strict=False):
        left_s = _left_s(record, pace_s * span.count, silent_s)
        if left_s > longest_s and record.attempt - record.first_attempt + 2 < max_attempts:
            slowest, longest_s = record, left_s
    if slowest is None:
        return None
    chosen = _idle_elsewhere(slowest, workers, any_host=longest_s == inf)
    if chosen is None:
        return None
    return slowest, Retry(chosen.worker_id, slowest.attempt + 1, gentle=slowest.gentle)


def _left_s(record: TaskRecord, anew_s: float, silent_s: Mapping[PartName, float]) -> float:
    """How long the part will still take, where that is much longer than all of it anew; otherwise 0."""
    if record.status is not Status.PROCESSING or record.part is None or anew_s == 0:
        return 0.0
    if silent_s.get(record.part, 0.0) > max(SILENT_S, anew_s):
        return inf
    left_s = record.remaining_s or 0.0
    return left_s if left_s > GAIN * anew_s else 0.0


def _idle_elsewhere(
    record: TaskRecord, workers: Sequence[WorkerView], *, any_host: bool
) -> WorkerView | None:
    """A worker with nothing to do that does not take its time from the one that has the segment."""
    host = next((worker.host for worker in workers if worker.worker_id == record.worker_id), None)
    for worker in workers:
        is_idle = worker.state is WorkerState.IDLE and not worker.current
        is_other = worker.worker_id != record.worker_id and (any_host or worker.host != host)
        if is_idle and is_other and can_take(worker, ProcessType.VIDEO_ENHANCEMENT):
            return worker
    return None


def _seconds_per_picture(file: FileRecord) -> float:
    """As the finished segments took; 0 as long as nobody knows."""
    results = [
        part.result
        for part in file.parts
        if isinstance(part.result, SegmentResult) and not part.result.was_found_finished
    ]
    pictures = sum(result.pictures for result in results)
    return sum(result.seconds for result in results) / pictures if pictures > 0 else 0.0
