"""What dead attempts left in the hidden folder, and when it may go. Blocking file I/O: belongs on a thread."""

import contextlib
import logging
import re
import shutil
import time
from pathlib import Path
from typing import Final

from workers.runtime import files, names
from workers.runtime.locks import try_lock_folder

STALE_AFTER_S: Final = 24 * 3600.0
PARTS_STALE_AFTER_S: Final = 14 * 86_400.0
"""Twice the longest time limit of a task: whoever works in a parts' folder touched it when the work began."""
PARTS_PREFIX: Final = "parts-"
_PARTS_NAME: Final = re.compile(re.escape(PARTS_PREFIX) + r"[0-9a-f]{32}")
_log = logging.getLogger(__name__)


def clear_leftovers(hidden: Path, own: Path, prefix: str) -> None:
    """Remove workspaces of this prefix at once; others, which nobody may ever come back to, when long untouched.

    The wait is for network disks whose locks do not reach other computers. Parts' folders are nobody's workspace and
    outlive every attempt; they go when nobody has touched them for `PARTS_STALE_AFTER_S`.

    Args:
        hidden: the folder with all of them.
        own: spared in any case.
        prefix: how the names of one file's workspaces for the same task begin.
    """
    for folder in _folders_in(hidden):
        if folder == own or not _may_go(folder, prefix):
            continue
        with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's: not ours to judge
            lock = try_lock_folder(folder)
            if lock is None or not lock.is_real:
                continue
            with lock:
                if not _may_go(folder, prefix):  # somebody came back to it just now
                    continue
                remove_folder(folder)
            _log.info("removed what nobody works in any more: %s", folder.name)


def remove_folder(folder: Path) -> None:
    """Remove a locked folder. What a crash leaves of a parts' folder has no plan any more: nobody takes it for one.

    Raises:
        OSError: the plan cannot be removed.
    """
    files.remove_file(folder / names.SEGMENT_PLAN_NAME)
    shutil.rmtree(folder, ignore_errors=True)


def _may_go(folder: Path, prefix: str) -> bool:
    if _PARTS_NAME.fullmatch(folder.name):
        return _age_s([folder]) > PARTS_STALE_AFTER_S
    return folder.name.startswith(prefix) or _age_s([folder, *_entries_in(folder)]) > STALE_AFTER_S


def _age_s(paths: list[Path]) -> float:
    """Seconds since the youngest of them was written; 0 when one is gone meanwhile."""
    try:
        return time.time() - max(path.stat().st_mtime for path in paths)
    except OSError:
        return 0.0


def _folders_in(folder: Path) -> list[Path]:
    return [entry for entry in _entries_in(folder) if entry.is_dir()]


def _entries_in(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
