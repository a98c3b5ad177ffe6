"""Jobs, progress and outcomes as JSON lines between a worker and its child. Pure, but for the parts' jobs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter

from workers.media.jobs import (
    AnalysisJob,
    AnalysisOutcome,
    AssemblyJob,
    EnhancementJob,
    EnhancementOutcome,
    InspectionJob,
    InspectionOutcome,
    MetadataJob,
    MetadataOutcome,
    PreviewJob,
    PreviewOutcome,
    ProbeOutcome,
    Progress,
    SegmentJob,
    SegmentOutcome,
)
from workers.protocol.media import MediaInfo
from workers.protocol.model import WireModel
from workers.protocol.pictures import MetadataDocument
from workers.protocol.plan import EnhancementPlan
from workers.protocol.report import EnhancementReport
from workers.protocol.results import MediaSummary
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, Stage
from workers.runtime.inspection_lines import InspectedLine, InspectionLine
from workers.runtime.part_lines import AnalysedLine, AnalysisLine, AssemblyLine, SegmentedLine, SegmentLine
from workers.runtime.wire_path import WirePath

MAX_LINE_BYTES = 64 * 1024 * 1024
"""A metadata document with very many chapters or tags; pixels never pass through the pipe."""


@dataclass(frozen=True, slots=True)
class ProbeJob:
    """Look at `source` quickly and write a picture of an early frame to `thumbnail`, when it is given."""

    source: Path
    thumbnail: Path | None


type Job = (
    EnhancementJob
    | MetadataJob
    | ProbeJob
    | PreviewJob
    | InspectionJob
    | AnalysisJob
    | SegmentJob
    | AssemblyJob
)
type Outcome = (
    EnhancementOutcome
    | MetadataOutcome
    | ProbeOutcome
    | PreviewOutcome
    | InspectionOutcome
    | AnalysisOutcome
    | SegmentOutcome
)


class EnhanceLine(WireModel):
    """An `EnhancementJob`."""

    type: Literal["enhance"] = "enhance"
    file_id: str
    attempt: int
    worker_id: str
    source: WirePath
    workspace: WirePath
    output_name: str
    settings: EnhancementSettings
    settings_key: str
    threads: int

    @classmethod
    def of(cls, job: EnhancementJob) -> Self:
        """The line that asks for a job."""
        return cls(
            file_id=job.file_id,
            attempt=job.attempt,
            worker_id=job.worker_id,
            source=job.source,
            workspace=job.workspace,
            output_name=job.output_name,
            settings=job.settings,
            settings_key=job.settings_key,
            threads=job.threads,
        )

    def to_job(self) -> EnhancementJob:
        """The value that the media function takes."""
        return EnhancementJob(
            file_id=self.file_id,
            attempt=self.attempt,
            worker_id=self.worker_id,
            source=self.source,
            workspace=self.workspace,
            output_name=self.output_name,
            settings=self.settings,
            settings_key=self.settings_key,
            threads=self.threads,
        )


class MetadataLine(WireModel):
    """A `MetadataJob`."""

    type: Literal["metadata"] = "metadata"
    file_id: str
    source: WirePath
    workspace: WirePath
    contact_sheet_name: str
    threads: int

    def to_job(self) -> MetadataJob:
        """The value that the media function takes."""
        return MetadataJob(
            file_id=self.file_id,
            source=self.source,
            workspace=self.workspace,
            contact_sheet_name=self.contact_sheet_name,
            threads=self.threads,
        )


class ProbeLine(WireModel):
    """A `ProbeJob`."""

    type: Literal["probe"] = "probe"
    source: WirePath
    thumbnail: WirePath | None

    def to_job(self) -> ProbeJob:
        """The value that the media function takes."""
        return ProbeJob(self.source, self.thumbnail)


class PreviewLine(WireModel):
    """A `PreviewJob`."""

    type: Literal["preview"] = "preview"
    source: WirePath
    folder: WirePath
    stem: str
    settings: EnhancementSettings
    at_s: float
    duration_s: float
    max_side_px: int
    threads: int
    wants_size: bool = False

    def to_job(self) -> PreviewJob:
        """The value that the media function takes."""
        return PreviewJob(
            source=self.source,
            folder=self.folder,
            stem=self.stem,
            settings=self.settings,
            at_s=self.at_s,
            duration_s=self.duration_s,
            max_side_px=self.max_side_px,
            threads=self.threads,
            wants_size=self.wants_size,
        )


class ReadyLine(WireModel):
    """Everything is imported; the child waits for a job."""

    type: Literal["ready"] = "ready"


class ProgressLine(WireModel):
    """A `Progress`."""

    type: Literal["progress"] = "progress"
    stage: Stage
    fraction: float
    frames_done: int
    frames_total: int | None

    def to_progress(self) -> Progress:
        """The value that the runtime works with."""
        return Progress(self.stage, self.fraction, self.frames_done, self.frames_total)


class ErrorLine(WireModel):
    """The job cannot succeed."""

    type: Literal["error"] = "error"
    code: ErrorCode
    message: str
    detail: str | None = None


class StoppedLine(WireModel):
    """The job ended early because it was told to."""

    type: Literal["stopped"] = "stopped"


class EnhancedLine(WireModel):
    """An `EnhancementOutcome`."""

    type: Literal["enhanced"] = "enhanced"
    output: WirePath
    poster: WirePath | None
    report: EnhancementReport


class ExtractedLine(WireModel):
    """A `MetadataOutcome`."""

    type: Literal["extracted"] = "extracted"
    document: MetadataDocument
    summary: MediaSummary
    contact_sheet: WirePath | None
    thumbnail: WirePath | None


class ProbedLine(WireModel):
    """A `ProbeOutcome`."""

    type: Literal["probed"] = "probed"
    info: MediaInfo
    summary: MediaSummary
    thumbnail: WirePath | None


class PreviewedLine(WireModel):
    """A `PreviewOutcome`."""

    type: Literal["previewed"] = "previewed"
    before: WirePath
    after: WirePath
    is_clip: bool
    width_px: int
    height_px: int
    at_s: float
    frames: int
    plan: EnhancementPlan
    notes: tuple[str, ...]


type JobLine = (
    EnhanceLine
    | MetadataLine
    | ProbeLine
    | PreviewLine
    | InspectionLine
    | AnalysisLine
    | SegmentLine
    | AssemblyLine
)
type OutcomeLine = (
    EnhancedLine | ExtractedLine | ProbedLine | PreviewedLine | InspectedLine | AnalysedLine | SegmentedLine
)
type ReplyLine = ReadyLine | ProgressLine | ErrorLine | StoppedLine | OutcomeLine

_jobs: TypeAdapter[JobLine] = TypeAdapter(Annotated[JobLine, Field(discriminator="type")])
_replies: TypeAdapter[ReplyLine] = TypeAdapter(Annotated[ReplyLine, Field(discriminator="type")])


def encode_line(line: WireModel) -> bytes:
    """JSON and a line end."""
    return line.model_dump_json().encode() + b"\n"


def decode_job(line: bytes) -> JobLine:
    """What the worker asks for.

    Raises:
        ValueError: no such job.
    """
    return _jobs.validate_json(line)


def decode_reply(line: bytes) -> ReplyLine:
    """What the child says.

    Raises:
        ValueError: no such reply.
    """
    return _replies.validate_json(line)


def job_line(job: Job) -> JobLine:
    """The line that asks for a job."""
    match job:
        case EnhancementJob():
            return EnhanceLine.of(job)
        case MetadataJob():
            return MetadataLine(
                file_id=job.file_id,
                source=job.source,
                workspace=job.workspace,
                contact_sheet_name=job.contact_sheet_name,
                threads=job.threads,
            )
        case ProbeJob():
            return ProbeLine(source=job.source, thumbnail=job.thumbnail)
        case PreviewJob():
            return PreviewLine(
                source=job.source,
                folder=job.folder,
                stem=job.stem,
                settings=job.settings,
                at_s=job.at_s,
                duration_s=job.duration_s,
                max_side_px=job.max_side_px,
                threads=job.threads,
                wants_size=job.wants_size,
            )
        case InspectionJob():
            return InspectionLine.of(job)
        case AnalysisJob():
            return AnalysisLine.of(job)
        case SegmentJob():
            return SegmentLine.of(job)
        case AssemblyJob():
            return AssemblyLine.of(job)


def outcome_line(outcome: Outcome) -> OutcomeLine:
    """The line that answers a job."""
    match outcome:
        case EnhancementOutcome():
            return EnhancedLine(output=outcome.output, poster=outcome.poster, report=outcome.report)
        case MetadataOutcome():
            return ExtractedLine(
                document=outcome.document,
                summary=outcome.summary,
                contact_sheet=outcome.contact_sheet,
                thumbnail=outcome.thumbnail,
            )
        case ProbeOutcome():
            return ProbedLine(info=outcome.info, summary=outcome.summary, thumbnail=outcome.thumbnail)
        case PreviewOutcome():
            return PreviewedLine(
                before=outcome.before,
                after=outcome.after,
                is_clip=outcome.is_clip,
                width_px=outcome.width_px,
                height_px=outcome.height_px,
                at_s=outcome.at_s,
                frames=outcome.frames,
                plan=outcome.plan,
                notes=outcome.notes,
            )
        case InspectionOutcome():
            return InspectedLine.of(outcome)
        case AnalysisOutcome():
            return AnalysedLine.of(outcome)
        case SegmentOutcome():
            return SegmentedLine.of(outcome)


def to_outcome(line: OutcomeLine) -> Outcome:
    """The value that a media function returned."""
    match line:
        case EnhancedLine():
            return EnhancementOutcome(line.output, line.poster, line.report)
        case ExtractedLine():
            return MetadataOutcome(line.document, line.summary, line.contact_sheet, line.thumbnail)
        case ProbedLine():
            return ProbeOutcome(line.info, line.summary, line.thumbnail)
        case PreviewedLine():
            return PreviewOutcome(
                before=line.before,
                after=line.after,
                is_clip=line.is_clip,
                width_px=line.width_px,
                height_px=line.height_px,
                at_s=line.at_s,
                frames=line.frames,
                plan=line.plan,
                notes=line.notes,
            )
        case InspectedLine() | AnalysedLine() | SegmentedLine():
            return line.to_outcome()
