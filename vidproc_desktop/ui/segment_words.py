"""Who works on which segment, what failed and why, in sentences. Pure text."""

from collections.abc import Mapping

from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.domain.segment_cells import segment_count
from vidproc_desktop.ui.words import count_of, round_attempt
from workers.protocol.model import WorkerId
from workers.protocol.segments import ANALYSIS, PartName, segment_number
from workers.protocol.states import Status

MAX_LINES = 12
"""A tooltip with more would not fit on a screen."""

type Hosts = Mapping[WorkerId, str]
"""On which computer a worker runs."""


def part_in_words(part: PartName, segment_total: int | None = None) -> str:
    """`segment 4 of 12`, `analysis`, `assembly`; counted from 1, as people do."""
    number = segment_number(part)
    if number is None:
        return "analysis" if part == ANALYSIS else "assembly"
    return f"segment {number + 1}" if segment_total is None else f"segment {number + 1} of {segment_total}"


def part_lines(file: FileRecord, hosts: Hosts) -> tuple[str, ...]:
    """What becomes of the parts of an unfinished file: how many are done, which failed, who holds which."""
    if file.enhancement.status is Status.COMPLETED:
        return ()
    count = segment_count(file)
    total = count.total if count is not None else None
    failed: list[str] = []
    held: list[str] = []
    for record in file.parts:
        if record.status is Status.PROCESSING:
            held.append(f"{_title(record, total)}: {_holder(record, hosts)}, {record.progress:.0f} %")
        elif record.error is not None and record.status is not Status.COMPLETED:
            failed.append(_failure(record, total, hosts))
    lines = failed + held
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], f"and {count_of(len(lines) - MAX_LINES + 1, 'more part')}"]
    return (*((f"{count.done} of {count_of(count.total, 'segment')} finished",) if count else ()), *lines)


def _failure(record: TaskRecord, total: int | None, hosts: Hosts) -> str:
    assert record.error is not None
    title = _title(record, total)
    if record.status is Status.FAILED:
        return f"{title} failed on {_holder(record, hosts)}: {record.error.message}"
    return f"{title} is tried again (attempt {round_attempt(record)}): {record.error.message}"


def _title(record: TaskRecord, total: int | None) -> str:
    assert record.part is not None
    words = part_in_words(record.part, total)
    return words[:1].upper() + words[1:]


def _holder(record: TaskRecord, hosts: Hosts) -> str:
    if record.worker_id is None:
        return "a worker"
    host = hosts.get(record.worker_id)
    return f"{record.worker_id} on {host}" if host else record.worker_id
