"""One rotating log per worker process; every line carries worker, file, task and attempt, never a credential."""

import logging
import logging.handlers
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.protocol.messages import WorkTask
from workers.protocol.states import ProcessType

LOG_FORMAT: Final = (
    "%(asctime)s %(levelname)s [worker=%(worker_id)s file=%(file_id)s task=%(task)s attempt=%(attempt)s] "
    "%(name)s: %(message)s"
)
MAX_LOG_BYTES: Final = 5_000_000
KEPT_LOGS: Final = 4
_CREDENTIALS = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]{0,30}://)[^\s/@]+(?::[^\s@]*)?@")
_PASSWORD_FIELD = re.compile(r"""(?i)\b(password|secret|token)(['"]?\s*[=:]\s*)(['"]?)[^\s'",;&]+""")


@dataclass(frozen=True, slots=True)
class LogContext:
    """The ids of what the current asyncio task works on."""

    worker_id: str = "-"
    file_id: str = "-"
    task: str = "-"
    attempt: str = "-"


_context: ContextVar[LogContext] = ContextVar("vidproc_log_context", default=LogContext())  # noqa: B039 - it is frozen


def task_context(worker_id: str, task: WorkTask, process_type: ProcessType) -> LogContext:
    """The ids of one attempt; a part is named beside its process."""
    work = process_type.value if task.part is None else f"{process_type.value}/{task.part}"
    return LogContext(worker_id, task.file_id, work, str(task.attempt))


@contextmanager
def log_context(context: LogContext) -> Iterator[None]:
    """Lines logged inside carry these ids, also from the tasks and threads started inside."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def redact(text: str) -> str:
    """The same text without user names and passwords in addresses and without the values of secret fields."""
    hidden = _CREDENTIALS.sub(r"\g<scheme>***@", text)
    return _PASSWORD_FIELD.sub(r"\1\2\3***", hidden)


class ContextFilter(logging.Filter):
    """Puts the current ids on every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the record through."""
        context = _context.get()
        record.worker_id = context.worker_id
        record.file_id = context.file_id
        record.task = context.task
        record.attempt = context.attempt
        return True


class RedactingFormatter(logging.Formatter):
    """Formats a record, its traceback included, and takes the credentials out of the whole."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, or several when there is a traceback."""
        return redact(super().format(record))


def open_log(folder: Path, name: str, level: str, *, to_stderr: bool) -> Path:
    """Send this process's log to `<folder>/<name>.log`, and to stderr where a person may look. Does file I/O.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.log"
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(
            path, maxBytes=MAX_LOG_BYTES, backupCount=KEPT_LOGS, encoding="utf-8", errors="backslashreplace"
        )
    ]
    if to_stderr:
        handlers.append(logging.StreamHandler(sys.stderr))
    root = logging.getLogger()
    for handler in handlers:
        handler.setFormatter(RedactingFormatter(LOG_FORMAT))
        handler.addFilter(ContextFilter())
        root.addHandler(handler)
    root.setLevel(level)
    for noisy in ("aiormq", "aio_pika", "asyncio", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("aiormq.connection").setLevel(
        logging.CRITICAL
    )  # what it reports is raised, and told in words
    return path


def close_log() -> None:
    """Flush and close every handler, so that a finished process leaves no open file behind."""
    root = logging.getLogger()
    for handler in tuple(root.handlers):
        root.removeHandler(handler)
        handler.close()
