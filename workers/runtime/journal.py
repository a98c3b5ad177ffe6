"""What a worker must not forget when it is killed: final statuses not yet sent, and attempts that were begun.

A small SQLite file, committed before a delivery is acknowledged. Its methods block and belong on a thread.
"""

import contextlib
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple, Self

from workers.protocol.codec import UndecodableMessage, decode_from_worker, encode
from workers.protocol.messages import StatusMessage, WorkTask
from workers.protocol.segments import PartName
from workers.protocol.states import ProcessType

KEPT_S: Final = 14 * 86_400.0
"""As long as a client's status queue lives; nobody waits for an older status."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, body BLOB NOT NULL, kept_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS begun_attempts (
    file_id TEXT NOT NULL, process_type TEXT NOT NULL, part TEXT NOT NULL, attempt INTEGER NOT NULL,
    times INTEGER NOT NULL, last_at REAL NOT NULL,
    PRIMARY KEY (file_id, process_type, part, attempt)
);
"""
_IS_OLD: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'begun'"
_UPGRADE: Final = """
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO begun_attempts SELECT file_id, process_type, '', attempt, times, last_at FROM begun;
DROP TABLE begun;
COMMIT;
"""
"""For a journal written before there were parts."""
_WHOLE: Final = ""
"""Stands for the whole file in the column `part`: a NULL would make every row of a primary key another one."""


class AttemptKey(NamedTuple):
    """What makes two deliveries the same attempt."""

    file_id: str
    process_type: ProcessType
    part: PartName | None
    attempt: int

    @classmethod
    def of(cls, task: WorkTask, process_type: ProcessType) -> Self:
        """The key of a task that does this process."""
        return cls(task.file_id, process_type, task.part, task.attempt)


class Journal:
    """One worker's journal; any thread may call it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open or make the file, and drop what is too old to matter.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.executescript(_SCHEMA)
            if connection.execute(_IS_OLD).fetchone():
                connection.executescript(_UPGRADE)
            oldest = time.time() - KEPT_S
            connection.execute("DELETE FROM outbox WHERE kept_at < ?", (oldest,))
            connection.execute("DELETE FROM begun_attempts WHERE last_at < ?", (oldest,))
        except sqlite3.Error:
            connection.close()
            raise
        self._connection = connection

    def close(self) -> None:
        """Close the file; calling it twice does no harm."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def keep(self, status: StatusMessage) -> None:
        """Keep a final status until it is sent; it survives a crash once this returns."""
        self._run("INSERT INTO outbox (body, kept_at) VALUES (?, ?)", (encode(status), time.time()))

    def unsent(self) -> list[tuple[int, StatusMessage]]:
        """Kept statuses, oldest first, with the number to drop them by."""
        rows = self._run("SELECT id, body FROM outbox ORDER BY id LIMIT 500", ())
        statuses: list[tuple[int, StatusMessage]] = []
        for number, body in rows:
            with contextlib.suppress(
                UndecodableMessage
            ):  # of another version of this program: nobody waits for it
                message = decode_from_worker(body)
                if isinstance(message, StatusMessage):
                    statuses.append((number, message))
                    continue
            self.drop(number)
        return statuses

    def drop(self, number: int) -> None:
        """Forget a status that was sent."""
        self._run("DELETE FROM outbox WHERE id = ?", (number,))

    def begin(self, key: AttemptKey) -> int:
        """Note that an attempt begins, and say how often it began before without coming to an end."""
        rows = self._run(
            "INSERT INTO begun_attempts VALUES (?, ?, ?, ?, 1, ?) "
            "ON CONFLICT DO UPDATE SET times = times + 1, last_at = excluded.last_at RETURNING times",
            (*_columns(key), time.time()),
        )
        return int(rows[0][0]) - 1

    def end(self, key: AttemptKey) -> None:
        """Note that an attempt came to an end, good or bad, or was given back."""
        self._run(
            "DELETE FROM begun_attempts WHERE file_id = ? AND process_type = ? AND part = ? AND attempt = ?",
            _columns(key),
        )

    def _run(self, statement: str, values: tuple[object, ...]) -> list[tuple[int, bytes]]:
        with self._lock:
            if self._connection is None:
                raise sqlite3.ProgrammingError("the journal is not open")
            return self._connection.execute(statement, values).fetchall()


def _columns(key: AttemptKey) -> tuple[str, str, str, int]:
    return key.file_id, key.process_type.value, key.part or _WHOLE, key.attempt
