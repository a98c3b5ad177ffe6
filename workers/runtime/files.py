"""Moving finished files to their final names: durable, atomic, and never over a file that is already there.

Everything here does blocking file I/O and belongs on a thread.
"""

import contextlib
import ctypes
import errno
import hashlib
import os
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

DEFAULT_NAME_MAX: Final = 255
_AT_FDCWD: Final = -100
_RENAME_NOREPLACE: Final = 1
"""Both from Linux' fcntl.h and fs.h; see renameat2(2)."""
_NO_SUCH_CALL = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})
_NO_LINKS = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}
)


def rename_without_replacing(source: Path, target: Path) -> None:
    """Give a file its final name in one step. Where the name is taken nothing changes.

    Raises:
        FileExistsError: `target` exists.
        OSError: anything else that the disk refuses.
    """
    if sys.platform == "win32":
        source.rename(target)  # refuses an existing target there
        return
    if sys.platform == "linux" and _renameat2(source, target):
        return
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # FAT and some network disks know neither call. Publications of this program exclude each other by a lock.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        source.rename(target)
    else:
        source.unlink()


def _renameat2(source: Path, target: Path) -> bool:
    """True when done, False where the kernel or the file system does not know the call."""
    function = _libc_renameat2()
    if function is None:
        return False
    if function(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_SUCH_CALL:
        return False
    raise OSError(number, os.strerror(number), str(source), None, str(target))


@cache
def _libc_renameat2() -> Any | None:
    """The C function, or None with a C library older than glibc 2.28."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    function.restype = ctypes.c_int
    return function


def sync_file(path: Path) -> None:
    """Return when the file's bytes are on the disk."""
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Return when the folder's names are on the disk; some systems cannot promise that."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes) -> None:
    """Write a new file and return when it is on the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def copy_durably(source: Path, target: Path) -> Path:
    """Copy a file to a new name on another disk and return that name when its bytes are there."""
    shutil.copyfile(source, target)
    sync_file(target)
    return target


def remove_file(path: Path) -> None:
    """Remove a file that may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def sha256_of(path: Path) -> str:
    """Hex digest of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def name_limit_bytes(folder: Path) -> int:
    """Longest file name the folder's disk takes (143 bytes on eCryptfs, 255 nearly everywhere)."""
    if sys.platform == "win32":
        return DEFAULT_NAME_MAX
    try:
        limit = os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        return DEFAULT_NAME_MAX
    return min(limit, DEFAULT_NAME_MAX) if limit > 0 else DEFAULT_NAME_MAX
