"""Objects that workers hand over, block by block, until they are whole. Blocking file I/O: belongs on a thread.

While it grows, an object lies under `.<name>.part` in its folder; its length is how much of it is there. It gets its
name when its last block has come and its SHA-256 is the announced one. A block at offset 0 begins the object anew:
another worker may have been given the same attempt.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vidproc_desktop.services.exchange_folders import sha256_of

RESERVE_BYTES: Final = 100_000_000
"""A disk is never filled to its end: the program that publishes what came needs room for its documents."""


class WrongOffset(Exception):
    """The block does not follow on what is there."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"{offset} bytes are there")
        self.offset = offset


class WrongDigest(Exception):
    """The bytes that came are other ones than those that were sent; they are gone."""


class TooLarge(Exception):
    """The object is larger than was allowed."""


class NoRoom(Exception):
    """The disk is too full."""


class BeingWritten(Exception):
    """Somebody else hands over the same object at this moment."""


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block belongs.

    Attributes:
        first: offset of its first byte.
        size_bytes: of the block.
        total_bytes: of the whole object.
        sha256: of the whole object, in hex, with the last block.
    """

    first: int
    size_bytes: int
    total_bytes: int
    sha256: str | None

    @property
    def is_last(self) -> bool:
        """True when the object is whole with it."""
        return self.first + self.size_bytes == self.total_bytes


class Writers:
    """Who writes which object right now, so that two never write one file. All on one event loop."""

    def __init__(self) -> None:
        self._busy: set[Path] = set()

    @contextmanager
    def only(self, path: Path) -> Iterator[None]:
        """Be the only writer.

        Raises:
            BeingWritten: somebody else is.
        """
        if path in self._busy:
            raise BeingWritten
        self._busy.add(path)
        try:
            yield
        finally:
            self._busy.remove(path)


def partial_path(target: Path) -> Path:
    """Where an object grows."""
    return target.with_name(f".{target.name}.part")


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of an object is there.

    Attributes:
        offset: where the next block begins.
        sha256: of the whole object, in hex; None while it is not whole.
    """

    offset: int
    sha256: str | None = None


def standing(target: Path) -> Standing:
    """How much of an object is there; of a whole one, also which bytes.

    Raises:
        OSError: it cannot be read.
    """
    with contextlib.suppress(FileNotFoundError):
        return Standing(partial_path(target).stat().st_size)
    try:
        return Standing(target.stat().st_size, sha256_of(target))
    except FileNotFoundError:
        return Standing(0)


class Writing:
    """One block on its way into an object. `add` its bytes in order, then `finish`; `close` in any case.

    What was added stays also when the block does not come to its end: the next one goes on there.
    """

    def __init__(self, target: Path, block: Block, limit_bytes: int) -> None:
        """Look whether the block fits.

        Raises:
            TooLarge: the object would be larger than allowed.
            WrongOffset: other bytes are there than those before the block.
            NoRoom: the disk is too full.
        """
        if block.total_bytes > limit_bytes:
            raise TooLarge
        self._target, self._block = target, block
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_path(target)
        if block.first == 0:
            partial.unlink(missing_ok=True)
        elif (there := partial.stat().st_size if partial.exists() else 0) != block.first:
            raise WrongOffset(there)
        if shutil.disk_usage(target.parent).free < block.size_bytes + RESERVE_BYTES:
            raise NoRoom
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._file = os.open(partial, flags, 0o600)
        self._added = 0

    def add(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            TooLarge: more came than was announced.
            OSError: the disk refused.
        """
        if self._added + len(data) > self._block.size_bytes:
            raise TooLarge
        rest = memoryview(data)
        while rest:
            written = os.write(self._file, rest)
            self._added += written
            rest = rest[written:]

    def finish(self) -> int:
        """The block has ended. The last one makes the object whole: checked, on the disk, under its name.

        Returns:
            How many bytes are there now.

        Raises:
            WrongDigest: the object is another one than was announced.
            OSError: the disk refused.
        """
        block, partial = self._block, partial_path(self._target)
        if block.is_last and self._added == block.size_bytes:
            os.fsync(self._file)
            self.close()
            if sha256_of(partial) != block.sha256:
                partial.unlink()
                raise WrongDigest
            partial.replace(self._target)
            _sync_folder(self._target.parent)
        return block.first + self._added

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
