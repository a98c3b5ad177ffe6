"""`FileExchange` over a bucket: the desktop stores what workers need, signs addresses, fetches what they hand over.

A source is stored once, in the background: until it is there, its tasks stay in the outbox. What was handed over lies
in the bucket until it was taken over; what nobody took goes after a while.
"""

import asyncio
import logging
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from vidproc_desktop.bucket.keys import Keys
from vidproc_desktop.bucket.options import BucketOptions
from vidproc_desktop.bucket.storage import Storage
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.exchange_folders import (
    files_to_read,
    incoming_folder,
    is_whole,
    remove_incoming,
    sha256_of,
    unreadable_parts,
)
from vidproc_desktop.services.exchange_objects import objects_to_write, validity_s, writer_of
from vidproc_desktop.services.file_uris import local_path
from workers.protocol.messages import AnyWorkTask
from workers.protocol.model import FileId
from workers.protocol.states import ProcessType
from workers.protocol.transfers import ReadGrant, RemoteFiles, SentObject, WriteGrant

KEPT_FOR: Final = timedelta(days=14)
"""What nobody took over or cleared away is removed after this long, as on disks."""
_PATIENCE_S: Final = 5.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Upload:
    """A file on its way into the bucket."""

    task: asyncio.Task[None]
    size_bytes: int
    done_bytes: int = 0


class BucketExchange:
    """Files reach the workers through a bucket.

    Args:
        options: which bucket.
        client_id: whose tasks these are; two desktops may share a bucket.
        patience_s: how long `grant` waits for a source before it says that it is on its way.
    """

    def __init__(self, options: BucketOptions, client_id: str, *, patience_s: float = _PATIENCE_S) -> None:
        self._storage = Storage(options)
        self._keys = Keys(options.prefix, client_id)
        self._patience_s = patience_s
        self._uploads: dict[str, _Upload] = {}
        self._stored: set[str] = set()
        self._digests: dict[tuple[str, int, int], str] = {}
        self._cleaner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Try the bucket, and clear away in the background what is old.

        Raises:
            UserFacingError: it cannot be used, and why.
        """
        now = await self._storage.check(self._keys.client)
        self._cleaner = asyncio.create_task(self._clean(now.timestamp()), name="clean bucket")

    async def aclose(self) -> None:
        """Stop what is on its way; it begins again next time."""
        tasks = [upload.task for upload in self._uploads.values()]
        if self._cleaner is not None:
            tasks.append(self._cleaner)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._uploads.clear()
        self._cleaner = None

    async def grant(self, task: AnyWorkTask, parts_folder: Path | None) -> RemoteFiles:
        """See `FileExchange`. While the source is being stored, it says how far that is."""
        await self._have_source(task)
        seconds = validity_s(task)
        try:
            paths = await asyncio.to_thread(files_to_read, task, parts_folder)
        except OSError as error:
            raise unreadable_parts(error) from error
        reads = [await self._offer(task, path, seconds) for path in paths]
        writes = [
            WriteGrant(name=name, url=await self._storage.sign("PUT", key, seconds))
            for name in objects_to_write(task)
            for key in [self._keys.sent(task, writer_of(task, name), name)]
        ]
        return RemoteFiles(
            host=platform.node(),
            source_url=await self._storage.sign("GET", self._keys.source(task), seconds),
            reads=tuple(reads),
            writes=tuple(writes),
        )

    async def received(
        self, task: AnyWorkTask, process_type: ProcessType, sent: Sequence[SentObject]
    ) -> Path:
        """See `FileExchange`: everything is fetched into a folder beside the results."""
        folder = incoming_folder(task, process_type)
        try:
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            for one in sent:
                target = folder / one.name
                if not await asyncio.to_thread(_is_there, target, one):
                    await self._storage.download(self._keys.sent(task, process_type, one.name), one, target)
        except OSError as error:
            raise UserFacingError(
                UserErrorCode.FOLDER_NOT_WRITABLE,
                "What a worker handed over cannot be kept in the output folder.",
                detail=str(error),
                hint="Check that it is there and has room.",
            ) from error
        return folder

    async def discard(self, task: AnyWorkTask, process_type: ProcessType) -> None:
        """See `FileExchange`."""
        await asyncio.to_thread(remove_incoming, task, process_type)
        below = self._keys.sent_of_task(task, process_type)
        keys = [one.key for one in await self._storage.objects(below)]
        attempts = {key: self._keys.attempt_of(key, task, process_type) for key in keys}
        await self._storage.delete(
            [key for key, n in attempts.items() if n is not None and n <= task.attempt]
        )

    async def forget(self, file_id: FileId) -> None:
        """Nobody works on the file any more: nothing of it stays in the bucket."""
        below = self._keys.file(file_id) + "/"
        for key, upload in tuple(self._uploads.items()):
            if key.startswith(below):
                upload.task.cancel()
        self._stored -= {key for key in self._stored if key.startswith(below)}
        await self._storage.delete([one.key for one in await self._storage.objects(self._keys.file(file_id))])

    # ------------------------------------------------------------ the source

    async def _have_source(self, task: AnyWorkTask) -> None:
        """Returns when the source is in the bucket.

        Raises:
            UserFacingError: it is on its way, or could not be stored.
        """
        key = self._keys.source(task)
        if key in self._stored:
            return
        upload = self._uploads.get(key)
        if upload is None:
            upload = self._begin(task, key)
        await asyncio.wait({upload.task}, timeout=self._patience_s)
        if upload.task.done():
            self._uploads.pop(key, None)
            if upload.task.cancelled():
                raise _on_its_way(upload)
            upload.task.result()
            self._stored.add(key)
            return
        raise _on_its_way(upload)

    def _begin(self, task: AnyWorkTask, key: str) -> _Upload:
        work = asyncio.create_task(self._store_source(task, key), name=f"store source of {task.file_id}")
        upload = self._uploads[key] = _Upload(work, task.source.size_bytes)
        return upload

    async def _store_source(self, task: AnyWorkTask, key: str) -> None:
        if await self._storage.size(key) == task.source.size_bytes:
            return
        path = local_path(task.source.uri)

        def count(size_bytes: int) -> None:
            upload = self._uploads.get(key)
            if upload is not None:
                upload.done_bytes += size_bytes

        try:
            await self._storage.upload(path, task.source.size_bytes, key, count)
        except OSError as error:
            raise UserFacingError(
                UserErrorCode.STORAGE_REFUSED,
                f"“{path.name}” cannot be read, so it cannot be stored in the bucket.",
                detail=str(error),
            ) from error
        if await self._storage.size(key) != task.source.size_bytes:
            await self._storage.delete([key])
            raise UserFacingError(
                UserErrorCode.STORAGE_REFUSED, f"“{path.name}” was changed while it was stored in the bucket."
            )

    # ------------------------------------------------------------ what lies beside it

    async def _offer(self, task: AnyWorkTask, path: Path, seconds: float) -> ReadGrant:
        """Have one file of the parts' folder in the bucket.

        Raises:
            UserFacingError: it cannot be stored, or has gone.
        """
        try:
            sha256, size_bytes = await asyncio.to_thread(self._digest, path)
            key = self._keys.content(task, sha256)
            if key not in self._stored and await self._storage.size(key) != size_bytes:
                await self._storage.upload(path, size_bytes, key, lambda _: None)
        except OSError as error:
            raise unreadable_parts(error) from error
        self._stored.add(key)
        url = await self._storage.sign("GET", key, seconds)
        return ReadGrant(name=path.name, url=url, size_bytes=size_bytes, sha256=sha256)

    def _digest(self, path: Path) -> tuple[str, int]:
        """SHA-256 and size; computed once for each state of the file."""
        found = path.stat()
        state = (str(path), found.st_size, found.st_mtime_ns)
        if state not in self._digests:
            self._digests[state] = sha256_of(path)
        return self._digests[state], found.st_size

    async def _clean(self, now: float) -> None:
        """Remove what is old by the storage's own clock."""
        try:
            there = await self._storage.objects(self._keys.client)
            limit = now - KEPT_FOR.total_seconds()
            await self._storage.delete([one.key for one in there if one.changed_at.timestamp() < limit])
        except UserFacingError as error:
            _log.warning("the bucket was not tidied up: %s", error.title)


def _on_its_way(upload: _Upload) -> UserFacingError:
    percent = 100 * upload.done_bytes // max(upload.size_bytes, 1)
    return UserFacingError(
        UserErrorCode.STORAGE_UNREACHABLE, f"A source is being stored in the bucket: {min(percent, 100)} %."
    )


def _is_there(path: Path, expected: SentObject) -> bool:
    """True for what was fetched before. Does file I/O."""
    return path.is_file() and is_whole(path, expected)
