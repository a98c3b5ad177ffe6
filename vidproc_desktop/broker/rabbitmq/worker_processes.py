"""Workers on this computer for a broker: the same program as on any other, started, restarted and ended from here.

Each is tied to this program by its standard input: when that closes, however we went, the worker hands its task back
and ends. Knows processes and the worker program's command line; nothing of tasks.
"""

import asyncio
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import workers.protocol
from vidproc_desktop.errors import UserErrorCode, UserFacingError

_log = logging.getLogger(__name__)

TIED_OPTION: Final = "--until-stdin-closes"
"""Understood by `vidproc worker`: end when standard input closes."""
_END_LIMIT_S: Final = 5.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_STEADY_S: Final = 60.0
"""A worker that lived this long is restarted at once."""


class BrokerWorkers:
    """`WorkerProcesses` for a broker. The first worker enhances and reads metadata, the others enhance.

    Args:
        url: the broker; handed over in the environment, where `ps` does not show its password.
        data_dir: state and logs; None: the platform's folders.
        environment: what else the workers are told.
        on_trouble: told when a worker ended that nobody had told to end.
        program: what is started instead of the product's own worker; for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        data_dir: Path | None = None,
        environment: Mapping[str, str] | None = None,
        on_trouble: Callable[[UserFacingError], None] | None = None,
        program: tuple[str, ...] | None = None,
    ) -> None:
        self._url = url
        self._data_dir = data_dir
        self._extra = dict(environment or {})
        self._on_trouble = on_trouble
        self._program = program
        self._keepers: list[asyncio.Task[None]] = []
        self._processes: dict[asyncio.Task[None], asyncio.subprocess.Process] = {}
        self._changing = asyncio.Lock()

    @property
    def count(self) -> int:
        """How many are wanted now."""
        return len(self._keepers)

    @property
    def pids(self) -> frozenset[int]:
        """Process ids of those that run."""
        return frozenset(process.pid for process in self._processes.values() if process.returncode is None)

    async def set_count(self, count: int) -> None:
        """Have this many; those too many hand their task back and end."""
        async with self._changing:
            surplus = self._keepers[max(0, count) :]
            del self._keepers[max(0, count) :]
            for keeper in surplus:
                keeper.cancel()
            await asyncio.gather(*surplus, return_exceptions=True)
            while len(self._keepers) < count:
                number = len(self._keepers)
                role = "enhance" if number else "all"
                self._keepers.append(
                    asyncio.create_task(self._keep(role), name=f"worker {role} {number + 1}")
                )

    async def aclose(self) -> None:
        """End all of them."""
        await self.set_count(0)

    async def _keep(self, role: str) -> None:
        """Keep one worker running until cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while True:
            began = loop.time()
            try:
                code, words = await self._run(role)
            except OSError as error:
                code, words = -1, str(error)
            if loop.time() - began > _STEADY_S:
                pause_s = _FIRST_PAUSE_S
            self._complain(code, words, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    async def _run(self, role: str) -> tuple[int, str]:
        """One life of a worker: its exit code and the last lines that it wrote."""
        process = await asyncio.create_subprocess_exec(
            *(self._program or worker_command()),
            role,
            TIED_OPTION,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment(),
            start_new_session=True,  # Ctrl-C in a terminal is for us; we tell the worker
        )
        keeper = asyncio.current_task()
        assert keeper is not None
        self._processes[keeper] = process
        last_lines: deque[str] = deque(maxlen=5)
        try:
            await _drain(process, last_lines)
            return await process.wait(), "\n".join(last_lines)
        finally:
            await _end(process)
            del self._processes[keeper]

    def _environment(self) -> Mapping[str, str]:
        environment = dict(os.environ) | self._extra | {"VIDPROC_RABBITMQ_URL": self._url}
        if self._data_dir is not None:
            environment["VIDPROC_DATA_DIR"] = str(self._data_dir.absolute())
        if not getattr(sys, "frozen", False):
            root = str(Path(workers.protocol.__file__).resolve().parents[2])
            paths = [root, *environment.get("PYTHONPATH", "").split(os.pathsep)]
            environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path for path in paths if path))
        return environment

    def _complain(self, code: int, words: str, pause_s: float) -> None:
        _log.warning("a worker ended with code %d, the next is started in %.0f s: %s", code, pause_s, words)
        if self._on_trouble is not None:
            self._on_trouble(
                UserFacingError(
                    UserErrorCode.WORKER_WILL_NOT_START,
                    "A worker on this computer ended; it is started again.",
                    detail=words,
                )
            )


def worker_command() -> tuple[str, ...]:
    """How `vidproc worker` is started from here: as a module, or as the frozen program itself."""
    if getattr(sys, "frozen", False):
        return (sys.executable, "worker")
    return (sys.executable, "-m", "vidproc_desktop", "worker")


async def _drain(process: asyncio.subprocess.Process, last_lines: deque[str]) -> None:
    """Read what it writes, so that it never waits for us; the worker keeps a log of its own."""
    assert process.stderr is not None
    while True:
        try:
            line = await process.stderr.readline()
        except ValueError:  # longer than the reader's buffer, which is empty again now
            continue
        if not line:
            return
        last_lines.append(line.decode(errors="replace").rstrip()[:500])


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close its input, which ends it; after the limit it is killed, and its children with it."""
    if process.returncode is not None:
        return
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_END_LIMIT_S):
            if process.stderr is not None:
                await process.stderr.read()
            await process.wait()
    except TimeoutError:
        _log.warning("worker %d did not end in time and is killed", process.pid)
        process.kill()
        await process.wait()
