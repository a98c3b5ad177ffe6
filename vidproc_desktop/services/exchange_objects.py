"""What an exchange offers for a task: which objects it may read and write, where they arrive, for how long. Pure."""

from typing import Final

from workers.protocol.messages import AnalysisTask, AnyWorkTask, AssemblyTask, FileTask, SegmentTask
from workers.protocol.segments import PartName
from workers.protocol.states import ProcessType
from workers.protocol.transfers import (
    CONTACT_SHEET,
    METADATA,
    POSTER,
    REPORT,
    SCAN,
    SEGMENT_PLAN,
    SEGMENT_RECORD,
    SEGMENT_VIDEO,
    TABLES,
    THUMBNAIL,
    VIDEO,
    ObjectName,
)

WAITING_S: Final = 86_400.0
"""A task may wait this long in a queue before its time begins to count."""
LONGEST_S: Final = 7 * 86_400.0
"""No address holds longer; S3 knows no longer ones either."""
_INCOMING_PREFIX: Final = "incoming-"

_ENHANCEMENT: Final = (VIDEO, REPORT, POSTER)
_METADATA: Final = (METADATA, CONTACT_SHEET, THUMBNAIL)


def objects_to_write(task: AnyWorkTask) -> tuple[ObjectName, ...]:
    """What the attempt may hand over; which of it, depends on what it makes."""
    match task:
        case FileTask():
            wanted = task.process_types
            return (
                *(_ENHANCEMENT if ProcessType.VIDEO_ENHANCEMENT in wanted else ()),
                *(_METADATA if ProcessType.METADATA_EXTRACTION in wanted else ()),
            )
        case AnalysisTask():
            return (SEGMENT_PLAN, SCAN, TABLES)
        case SegmentTask():
            return (SEGMENT_VIDEO, SEGMENT_RECORD)
        case AssemblyTask():
            return (*_ENHANCEMENT, SEGMENT_PLAN)


def writer_of(task: AnyWorkTask, name: ObjectName) -> ProcessType:
    """Which process hands the object over: a file task may be for both."""
    is_metadata = isinstance(task, FileTask) and name in _METADATA
    return ProcessType.METADATA_EXTRACTION if is_metadata else ProcessType.VIDEO_ENHANCEMENT


def incoming_name(file_id: str, process_type: ProcessType, part: PartName | None, attempt: int) -> str:
    """Name of the folder in which the objects of one attempt arrive."""
    return f"{_INCOMING_PREFIX}{file_id}-{process_type.value}-{part or 'whole'}-{attempt}"


def validity_s(task: AnyWorkTask) -> float:
    """How long the task's addresses hold, in seconds."""
    return min(task.timeout_s + WAITING_S, LONGEST_S)
