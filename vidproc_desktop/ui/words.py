"""How values read to a person: sizes, times, states. Pure text; knows no Qt and no I/O."""

from enum import StrEnum

from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.domain.segment_cells import SegmentCount, segment_count
from workers.protocol.states import ProcessType, Stage, Status, WorkerState

NOTHING = "–"
"""Shown where a fact is not known."""


class RowState(StrEnum):
    """State of a whole row, for its colour and its place when sorted by status."""

    WORKING = "working"
    WAITING = "waiting"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DONE = "done"


_SIZE_UNITS = ("B", "kB", "MB", "GB", "TB")

_STAGE_WORDS = {
    Stage.WAITING: "Starting",
    Stage.FETCHING: "Fetching",
    Stage.PROBING: "Looking at the file",
    Stage.ANALYSING: "Analysing",
    Stage.ENHANCING: "Enhancing",
    Stage.REMUXING: "Copying streams",
    Stage.READING_PICTURES: "Reading pictures",
    Stage.VERIFYING: "Checking result",
    Stage.ASSEMBLING: "Putting together",
    Stage.PUBLISHING: "Saving",
    Stage.SENDING: "Sending result",
}

_BAR_WORDS = {
    Status.PENDING: "Waiting",
    Status.COMPLETED: "Done",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Cancelled",
}

_WORKER_WORDS = {
    WorkerState.STARTING: "Starting",
    WorkerState.IDLE: "Ready",
    WorkerState.BUSY: "Working",
    WorkerState.PAUSED: "Paused",
    WorkerState.DISK_FULL: "Disk full",
    WorkerState.SET_ASIDE: "Set aside",
    WorkerState.STOPPING: "Stopping",
}

PROCESS_WORDS = {
    ProcessType.VIDEO_ENHANCEMENT: "Enhancement",
    ProcessType.METADATA_EXTRACTION: "Metadata",
}


def size_in_words(size_bytes: int) -> str:
    """`12.4 MB`, in decimal units as file managers show them."""
    value = float(size_bytes)
    for unit in _SIZE_UNITS[:-1]:
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {_SIZE_UNITS[-1]}"


def clock(duration_s: float | None) -> str:
    """`1:02:03` or `0:07`; rounded down, as players do."""
    if duration_s is None:
        return NOTHING
    whole = max(0, int(duration_s))
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def time_left(remaining_s: float | None) -> str:
    """`40 s`, `3 min`, `2 h 5 min`: coarse on purpose, so that it does not flicker."""
    if remaining_s is None:
        return NOTHING
    if remaining_s < 1:
        return "1 s"
    if remaining_s < 60:
        return f"{remaining_s:.0f} s"
    minutes = round(remaining_s / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def resolution(width_px: int, height_px: int) -> str:
    """`1920 × 1080`."""
    return f"{width_px} × {height_px}"


def rate(frames_per_s: float | None) -> str:
    """Frames a second with one decimal below 100."""
    if frames_per_s is None:
        return NOTHING
    return f"{frames_per_s:.0f}" if frames_per_s >= 100 else f"{frames_per_s:.1f}"


def count_of(number: int, singular: str, plural: str | None = None) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def row_state(record: FileRecord) -> RowState:
    """What the row as a whole is in. A failure shows as soon as nothing of the file moves any more."""
    statuses = [task.status for task in record.tasks if task.is_wanted]
    if Status.PROCESSING in statuses:
        return RowState.WORKING
    if Status.PENDING in statuses:
        return RowState.WAITING
    if Status.FAILED in statuses:
        return RowState.FAILED
    return RowState.CANCELLED if Status.CANCELLED in statuses else RowState.DONE


def status_in_words(record: FileRecord) -> str:
    """One short phrase for the status column."""
    state = row_state(record)
    if state is RowState.WORKING:
        return _working_words(record)
    if state is RowState.WAITING:
        return _waiting_words(record)
    if state is RowState.FAILED:
        return _failed_words(record)
    if state is RowState.CANCELLED:
        return "Cancelled"
    if record.warnings:
        return "Done, with a remark"
    result = record.enhancement_result
    return "Already clean" if result is not None and result.was_remuxed else "Done"


def round_attempt(task: TaskRecord) -> int:
    """Number of the attempt since the user last asked for one."""
    return task.attempt - task.first_attempt + 1


def _wanted(record: FileRecord) -> list[TaskRecord]:
    return [task for task in record.tasks if task.is_wanted]


def _working_words(record: FileRecord) -> str:
    task = record.enhancement
    if task.status is not Status.PROCESSING:
        task = record.metadata
        words = "Reading metadata" if task.stage is not Stage.WAITING else "Starting"
    elif task.stage is Stage.WAITING and record.parts:
        words = "Waiting for a worker"
    else:
        words = _STAGE_WORDS[task.stage]
    number = round_attempt(task)
    return words if number == 1 else f"{words} (attempt {number})"


def _waiting_words(record: FileRecord) -> str:
    again = [task for task in _wanted(record) if task.status is Status.PENDING and task.error is not None]
    if again:
        return f"Trying again ({round_attempt(again[0])})"
    return "Waiting"


def _failed_words(record: FileRecord) -> str:
    return "Failed" if record.enhancement.status is Status.FAILED else "Metadata failed"


def bar_words(task: TaskRecord) -> str:
    """Text above a progress bar."""
    if not task.is_wanted:
        return NOTHING
    if task.status is Status.PROCESSING:
        return f"{task.progress:.0f} %"
    if task.status is Status.PENDING and task.error is not None:
        return f"Attempt {round_attempt(task)}"
    return _BAR_WORDS[task.status]


def enhancement_in_words(record: FileRecord) -> str:
    """Text above the bar of the enhancement: `37 % · 7/12` while segments are made."""
    is_done = record.enhancement.status is Status.COMPLETED
    return with_count(bar_words(record.enhancement), None if is_done else segment_count(record))


def with_count(words: str, count: SegmentCount | None) -> str:
    """The words, and how many segments are finished."""
    return words if count is None else f"{words} · {count.done}/{count.total}"


def error_in_words(record: FileRecord, *, with_log: bool = False) -> str:
    """Every error of a row, for the tooltip and for "copy error"; empty when there is none."""
    parts: list[str] = []
    for task in record.tasks:
        if task.error is None:
            continue
        parts.append(f"{PROCESS_WORDS[task.process_type]}: {task.error.message}")
        if with_log and task.error.detail:
            parts.append(task.error.detail)
        if with_log and task.error.log_tail:
            parts.extend(task.error.log_tail)
    return "\n".join(parts)


def remarks_in_words(record: FileRecord) -> str:
    """What of the film is missing although it is done, for the tooltip; empty when nothing is."""
    return "\n".join(record.warnings)


def error_report(record: FileRecord) -> str:
    """What "copy error" puts on the clipboard."""
    head = [record.source_path, status_in_words(record)]
    body = error_in_words(record, with_log=True)
    return "\n".join([*head, body] if body else head)


def worker_in_words(state: WorkerState, *, is_lost: bool) -> str:
    """A worker's state in a word or two."""
    return "Lost" if is_lost else _WORKER_WORDS[state]


def stage_in_words(stage: Stage) -> str:
    """What a worker is doing."""
    return _STAGE_WORDS[stage]
