"""The library in SQLite (WAL), behind one thread that owns the connection.

The loop's thread only appends to lists under a lock. Whatever has gathered while one transaction was on its way
to the disk goes into the next: a thousand statuses a second cost a few commits.
"""

import asyncio
import sqlite3
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from vidproc_desktop.domain.library import AttemptRecord, TaskRecord
from vidproc_desktop.errors import UserFacingError
from vidproc_desktop.services.ports import Change, LibrarySnapshot
from vidproc_desktop.store import faults, rows
from vidproc_desktop.store.writer import WORLD_FAULTS, Inbox, Writer, fail, resolve
from workers.protocol.model import FileId

_CLIENT_KEY: Final = "client_id"


class Database:
    """`LibraryStore` in one file. Constructing it touches nothing.

    Args:
        path: the SQLite file; its folder is made when missing. One process at a time holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inbox = Inbox()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: Callable[[UserFacingError], None] | None = None
        self._written: asyncio.Future[None] | None = None
        """The newest batch ever opened; it may be on its way to the disk."""

    def on_trouble(self, listener: Callable[[UserFacingError], None]) -> None:
        """Told on the loop's thread when writing begins to fail; once until it works again."""
        self._listener = listener

    async def start(self) -> None:
        """Open, check and migrate. Raises UserFacingError."""
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()
        self._inbox = Inbox()
        writer = Writer(self._path, self._inbox, loop, self._tell)
        # A daemon: a program that dies without closing must not hang; SQLite survives that.
        thread = threading.Thread(target=writer.run, args=(opened,), name="vidproc-database", daemon=True)
        thread.start()
        try:
            await asyncio.shield(opened)
        except UserFacingError:
            await asyncio.to_thread(thread.join)
            raise
        self._thread, self._loop = thread, loop

    async def aclose(self) -> None:
        """Write what is left and end the thread. Raises UserFacingError when it could not be written."""
        if self._thread is None:
            return
        thread, last = self._thread, self.settled()
        with self._inbox.wake:
            self._inbox.is_closing = True
            self._inbox.wake.notify()
        await asyncio.to_thread(thread.join)
        self._thread = self._loop = None
        if last is not None:
            await last

    def write(self, *changes: Change) -> asyncio.Future[None]:
        """Hand over changes; the future, shared with others, is done when they are on the disk."""
        with self._inbox.wake:
            self._inbox.changes.extend(changes)
            self._inbox.wake.notify()
            return self._open_batch()

    def write_progress(self, task: TaskRecord) -> None:
        """Hand over progress; only the last of each task is written."""
        with self._inbox.wake:
            self._inbox.progress[task.file_id, task.process_type, task.part] = task
            if len(self._inbox.progress) == 1:
                self._inbox.wake.notify()

    def settled(self) -> asyncio.Future[None] | None:
        """Done when everything handed over so far is on the disk; None when it is."""
        with self._inbox.wake:
            pending = self._inbox.batch or self._written
            if self._inbox.changes or self._inbox.has_unsaved:
                self._inbox.wake.notify()
                return self._open_batch()
            return pending if pending is not None and not pending.done() else None

    async def load(self) -> LibrarySnapshot:
        """Every row. Makes the client's id at the first start."""
        return await self._do(_snapshot)

    async def attempts(self, file_id: FileId) -> Sequence[AttemptRecord]:
        """The ledger of one file, oldest first."""
        return await self._do(lambda connection: rows.load_attempts(connection, file_id))

    async def get_meta(self, key: str) -> str | None:
        """A small remembered value."""
        return await self._do(lambda connection: _get_meta(connection, key))

    async def set_meta(self, key: str, value: str) -> None:
        """Remember a small value."""
        await self._do(lambda connection: _set_meta(connection, key, value))

    def _open_batch(self) -> asyncio.Future[None]:
        """The future of the batch that is being gathered. Called under the lock."""
        if self._loop is None:
            raise RuntimeError("the database is not open")
        if self._inbox.batch is None:
            batch: asyncio.Future[None] = self._loop.create_future()
            batch.add_done_callback(_retrieve)
            self._inbox.batch = self._written = batch
        return self._inbox.batch

    async def _do[T](self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run something on the database's thread, after everything handed over before."""
        if self._loop is None:
            raise RuntimeError("the database is not open")
        loop = self._loop
        answer: asyncio.Future[T] = loop.create_future()

        def run(connection: sqlite3.Connection) -> None:
            try:
                result = job(connection)
            except Exception as error:  # noqa: BLE001 - handed to the caller, who awaits it
                told = faults.explain(error, self._path) if isinstance(error, WORLD_FAULTS) else error
                loop.call_soon_threadsafe(fail, answer, told)
            else:
                loop.call_soon_threadsafe(resolve, answer, result)

        with self._inbox.wake:
            self._inbox.jobs.append(run)
            self._inbox.wake.notify()
        return await answer

    def _tell(self, error: UserFacingError) -> None:
        if self._listener is not None:
            self._listener(error)


def _snapshot(connection: sqlite3.Connection) -> LibrarySnapshot:
    client_id = _get_meta(connection, _CLIENT_KEY)
    if client_id is None:
        client_id = f"desktop-{uuid.uuid4().hex}"
        _set_meta(connection, _CLIENT_KEY, client_id)
    return LibrarySnapshot(client_id, rows.load_files(connection), rows.load_failures(connection))


def _get_meta(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _set_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def _retrieve(future: asyncio.Future[None]) -> None:
    """A batch that nobody awaits may fail without a word: the trouble was reported already."""
    if not future.cancelled():
        future.exception()
