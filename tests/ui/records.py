"""Records and a session to drive the widgets with, without a broker, a store or a worker."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vidproc_desktop.domain.library import AttemptRecord, FileRecord, IntakeReport, Refusal, TaskRecord
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState, ConnectionReport, WorkerView
from vidproc_desktop.services.events import EventHub, FileChanged, FilesAdded, FilesRemoved, IntakeFinished
from workers.protocol.model import FileId, WorkerId
from workers.protocol.results import (
    AnalysisResult,
    EnhancementResult,
    MediaSummary,
    MetadataResult,
    SegmentResult,
    TaskError,
)
from workers.protocol.segments import ANALYSIS, ASSEMBLY, PartName, SegmentSpan, segment_part
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ControlAction, ErrorCode, ProcessType, Stage, Status


def task(
    file_id: FileId, process_type: ProcessType, status: Status = Status.PENDING, progress: float = 0.0
) -> TaskRecord:
    return TaskRecord(file_id=file_id, process_type=process_type, status=status, progress=progress)


def record(
    position: int,
    name: str = "",
    *,
    enhancement: Status = Status.PENDING,
    metadata: Status = Status.PENDING,
    progress: float = 0.0,
    folder: str = "/home/anna/Videos/Summer 2026",
) -> FileRecord:
    file_id = FileId(f"f{position}")
    name = name or f"clip {position:04}.mp4"
    return FileRecord(
        file_id=file_id,
        position=position,
        source_path=f"{folder}/{name}",
        name=name,
        size_bytes=1_000_000 + position * 10_000,
        mtime_ns=0,
        added_at=0.0,
        output_directory="/home/anna/Videos/Vidproc",
        stem=name.rsplit(".", 1)[0],
        settings=EnhancementSettings(),
        enhancement=task(file_id, ProcessType.VIDEO_ENHANCEMENT, enhancement, progress),
        metadata=task(file_id, ProcessType.METADATA_EXTRACTION, metadata),
    )


def working(
    base: FileRecord,
    progress: float,
    *,
    stage: Stage = Stage.ENHANCING,
    rate: float = 48.2,
    left_s: float = 95,
) -> FileRecord:
    enhancement = replace(
        base.enhancement,
        status=Status.PROCESSING,
        stage=stage,
        progress=progress,
        frames_per_s=rate,
        remaining_s=left_s,
    )
    return replace(base, enhancement=enhancement)


@dataclass(frozen=True)
class Segment:
    """One segment of a test's file: its length, and how far it is."""

    status: Status = Status.PENDING
    progress: float = 0.0
    worker: str | None = None
    message: str = ""
    """Why its last attempt failed."""
    duration_s: float = 30.0
    video: Path | None = None


DONE = Segment(Status.COMPLETED, 100.0)


def spans(segments: Sequence[Segment]) -> tuple[SegmentSpan, ...]:
    found: list[SegmentSpan] = []
    start_s = 0.0
    for number, segment in enumerate(segments):
        found.append(
            SegmentSpan(
                number=number,
                first=round(start_s * 30),
                count=max(1, round(segment.duration_s * 30)),
                start_s=start_s,
                duration_s=segment.duration_s,
            )
        )
        start_s += segment.duration_s
    return tuple(found)


def part_task(base: FileRecord, part: PartName, status: Status, progress: float = 0.0) -> TaskRecord:
    return TaskRecord(
        base.file_id, ProcessType.VIDEO_ENHANCEMENT, status=status, progress=progress, part=part
    )


def in_parts(
    base: FileRecord, *segments: Segment, assembly: Status | None = None, stage: Stage = Stage.ENHANCING
) -> FileRecord:
    """A file whose analysis is done and whose segments are as given."""
    analysis = replace(
        part_task(base, ANALYSIS, Status.COMPLETED, 100.0),
        result=AnalysisResult(plan_sha256="0" * 64, spans=spans(segments)),
    )
    last = () if assembly is None else (part_task(base, ASSEMBLY, assembly, 20.0),)
    progress = sum(segment.progress for segment in segments) / max(1, len(segments))
    row = working(base, progress, stage=stage)
    made = (_segment_task(base, number, segment) for number, segment in enumerate(segments))
    return replace(row, parts=(analysis, *made, *last))


def _segment_task(base: FileRecord, number: int, segment: Segment) -> TaskRecord:
    video = segment.video or Path(f"/videos/.vidproc/parts-1/segment-{number:05}.mp4")
    result = SegmentResult(video_uri=video.as_uri(), pictures=900, size_bytes=1, seconds=1.0)
    error = TaskError(code=ErrorCode.ENCODER_FAILED, message=segment.message) if segment.message else None
    return replace(
        part_task(base, segment_part(number), segment.status, segment.progress),
        worker_id=WorkerId(segment.worker) if segment.worker else None,
        error=error,
        result=result if segment.status is Status.COMPLETED else None,
    )


def failed(base: FileRecord, message: str, code: ErrorCode = ErrorCode.ENCODER_FAILED) -> FileRecord:
    error = TaskError(code=code, message=message, detail="exit status 1", log_tail=("line one", "line two"))
    return replace(
        base, enhancement=replace(base.enhancement, status=Status.FAILED, error=error, progress=37.0)
    )


def summary(width_px: int = 1920, height_px: int = 1080, duration_s: float = 42.0) -> MediaSummary:
    return MediaSummary(
        width_px=width_px,
        height_px=height_px,
        duration_s=duration_s,
        frame_count=round(duration_s * 30),
        frames_per_s=30.0,
        video_codec="h264",
        audio_tracks=1,
        format_name="mov,mp4",
    )


def enhanced(base: FileRecord, output: Path, report: Path | None = None) -> FileRecord:
    result = EnhancementResult(
        output_uri=output.as_uri(),
        report_uri=(report or output.with_suffix(".report.json")).as_uri(),
        poster_uri=None,
        size_bytes=2_000_000,
        frames=60,
        duration_s=2.0,
        was_remuxed=False,
        was_found_finished=False,
    )
    done = replace(base.enhancement, status=Status.COMPLETED, progress=100.0, result=result)
    return replace(base, enhancement=done)


def described(base: FileRecord, document: Path, sheet: Path | None = None) -> FileRecord:
    result = MetadataResult(
        metadata_uri=document.as_uri(),
        contact_sheet_uri=sheet.as_uri() if sheet else None,
        thumbnail_uri=None,
        summary=base.summary or summary(),
    )
    return replace(
        base, metadata=replace(base.metadata, status=Status.COMPLETED, progress=100.0, result=result)
    )


class RecordedSession:
    """A `SessionApi` that holds rows, tells its listeners, and writes down what it was asked for."""

    def __init__(self, files: Sequence[FileRecord] = (), workers: Sequence[WorkerView] = ()) -> None:
        self.events = EventHub()
        self.asked: list[tuple[str, object]] = []
        self.folders: list[Path | None] = []
        self.answer = ConnectionReport(is_ok=True, message="Connected to RabbitMQ 3.10.8.")
        self.error: Exception | None = None
        self._files = {file.file_id: file for file in files}
        self._workers = tuple(workers)
        self._count = 1

    def put(self, *files: FileRecord) -> None:
        new = tuple(file for file in files if file.file_id not in self._files)
        old = [file for file in files if file.file_id in self._files]
        self._files.update((file.file_id, file) for file in files)
        if new:
            self.events.publish(FilesAdded(new))
        for file in old:
            self.events.publish(FileChanged(file))

    def files(self) -> Sequence[FileRecord]:
        return tuple(self._files.values())

    def file(self, file_id: FileId) -> FileRecord | None:
        return self._files.get(file_id)

    def workers(self) -> Sequence[WorkerView]:
        return self._workers

    def health(self) -> BrokerHealth:
        return BrokerHealth(BrokerState.READY, "Ready, working on this computer", 0.0)

    def worker_count(self) -> int:
        return self._count

    async def add(
        self,
        paths: Sequence[Path],
        *,
        settings: EnhancementSettings | None = None,
        output_directory: Path | None = None,
    ) -> IntakeReport:
        self._note("add", tuple(paths))
        self.folders.append(output_directory)
        good = [path for path in paths if path.suffix != ".txt"]
        first = len(self._files) + 1
        new = [record(first + place, path.name, folder=str(path.parent)) for place, path in enumerate(good)]
        self.put(*new)
        refused = tuple(
            Refusal(str(path), ErrorCode.NOT_A_VIDEO, "this is not a video")
            for path in paths
            if path not in good
        )
        report = IntakeReport(tuple(file.file_id for file in new), refused)
        self.events.publish(IntakeFinished(report))
        return report

    async def cancel(self, file_ids: Sequence[FileId]) -> None:
        self._note("cancel", tuple(file_ids))

    async def retry(self, file_ids: Sequence[FileId]) -> None:
        self._note("retry", tuple(file_ids))

    async def remove(self, file_ids: Sequence[FileId]) -> None:
        self._note("remove", tuple(file_ids))
        for file_id in file_ids:
            self._files.pop(file_id, None)
        self.events.publish(FilesRemoved(tuple(file_ids)))

    async def clear_finished(self) -> None:
        self._note("clear_finished", None)

    async def attempts(self, file_id: FileId) -> Sequence[AttemptRecord]:
        return ()

    async def use_broker(self, url: str | None) -> None:
        self._note("use_broker", url)

    def request_preview(
        self,
        file_id: FileId,
        at_s: float,
        *,
        settings: EnhancementSettings | None = None,
        duration_s: float = 0.0,
        max_side_px: int = 1920,
        wants_size: bool = False,
    ) -> int | None:
        self._note("request_preview", (file_id, at_s, settings, duration_s, max_side_px, wants_size))
        return 1

    async def test_connection(self, url: str) -> ConnectionReport:
        self._note("test_connection", url)
        return self.answer

    async def set_worker_count(self, count: int) -> None:
        self._note("set_worker_count", count)
        self._count = count

    async def control_worker(self, worker_id: WorkerId, action: ControlAction) -> None:
        self._note("control_worker", (worker_id, action))

    def _note(self, what: str, detail: object) -> None:
        self.asked.append((what, detail))
        if self.error is not None:
            raise self.error
