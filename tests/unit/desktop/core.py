"""A dispatcher with everything around it in memory, for tests."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.unit.desktop.values import CLIENT, ENHANCEMENT, MemoryBroker, MemoryStore, file_record
from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.services.catalogue import Catalogue
from vidproc_desktop.services.dispatch import Dispatch, Rules
from vidproc_desktop.services.events import Event, EventHub
from vidproc_desktop.services.outbox import Outbox
from vidproc_desktop.services.task_messages import TaskTerms
from vidproc_desktop.services.worker_pool import WorkerPool
from workers.protocol.messages import AnyWorkTask, ControlMessage, FileTask
from workers.protocol.model import FileId
from workers.protocol.states import ControlAction, ProcessType


@dataclass
class Core:
    """A dispatcher with everything around it in memory."""

    events: EventHub = field(default_factory=EventHub)
    store: MemoryStore = field(default_factory=MemoryStore)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    controls: list[ControlMessage] = field(default_factory=list)
    seen: list[Event] = field(default_factory=list)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.events.subscribe(self.seen.append)
        self.catalogue = Catalogue(self.events)
        self.pool = WorkerPool(self.events, lambda _: True, lambda: self.now)
        self.outbox = Outbox(self.catalogue, self.store, self.pool, TaskTerms(CLIENT, 60.0))
        self.dispatch = Dispatch(
            self.catalogue,
            self.store,
            pool=self.pool,
            outbox=self.outbox,
            rules=Rules(CLIENT, 3),
            control=self.controls.append,
        )
        self.pool.watch(self.outbox.nudge, self.dispatch.on_worker_lost)

    def add(self, count: int = 1) -> None:
        self.catalogue.add(file_record(f"file-{n}", position=n) for n in range(1, count + 1))

    @property
    def file(self) -> FileRecord:
        """The first row."""
        return self.catalogue.files()[0]

    @property
    def order(self) -> list[tuple[str, str, int]]:
        """File, part or type, and attempt of everything published."""
        return [(task.file_id, task.part or task.type, task.attempt) for task, _ in self.broker.published]

    def task(self, process_type: ProcessType = ENHANCEMENT, file_id: str = "file-1") -> TaskRecord:
        file = self.catalogue.get(FileId(file_id))
        assert file is not None
        return file.task(process_type)

    @property
    def told_parts(self) -> list[tuple[str | None, int | None]]:
        """Parts whose workers were told to stop, with the attempt."""
        return [(message.part, message.attempt) for message in self.controls]

    @property
    def told(self) -> list[tuple[str, ProcessType, int]]:
        """What the workers were told to stop."""
        assert all(message.action is ControlAction.CANCEL for message in self.controls)
        return [(m.file_id, m.process_type, m.attempt) for m in self.controls]  # type: ignore[misc]  # all are set


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for cannot call back
            await asyncio.sleep(0)


async def settle() -> None:
    """As many turns as anything in memory can need."""
    for _ in range(50):
        await asyncio.sleep(0)


def kinds(task: AnyWorkTask) -> tuple[ProcessType, ...]:
    """What a file's own task asks for."""
    assert isinstance(task, FileTask)
    return task.process_types
