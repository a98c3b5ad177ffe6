"""The hidden folder on the output's disk in which an attempt works, and the room it needs there.

`<output folder>/.vidproc/<file id>-<process>[.<part>]-<attempt>-<token>/` is locked while its owner lives, so that a
later attempt can tell a dead one's leavings from a live one's work. Blocking file I/O: belongs on a thread.
"""

import contextlib
import errno
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from workers.errors import TaskFailedError
from workers.protocol.segments import PartName
from workers.protocol.states import ErrorCode, ProcessType
from workers.runtime.leftovers import clear_leftovers
from workers.runtime.locks import HeldLock, try_lock_folder
from workers.runtime.sources import display_name, os_error_text

HIDDEN_FOLDER: Final = ".vidproc"
METADATA_NEED_BYTES: Final = 16_000_000
"""A document, a contact sheet and a thumbnail, generously."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class DiskFullError(TaskFailedError):
    """No room where the output belongs; carries the folder so that the worker can watch it."""

    def __init__(self, message: str, folder: Path, detail: str | None = None) -> None:
        super().__init__(ErrorCode.DISK_FULL, message, detail)
        self.folder = folder


class Workspace:
    """An attempt's own folder. Use as a context: it is locked inside and gone afterwards."""

    def __init__(self, path: Path, lock: HeldLock) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def create(
        cls,
        folder: Path,
        file_id: str,
        process_type: ProcessType,
        attempt: int,
        *,
        part: PartName | None = None,
    ) -> Self:
        """Make and lock a new workspace inside `folder`, and clear away what dead attempts of this task left.

        Other parts of the file are other tasks: they are worked on elsewhere at the same time.

        Raises:
            TaskFailedError: OUTPUT_NOT_WRITABLE or DISK_FULL.
        """
        prefix = f"{file_id}-{process_type.value}{'' if part is None else f'.{part}'}-"
        try:
            path, lock = _make_locked(folder, f"{prefix}{attempt}-{secrets.token_hex(4)}")
        except OSError as error:
            raise output_error(error, folder) from error
        clear_leftovers(path.parent, path, prefix)
        return cls(path, lock)

    def close(self) -> None:
        """Remove the folder and what is in it; the hidden parent goes with the last one."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)  # Windows keeps a locked file until it is released
        with contextlib.suppress(OSError):  # another attempt works there
            self.path.parent.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _make_locked(folder: Path, name: str) -> tuple[Path, HeldLock]:
    """A new locked folder. Retries when a finishing attempt removes the hidden parent at the same moment.

    Every try has a name of its own: another attempt may be about to remove the folder of the last one, which it took
    for a dead one's before it was locked.
    """
    for number in range(20):
        hidden = folder / HIDDEN_FOLDER
        hidden.mkdir(parents=True, exist_ok=True)
        path = hidden / (f"{name}-{number}" if number else name)
        try:
            path.mkdir()
            lock = try_lock_folder(path)
        except FileNotFoundError:
            continue
        if lock is not None:
            return path, lock
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(folder))


def output_error(error: OSError, folder: Path) -> TaskFailedError:
    """What a refused write to the output folder means, as a sentence."""
    name = display_name(folder) or os_error_text(error)
    if error.errno in _FULL:
        return DiskFullError(f"The disk of the folder “{name}” is full.", folder, os_error_text(error))
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        reason = "it may not be written to"
    elif isinstance(error, FileExistsError | NotADirectoryError):
        reason = "a file is in the way of the folder"
    else:
        reason = (error.strerror or "unknown error").lower()
    return TaskFailedError(
        ErrorCode.OUTPUT_NOT_WRITABLE,
        f"The output folder “{name}” cannot be used: {reason}.",
        os_error_text(error),
    )


def needed_bytes(process_type: ProcessType, source_bytes: int, floor_bytes: int) -> int:
    """Room that an attempt needs before it starts.

    An enhanced file is rarely larger than its source; when it is, the encoder stops with the same error later.
    """
    if process_type is ProcessType.VIDEO_ENHANCEMENT:
        return source_bytes + floor_bytes
    return min(floor_bytes, METADATA_NEED_BYTES)


def check_room(folder: Path, needed: int) -> None:
    """Nothing when the folder's disk has `needed` bytes free.

    Raises:
        DiskFullError: with both numbers in words.
        TaskFailedError: OUTPUT_NOT_WRITABLE when the folder is gone.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise output_error(error, folder) from error
    if free < needed:
        raise DiskFullError(
            f"Not enough room in the folder “{display_name(folder)}”: {in_words(free)} free, "
            f"{in_words(needed)} needed.",
            folder,
        )


def has_room(folder: Path, floor_bytes: int) -> bool:
    """True when the folder's disk is above the floor, or is gone: then the next task tells why."""
    try:
        return shutil.disk_usage(folder).free >= floor_bytes
    except OSError:
        return True


def in_words(size_bytes: int) -> str:
    """`1.5 GB`: decimal units, as disks are sold."""
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    value = float(size_bytes)
    units = ["kB", "MB", "GB", "TB"]
    value /= 1000
    while value >= 999.95 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.1f} {units[0]}"
