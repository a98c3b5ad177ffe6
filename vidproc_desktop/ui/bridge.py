"""Between the core and the widgets: events in, one repaint per tick out; wishes of the user become tasks.

The core may change thousands of rows a second. Changes are collected, the newest value of a row wins, and every
`TICK_MS` the model gets them all at once. The bridge owns every task that a widget starts, so that none is lost,
none outlives the window, and each failure is told to the user exactly once.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.workers import WorkerView
from vidproc_desktop.errors import UserFacingError
from vidproc_desktop.services.events import (
    BrokerHealthChanged,
    Event,
    FileChanged,
    FilesAdded,
    FilesRemoved,
    IntakeFinished,
    Notice,
    WorkersChanged,
)
from vidproc_desktop.services.ports import SessionApi
from vidproc_desktop.ui.task_model import TaskModel
from workers.protocol.model import FileId
from workers.protocol.settings import EnhancementSettings

TICK_MS = 100
SORT_EVERY_TICKS = 10
"""A table sorted by something that moves is put in order again once a second, not ten times."""

_log = logging.getLogger(__name__)


class Bridge(QObject):
    """Connects a session to the window.

    Signals:
        updated: the model has taken in changes (at most once per tick); counts and details may be refreshed.
        workers_changed: `tuple[WorkerView, ...]`.
        health_changed: `BrokerHealth`.
        intake_finished: `IntakeReport`.
        failed: `UserFacingError` of a wish or of the background.
        crashed: an exception that is a bug.
        connection_tested: `ConnectionReport`.
    """

    updated = Signal()
    workers_changed = Signal(object)
    health_changed = Signal(object)
    intake_finished = Signal(object)
    failed = Signal(object)
    crashed = Signal(object)
    connection_tested = Signal(object)

    def __init__(self, model: TaskModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._session: SessionApi | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._changed: dict[FileId, FileRecord] = {}
        self._added: dict[FileId, FileRecord] = {}
        self._removed: set[FileId] = set()
        self._workers: tuple[WorkerView, ...] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: list[tuple[Sequence[Path], EnhancementSettings | None, Path | None]] = []
        self._ticks = 0
        self._timer = QTimer(self)
        self._timer.setObjectName("repaint tick")
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.flush)

    # ---------------------------------------------------------------- life

    @property
    def session(self) -> SessionApi | None:
        """The core, once it runs."""
        return self._session

    def attach(self, session: SessionApi) -> None:
        """Show a running session: its rows at once, its changes from now on; then hand over waiting files."""
        self._session = session
        self._unsubscribe = session.events.subscribe(self._hear)
        self._model.add(tuple(session.files()))
        self.workers_changed.emit(tuple(session.workers()))
        self.health_changed.emit(session.health())
        self.updated.emit()
        self._timer.start()
        waiting, self._waiting = self._waiting, []
        for paths, settings, folder in waiting:
            self.add(paths, settings=settings, output_directory=folder)

    def detach(self) -> None:
        """Stop listening; what was heard is shown."""
        self._timer.stop()
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self.flush()
        self._session = None

    async def aclose(self) -> None:
        """Cancel what the widgets started and wait for it to end."""
        self.detach()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---------------------------------------------------------------- events in

    def _hear(self, event: Event) -> None:
        match event:
            case FileChanged(file=record):
                self._changed[record.file_id] = record
            case FilesAdded(files=records):
                self._hear_added(records)
            case FilesRemoved(file_ids=file_ids):
                self._removed.update(file_ids)
            case WorkersChanged(workers=workers):
                self._workers = workers
            case BrokerHealthChanged(health=health):
                self.health_changed.emit(health)
            case IntakeFinished(report=report):
                self.intake_finished.emit(report)
            case Notice(error=error):
                self.failed.emit(error)

    def _hear_added(self, records: tuple[FileRecord, ...]) -> None:
        if any(record.file_id in self._removed for record in records):
            self.flush()
        self._added.update((record.file_id, record) for record in records)

    def flush(self) -> None:
        """Give the model everything heard since the last tick."""
        has_changes = bool(self._added or self._changed or self._removed)
        if self._added:
            added, self._added = self._added, {}
            self._model.add(tuple(added.values()))
        if self._changed:
            changed, self._changed = self._changed, {}
            self._model.change(changed.values())
        if self._removed:
            removed, self._removed = self._removed, set()
            self._model.remove(removed)
        if self._workers is not None:
            workers, self._workers = self._workers, None
            self.workers_changed.emit(workers)
        self._ticks += 1
        if self._ticks % SORT_EVERY_TICKS == 0:
            self._model.sort_again()
        if has_changes:
            self.updated.emit()

    # ---------------------------------------------------------------- wishes out

    def add(
        self,
        paths: Sequence[Path],
        *,
        settings: EnhancementSettings | None = None,
        output_directory: Path | None = None,
    ) -> None:
        """Take files and folders; those that come before the core runs wait for it."""
        if not paths:
            return
        if self._session is None:
            self._waiting.append((tuple(paths), settings, output_directory))
            return
        session = self._session

        async def take() -> None:
            await session.add(paths, settings=settings, output_directory=output_directory)

        self.start(take(), name="add files")

    def cancel(self, file_ids: Sequence[FileId]) -> None:
        """Stop what has not finished."""
        self._wish(lambda session: session.cancel(file_ids), name="cancel files")

    def retry(self, file_ids: Sequence[FileId]) -> None:
        """Start failed and cancelled processes again."""
        self._wish(lambda session: session.retry(file_ids), name="retry files")

    def remove(self, file_ids: Sequence[FileId]) -> None:
        """Take rows off the list."""
        self._wish(lambda session: session.remove(file_ids), name="remove files")

    def clear_finished(self) -> None:
        """Take finished rows off the list."""
        self._wish(lambda session: session.clear_finished(), name="clear finished")

    def set_worker_count(self, count: int) -> None:
        """How many workers run on this computer."""
        self._wish(lambda session: session.set_worker_count(count), name="set worker count")

    def use_broker(self, url: str | None) -> None:
        """Switch between local mode and a RabbitMQ server."""
        self._wish(lambda session: session.use_broker(url), name="switch broker")

    def test_connection(self, url: str) -> None:
        """Try a RabbitMQ server; the answer comes as `connection_tested`."""

        async def try_it(session: SessionApi) -> None:
            self.connection_tested.emit(await session.test_connection(url))

        self._wish(try_it, name="test connection")

    def _wish(self, ask: Callable[[SessionApi], Coroutine[object, object, None]], *, name: str) -> None:
        if self._session is not None:
            self.start(ask(self._session), name=name)

    def start(self, work: Coroutine[object, object, None], *, name: str) -> asyncio.Task[None]:
        """Run a coroutine as a named task that is kept, awaited at the end, and whose failure is told."""
        task = asyncio.get_running_loop().create_task(work, name=f"window: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, UserFacingError):
            _log.warning("%s: %s (%s)", task.get_name(), error.title, error.detail)
            self.failed.emit(error)
        elif error is not None:
            self.crashed.emit(error)
