"""Locks that the system drops when their holder dies, however it dies.

On POSIX a folder itself is locked (`flock` on its descriptor), so that no lock file is left among a user's videos.
Windows cannot do that: there a small file inside the folder carries the lock.
"""

import contextlib
import errno
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_FILE_NAME: Final = ".lock"
_UNSUPPORTED = frozenset(
    {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EINVAL}
)


class HeldLock:
    """An open descriptor that carries a lock; -1 where the file system knows none."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def is_real(self) -> bool:
        """False where the file system offers no locks and nothing is held."""
        return self._descriptor >= 0

    def holds(self, folder: Path) -> bool:
        """Whether this is still the folder of that name, and not one that was removed while it was being locked."""
        if not self.is_real or sys.platform == "win32":  # an open file cannot be removed there
            return folder.is_dir()
        try:
            return os.path.samestat(os.fstat(self._descriptor), folder.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Give the lock back; calling it twice does no harm."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def try_lock_file(path: Path) -> HeldLock | None:
    """Lock a file, made when absent; None when someone holds it.

    Raises:
        OSError: the file cannot be opened.
    """
    return _try_lock(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def try_lock_folder(folder: Path) -> HeldLock | None:
    """Lock a folder without waiting; None when someone holds it.

    Raises:
        FileNotFoundError: it was removed, by the last holder of its lock for example.
        OSError: the folder cannot be opened.
    """
    lock = _try_lock(_open_folder(folder))
    if lock is not None and not lock.holds(folder):
        lock.release()
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    return lock


def lock_folder(folder: Path) -> HeldLock:
    """Lock a folder, waiting for whoever holds it. Blocks: never on an event loop.

    Raises:
        OSError: the folder cannot be opened.
    """
    descriptor = _open_folder(folder)
    try:
        _lock(descriptor, wait=True)
    except OSError as error:
        os.close(descriptor)
        if error.errno in _UNSUPPORTED:
            return HeldLock(-1)
        raise
    return HeldLock(descriptor)


def _try_lock(descriptor: int) -> HeldLock | None:
    try:
        _lock(descriptor, wait=False)
    except OSError as error:
        os.close(descriptor)
        if error.errno in _UNSUPPORTED:
            return HeldLock(-1)
        if isinstance(error, BlockingIOError) or error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return None
        raise
    return HeldLock(descriptor)


def _open_folder(folder: Path) -> int:
    if sys.platform == "win32":
        return os.open(folder / LOCK_FILE_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _lock(descriptor: int, *, wait: bool) -> None:
    if sys.platform == "win32":
        if not wait:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            return
        while True:  # LK_LOCK gives up after ten seconds with EDEADLK
            with contextlib.suppress(OSError):
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
                return
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
