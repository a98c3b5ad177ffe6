"""How much memory a job with all its processes really holds, and what happens when that is too much.

Resident memory is watched instead of limiting the address space (`RLIMIT_AS`): the media libraries map far more than
they touch, so that a limit on addresses would end harmless jobs.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

CHECK_INTERVAL_S: Final = 0.5
DEFAULT_SHARE: Final = 0.8
_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_log = logging.getLogger(__name__)


@cache
def default_limit_bytes() -> int:
    """80 % of the memory of this computer, or of the container around it when that is less."""
    total = psutil.virtual_memory().total
    for path in _CGROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # no such cgroup version, or "max"
            total = min(total, int(path.read_text(encoding="ascii")))
    return int(total * DEFAULT_SHARE)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and everything it started; 0 when it is gone. Reads the process table."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for process in family:
        with contextlib.suppress(psutil.Error):  # ended meanwhile
            total += process.memory_info().rss
    return total


class MemoryWatch:
    """Calls `on_excess` once when a process family outgrows the limit. Use as an async context."""

    def __init__(self, pid: int, limit_bytes: int, *, on_excess: Callable[[], None]) -> None:
        self._pid = pid
        self._limit_bytes = limit_bytes
        self._on_excess = on_excess
        self._task: asyncio.Task[None] | None = None
        self.has_exceeded = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch(), name=f"memory-watch-{self._pid}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _watch(self) -> None:
        while True:
            held = await asyncio.to_thread(resident_bytes, self._pid)
            if held > self._limit_bytes:
                _log.warning("process %d holds %d bytes, more than %d", self._pid, held, self._limit_bytes)
                self.has_exceeded = True
                self._on_excess()
                return
            await asyncio.sleep(CHECK_INTERVAL_S)
