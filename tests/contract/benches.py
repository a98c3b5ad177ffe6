"""What the broker contract runs on: a broker with worker programs behind it, once for each adapter.

The workers are the product's own program; their media jobs are replaced by `tests.fixtures.worker_jobs`, which do what
stands in the source file. A further adapter joins by a class with the methods of `Bench` and a name in `BENCHES`.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import vidproc_desktop
from tests.fixtures.worker_peers import LIMIT_S
from vidproc_desktop.broker.commands import Command
from vidproc_desktop.broker.local import LocalBroker, LocalCommands
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState
from vidproc_desktop.services.ports import TaskBroker
from workers.protocol.messages import StatusMessage, WorkerHeartbeat
from workers.protocol.model import WorkerId
from workers.protocol.states import ProcessType, Status, WorkerState

CLIENT: Final = "client-1"
_ROOT: Final = Path(vidproc_desktop.__file__).parent.parent
_PROGRAM: Final = (
    "import sys; from workers.__main__ import main; "
    "sys.exit(main(sys.argv[2:], jobs='tests.fixtures.worker_jobs'))"
)


def worker_command(*arguments: str) -> Command:
    """The worker program with the tests' jobs."""
    return Command(
        (sys.executable, "-c", _PROGRAM, "worker-program", *arguments),
        {"PYTHONPATH": str(_ROOT), "VIDPROC_MIN_FREE_DISK_BYTES": "1000", "VIDPROC_SHUTDOWN_GRACE": "0"},
    )


def stdio_commands(data_dir: Path) -> LocalCommands:
    """Both kinds of worker over stdio."""
    place = ("--stdio", "--data-dir", str(data_dir))
    return LocalCommands(worker_command("enhance", *place), worker_command("metadata", *place))


class Hearing:
    """A `BrokerSink` that keeps everything and can be waited on."""

    def __init__(self) -> None:
        self.statuses: list[StatusMessage] = []
        self.beats: dict[str, WorkerHeartbeat] = {}
        self.gone: list[WorkerId] = []
        self.healths: list[BrokerHealth] = []
        self._news = asyncio.Event()

    async def on_status(self, status: StatusMessage) -> None:
        self.statuses.append(status)
        self._news.set()

    def on_heartbeat(self, heartbeat: WorkerHeartbeat) -> None:
        self.beats[heartbeat.worker_id] = heartbeat
        self._news.set()

    def on_worker_gone(self, worker_id: WorkerId) -> None:
        self.gone.append(worker_id)
        self.beats.pop(worker_id, None)
        self._news.set()

    def on_health(self, health: BrokerHealth) -> None:
        self.healths.append(health)
        self._news.set()

    @property
    def finals(self) -> list[StatusMessage]:
        return [status for status in self.statuses if status.status.is_final]

    def idle(self, process_type: ProcessType) -> list[WorkerHeartbeat]:
        return [
            beat
            for beat in self.beats.values()
            if process_type in beat.process_types and beat.state is WorkerState.IDLE
        ]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds; it is looked at after every event."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def until_final(self, count: int = 1) -> list[StatusMessage]:
        await self.until(lambda: len(self.finals) >= count)
        return self.finals

    async def until_processing(self, file_id: str) -> StatusMessage:
        def under_way() -> list[StatusMessage]:
            return [s for s in self.statuses if s.file_id == file_id and s.status is Status.PROCESSING]

        await self.until(lambda: bool(under_way()))
        return under_way()[-1]


class Bench(Protocol):
    """One adapter with workers behind it."""

    broker: TaskBroker
    sink: Hearing

    async def start(self, enhancement_workers: int = 1) -> None:
        """Start everything; returns when every worker is idle."""

    async def kill_worker(self, worker_id: str) -> None:
        """End a worker's process as the system would: -9, and its children with it."""

    async def aclose(self) -> None:
        """Stop everything."""


class LocalBench:
    """Workers over stdio, started by the broker itself."""

    def __init__(self, folder: Path, _url: str | None) -> None:
        self._broker = LocalBroker(stdio_commands(folder / "data"), count=0)
        self.broker: TaskBroker = self._broker
        self.sink = Hearing()

    async def start(self, enhancement_workers: int = 1) -> None:
        await self.broker.start(self.sink)
        await self._broker.set_count(enhancement_workers)
        await until_idle(self.sink, enhancement_workers)
        assert self.sink.healths[-1].state is BrokerState.READY

    async def kill_worker(self, worker_id: str) -> None:
        os.kill(self.sink.beats[worker_id].pid, signal.SIGKILL)

    async def aclose(self) -> None:
        await self.broker.aclose()


class RabbitMQBench:
    """Workers on a broker, started beside it."""

    def __init__(self, folder: Path, url: str | None) -> None:
        from vidproc_desktop.broker.rabbitmq import RabbitMQBroker

        assert url is not None
        self._url = url
        self._folder = folder
        self.broker: TaskBroker = RabbitMQBroker(url, client_id=CLIENT)
        self.sink = Hearing()
        self._programs: list[subprocess.Popen[bytes]] = []

    async def start(self, enhancement_workers: int = 1) -> None:
        await self.broker.start(self.sink)
        connected = (BrokerState.READY, BrokerState.NO_WORKER)
        await self.sink.until(lambda: bool(self.sink.healths) and self.sink.healths[-1].state in connected)
        for role in ("metadata", *["enhance"] * enhancement_workers):
            command = worker_command(role, "--broker", self._url, "--data-dir", str(self._folder / "data"))
            program = await asyncio.to_thread(
                subprocess.Popen, command.arguments, env={**os.environ, **command.environment}
            )
            self._programs.append(program)
        await until_idle(self.sink, enhancement_workers)
        await self.sink.until(lambda: self.sink.healths[-1].state is BrokerState.READY)

    async def kill_worker(self, worker_id: str) -> None:
        os.kill(self.sink.beats[worker_id].pid, signal.SIGKILL)

    async def aclose(self) -> None:
        await self.broker.aclose()
        for program in self._programs:
            program.terminate()
        for program in self._programs:
            await asyncio.to_thread(program.wait, LIMIT_S)


async def until_idle(sink: Hearing, enhancement_workers: int) -> None:
    """Wait until everybody is warm."""
    await sink.until(
        lambda: (
            len(sink.idle(ProcessType.VIDEO_ENHANCEMENT)) == enhancement_workers
            and len(sink.idle(ProcessType.METADATA_EXTRACTION)) == 1
        )
    )


BENCHES: Final[dict[str, Callable[[Path, str | None], Bench]]] = {
    "local": LocalBench,
    "rabbitmq": RabbitMQBench,
}
