"""The database's own thread: opens the file, gathers what was handed over, commits it, tells who waits.

Knows SQLite and the inbox; nothing of what the changes mean.
"""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vidproc_desktop.domain.library import TaskRecord
from vidproc_desktop.errors import UserFacingError
from vidproc_desktop.services.ports import Change
from vidproc_desktop.store import faults, rows, schema
from vidproc_desktop.store.lock import LockFile
from workers.protocol.model import FileId
from workers.protocol.segments import PartName
from workers.protocol.states import ProcessType

_log = logging.getLogger(__name__)

COMMIT_SPACING_S: Final = 0.02
"""At least this long between two commits: more statuses share one trip to the disk."""
PROGRESS_SPACING_S: Final = 0.5
RETRY_AFTER_S: Final = 1.0
WORLD_FAULTS: Final = (sqlite3.Error, OSError, ValueError, TypeError, schema.SchemaTooNewError)
"""What opening and reading a database can run into; the last three mean that its content is not ours."""

type Progress = dict[tuple[FileId, ProcessType, PartName | None], TaskRecord]


@dataclass(slots=True)
class Inbox:
    """What the loop's thread hands over. Every field is touched only while `wake` is held."""

    wake: threading.Condition = field(default_factory=threading.Condition)
    changes: list[Change] = field(default_factory=list)
    progress: Progress = field(default_factory=dict)
    jobs: list[Callable[[sqlite3.Connection], None]] = field(default_factory=list)
    batch: asyncio.Future[None] | None = None
    """Done when everything in `changes` is on the disk."""
    is_closing: bool = False
    has_unsaved: bool = False
    """True while changes of a failed transaction wait to be tried again."""


class Writer:
    """Runs on the database's thread from `run` to its end.

    Args:
        path: the SQLite file.
        inbox: what to write.
        loop: whose futures are resolved.
        on_trouble: called on the loop's thread when writing begins to fail.
    """

    def __init__(
        self,
        path: Path,
        inbox: Inbox,
        loop: asyncio.AbstractEventLoop,
        on_trouble: Callable[[UserFacingError], None],
    ) -> None:
        self._path = path
        self._inbox = inbox
        self._loop = loop
        self._on_trouble = on_trouble
        self._lock_file = LockFile(path.with_name(path.name + ".lock"))
        self._last_commit = self._last_progress = time.monotonic() - RETRY_AFTER_S
        self._kept: list[Change] = []
        """Changes whose transaction failed; first in the next one."""
        self._kept_progress: Progress = {}

    def run(self, opened: asyncio.Future[None]) -> None:
        """Open, say so, write until told to close, then write what is left."""
        try:
            connection = self._open()
        except UserFacingError as error:
            self._loop.call_soon_threadsafe(fail, opened, error)
            return
        try:
            with closing(connection):
                self._loop.call_soon_threadsafe(resolve, opened, None)
                while self._turn(connection):
                    pass
        finally:
            self._lock_file.release()

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._lock_file.acquire():
                raise faults.in_use(self._path)
        except OSError as error:
            raise faults.explain(error, self._path) from error
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=10.0)
            _prepare(connection)
        except WORLD_FAULTS as error:
            if connection is not None:
                connection.close()
            self._lock_file.release()
            raise faults.explain(error, self._path) from error
        return connection

    def _turn(self, connection: sqlite3.Connection) -> bool:
        """Wait, take what has gathered, write it. False after the last time."""
        inbox = self._inbox
        with inbox.wake:
            while (pause := self._pause_s()) is None or pause > 0:
                inbox.wake.wait(pause)
            self._kept.extend(inbox.changes)
            inbox.changes = []
            jobs, inbox.jobs = inbox.jobs, []
            if inbox.is_closing or time.monotonic() >= self._last_progress + PROGRESS_SPACING_S:
                self._kept_progress |= inbox.progress
                inbox.progress = {}
            batch, inbox.batch = inbox.batch, None
            goes_on = not inbox.is_closing
        self._commit(connection, batch)
        for job in jobs:
            job(connection)
        return goes_on

    def _pause_s(self) -> float | None:
        """How long to wait: 0 to write now, None until somebody wakes us. Called under the lock."""
        inbox, now = self._inbox, time.monotonic()
        if inbox.is_closing or inbox.jobs:
            return 0.0
        due = []
        if inbox.changes or inbox.batch is not None:
            due.append(self._last_commit + (RETRY_AFTER_S if self._kept else COMMIT_SPACING_S))
        if inbox.progress:
            due.append(self._last_progress + PROGRESS_SPACING_S)
        if self._kept:
            due.append(self._last_commit + RETRY_AFTER_S)
        return max(0.0, min(due) - now) if due else None

    def _commit(self, connection: sqlite3.Connection, batch: asyncio.Future[None] | None) -> None:
        try:
            if self._kept or self._kept_progress:
                self._write(connection)
        except sqlite3.Error as error:
            told = faults.explain(error, self._path)
            self._note_trouble(told)
            if batch is not None:
                self._loop.call_soon_threadsafe(fail, batch, told)
        else:
            self._kept.clear()
            self._kept_progress.clear()
            with self._inbox.wake:
                self._inbox.has_unsaved = False
            if batch is not None:
                self._loop.call_soon_threadsafe(resolve, batch, None)

    def _write(self, connection: sqlite3.Connection) -> None:
        self._last_commit = time.monotonic()
        if self._kept_progress:
            self._last_progress = self._last_commit
        connection.execute("BEGIN IMMEDIATE")
        try:
            rows.apply_changes(connection, self._kept)
            rows.put_progress(connection, self._kept_progress.values())
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise

    def _note_trouble(self, told: UserFacingError) -> None:
        with self._inbox.wake:
            is_news = not self._inbox.has_unsaved
            self._inbox.has_unsaved = True
        if is_news:
            _log.warning("%s %s", told.title, told.detail)
            self._loop.call_soon_threadsafe(self._on_trouble, told)


def _prepare(connection: sqlite3.Connection) -> None:
    """Set up, check and migrate a fresh connection. Raises one of `WORLD_FAULTS`."""
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: a status is acknowledged to the broker once it is here, so it has to outlive a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise ValueError(found)
    schema.migrate(connection)


def resolve[T](future: asyncio.Future[T], value: T) -> None:
    """Set a result unless whoever waited has gone."""
    if not future.done():
        future.set_result(value)


def fail[T](future: asyncio.Future[T], error: Exception) -> None:
    """Set an exception unless whoever waited has gone."""
    if not future.done():
        future.set_exception(error)
