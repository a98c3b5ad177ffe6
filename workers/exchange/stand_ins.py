"""Sources that lie on another computer, as files here: a stand-in of the right name, size and time, filled when read.

A stand-in's folder holds

    <name>         an empty file of the source's size and time, for whoever asks the file system
    blocks.data    the bytes that were fetched, each at its place (a sparse file)
    blocks.there   one byte for each block: 1 when its bytes are in blocks.data
    source.json    where the bytes come from

Several processes may read one stand-in: a block is written before it is marked, and the same bytes twice do no harm.
Marks from before the computer was last started count for nothing: they may have reached the disk before the bytes.
"""

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, override

import psutil

from workers.exchange.addresses import Addresses
from workers.protocol.model import Uri, WireModel
from workers.protocol.segments import Sha256

BLOCK_BYTES: Final = 1 << 18
AHEAD_BLOCKS: Final = 16
"""Fetched together at most when a file is read one block after the other; it doubles up to this, 4 MiB."""
DATA_NAME: Final = "blocks.data"
THERE_NAME: Final = "blocks.there"
SOURCE_NAME: Final = "source.json"
_BUFFER_BYTES: Final = 1 << 17


class SourceDocument(WireModel):
    """What is written down of a stand-in."""

    url: Uri
    certificate_sha256: Sha256 | None
    size_bytes: int
    mtime_ns: int
    boot_s: int
    """When the computer was started, seconds since the epoch."""


def place(folder: Path, name: str, document: SourceDocument) -> Path:
    """Make a stand-in, or give one that is there a fresh address; its bytes stay. Blocking file I/O.

    Returns:
        The stand-in's path.

    Raises:
        OSError: the disk refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = _read_document(folder)
    path = folder / name
    is_same = (
        before is not None
        and (before.size_bytes, before.mtime_ns) == (document.size_bytes, document.mtime_ns)
        and abs(before.boot_s - document.boot_s) <= 2
        and path.exists()
    )
    if not is_same:
        (folder / THERE_NAME).unlink(missing_ok=True)
        for file, size in (
            (folder / DATA_NAME, document.size_bytes),
            (folder / THERE_NAME, -(-document.size_bytes // BLOCK_BYTES)),
            (path, document.size_bytes),
        ):
            with file.open("wb") as opened:
                opened.truncate(size)
    os.utime(path, ns=(document.mtime_ns, document.mtime_ns))
    temporary = folder / f"{SOURCE_NAME}.{os.getpid()}.{threading.get_ident()}"
    temporary.write_text(document.model_dump_json(), "utf-8")
    temporary.replace(folder / SOURCE_NAME)
    return path


def boot_s() -> int:
    """When this computer was started, seconds since the epoch."""
    return int(psutil.boot_time())


def _read_document(folder: Path) -> SourceDocument | None:
    try:
        return SourceDocument.model_validate_json((folder / SOURCE_NAME).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None


class Blocks:
    """The bytes of one stand-in; fetches what is missing. Safe on several threads; `close` lets go of everything.

    Raises:
        FileNotFoundError: there is no such stand-in.
    """

    def __init__(self, folder: Path, addresses: Addresses | None = None) -> None:
        document = _read_document(folder)
        if document is None:
            raise FileNotFoundError(str(folder / SOURCE_NAME))
        self._document = document
        self._tag: str | None = None
        self._addresses = addresses or Addresses(document.certificate_sha256)
        self._lock = threading.Lock()
        self._data = (folder / DATA_NAME).open("r+b", buffering=0)
        self._there = (folder / THERE_NAME).open("r+b", buffering=0)
        self._count = -(-document.size_bytes // BLOCK_BYTES)
        self._last = -1
        self._ahead = 1
        self.fetched_bytes = 0
        """Over the network, by this object."""
        self.failure: Exception | None = None
        """The first read that failed: a demuxer may take it for the end of the file."""

    @property
    def size_bytes(self) -> int:
        """Of the source."""
        return self._document.size_bytes

    def read_at(self, position: int, count: int) -> bytes:
        """Up to `count` bytes from `position` on; none at the end.

        Raises:
            TaskFailedError: they cannot be had.
            OSError: the disk refused.
        """
        count = min(count, self.size_bytes - position)
        if count <= 0:
            return b""
        first, last = position // BLOCK_BYTES, (position + count - 1) // BLOCK_BYTES
        with self._lock:
            try:
                self._have(first, last)
            except Exception as error:
                self.failure = self.failure or error
                raise
            self._data.seek(position)
            return self._data.read(count)

    def fetch(self, block: int) -> None:
        """Have one block.

        Raises:
            TaskFailedError: it cannot be had.
        """
        with self._lock:
            self._have(block, block)

    def close(self) -> None:
        """Let go of files and connections; a call that waits for the network ends."""
        self._addresses.close()
        with self._lock:
            self._data.close()
            self._there.close()

    def _have(self, first: int, last: int) -> None:
        marks = self._marks(first, min(last + AHEAD_BLOCKS, self._count - 1))
        if first not in {self._last, self._last + 1}:
            self._ahead = 1
        self._last = last
        wanted = last - first + 1
        number = 0
        while number < wanted:
            if marks[number]:
                number += 1
                continue
            # As far as it is missing; the longer the file is read onward, the further ahead.
            limit = min(len(marks), max(wanted, number + self._ahead))
            end = number + 1
            while end < limit and not marks[end] and end - number < AHEAD_BLOCKS:
                end += 1
            self._get(first + number, first + end)
            self._ahead = min(2 * self._ahead, AHEAD_BLOCKS)
            number = end

    def _marks(self, first: int, last: int) -> bytes:
        self._there.seek(first)
        return self._there.read(last - first + 1)

    def _get(self, first: int, end: int) -> None:
        """Fetch the blocks from `first` to before `end`: bytes, then marks."""
        start = first * BLOCK_BYTES
        count = min(end * BLOCK_BYTES, self.size_bytes) - start
        data, tag = self._addresses.read(self._document.url, start, count, self._tag)
        self._tag = self._tag or tag
        self.fetched_bytes += len(data)
        self._data.seek(start)
        _write_all(self._data, data)
        self._there.seek(first)
        _write_all(self._there, b"\1" * (end - first))


def _write_all(file: "io.FileIO | BinaryIO", data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


class BlockFile(io.RawIOBase):
    """A stand-in's bytes as a file that is only read. Closing it leaves the blocks open."""

    def __init__(self, blocks: Blocks, name: str) -> None:
        super().__init__()
        self._blocks = blocks
        self._position = 0
        self.name = name
        """For whoever tells a format by its name."""

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._position

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._blocks.size_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    @override
    def read(self, size: int | None = -1) -> bytes:
        count = self._blocks.size_bytes if size is None or size < 0 else size
        data = self._blocks.read_at(self._position, count)
        self._position += len(data)
        return data

    @override
    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # narrower than a Buffer
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class StandIns:
    """The stand-ins that a process may read: those below one folder, each opened once until `close`."""

    def __init__(self) -> None:
        self._root: Path | None = None
        self._open: dict[Path, Blocks] = {}
        self._lock = threading.Lock()

    def allow(self, root: Path) -> None:
        """From now on files below this folder are stand-ins."""
        self._root = root

    def holds(self, path: Path) -> bool:
        """True when the file is a stand-in. Looks for its document, and only below the folder that was allowed."""
        root = self._root
        return root is not None and path.is_relative_to(root) and (path.parent / SOURCE_NAME).exists()

    def open(self, path: Path) -> BlockFile:
        """A stand-in's bytes.

        Raises:
            FileNotFoundError: there is no such stand-in.
        """
        with self._lock:
            blocks = self._open.get(path)
            if blocks is None:
                blocks = self._open[path] = Blocks(path.parent)
        return BlockFile(blocks, path.name)

    @contextmanager
    def for_one_job(self) -> Iterator[None]:
        """Close afterwards what was opened: the next job has fresh addresses.

        Raises:
            Exception: what made a read fail, when the job has gone on without those bytes.
        """
        try:
            yield
            for blocks in self._open.values():
                if blocks.failure is not None:
                    raise blocks.failure
        finally:
            with self._lock:
                opened, self._open = self._open, {}
            for blocks in opened.values():
                blocks.close()


STAND_INS: Final = StandIns()
"""Of this process: set up once when it starts, read wherever a user's file is opened."""


def open_bytes(path: Path) -> BinaryIO:
    """A user's file for reading, wherever its bytes are.

    Raises:
        OSError: it cannot be opened.
    """
    if STAND_INS.holds(path):
        return io.BufferedReader(STAND_INS.open(path), _BUFFER_BYTES)
    return path.open("rb")
