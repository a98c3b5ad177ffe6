"""Where workers keep what they have of other computers' files: one folder a file, for all workers of this computer.

    <root>/<key>/source/      the stand-in of the source with the blocks that were fetched
    <root>/<key>/out/         what was made, and the parts' folder
    <root>/<key>/in-use/      one locked file for each attempt at work there; it says how much room the attempt may need

Room is what the disk has free less what the attempts at work may still need. Folders in which nobody works go when they
are old, and the longest unused ones when room is short. Blocking file I/O: belongs on a thread.
"""

import contextlib
import hashlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.protocol.messages import WorkTask
from workers.runtime.locks import HeldLock, lock_folder, try_lock_file
from workers.runtime.workspace import DiskFullError, in_words, output_error

KEPT_FOR_S: Final = 2 * 86_400.0
_IN_USE: Final = "in-use"
_KEY_CHARACTERS: Final = 24
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scratch:
    """One file's folder, held by one attempt until `close`."""

    folder: Path
    _mark: Path
    _lock: HeldLock

    @property
    def source(self) -> Path:
        """Folder of the stand-in."""
        return self.folder / "source"

    @property
    def out(self) -> Path:
        """Folder for what is made."""
        return self.folder / "out"

    def close(self) -> None:
        """Let go of it; what is there stays for the next task of the file."""
        with contextlib.suppress(FileNotFoundError):
            self._mark.unlink()
        self._lock.release()
        with contextlib.suppress(OSError):  # it counts as unused from now on; removed meanwhile is as good
            os.utime(self.folder)


def scratch_key(task: WorkTask) -> str:
    """Name of the folder of a task's file: another one when the file has changed."""
    source = task.source
    text = f"{task.client_id}\n{task.file_id}\n{source.size_bytes}\n{source.mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_CHARACTERS]


def open_scratch(root: Path, task: WorkTask, need_bytes: int, floor_bytes: int) -> Scratch:
    """Hold the folder of a task's file, and room for what the attempt may need.

    Args:
        root: of all workers of this computer.
        task: whose file it is.
        need_bytes: how much the attempt may write at most.
        floor_bytes: what has to stay free on the disk.

    Raises:
        DiskFullError: there is not so much room, also after clearing away what nobody uses.
        TaskFailedError: OUTPUT_NOT_WRITABLE.
    """
    folder = root / scratch_key(task)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with lock_folder(root):
            _make_room(root, folder, need_bytes + floor_bytes)
            return _hold(folder, need_bytes)
    except OSError as error:
        raise output_error(error, root) from error


def _hold(folder: Path, need_bytes: int) -> Scratch:
    marks = folder / _IN_USE
    marks.mkdir(parents=True, exist_ok=True)
    mark = marks / f"{os.getpid()}-{secrets.token_hex(4)}"
    lock = try_lock_file(mark)
    assert lock is not None, "the name is new"
    mark.write_text(str(need_bytes), "ascii")
    return Scratch(folder, mark, lock)


def _make_room(root: Path, own: Path, wanted_bytes: int) -> None:
    """Nothing when there is, or can be made, so much room.

    Raises:
        DiskFullError: there is not.
    """
    reserved = 0
    idle: list[tuple[float, Path]] = []
    for folder in [entry for entry in root.iterdir() if entry.is_dir()]:
        needs = list(_needs(folder))
        reserved += sum(needs)
        if not needs and folder != own:
            idle.append((_used_at(folder), folder))
    idle.sort()
    now = time.time()
    while idle and now - idle[0][0] > KEPT_FOR_S:
        _remove(idle.pop(0)[1])
    while (room := shutil.disk_usage(root).free - reserved) < wanted_bytes:
        if not idle:
            raise DiskFullError(
                f"Not enough room for files of other computers: {in_words(max(room, 0))} free that nobody "
                f"else needs, {in_words(wanted_bytes)} needed.",
                root,
            )
        _remove(idle.pop(0)[1])


def _needs(folder: Path) -> Iterator[int]:
    """What the attempts at work in a folder may need; the marks of dead ones go."""
    try:
        marks = list((folder / _IN_USE).iterdir())
    except OSError:
        return
    for mark in marks:
        lock = try_lock_file(mark)
        if lock is None:
            text = mark.read_text("ascii")
            yield int(text) if text.isdigit() else 0
        elif lock.is_real:
            with lock, contextlib.suppress(FileNotFoundError):
                mark.unlink()
        else:
            yield 0  # no locks on this disk: never taken for dead


def _used_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _remove(folder: Path) -> None:
    _log.info("removed what was kept of another computer's file: %s", folder.name)
    shutil.rmtree(folder, ignore_errors=True)
