"""The window's composition root: builds every object, starts and stops them in order.

The window shows at once, the core starts behind it. There is one way out: every wish to quit (close button, menu,
SIGINT, SIGTERM, the session manager) completes one future, and what follows it stops everything in order.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from logging.handlers import RotatingFileHandler
from pathlib import Path

import qasync
from PySide6.QtCore import QCoreApplication, QTimer
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication, QMessageBox

from vidproc_desktop import __version__
from vidproc_desktop.broker.accepter import LocalAccepter
from vidproc_desktop.broker.commands import WorkerRole, stdio_command
from vidproc_desktop.broker.local import LocalBroker, LocalCommands
from vidproc_desktop.broker.previewer import LocalPreviewer
from vidproc_desktop.broker.prober import LocalProber
from vidproc_desktop.broker.rabbitmq import (
    BrokerWorkers,
    RabbitMQBroker,
    broker_identity,
    test_connection,
)
from vidproc_desktop.config import PasswordPlace, Settings, load_settings, save_settings
from vidproc_desktop.errors import UserFacingError
from vidproc_desktop.exchanges import make_exchange
from vidproc_desktop.services.ports import Transport
from vidproc_desktop.services.presets import load_presets
from vidproc_desktop.services.session import Session, SessionOptions, SessionPorts
from vidproc_desktop.store.database import Database
from vidproc_desktop.ui.banner import Severity
from vidproc_desktop.ui.bridge import Bridge
from vidproc_desktop.ui.collector import favour_this_thread, keep_collections_short
from vidproc_desktop.ui.crash_report import BugReporter
from vidproc_desktop.ui.icons import IconName, icon
from vidproc_desktop.ui.main_window import MainWindow
from vidproc_desktop.ui.preferences import Preferences
from vidproc_desktop.ui.qt_log import log_qt_messages, quieten_player
from vidproc_desktop.ui.task_model import TaskModel
from vidproc_desktop.ui.theme import Theme
from vidproc_desktop.ui.window_state import WindowState
from vidproc_desktop.ui.words import count_of
from workers.protocol.settings import EnhancementSettings

_log = logging.getLogger(__name__)

_LOG_BYTES = 2_000_000
_LOG_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
_SETTINGS_OF = {
    "rabbitmq_url": "broker_url",
    "file_exchange": "file_exchange",
    "processed_dir": "output_directory",
    "worker_count": "worker_count",
    "max_processing_attempts": "max_attempts",
    "processing_timeout_s": "timeout_s",
}
"""Which setting keeps which preference; the preset's name is kept as well."""


def run(files: Sequence[Path], data_dir: Path | None) -> int:
    """Show the window until it is closed.

    Args:
        files: videos and folders to begin with.
        data_dir: where state and scratch files lie; None: the platform's folders.

    Returns:
        0, or 1 when the program could not start.
    """
    log_qt_messages()
    QCoreApplication.setApplicationName("Vidproc Desktop")
    QCoreApplication.setApplicationVersion(__version__)
    application = QApplication(sys.argv[:1])
    application.setDesktopFileName("vidproc-desktop")
    application.setWindowIcon(icon(IconName.APP))
    application.setQuitOnLastWindowClosed(False)  # the loop ends when everything has stopped, not before
    with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(application)) as runner:
        return runner.run(_main(application, [path.absolute() for path in files], data_dir))


async def _main(application: QApplication, files: Sequence[Path], data_dir: Path | None) -> int:
    theme = Theme(application)
    theme.start()
    try:
        settings = await asyncio.to_thread(load_settings, data_dir)
        await asyncio.to_thread(_open_log, settings)
        presets = {preset.name: preset.settings for preset in await asyncio.to_thread(load_presets)}
        state = await asyncio.to_thread(_open_state, settings)
    except UserFacingError as error:
        await _tell_and_wait(error)
        return 1
    return await Program(application, settings, theme=theme, state=state, presets=presets).run(files)


class Program:
    """One run of the window."""

    def __init__(
        self,
        application: QApplication,
        settings: Settings,
        *,
        theme: Theme,
        state: WindowState,
        presets: Mapping[str, EnhancementSettings],
    ) -> None:
        self._application = application
        self._settings = settings
        self._state = state
        theme.choose(state.appearance)
        self._preferences = _preferences(settings, state, presets)
        self._session = _make_session(settings, self._preferences, lambda: self._settings)
        self._model = TaskModel()
        self._bridge = Bridge(self._model)
        self._bugs = BugReporter()
        self._window = MainWindow(
            self._bridge,
            self._model,
            theme=theme,
            state=state,
            preferences=self._preferences,
            presets=presets,
        )
        self._shutdown: asyncio.Future[int] | None = None

    async def run(self, files: Sequence[Path]) -> int:
        """Show the window, start the core behind it, wait for the wish to quit, stop everything."""
        loop = asyncio.get_running_loop()
        self._shutdown = loop.create_future()
        self._connect(loop)
        self._window.show()
        quieten_player()
        if files:
            self._window.add(files)
        starting = loop.create_task(self._start_core(), name="start the core")
        try:
            return await self._shutdown
        finally:
            await self._stop(starting)

    def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        self._bugs.install()
        self._bugs.found.connect(self._window.tell_bug)
        self._bridge.crashed.connect(self._bugs.report)
        loop.set_exception_handler(self._on_loop_error)
        self._window.close_requested.connect(self._quit)
        self._window.preferences_chosen.connect(self._take_preferences)
        self._application.commitDataRequest.connect(lambda _manager: self._quit())
        if sys.platform == "win32":
            # No signal reaches a loop that sleeps inside Windows: a short turn now and then lets Python see it.
            signal.signal(signal.SIGINT, lambda *_: self._quit())
            waker = QTimer(self._window)
            waker.setInterval(250)
            waker.timeout.connect(lambda: None)
            waker.start()
        else:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._quit)

    async def _start_core(self) -> None:
        try:
            await self._session.start()
        except UserFacingError as error:
            _log.error("the core does not start: %s (%s)", error.title, error.detail)
            self._window.hide()  # nothing can be done in it
            await _tell_and_wait(error)
            self._quit(1)
            return
        except Exception as error:  # noqa: BLE001 - a bug is told in the window, which is there already
            self._bugs.report(error)
            return
        self._bridge.attach(self._session)
        favour_this_thread()
        keep_collections_short()
        unfinished = sum(not record.is_finished for record in self._session.files())
        if unfinished:
            self._window.status_line.say(f"Going on with {count_of(unfinished, 'unfinished file')}")

    def _quit(self, code: int = 0) -> None:
        if self._shutdown is not None and not self._shutdown.done():
            self._shutdown.set_result(code)

    async def _stop(self, starting: asyncio.Task[None]) -> None:
        """Stop in the opposite order of starting. What is unfinished goes on at the next start."""
        self._window.save_state()
        self._window.hide()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await self._bridge.aclose()
        try:
            await self._session.aclose()
        except UserFacingError as error:
            _log.error("the last changes were not stored: %s (%s)", error.title, error.detail)
        self._window.close_for_good()
        self._bugs.uninstall()

    def _on_loop_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            self._bugs.report(error)
        else:
            _log.error("event loop: %s", context.get("message"))

    # ---------------------------------------------------------------- settings

    def _take_preferences(self, chosen: Preferences) -> None:
        before, self._preferences = self._preferences, chosen
        self._bridge.start(self._apply(before, chosen), name="save settings")

    async def _apply(self, before: Preferences, chosen: Preferences) -> None:
        self._state.strength = chosen.settings.strength
        changes: dict[str, object] = {
            name: getattr(chosen, field)
            for name, field in _SETTINGS_OF.items()
            if getattr(chosen, field) != getattr(before, field)
        }
        if chosen.settings.preset != before.settings.preset:
            changes["preset"] = chosen.settings.preset
        if changes:
            self._settings, place = await asyncio.to_thread(save_settings, self._settings, changes)
            if place is PasswordPlace.MEMORY:
                self._window.banner.tell(
                    Severity.INFO,
                    "The server's password is kept until you quit.",
                    "This computer offers no keyring to keep it in.",
                )
        if self._bridge.session is None:
            return
        if "worker_count" in changes:
            await self._session.set_worker_count(chosen.worker_count)
        if changes.keys() & {"rabbitmq_url", "file_exchange"}:
            await self._session.use_broker(chosen.broker_url)
        self._session.change_limits(timeout_s=chosen.timeout_s, max_attempts=chosen.max_attempts)


def _preferences(
    settings: Settings, state: WindowState, presets: Mapping[str, EnhancementSettings]
) -> Preferences:
    preset = presets.get(settings.preset, EnhancementSettings())
    strength = state.strength
    if strength is not None:
        preset = preset.model_copy(update={"strength": strength})
    return Preferences(
        output_directory=str(settings.processed_dir),
        worker_count=settings.worker_count,
        max_attempts=settings.max_processing_attempts,
        timeout_s=settings.processing_timeout_s,
        broker_url=settings.rabbitmq_url,
        file_exchange=settings.file_exchange,
        settings=preset,
        appearance=state.appearance,
    )


def _make_session(settings: Settings, preferences: Preferences, current: Callable[[], Settings]) -> Session:
    environment = settings.worker_environment()
    commands = LocalCommands(
        enhance=stdio_command(WorkerRole.ENHANCE, settings.data_dir, environment),
        metadata=stdio_command(WorkerRole.METADATA, settings.data_dir, environment),
    )
    ports = SessionPorts(
        store=Database(settings.database_path),
        prober=LocalProber(commands.metadata, max_size_bytes=settings.max_size_bytes),
        connect=partial(_connect, settings, commands),
        test_connection=test_connection,
        broker_identity=broker_identity,
        previewer=LocalPreviewer(commands.metadata),
        accepter=LocalAccepter(commands.metadata),
        exchange=lambda url, client_id: make_exchange(current(), url, client_id),
    )
    options = SessionOptions(
        output_directory=settings.processed_dir,
        data_directory=settings.data_folder,
        settings=preferences.settings,
        broker_url=settings.rabbitmq_url,
        worker_count=settings.worker_count,
        max_size_bytes=settings.max_size_bytes,
        timeout_s=settings.processing_timeout_s,
        max_attempts=settings.max_processing_attempts,
        segment_from_s=settings.segment_from_s,
        segment_s=settings.segment_s,
        metadata_directory=settings.metadata_dir,
        thumbnails_directory=settings.thumbnails_dir,
    )
    return Session(ports, options)


def _connect(settings: Settings, commands: LocalCommands, url: str | None, client_id: str) -> Transport:
    if url is None:
        local = LocalBroker(commands, count=settings.worker_count)
        return Transport(local, local, is_local=True)
    workers = BrokerWorkers(url, data_dir=settings.data_dir, environment=settings.worker_environment())
    return Transport(RabbitMQBroker(url, client_id=client_id, workers=workers), workers, is_local=False)


def _open_state(settings: Settings) -> WindowState:
    return WindowState(settings.data_folder / "window.ini")


def _open_log(settings: Settings) -> None:
    """Log to a rotating file; the work does not depend on it."""
    package = logging.getLogger("vidproc_desktop")
    handler: logging.Handler
    try:
        settings.log_folder.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            settings.log_folder / "window.log", maxBytes=_LOG_BYTES, backupCount=3, encoding="utf-8"
        )
    except OSError:
        handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_LOG_FORMAT))
    package.addHandler(handler)
    package.setLevel(settings.log_level)


async def _tell_and_wait(error: UserFacingError) -> None:
    """Say in words why the program cannot start, and wait until that was read."""
    box = QMessageBox()
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Vidproc Desktop")
    box.setText(error.title)
    box.setInformativeText("\n\n".join(part for part in (error.hint, error.detail) if part))
    box.setStandardButtons(QMessageBox.StandardButton.Close)
    box.button(QMessageBox.StandardButton.Close).setIcon(QIcon())  # as in the other dialogs
    closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    box.finished.connect(lambda _result: None if closed.done() else closed.set_result(None))
    box.open()
    try:
        await closed
    finally:
        box.deleteLater()
