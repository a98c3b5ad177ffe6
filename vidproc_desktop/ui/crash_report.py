"""Bugs: every one goes to the log with its traceback, and the user is told once per run, with a report to copy."""

import logging
import platform
import re
import sys
import threading
import traceback
from types import TracebackType

from PySide6.QtCore import QObject, Qt, Signal, qVersion

from vidproc_desktop import __version__

_log = logging.getLogger(__name__)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*(?=@)")


def report_text(error: BaseException) -> str:
    """What "copy report" puts on the clipboard: versions and traceback, never credentials."""
    trace = "".join(traceback.format_exception(error))
    head = (
        f"Vidproc Desktop {__version__}, Python {platform.python_version()}, Qt {qVersion()}, "
        f"{platform.system()} {platform.release()} {platform.machine()}"
    )
    return without_credentials(f"{head}\n\n{trace}")


def without_credentials(text: str) -> str:
    """The text with user and password of every URL replaced."""
    return _CREDENTIALS.sub("***", text)


class BugReporter(QObject):
    """Catches what nobody expected.

    Signals:
        found: the report of the first bug of this run.
    """

    found = Signal(str)
    _heard = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._has_told = False
        # A bug on another thread is told on the GUI thread.
        self._heard.connect(self._tell, Qt.ConnectionType.AutoConnection)

    def install(self) -> None:
        """Catch exceptions of slots, of callbacks and of threads from now on."""
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception

    def uninstall(self) -> None:
        """Give Python its own hooks back."""
        sys.excepthook = sys.__excepthook__
        threading.excepthook = threading.__excepthook__

    def report(self, error: BaseException) -> None:
        """Log a bug, and tell it when it is the first."""
        _log.error("unexpected error", exc_info=error)
        self._heard.emit(error)

    def _on_exception(
        self, _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            return
        self.report(error)

    def _on_thread_exception(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            self.report(arguments.exc_value)

    def _tell(self, error: BaseException) -> None:
        if not self._has_told:
            self._has_told = True
            self.found.emit(report_text(error))
