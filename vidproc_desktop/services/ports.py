"""What the services need from outside (driven ports) and what they offer to the faces (`SessionApi`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from vidproc_desktop.domain.library import AttemptRecord, FileRecord, IntakeReport
from vidproc_desktop.domain.workers import BrokerHealth, ConnectionReport, WorkerView
from vidproc_desktop.services.events import EventHub
from workers.protocol.messages import (
    ControlMessage,
    FileTask,
    ProbeReply,
    StatusMessage,
    WorkerHeartbeat,
)
from workers.protocol.model import FileId, WorkerId
from workers.protocol.plan import EnhancementSettings


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

    async def publish(self, task: FileTask, *, worker_id: WorkerId | None = None) -> None:
        """Returns when the broker has taken responsibility for the task.

        Raises:
            UserFacingError: not confirmed or returned; the task stays in the caller's outbox.
        """

    async def control(self, message: ControlMessage) -> None:
        """Tell the workers. Raises UserFacingError when it could not be sent."""


class Prober(Protocol):
    """A kept local worker that looks at dropped files."""

    async def start(self) -> None:
        """Start the worker process."""

    async def aclose(self) -> None:
        """Stop it."""

    async def probe(self, path: Path, thumbnail: Path | None) -> ProbeReply:
        """Facts about the file, or why it cannot be used. A crash of the worker is an answer too."""


class WorkerProcesses(Protocol):
    """Worker processes that this program starts, for either mode."""

    async def set_count(self, count: int) -> None:
        """Have this many enhancement workers here; those too many hand their task back and end."""

    @property
    def count(self) -> int:
        """How many are wanted now."""


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

    async def test_connection(self, url: str) -> ConnectionReport:
        """Try a broker and say in words what is wrong. Never raises for what the world did."""

    async def set_worker_count(self, count: int) -> None:
        """How many enhancement workers run on this computer, in either mode."""

    def worker_count(self) -> int:
        """How many enhancement workers are wanted on this computer."""
