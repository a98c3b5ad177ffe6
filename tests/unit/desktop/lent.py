"""A dispatcher that lends files and takes over what comes back, with an exchange and an accepter in memory."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.unit.desktop.core import Core
from tests.unit.desktop.values import CLIENT, RESULT, heartbeat, status
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.acceptance import Acceptance
from vidproc_desktop.services.lending import Lending
from vidproc_desktop.services.outbox import Outbox
from vidproc_desktop.services.task_messages import TaskTerms
from workers.protocol.messages import AcceptReply, AcceptTask, AnyWorkTask, ControlMessage, StatusMessage
from workers.protocol.results import EnhancementResult, TaskError
from workers.protocol.states import ErrorCode, ProcessType, Status
from workers.protocol.transfers import ReadGrant, RemoteFiles, SentObject

SENT = (SentObject(name="video.mp4", size_bytes=10, sha256="0" * 64),)
FAR = RESULT.model_copy(update={"output_uri": "file:///somewhere/else/clip.mp4"})
DOWN = UserFacingError(UserErrorCode.BROKER_UNREACHABLE, "The exchange is down.")
TERMS = TaskTerms(CLIENT, 60.0)


class MemoryExchange:
    """A `FileExchange` that writes down what it is asked; `refuse` is raised instead."""

    def __init__(self) -> None:
        self.refuse: UserFacingError | None = None
        self.is_lost = False
        self.has_lost_parts = False
        self.granted: list[tuple[AnyWorkTask, Path | None]] = []
        self.received_for: list[AnyWorkTask] = []
        self.discarded: list[tuple[str, ProcessType, str | None, int]] = []
        self.forgotten: list[str] = []
        self.starts = 0
        self.is_closed = False
        self.gate: asyncio.Event | None = None
        """What a grant waits for."""
        self.reads: tuple[ReadGrant, ...] = ()

    async def start(self) -> None:
        self.starts += 1
        self._check()

    async def aclose(self) -> None:
        self.is_closed = True

    async def grant(self, task: AnyWorkTask, parts_folder: Path | None) -> RemoteFiles:
        self._check()
        if parts_folder is not None and self.has_lost_parts:
            raise FileNotFoundError(parts_folder)
        self.granted.append((task, parts_folder))
        if self.gate is not None:
            await self.gate.wait()
        return RemoteFiles(host="here", source_url="http://here/source", reads=self.reads)

    async def received(
        self, task: AnyWorkTask, process_type: ProcessType, sent: Sequence[SentObject]
    ) -> Path:
        self.received_for.append(task)
        self._check()
        if self.is_lost:
            raise LookupError("video.mp4 was never handed over")
        return Path("/out/.vidproc/staged")

    async def forget(self, file_id: str) -> None:
        self.forgotten.append(file_id)

    async def discard(self, task: AnyWorkTask, process_type: ProcessType) -> None:
        self.discarded.append((task.file_id, process_type, task.part, task.attempt))
        self._check()

    def _check(self) -> None:
        if self.refuse is not None:
            raise self.refuse


class MemoryAccepter:
    """An `Accepter` that publishes everything, unless told otherwise; `gate` makes it wait."""

    def __init__(self) -> None:
        self.asked: list[AcceptTask] = []
        self.error: TaskError | None = None
        self.gate: asyncio.Event | None = None
        self.refuse: UserFacingError | None = None
        self.knows: EnhancementResult | None = RESULT
        """What was published before: found when nothing was handed over."""
        self.at_once = 0
        self.most_at_once = 0

    async def aclose(self) -> None:
        return None

    async def accept(self, task: AcceptTask) -> AcceptReply:
        self.asked.append(task)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.at_once -= 1
        if self.refuse is not None:
            raise self.refuse
        error = self.error
        if not task.sent and self.knows is None:
            error = rejection("“video.mp4” was not handed over.")
        result = None if error is not None else RESULT
        return AcceptReply(file_id=task.file_id, client_id=task.client_id, result=result, error=error)


class Lent(Core):
    """A `Core` whose statuses go through an acceptance, with workers `far-1` and `far-2`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.exchange, self.accepter = MemoryExchange(), MemoryAccepter()
        self.notices: list[UserFacingError] = []
        self.told_workers: list[ControlMessage] = []
        self.lending = Lending(self.notices.append)
        self.outbox = Outbox(self.catalogue, self.store, self.pool, TERMS, self.lending)
        self.acceptance = Acceptance(
            self.catalogue,
            self.dispatch,
            self.store,
            lending=self.lending,
            accepter=self.accepter,
            terms=TERMS,
            control=self.told_workers.append,
            tell=self.notices.append,
        )
        self.dispatch._control = self.acceptance.on_control

    async def open(self) -> None:
        """Use the exchange; two workers are there."""
        self.lending.open(self.exchange)
        ready = asyncio.Event()
        self.lending.when_ready(ready.set)
        await ready.wait()
        for name in ("far-1", "far-2"):
            self.pool.hear(heartbeat(name, host=name))

    def take(self, message: StatusMessage) -> asyncio.Task[None]:
        return asyncio.create_task(self.acceptance.take(message))

    async def aclose(self) -> None:
        await self.lending.aclose()
        self.pool.close()


def handed_over(
    attempt: int = 1, *, worker_id: str = "far-1", sequence: int = 9, **changes: Any
) -> StatusMessage:
    """A completed status of the enhancement, with what was handed over."""
    fields: dict[str, Any] = {"result": FAR, "sent": SENT, "worker_id": worker_id, **changes}
    return status(sequence, Status.COMPLETED, attempt=attempt, **fields)


def rejection(message: str = "The video has 9 pictures instead of 10.") -> TaskError:
    return TaskError(code=ErrorCode.RESULT_REJECTED, message=message)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for cannot call back
            await asyncio.sleep(0.005)
