"""`ProcessingState`: what is being done to each file, shared by several processes, synchronous.

One row for each (file, process) in a SQLite file (WAL). Table `processing_states`: `file_id`, `process_type` (empty:
the file as a whole), `status`, `progress` (0–100, never falls while a run lasts), `error`, `updates` (how often the
row was updated), `updated_at` (seconds since the epoch). Each update is one transaction; nothing is lost between
processes, and each sees what the others wrote. Blocking file I/O: belongs on a thread.
"""

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypedDict, cast

from vidproc_desktop.store import faults
from workers.protocol.states import ProcessType, Status

DEFAULT_STATE_FILE: Final = "processing_states.sqlite3"
_WAIT_S: Final = 60.0
_WHOLE_FILE: Final = ""
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS processing_states (
    file_id TEXT NOT NULL,
    process_type TEXT NOT NULL,
    status TEXT NOT NULL,
    progress INTEGER NOT NULL,
    error TEXT,
    updates INTEGER NOT NULL,
    updated_at REAL NOT NULL,
    PRIMARY KEY (file_id, process_type)
) WITHOUT ROWID
"""
# A run goes on while its state is not final; `pending` after a final state begins the next.
_UPDATE: Final = """
INSERT INTO processing_states VALUES (:file_id, :process_type, :status, :progress, :error, 1, :now)
ON CONFLICT (file_id, process_type) DO UPDATE SET
    progress = CASE
        WHEN processing_states.status IN ('completed', 'failed', 'cancelled')
             AND excluded.status IN ('pending', 'processing') THEN excluded.progress
        ELSE max(processing_states.progress, excluded.progress)
    END,
    status = excluded.status, error = excluded.error, updated_at = excluded.updated_at,
    updates = processing_states.updates + 1
RETURNING process_type, status, progress, error, updates, updated_at
"""


class ProcessState(TypedDict, total=False):
    """State of one process of a file; empty when nobody has said anything."""

    status: str
    progress: int
    error: str | None
    updates: int
    updated_at: float


class FileState(ProcessState, total=False):
    """State of a file: of the whole, where somebody set it, and of each of its processes."""

    video_enhancement: ProcessState
    metadata_extraction: ProcessState


class ProcessingState:
    """Processing states in one file. Loads what is there; creates nothing before the first update.

    Args:
        state_file_path: the SQLite file.

    Raises:
        UserFacingError: the file is there and cannot be read.
    """

    def __init__(self, state_file_path: str | os.PathLike[str] = DEFAULT_STATE_FILE) -> None:
        self._path = Path(state_file_path)
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process_id = 0
        self._states: dict[str, dict[str, ProcessState]] = {}
        self._closer = weakref.finalize(self, _nothing)
        if self._path.exists():
            self.load_state()

    def load_state(self) -> None:
        """Read again what every process has written. Raises UserFacingError."""
        with self._lock:
            self._states = {}
            if not self._path.exists():
                return
            for row in self._execute(
                "SELECT file_id, process_type, status, progress, error, updates, updated_at FROM processing_states"
            ):
                self._states.setdefault(row[0], {})[row[1]] = _state(row[2:])

    def save_state(self) -> None:
        """Bring everything committed into the main file and to the disk. Raises UserFacingError."""
        with self._lock:
            if self._path.exists():
                self._execute("PRAGMA wal_checkpoint(FULL)")

    def update_state(
        self,
        file_id: str,
        status: str,
        progress: int = 0,
        error: str | None = None,
        process_type: str | None = None,
    ) -> None:
        """Commit one row.

        Args:
            file_id: the file.
            status: `pending`, `processing`, `completed`, `failed` or `cancelled`.
            progress: percent; never falls until the run is over and another begins.
            error: why it failed.
            process_type: `video_enhancement`, `metadata_extraction`, or None for the file as a whole.

        Raises:
            ValueError: a status, progress or process type that does not exist.
            UserFacingError: the disk or the file failed.
        """
        if not 0 <= progress <= 100:
            raise ValueError(f"progress is a percentage, not {progress}")
        values: Mapping[str, object] = {
            "file_id": file_id,
            "process_type": ProcessType(process_type).value if process_type is not None else _WHOLE_FILE,
            "status": Status(status).value,
            "progress": int(progress),
            "error": error,
            "now": time.time(),
        }
        with self._lock:
            row = self._execute(_UPDATE, values)[0]
            self._states.setdefault(file_id, {})[row[0]] = _state(row[1:])

    def get_state(self, file_id: str, process_type: str | None = None) -> FileState:
        """What the file, or one of its processes, has come to; an empty dictionary when nobody has said anything.

        Raises:
            UserFacingError: the file cannot be read.
        """
        with self._lock:
            if self._path.exists():
                self._refresh(file_id)
            states = self._states.get(file_id, {})
            if process_type is not None:
                found = states.get(ProcessType(process_type).value, ProcessState())
                return cast("FileState", found.copy())
            whole = cast("FileState", states.get(_WHOLE_FILE, FileState()).copy())
            if ProcessType.VIDEO_ENHANCEMENT in states:
                whole["video_enhancement"] = states[ProcessType.VIDEO_ENHANCEMENT].copy()
            if ProcessType.METADATA_EXTRACTION in states:
                whole["metadata_extraction"] = states[ProcessType.METADATA_EXTRACTION].copy()
            return whole

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            self._closer()
            self._connection = None

    def _refresh(self, file_id: str) -> None:
        found = self._execute(
            "SELECT process_type, status, progress, error, updates, updated_at FROM processing_states"
            " WHERE file_id = ?",
            (file_id,),
        )
        self._states[file_id] = {row[0]: _state(row[1:]) for row in found}

    def _execute(
        self, statement: str, values: Mapping[str, object] | tuple[object, ...] = ()
    ) -> list[tuple[Any, ...]]:
        try:
            # Every row is fetched: only then is a statement that returns rows done, and committed.
            return self._connected().execute(statement, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise faults.explain(error, self._path) from error

    def _connected(self) -> sqlite3.Connection:
        """This process's connection: one that was inherited over a fork must not be used."""
        if self._connection is None or self._process_id != os.getpid():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self._path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA synchronous = NORMAL")
            _to_wal(connection)
            connection.execute(_TABLE)
            self._closer.detach()
            self._closer = weakref.finalize(self, connection.close)
            self._connection, self._process_id = connection, os.getpid()
        return self._connection


def _to_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to a write-ahead log; of several processes that try at once, one succeeds for all."""
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # The busy handler is not asked for this switch; whoever holds the lock is doing the same.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            threading.Event().wait(0.01)
        else:
            return


def _state(row: tuple[object, ...]) -> ProcessState:
    status, progress, error, updates, updated_at = row
    return ProcessState(
        status=str(status),
        progress=int(str(progress)),
        error=None if error is None else str(error),
        updates=int(str(updates)),
        updated_at=float(str(updated_at)),
    )


def _nothing() -> None:
    """Stands in for closing a connection before there is one."""
