"""The library: files, and for each the state of its two processes. Immutable values only."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from workers.protocol.model import FileId, WorkerId
from workers.protocol.results import EnhancementResult, MediaSummary, MetadataResult, TaskError, TaskResult
from workers.protocol.segments import ANALYSIS, ASSEMBLY, PartName, segment_number
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, ProcessType, Stage, Status

type TaskKey = tuple[FileId, ProcessType, PartName | None]
"""Which task, whatever attempt; without a part the one of the whole file."""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """State of one process of one file, as `reduce` left it. Ordered by (attempt, sequence)."""

    file_id: FileId
    process_type: ProcessType
    status: Status = Status.PENDING
    stage: Stage = Stage.WAITING
    progress: float = 0.0
    """Percent, 0–100; never falls within an attempt."""
    attempt: int = 1
    first_attempt: int = 1
    """Attempt at which the present round began: a retry asked for by the user starts a new round."""
    sequence: int = -1
    """Sequence of the last status applied in this attempt; -1 before the first."""
    is_published: bool = False
    """True once the broker confirmed this attempt's message. False and pending: it waits in the outbox."""
    worker_id: WorkerId | None = None
    target_worker_id: WorkerId | None = None
    """Set for a retry that goes to one worker only."""
    gentle: bool = False
    frames_done: int = 0
    frames_total: int | None = None
    frames_per_s: float | None = None
    remaining_s: float | None = None
    error: TaskError | None = None
    """Why the last attempt failed; kept while the next one waits."""
    result: TaskResult | None = None
    is_wanted: bool = True
    """False when the user asked only for the other process: never published, never waited for."""
    part: PartName | None = None
    """Which part of an enhancement; None: the whole process, whether it is done in one task or put together from the
    file's parts."""

    @property
    def is_settled(self) -> bool:
        """True when the process will not move any more by itself."""
        return not self.is_wanted or self.status.is_final

    @property
    def is_in_outbox(self) -> bool:
        """True when the broker has still to be given this attempt."""
        return self.is_wanted and self.status is Status.PENDING and not self.is_published


class PartsTally(NamedTuple):
    """Sums over the segments of a file, carried along with every change, so that none is ever added up anew.

    Whole numbers: in whatever order the changes came, the sums are the same.
    """

    completed: int = 0
    """Segments."""
    running: int = 0
    """Segments."""
    running_numbers: int = 0
    """The running segments' numbers, added up: when one runs, its number."""
    work_done: int = 0
    work_total: int = 0
    """Both in segments' microseconds times hundredths of a percent."""
    frames_done: int = 0
    frames_total: int = 0
    frames_per_1000_s: int = 0
    """Of all that run."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of the library."""

    file_id: FileId
    position: int
    """Order of arrival; the dispatcher's order too."""
    source_path: str
    name: str
    size_bytes: int
    mtime_ns: int
    added_at: float
    """Seconds since the epoch."""
    output_directory: str
    stem: str
    """Name of the results without suffix, unique within `output_directory` among our files."""
    settings: EnhancementSettings
    enhancement: TaskRecord
    metadata: TaskRecord
    summary: MediaSummary | None = None
    thumbnail_path: str | None = None
    parts: tuple[TaskRecord, ...] = ()
    """Of an enhancement in parts: the analysis, then the segments in order, then the assembly, as far as they are
    known. Then `enhancement` says what they come to, and is never published itself."""
    tally: PartsTally | None = field(default=None, compare=False, repr=False)
    """Of the segments among `parts`; None: not added up yet."""

    def task(self, process_type: ProcessType) -> TaskRecord:
        """The record of one process."""
        return self.enhancement if process_type is ProcessType.VIDEO_ENHANCEMENT else self.metadata

    @property
    def tasks(self) -> tuple[TaskRecord, TaskRecord]:
        """Both processes, enhancement first."""
        return self.enhancement, self.metadata

    @property
    def is_finished(self) -> bool:
        """True when no process of the file will move any more by itself."""
        return self.enhancement.is_settled and self.metadata.is_settled

    @property
    def file_tasks(self) -> tuple[TaskRecord, ...]:
        """What is published for the file as a whole, enhancement first."""
        return (self.metadata,) if self.parts else self.tasks

    @property
    def published_tasks(self) -> tuple[TaskRecord, ...]:
        """Everything that is published for the file, each in its own time: the parts stand for their enhancement."""
        return (*self.parts, *self.file_tasks)

    def part(self, name: PartName) -> TaskRecord | None:
        """The record of one part. Constant time."""
        index = self.part_index(name)
        return self.parts[index] if index is not None else None

    def part_index(self, name: PartName) -> int | None:
        """Where among `parts` it stands; None when there is no such part (yet). Constant time."""
        number = segment_number(name)
        index = 1 + number if number is not None else (0 if name == ANALYSIS else len(self.parts) - 1)
        return index if 0 <= index < len(self.parts) and self.parts[index].part == name else None

    def published(self, process_type: ProcessType, part: PartName | None) -> TaskRecord | None:
        """The record that a status is about; None when nothing of this kind is published for the file."""
        if part is not None:
            return self.part(part) if process_type is ProcessType.VIDEO_ENHANCEMENT else None
        if self.parts and process_type is ProcessType.VIDEO_ENHANCEMENT:
            return None
        return self.task(process_type)

    @property
    def assembly(self) -> TaskRecord | None:
        """The record of the assembly, once every segment is finished."""
        return self.part(ASSEMBLY)

    def with_task(self, record: TaskRecord) -> "FileRecord":
        """The same file with one of its two processes replaced."""
        if record.process_type is ProcessType.VIDEO_ENHANCEMENT:
            return replace(self, enhancement=record)
        return replace(self, metadata=record)

    @property
    def enhancement_result(self) -> EnhancementResult | None:
        """Result of the enhancement, once there is one."""
        result = self.enhancement.result
        return result if isinstance(result, EnhancementResult) else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of the film is missing or was left undone, in sentences, though the enhancement is completed."""
        result = self.enhancement_result
        return () if result is None else result.warnings

    @property
    def metadata_result(self) -> MetadataResult | None:
        """Result of the metadata extraction, once there is one."""
        result = self.metadata.result
        return result if isinstance(result, MetadataResult) else None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A dropped path that is not taken, with a reason a person understands."""

    path: str
    code: ErrorCode
    reason: str


@dataclass(frozen=True, slots=True)
class IntakeReport:
    """What became of one drop: shown once, grouped."""

    added: tuple[FileId, ...] = ()
    refused: tuple[Refusal, ...] = ()
    already_there: tuple[str, ...] = ()
    """Paths whose unfinished or finished row is already in the list, unchanged."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One line of the attempt ledger."""

    file_id: FileId
    process_type: ProcessType
    attempt: int
    worker_id: WorkerId | None
    status: Status
    gentle: bool
    error: TaskError | None
    ended_at: float | None
    log_tail: tuple[str, ...] = field(default=())
    part: PartName | None = None
