"""The parts of an enhancement as JSON lines between a worker and its child.

The segment plan and the records of a long film may be longer than any line should be. They lie in the parts' folder:
a line names the folder and the checksum, and its reader fetches them there.
"""

from typing import Literal, Self

from workers.media.jobs import AnalysisJob, AnalysisOutcome, AssemblyJob, SegmentJob, SegmentOutcome
from workers.protocol.model import WireModel
from workers.protocol.segments import SegmentPlan, SegmentRecord, Sha256
from workers.protocol.settings import EnhancementSettings
from workers.runtime.parts import PartsFolder
from workers.runtime.wire_path import WirePath


class AnalysisLine(WireModel):
    """An `AnalysisJob`."""

    type: Literal["analysis"] = "analysis"
    file_id: str
    source: WirePath
    workspace: WirePath
    settings: EnhancementSettings
    settings_key: str
    segment_s: float
    threads: int

    @classmethod
    def of(cls, job: AnalysisJob) -> Self:
        """The line that asks for a job."""
        return cls(
            file_id=job.file_id,
            source=job.source,
            workspace=job.workspace,
            settings=job.settings,
            settings_key=job.settings_key,
            segment_s=job.segment_s,
            threads=job.threads,
        )

    def to_job(self) -> AnalysisJob:
        """The value that the media function takes."""
        return AnalysisJob(
            file_id=self.file_id,
            source=self.source,
            workspace=self.workspace,
            settings=self.settings,
            settings_key=self.settings_key,
            segment_s=self.segment_s,
            threads=self.threads,
        )


class SegmentLine(WireModel):
    """A `SegmentJob` without its plan."""

    type: Literal["segment"] = "segment"
    worker_id: str
    source: WirePath
    workspace: WirePath
    parts: WirePath
    settings_key: str
    plan_sha256: Sha256
    number: int
    threads: int

    @classmethod
    def of(cls, job: SegmentJob) -> Self:
        """The line that asks for a job."""
        return cls(
            worker_id=job.worker_id,
            source=job.source,
            workspace=job.workspace,
            parts=job.parts,
            settings_key=job.segment_plan.settings_key,
            plan_sha256=job.plan_sha256,
            number=job.number,
            threads=job.threads,
        )

    def to_job(self) -> SegmentJob:
        """The value that the media function takes. Reads the segment plan.

        Raises:
            TaskFailedError: PARTS_MISSING, FILE_UNREADABLE.
        """
        return SegmentJob(
            worker_id=self.worker_id,
            source=self.source,
            workspace=self.workspace,
            parts=self.parts,
            segment_plan=PartsFolder(self.parts, self.settings_key).open(self.plan_sha256).plan,
            plan_sha256=self.plan_sha256,
            number=self.number,
            threads=self.threads,
        )


class AssemblyLine(WireModel):
    """An `AssemblyJob` without its plan and records."""

    type: Literal["assembly"] = "assembly"
    file_id: str
    attempt: int
    worker_id: str
    source: WirePath
    workspace: WirePath
    output_name: str
    settings: EnhancementSettings
    settings_key: str
    parts: WirePath
    plan_sha256: Sha256
    threads: int

    @classmethod
    def of(cls, job: AssemblyJob) -> Self:
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
            parts=job.parts,
            plan_sha256=job.records[0].plan_sha256,
            threads=job.threads,
        )

    def to_job(self) -> AssemblyJob:
        """The value that the media function takes. Reads the segment plan and the records.

        Raises:
            TaskFailedError: PARTS_MISSING, FILE_UNREADABLE.
        """
        folder = PartsFolder(self.parts, self.settings_key)
        stored = folder.open(self.plan_sha256)
        return AssemblyJob(
            file_id=self.file_id,
            attempt=self.attempt,
            worker_id=self.worker_id,
            source=self.source,
            workspace=self.workspace,
            output_name=self.output_name,
            settings=self.settings,
            settings_key=self.settings_key,
            parts=self.parts,
            segment_plan=stored.plan,
            records=folder.records(stored, check_videos=False),
            threads=self.threads,
        )


class AnalysedLine(WireModel):
    """An `AnalysisOutcome`."""

    type: Literal["analysed"] = "analysed"
    segment_plan: SegmentPlan | None
    reason: str
    side_files: tuple[WirePath, ...]

    @classmethod
    def of(cls, outcome: AnalysisOutcome) -> Self:
        """The line that answers a job."""
        return cls(segment_plan=outcome.segment_plan, reason=outcome.reason, side_files=outcome.side_files)

    def to_outcome(self) -> AnalysisOutcome:
        """The value that the media function returned."""
        return AnalysisOutcome(self.segment_plan, self.reason, self.side_files)


class SegmentedLine(WireModel):
    """A `SegmentOutcome`."""

    type: Literal["segmented"] = "segmented"
    video: WirePath
    record: SegmentRecord

    @classmethod
    def of(cls, outcome: SegmentOutcome) -> Self:
        """The line that answers a job."""
        return cls(video=outcome.video, record=outcome.record)

    def to_outcome(self) -> SegmentOutcome:
        """The value that the media function returned."""
        return SegmentOutcome(self.video, self.record)
