"""Rows to the messages that are published for them. Pure but for the form of this system's paths."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidproc_desktop.domain.aggregate import spans_of
from vidproc_desktop.domain.library import FileRecord, TaskRecord
from workers.protocol.messages import (
    AnalysisTask,
    AnyWorkTask,
    AssemblyTask,
    FileTask,
    OutputTarget,
    SegmentTask,
    SourceRef,
)
from workers.protocol.results import AnalysisResult
from workers.protocol.segments import ANALYSIS, segment_number


@dataclass(frozen=True, slots=True)
class TaskTerms:
    """What every published task carries."""

    client_id: str
    timeout_s: float
    metadata_directory: Path | None = None
    thumbnails_directory: Path | None = None
    segment_s: float = 30.0
    """About how long a segment of a file in parts should be."""


def task_message(terms: TaskTerms, file: FileRecord, tasks: tuple[TaskRecord, ...]) -> AnyWorkTask:
    """The message for tasks that travel together: both of a file, or one part of its enhancement.

    Raises:
        ValueError: a segment or an assembly of a file whose analysis has not said how it is shared out.
    """
    first = tasks[0]
    fields: dict[str, Any] = {
        "file_id": file.file_id,
        "client_id": terms.client_id,
        "attempt": first.attempt,
        "source": SourceRef(
            uri=Path(file.source_path).as_uri(), size_bytes=file.size_bytes, mtime_ns=file.mtime_ns
        ),
        "output": OutputTarget(
            directory_uri=Path(file.output_directory).as_uri(),
            stem=file.stem,
            metadata_directory_uri=_uri(terms.metadata_directory),
            thumbnails_directory_uri=_uri(terms.thumbnails_directory),
        ),
        "settings": file.settings,
        "timeout_s": terms.timeout_s,
        "gentle": first.gentle,
    }
    if first.part is None:
        return FileTask(process_types=tuple(task.process_type for task in tasks), **fields)
    if first.part == ANALYSIS:
        return AnalysisTask(segment_s=terms.segment_s, **fields)
    answer, number = file.parts[0].result, segment_number(first.part)
    if not isinstance(answer, AnalysisResult) or answer.plan_sha256 is None:
        raise ValueError(f"file {file.file_id} is not shared out, and so has no {first.part}")
    if number is None:
        return AssemblyTask(plan_sha256=answer.plan_sha256, **fields)
    return SegmentTask(plan_sha256=answer.plan_sha256, span=spans_of(file)[number], **fields)


def _uri(path: Path | None) -> str | None:
    return None if path is None else path.as_uri()
