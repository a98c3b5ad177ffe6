"""What the services need from outside (driven ports) and what they offer to the faces (`SessionApi`)."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vidproc_desktop.domain.library import AttemptRecord, FileRecord, IntakeReport, TaskRecord
from vidproc_desktop.domain.workers import BrokerHealth, ConnectionReport, WorkerView
from vidproc_desktop.errors import UserFacingError
from vidproc_desktop.services.events import EventHub
from workers.protocol.messages import (
    AcceptReply,
    AcceptTask,
    AnyWorkTask,
    ControlMessage,
    PreviewReply,
    PreviewTask,
    ProbeReply,
    StatusMessage,
    WorkerHeartbeat,
)
from workers.protocol.model import FileId, WorkerId
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ControlAction, ProcessType
from workers.protocol.transfers import RemoteFiles, SentObject


class BrokerSink(Protocol):
    """Who listens to a broker."""

    async def on_status(self, status: StatusMessage) -> None:
        """Returns once the status is durable; only then may the broker acknowledge it."""

    def on_heartbeat(self, heartbeat: WorkerHeartbeat) -> None:
        """A worker lives."""

    def on_worker_gone(self, worker_id: WorkerId) -> None:
        """A local worker process ended (local broker only; a remote one is lost after a while)."""

    def on_health(self, health: BrokerHealth) -> None:
        """The connection changed."""


class TaskBroker(Protocol):
    """Carries tasks to workers and their statuses back. One contract suite runs over both adapters."""

    async def start(self, sink: BrokerSink) -> None:
        """Begin; returns without waiting for a broker that is down (health says so, publishing raises)."""

    async def aclose(self) -> None:
        """Stop everything that was started, also what is in the middle of something."""

    async def publish(self, task: AnyWorkTask, *, worker_id: WorkerId | None = None) -> None:
        """Returns when the broker has taken responsibility for the task.

        Raises:
            UserFacingError: not confirmed or returned; the task stays in the caller's outbox.
        """

    async def control(self, message: ControlMessage) -> None:
        """Tell the workers. Raises UserFacingError when it could not be sent."""


class FileExchange(Protocol):
    """How workers without the desktop's folders get at files: makes their addresses, takes what they hand over."""

    async def start(self) -> None:
        """Begin to answer. Raises UserFacingError when that cannot be had."""

    async def aclose(self) -> None:
        """Stop everything that was started."""

    async def grant(self, task: AnyWorkTask, parts_folder: Path | None) -> RemoteFiles:
        """Addresses for all that this attempt may read and write.

        Args:
            task: as it will be published, without addresses.
            parts_folder: where the parts of the file meet, once the analysis has said so.

        Raises:
            UserFacingError: not now; the task stays in the outbox.
        """

    async def received(
        self, task: AnyWorkTask, process_type: ProcessType, sent: Sequence[SentObject]
    ) -> Path:
        """The folder, on the disk of the task's output folder, that holds all these objects whole.

        Raises:
            UserFacingError: they cannot be had now; asked again later.
            LookupError: one of them was never handed over, or is another than was said.
        """

    async def discard(self, task: AnyWorkTask, process_type: ProcessType) -> None:
        """Nobody wants what this attempt, or an earlier one, has handed over or still will."""

    async def forget(self, file_id: FileId) -> None:
        """Nobody works on the file any more: what is kept of it elsewhere may go."""


class Accepter(Protocol):
    """A kept local worker that checks and publishes what workers elsewhere have handed over."""

    async def aclose(self) -> None:
        """Stop it."""

    async def accept(self, task: AcceptTask) -> AcceptReply:
        """The published result, or why it was rejected. A crash of the worker is an answer too."""


class Prober(Protocol):
    """A kept local worker that looks at dropped files."""

    async def start(self) -> None:
        """Start the worker process."""

    async def aclose(self) -> None:
        """Stop it."""

    async def probe(self, path: Path, thumbnail: Path | None) -> ProbeReply:
        """Facts about the file, or why it cannot be used. A crash of the worker is an answer too."""


class Previewer(Protocol):
    """A kept local worker that shows what enhancing would do."""

    async def aclose(self) -> None:
        """Stop it. Requests have to be cancelled before."""

    async def show(self, task: PreviewTask) -> PreviewReply:
        """The reply; a crash of the worker is one too. A newer request of the client ends an older one."""


class WorkerProcesses(Protocol):
    """Worker processes that this program starts, for either mode."""

    async def set_count(self, count: int) -> None:
        """Have this many enhancement workers here; those too many hand their task back and end."""

    @property
    def count(self) -> int:
        """How many are wanted now."""

    @property
    def pids(self) -> frozenset[int]:
        """Process ids of those that run now, to tell them from other workers on this computer."""


@dataclass(frozen=True, slots=True)
class Transport:
    """A broker, and whoever starts workers on this computer for it (None: nobody does)."""

    broker: TaskBroker
    workers: WorkerProcesses | None
    is_local: bool
    """True when the broker's queues die with this program."""


@dataclass(frozen=True, slots=True)
class LibrarySnapshot:
    """What the store holds at start."""

    client_id: str
    """Stable across restarts: statuses are addressed to it."""
    files: tuple[FileRecord, ...]
    failures: tuple[AttemptRecord, ...]
    """The ledger's failed attempts of unfinished files."""


@dataclass(frozen=True, slots=True)
class SaveFiles:
    """New rows, or rows that are other than before in more than one task; their tasks and parts are saved too."""

    files: tuple[FileRecord, ...]


@dataclass(frozen=True, slots=True)
class SaveTask:
    """A task changed its state, or a part of an enhancement, or what the parts come to."""

    task: TaskRecord


@dataclass(frozen=True, slots=True)
class SaveAttempt:
    """An attempt ended."""

    attempt: AttemptRecord


@dataclass(frozen=True, slots=True)
class RemoveFiles:
    """Rows to forget, with their tasks and ledger."""

    file_ids: tuple[FileId, ...]


type Change = SaveFiles | SaveTask | SaveAttempt | RemoveFiles


class LibraryStore(Protocol):
    """Where rows outlive the program. Never blocks the loop: the work is done on the store's own thread."""

    async def start(self) -> None:
        """Open it. Raises UserFacingError (STATE_UNUSABLE, DISK_FULL) with a hint."""

    async def aclose(self) -> None:
        """Write what is left and close. Raises UserFacingError when something could not be written."""

    async def load(self) -> LibrarySnapshot:
        """Everything, once, at start."""

    def write(self, *changes: Change) -> asyncio.Future[None]:
        """Hand over changes, in order. The future is done when they are durable.

        It raises UserFacingError when they could not be written; they are kept and tried again.
        """

    def write_progress(self, task: TaskRecord) -> None:
        """Hand over a record that differs from the stored one by progress only; may be coalesced."""

    def settled(self) -> asyncio.Future[None] | None:
        """Done when all handed-over state changes are durable; None when they are."""

    async def attempts(self, file_id: FileId) -> Sequence[AttemptRecord]:
        """The ledger of one file, oldest first."""

    async def get_meta(self, key: str) -> str | None:
        """A small remembered value."""

    async def set_meta(self, key: str, value: str) -> None:
        """Remember a small value."""

    def on_trouble(self, listener: Callable[[UserFacingError], None]) -> None:
        """Told, on the loop's thread, when writing begins to fail; once until it works again."""


class SessionApi(Protocol):
    """A running core: what the window, the command line and the HTTP server drive. All on one event loop."""

    events: EventHub

    def files(self) -> Sequence[FileRecord]:
        """Every row, by position."""

    def file(self, file_id: FileId) -> FileRecord | None:
        """One row."""

    def workers(self) -> Sequence[WorkerView]:
        """Every worker known."""

    def health(self) -> BrokerHealth:
        """State of the broker."""

    async def add(
        self,
        paths: Sequence[Path],
        *,
        settings: EnhancementSettings | None = None,
        output_directory: Path | None = None,
    ) -> IntakeReport:
        """Take files and folders (recursively). Rows appear while the rest is still being looked at."""

    async def cancel(self, file_ids: Sequence[FileId]) -> None:
        """Stop what has not finished."""

    async def retry(self, file_ids: Sequence[FileId]) -> None:
        """Start failed or cancelled processes again, from attempt n+1."""

    async def remove(self, file_ids: Sequence[FileId]) -> None:
        """Take rows off the list (cancelling them first). Results and sources on disk stay."""

    async def clear_finished(self) -> None:
        """Take every finished row off the list."""

    async def attempts(self, file_id: FileId) -> Sequence[AttemptRecord]:
        """The attempt ledger of one file."""

    async def use_broker(self, url: str | None) -> None:
        """Switch to RabbitMQ at `url`, or to local mode with None. Unfinished files go on there."""

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
        """Ask for a picture or a clip before and after; `PreviewShown` brings it, an older request is dropped."""

    async def test_connection(self, url: str) -> ConnectionReport:
        """Try a broker and say in words what is wrong. Never raises for what the world did."""

    async def set_worker_count(self, count: int) -> None:
        """How many enhancement workers run on this computer, in either mode."""

    def worker_count(self) -> int:
        """How many enhancement workers are wanted on this computer."""

    async def control_worker(self, worker_id: WorkerId, action: ControlAction) -> None:
        """Pause, resume, drain or release one worker. Raises UserFacingError when it could not be told."""
