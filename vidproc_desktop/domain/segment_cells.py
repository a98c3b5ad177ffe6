"""What every face tells of a file in parts: its segments in order, how many are finished, what is ready from the start.

Pure; reads the records that `FileRecord.parts` holds and decides nothing.
"""

from dataclasses import dataclass
from enum import StrEnum

from vidproc_desktop.domain.library import FileRecord, TaskRecord
from workers.protocol.messages import AnalysisResult, SegmentResult
from workers.protocol.segments import ANALYSIS, SegmentSpan, segment_number
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
    """Records of the segments, in order; empty while the file is not in parts or still analysed."""
    return tuple(
        record for record in file.parts if record.part is not None and segment_number(record.part) is not None
    )


def spans_of(file: FileRecord) -> tuple[SegmentSpan, ...]:
    """How the result is shared out, as the analysis said; empty before."""
    analysis = file.part(ANALYSIS)
    result = None if analysis is None else analysis.result
    return result.spans if isinstance(result, AnalysisResult) else ()


def segment_count(file: FileRecord) -> SegmentCount | None:
    """Counts for a few words; None where there are no segments."""
    segments = segments_of(file)
    if not segments:
        return None
    return SegmentCount(sum(record.status is Status.COMPLETED for record in segments), len(segments))


def cell_state(record: TaskRecord) -> CellState:
    """State of one segment."""
    return _STATES[record.status]


def durations_of(file: FileRecord) -> tuple[float, ...]:
    """Length of every segment in seconds, in their order; all alike where the analysis cannot be asked any more."""
    segments = segments_of(file)
    known = {span.number: span.duration_s for span in spans_of(file)}
    numbers = [segment_number(record.part) if record.part else None for record in segments]
    if any(number not in known for number in numbers):
        return (1.0,) * len(segments)
    return tuple(known[number] for number in numbers if number is not None)


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
