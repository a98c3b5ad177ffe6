"""Rows, statuses and workers for the desktop's unit tests, and a store and a broker in memory."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from vidproc_desktop.domain.library import AttemptRecord, FileRecord, TaskRecord
from vidproc_desktop.domain.parts import in_parts
from vidproc_desktop.domain.tasks import new_task
from vidproc_desktop.domain.workers import WorkerView
from vidproc_desktop.errors import UserFacingError
from vidproc_desktop.services.ports import Change, LibrarySnapshot
from workers.protocol.messages import AnyWorkTask, ControlMessage, StatusMessage, WorkerHeartbeat
from workers.protocol.model import FileId, WorkerId
from workers.protocol.results import AnalysisResult, EnhancementResult, MediaSummary, SegmentResult, TaskError
from workers.protocol.segments import ANALYSIS, ASSEMBLY, PartName, SegmentSpan
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, ProcessType, Status, WorkerState

CLIENT = "desktop-1"
ENHANCEMENT = ProcessType.VIDEO_ENHANCEMENT
METADATA = ProcessType.METADATA_EXTRACTION
RESULT = EnhancementResult(
    output_uri="file:///out/clip.mp4",
    report_uri="file:///out/clip.report.json",
    poster_uri=None,
    size_bytes=10,
    frames=5,
    duration_s=0.2,
    was_remuxed=False,
    was_found_finished=False,
)


def file_record(file_id: str = "file-1", *, position: int = 1, **changes: Any) -> FileRecord:
    fields: dict[str, Any] = {
        "file_id": FileId(file_id),
        "position": position,
        "source_path": f"/videos/{file_id}.mov",
        "name": f"{file_id}.mov",
        "size_bytes": 1,
        "mtime_ns": 1,
        "added_at": 0.0,
        "output_directory": "/out",
        "stem": file_id,
        "settings": EnhancementSettings(),
        "enhancement": new_task(FileId(file_id), ENHANCEMENT),
        "metadata": new_task(FileId(file_id), METADATA),
    }
    return FileRecord(**{**fields, **changes})


def status(
    sequence: int,
    state: Status = Status.PROCESSING,
    *,
    file_id: str = "file-1",
    attempt: int = 1,
    code: ErrorCode | None = None,
    **changes: Any,
) -> StatusMessage:
    if state is Status.FAILED and code is None:
        code = ErrorCode.INTERNAL
    fields: dict[str, Any] = {
        "file_id": file_id,
        "client_id": CLIENT,
        "process_type": ENHANCEMENT,
        "status": state,
        "attempt": attempt,
        "sequence": sequence,
        "worker_id": "worker-1",
        "error": TaskError(code=code, message="It failed.") if code is not None else None,
        "result": RESULT if state is Status.COMPLETED else None,
    }
    return StatusMessage(**{**fields, **changes})


def summary(duration_s: float | None) -> MediaSummary:
    return MediaSummary(
        width_px=64,
        height_px=48,
        duration_s=duration_s,
        frame_count=100,
        frames_per_s=25.0,
        video_codec="h264",
        audio_tracks=1,
        format_name="mov",
    )


def long_file(file_id: str = "file-1", **changes: Any) -> FileRecord:
    """A new file that is to be enhanced in parts."""
    return in_parts(file_record(file_id, **{"summary": summary(300.0), **changes}))


def shares(*durations_s: float, of_round: int = 0) -> AnalysisResult:
    """An analysis that found segments of these durations, at ten pictures a second."""
    spans, first, start_s = [], 0, 0.0
    for number, duration_s in enumerate(durations_s):
        count = round(duration_s * 10)
        spans.append(
            SegmentSpan(number=number, first=first, count=count, start_s=start_s, duration_s=duration_s)
        )
        first, start_s = first + count, start_s + duration_s
    return AnalysisResult(plan_sha256=f"{of_round:064x}", round=of_round, spans=tuple(spans))


def part_status(
    part: PartName, sequence: int, state: Status = Status.PROCESSING, **changes: Any
) -> StatusMessage:
    """A status of one part; completed, it has the answer that belongs to it (an analysis: two segments of 30 s)."""
    answers = {ANALYSIS: shares(30.0, 30.0), ASSEMBLY: RESULT}
    answer = answers.get(
        part, SegmentResult(video_uri="file:///s.mp4", pictures=300, size_bytes=9, seconds=1)
    )
    fields: dict[str, Any] = {"part": part, "result": answer if state is Status.COMPLETED else None}
    return status(sequence, state, **{**fields, **changes})


def worker(worker_id: str = "worker-1", **changes: Any) -> WorkerView:
    fields: dict[str, Any] = {
        "worker_id": WorkerId(worker_id),
        "host": "here",
        "pid": 1,
        "is_ours": True,
        "process_types": (ENHANCEMENT, METADATA),
        "state": WorkerState.IDLE,
        "is_lost": False,
        "slots": 1,
        "current": (),
        "message": None,
        "last_seen_at": 0.0,
        "program_version": "0",
    }
    return WorkerView(**{**fields, **changes})


def heartbeat(worker_id: str = "worker-1", **changes: Any) -> WorkerHeartbeat:
    fields: dict[str, Any] = {
        "worker_id": worker_id,
        "host": "here",
        "pid": 1,
        "process_types": (ENHANCEMENT, METADATA),
        "state": WorkerState.IDLE,
        "program_version": "0",
        "sequence": 1,
        "started_at": "2026-01-01T00:00:00Z",
    }
    return WorkerHeartbeat(**{**fields, **changes})


def failed_attempt(record: TaskRecord, worker_id: str, attempt: int) -> AttemptRecord:
    return AttemptRecord(
        file_id=record.file_id,
        process_type=record.process_type,
        attempt=attempt,
        worker_id=WorkerId(worker_id),
        status=Status.FAILED,
        gentle=False,
        error=None,
        ended_at=0.0,
        part=record.part,
    )


class MemoryStore:
    """A `LibraryStore` whose disk is a list; `hold` keeps writes from becoming durable."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.progress: list[TaskRecord] = []
        self.held: list[asyncio.Future[None]] | None = None
        self.meta: dict[str, str] = {}

    async def start(self) -> None:
        return None

    async def aclose(self) -> None:
        return None

    async def load(self) -> LibrarySnapshot:
        return LibrarySnapshot(CLIENT, (), ())

    def write(self, *changes: Change) -> asyncio.Future[None]:
        self.changes += changes
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.held is None:
            future.set_result(None)
        else:
            self.held.append(future)
        return future

    def write_progress(self, task: TaskRecord) -> None:
        self.progress.append(task)

    def settled(self) -> asyncio.Future[None] | None:
        return self.held[-1] if self.held else None

    async def attempts(self, file_id: FileId) -> Sequence[AttemptRecord]:
        return ()

    async def get_meta(self, key: str) -> str | None:
        return self.meta.get(key)

    async def set_meta(self, key: str, value: str) -> None:
        self.meta[key] = value

    def on_trouble(self, listener: Callable[[UserFacingError], None]) -> None:
        return None


class MemoryBroker:
    """A `TaskBroker` that keeps what it was given; `refuse` is raised instead."""

    def __init__(self) -> None:
        self.published: list[tuple[AnyWorkTask, WorkerId | None]] = []
        self.controls: list[ControlMessage] = []
        self.refuse: UserFacingError | None = None
        self.attempted = 0

    async def start(self, sink: object) -> None:
        return None

    async def aclose(self) -> None:
        return None

    async def publish(self, task: AnyWorkTask, *, worker_id: WorkerId | None = None) -> None:
        self.attempted += 1
        if self.refuse is not None:
            raise self.refuse
        self.published.append((task, worker_id))

    async def control(self, message: ControlMessage) -> None:
        self.controls.append(message)
