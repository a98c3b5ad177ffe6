"""What every face tells of a file in parts: its segments in order, how many are finished, what is ready from the start.

Pure; reads the records that `FileRecord.parts` holds and decides nothing.
"""

from dataclasses import dataclass
from enum import StrEnum

from vidproc_desktop.domain.aggregate import spans_of
from vidproc_desktop.domain.library import FileRecord, TaskRecord
from workers.protocol.results import SegmentResult
from workers.protocol.segments import ANALYSIS, ASSEMBLY
from workers.protocol.states import Status


class CellState(StrEnum):
    """What a segment is in, as far as a picture of it goes."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


_STATES = {
    Status.PENDING: CellState.WAITING,
    Status.PROCESSING: CellState.RUNNING,
    Status.COMPLETED: CellState.DONE,
    Status.FAILED: CellState.FAILED,
    Status.CANCELLED: CellState.WAITING,
}


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """How many segments a file has, and how many of them are finished."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ReadySegment:
    """A finished segment that plays: where it lies, and its place on the result's clock."""

    video_uri: str
    start_s: float
    duration_s: float


def segments_of(file: FileRecord) -> tuple[TaskRecord, ...]:
    """Records of the segments, in order; empty while the file is not in parts or still analysed.

    They stand between the analysis and the assembly: no name is looked at but the first and the last.
    """
    parts = file.parts
    first = 1 if parts and parts[0].part == ANALYSIS else 0
    last = len(parts) - (1 if parts and parts[-1].part == ASSEMBLY else 0)
    return parts[first:last]


def segment_count(file: FileRecord) -> SegmentCount | None:
    """Counts for a few words; None where there are no segments."""
    segments = segments_of(file)
    if not segments:
        return None
    if file.tally is not None:
        return SegmentCount(file.tally.completed, len(segments))
    return SegmentCount(sum(record.status is Status.COMPLETED for record in segments), len(segments))


def cell_state(record: TaskRecord) -> CellState:
    """State of one segment."""
    return _STATES[record.status]


def durations_of(file: FileRecord) -> tuple[float, ...]:
    """Length of every segment in seconds, in their order; all alike where the analysis cannot be asked any more."""
    count, spans = len(segments_of(file)), spans_of(file)
    return tuple(span.duration_s for span in spans) if len(spans) == count else (1.0,) * count


def ready_segments(file: FileRecord) -> tuple[ReadySegment, ...]:
    """The finished segments from the start of the result up to the first that is not finished."""
    found: list[ReadySegment] = []
    for span, record in zip(spans_of(file), segments_of(file), strict=False):
        result = record.result
        if record.status is not Status.COMPLETED or not isinstance(result, SegmentResult):
            break
        found.append(ReadySegment(result.video_uri, span.start_s, span.duration_s))
    return tuple(found)


def result_duration_s(file: FileRecord) -> float | None:
    """Length of the whole result, as the analysis planned it; None before."""
    spans = spans_of(file)
    return spans[-1].start_s + spans[-1].duration_s if spans else None
