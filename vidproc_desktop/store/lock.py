"""A lock file that one process holds; the system takes it back when the process ends, however it ends."""

import os
import sys
from pathlib import Path
from typing import IO


class LockFile:
    """Exclusive, not waiting. Blocking file I/O: belongs on a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        """True when the lock is ours now. Raises OSError when the file cannot be made."""
        file = self._path.open("ab")
        try:
            taken = _try_lock(file)
        except BaseException:
            file.close()
            raise
        if not taken:
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Give it back. The file stays: removing it would let two processes lock two files of one name."""
        if self._file is not None:
            self._file.close()
            self._file = None


if sys.platform == "win32":  # pragma: no cover - other system
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        os.set_inheritable(file.fileno(), False)
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
