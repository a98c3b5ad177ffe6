"""What the parts of an enhancement come to: one record for the row, in constant time for every change. Pure.

Only how far the parts are is read from them here; which parts there are is decided in `domain.parts`.
"""

from dataclasses import replace
from typing import Final

from vidproc_desktop.domain.library import FileRecord, PartsTally, TaskRecord
from workers.protocol.model import WorkerId
from workers.protocol.results import AnalysisResult, EnhancementResult
from workers.protocol.segments import ASSEMBLY, SegmentSpan, segment_number
from workers.protocol.states import Stage, Status

ANALYSIS_PERCENT: Final = 4.0
ASSEMBLY_PERCENT: Final = 4.0
_SEGMENTS_PERCENT: Final = 100.0 - ANALYSIS_PERCENT - ASSEMBLY_PERCENT


def spans_of(file: FileRecord) -> tuple[SegmentSpan, ...]:
    """How the output is shared out among the segments, as the analysis said; empty as long as it has not."""
    result = file.parts[0].result if file.parts else None
    return result.spans if isinstance(result, AnalysisResult) else ()


def tally_of(file: FileRecord) -> PartsTally:
    """All segments added up: for a file that has just been read, or shared out."""
    tally = PartsTally()
    for record, span in zip(file.parts[1:], spans_of(file), strict=False):  # the assembly has no span
        tally = _sum(tally, _share(record, span), 1)
    return tally


def with_parts(file: FileRecord, parts: tuple[TaskRecord, ...], enhancement: TaskRecord) -> FileRecord:
    """The file with other parts altogether, all added up; `enhancement` is what they came to before."""
    file = replace(file, parts=parts, enhancement=enhancement, tally=None)
    return _aggregated(replace(file, tally=tally_of(file)))


def with_record(file: FileRecord, record: TaskRecord) -> FileRecord:
    """The file with one published record replaced, and its enhancement as that makes it.

    No other segment is looked at, however many there are.

    Raises:
        ValueError: the file has no such part.
    """
    if record.part is None:
        return file.with_task(record)
    index = file.part_index(record.part)
    if index is None:
        raise ValueError(f"file {file.file_id} has no part {record.part}")
    tally, number = file.tally or tally_of(file), segment_number(record.part)
    if number is not None:
        span = spans_of(file)[number]
        tally = _sum(_sum(tally, _share(file.parts[index], span), -1), _share(record, span), 1)
    parts = (*file.parts[:index], record, *file.parts[index + 1 :])
    return _aggregated(replace(file, parts=parts, tally=tally))


def aggregate(file: FileRecord) -> TaskRecord:
    """The record of a file's enhancement in parts, as its row shows it.

    A failure or a cancel stays until the user tries again, whatever the parts still say; a result ends everything.
    Progress never falls below what `file.enhancement` has. One worker is named only while it is the only one.
    """
    before, assembly = file.enhancement, file.assembly
    if assembly is not None and isinstance(assembly.result, EnhancementResult):
        return before if before.status is Status.COMPLETED else _completed(before, assembly)
    if before.is_settled:
        return before
    tally = file.tally or tally_of(file)
    has_begun = file.parts[0].status is not Status.PENDING
    stage, worker_id = _under_way(file, tally)
    alone = _alone(file)
    return _paced(
        replace(
            before,
            status=Status.PROCESSING if has_begun else Status.PENDING,
            stage=stage,
            progress=max(before.progress, _progress(file, tally)),
            is_published=has_begun or file.parts[0].is_published,
            worker_id=worker_id,
            error=None if alone is None else alone.error,
        ),
        alone,
        tally,
    )


def _aggregated(file: FileRecord) -> FileRecord:
    return replace(file, enhancement=aggregate(file))


def _alone(file: FileRecord) -> TaskRecord | None:
    """The analysis or the assembly while it is its turn; None while it is the segments'."""
    last = file.parts[-1]
    return last if last.part is None or segment_number(last.part) is None else None


def _completed(before: TaskRecord, assembly: TaskRecord) -> TaskRecord:
    return replace(
        before,
        status=Status.COMPLETED,
        stage=assembly.stage,
        progress=100.0,
        is_published=True,
        worker_id=assembly.worker_id,
        frames_per_s=None,
        remaining_s=None,
        error=None,
        result=assembly.result,
    )


def _under_way(file: FileRecord, tally: PartsTally) -> tuple[Stage, WorkerId | None]:
    if tally.running:
        only = file.parts[1 + tally.running_numbers] if tally.running == 1 else None
        return Stage.ENHANCING, None if only is None else only.worker_id
    alone = _alone(file)
    if alone is not None and alone.status is Status.PROCESSING:
        return alone.stage, alone.worker_id
    return Stage.WAITING, None


def _progress(file: FileRecord, tally: PartsTally) -> float:
    assembly = file.assembly
    progress = ANALYSIS_PERCENT * file.parts[0].progress / 100
    if tally.work_total:
        progress += _SEGMENTS_PERCENT * tally.work_done / tally.work_total
    if assembly is not None:
        progress += ASSEMBLY_PERCENT * assembly.progress / 100
    return min(100.0, progress)


def _paced(record: TaskRecord, alone: TaskRecord | None, tally: PartsTally) -> TaskRecord:
    """With pictures done and how fast: of all segments together, or of the one part whose turn it is.

    How long the rest will take, the analysis does not know.
    """
    frames_per_s = tally.frames_per_1000_s / 1000 or None
    remaining_s = (tally.frames_total - tally.frames_done) / frames_per_s if frames_per_s else None
    if alone is not None:
        remaining_s = alone.remaining_s if alone.part == ASSEMBLY else None
    return replace(
        record,
        frames_done=tally.frames_done if tally.frames_total or alone is None else alone.frames_done,
        frames_total=tally.frames_total if tally.frames_total or alone is None else alone.frames_total,
        frames_per_s=frames_per_s if alone is None else alone.frames_per_s,
        remaining_s=remaining_s,
    )


def _share(record: TaskRecord, span: SegmentSpan) -> PartsTally:
    """What one segment adds to the sums."""
    weight = max(1, round(span.duration_s * 1e6))
    is_completed, is_running = record.status is Status.COMPLETED, record.status is Status.PROCESSING
    return PartsTally(
        completed=int(is_completed),
        running=int(is_running),
        running_numbers=span.number if is_running else 0,
        work_done=weight * (10_000 if is_completed else round(record.progress * 100)),
        work_total=weight * 10_000,
        frames_done=span.count
        if is_completed
        else (min(span.count, record.frames_done) if is_running else 0),
        frames_total=span.count,
        frames_per_1000_s=round((record.frames_per_s or 0.0) * 1000) if is_running else 0,
    )


def _sum(tally: PartsTally, share: PartsTally, sign: int) -> PartsTally:
    return PartsTally._make(one + sign * other for one, other in zip(tally, share, strict=True))
