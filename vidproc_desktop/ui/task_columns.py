"""Columns of the table: their titles, widths, and what each shows, says and sorts by."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.ui import words
from workers.protocol.states import ProcessType, Status


class Column(IntEnum):
    """Columns from left to right."""

    NAME = 0
    SIZE = 1
    DURATION = 2
    RESOLUTION = 3
    ENHANCEMENT = 4
    METADATA = 5
    STATUS = 6
    RATE = 7
    TIME_LEFT = 8


type SortKey = float | str | tuple[float | str, ...]

_STATE_ORDER = {state: place for place, state in enumerate(words.RowState)}
_STATUS_ORDER = {
    Status.CANCELLED: 0,
    Status.FAILED: 1,
    Status.PENDING: 2,
    Status.PROCESSING: 3,
    Status.COMPLETED: 4,
}


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column. `is_volatile` columns change while files are worked on, so that their order ages."""

    title: str
    width_px: int
    display: Callable[[FileRecord], str]
    sort_key: Callable[[FileRecord], SortKey]
    is_right_aligned: bool = False
    is_volatile: bool = False
    process_type: ProcessType | None = None


def _duration(record: FileRecord) -> str:
    return words.clock(record.summary.duration_s if record.summary else None)


def _duration_key(record: FileRecord) -> SortKey:
    duration_s = record.summary.duration_s if record.summary else None
    return -1.0 if duration_s is None else duration_s


def _resolution(record: FileRecord) -> str:
    summary = record.summary
    return words.resolution(summary.width_px, summary.height_px) if summary else words.NOTHING


def _resolution_key(record: FileRecord) -> SortKey:
    summary = record.summary
    return float(summary.width_px * summary.height_px) if summary else -1.0


def _bar_key(task: TaskRecord) -> SortKey:
    return (_STATUS_ORDER[task.status], task.progress)


def _rate(record: FileRecord) -> str:
    task = record.enhancement
    return words.rate(task.frames_per_s) if task.status is Status.PROCESSING else ""


def _rate_key(record: FileRecord) -> SortKey:
    task = record.enhancement
    return task.frames_per_s or 0.0 if task.status is Status.PROCESSING else -1.0


def _left(record: FileRecord) -> str:
    task = record.enhancement
    return words.time_left(task.remaining_s) if task.status is Status.PROCESSING else ""


def _left_key(record: FileRecord) -> SortKey:
    task = record.enhancement
    if task.status is not Status.PROCESSING or task.remaining_s is None:
        return float("inf")
    return task.remaining_s


def _status_key(record: FileRecord) -> SortKey:
    return (_STATE_ORDER[words.row_state(record)], words.status_in_words(record))


COLUMNS: tuple[ColumnSpec, ...] = (
    ColumnSpec("Name", 280, lambda record: record.name, lambda record: record.name.casefold()),
    ColumnSpec(
        "Size",
        78,
        lambda record: words.size_in_words(record.size_bytes),
        lambda record: float(record.size_bytes),
        is_right_aligned=True,
    ),
    ColumnSpec("Length", 72, _duration, _duration_key, is_right_aligned=True),
    ColumnSpec("Resolution", 102, _resolution, _resolution_key, is_right_aligned=True),
    ColumnSpec(
        "Enhancement",
        116,
        words.enhancement_in_words,
        lambda record: _bar_key(record.enhancement),
        is_volatile=True,
        process_type=ProcessType.VIDEO_ENHANCEMENT,
    ),
    ColumnSpec(
        "Metadata",
        92,
        lambda record: words.bar_words(record.metadata),
        lambda record: _bar_key(record.metadata),
        is_volatile=True,
        process_type=ProcessType.METADATA_EXTRACTION,
    ),
    ColumnSpec("Status", 142, words.status_in_words, _status_key, is_volatile=True),
    ColumnSpec("Frames/s", 84, _rate, _rate_key, is_right_aligned=True, is_volatile=True),
    ColumnSpec("Time left", 84, _left, _left_key, is_right_aligned=True, is_volatile=True),
)
