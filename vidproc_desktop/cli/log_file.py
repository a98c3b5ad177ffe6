"""The command line's log: one rotating file in the log folder; nothing of it reaches the terminal."""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

_MAX_BYTES: Final = 2_000_000
_FORMAT: Final = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


def open_log(folder: Path, level: str) -> None:
    """Log there, or not at all when the folder cannot be written: the work does not depend on it."""
    package = logging.getLogger("vidproc_desktop")
    package.propagate = False  # warnings without a handler would be printed between the progress bars
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = RotatingFileHandler(
            folder / "cli.log", maxBytes=_MAX_BYTES, backupCount=3, encoding="utf-8", delay=True
        )
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter(_FORMAT))
    package.addHandler(handler)
    package.setLevel(level)
