"""The worker's end of one child process: starting it, talking to it, killing it. See `workers.runtime.child`."""

import asyncio
import contextlib
import contextvars
import logging
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import workers
from workers.media.freed_memory import ALLOCATOR_ENVIRONMENT
from workers.protocol.results import MAX_LOG_TAIL_LINES
from workers.protocol.states import ErrorCode
from workers.runtime import lifeline
from workers.runtime.child import STOP_LINE
from workers.runtime.logs import redact
from workers.runtime.pipe import (
    MAX_LINE_BYTES,
    ErrorLine,
    JobLine,
    OutcomeLine,
    ProgressLine,
    ReadyLine,
    StoppedLine,
    decode_reply,
    encode_line,
)

MAX_TAIL_LINE_CHARACTERS: Final = 500
WARM_UP_LIMIT_S: Final = 180.0
"""Importing the media libraries from a cold, busy disk; a child that needs longer hangs."""
_log = logging.getLogger(__name__)


def child_command() -> tuple[str, ...]:
    """How a child is started: as a module, or inside a frozen program by its `worker-child` command."""
    if getattr(sys, "frozen", False):
        return (sys.executable, "worker-child")
    return (sys.executable, "-m", "workers.runtime.child")


def _child_environment() -> dict[str, str]:
    """This process's environment; the package is found from any working directory, freed memory is given back."""
    environment = ALLOCATOR_ENVIRONMENT | dict(os.environ)
    if not getattr(sys, "frozen", False):
        package_root = str(Path(workers.__file__).resolve().parent.parent)
        paths = [package_root, *environment.get("PYTHONPATH", "").split(os.pathsep)]
        environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path for path in paths if path))
    return environment


class ChildProcess:
    """A started child. `ask` sends a job; None as its answer means that the child died over it."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[ErrorLine | None] = loop.create_future()
        self._answer: asyncio.Future[OutcomeLine | ErrorLine | StoppedLine | None] | None = None
        self._on_progress: Callable[[ProgressLine], None] | None = None
        self._context = contextvars.copy_context()
        self._tail: deque[str] = deque(maxlen=MAX_LOG_TAIL_LINES)
        self._tasks = (
            asyncio.create_task(self._read_replies(), name=f"child-replies-{name}"),
            asyncio.create_task(self._read_stderr(), name=f"child-stderr-{name}"),
        )
        self._ended = asyncio.create_task(self._wait_ended(), name=f"child-end-{name}")

    @classmethod
    async def spawn(cls, name: str, jobs: str, kinds: tuple[str, ...], stand_ins: Path | None = None) -> Self:
        """Start a child in a process group of its own.

        Raises:
            OSError: no process can be started.
        """
        place = () if stand_ins is None else ("--stand-ins", str(stand_ins))
        arguments = ("--jobs", jobs, "--kinds", ",".join(kinds), "--parent-pid", str(os.getpid()), *place)
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        process = await asyncio.create_subprocess_exec(
            *child_command(),
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            limit=MAX_LINE_BYTES,
            env=_child_environment(),
            start_new_session=sys.platform != "win32",
            creationflags=flags,
        )
        _log.debug("child %d of %s started", process.pid, name)
        return cls(process, name)

    @property
    def pid(self) -> int:
        """Its process id, and its group's."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """True until the child's end was noticed."""
        return not self._ended.done()

    @property
    def is_asked(self) -> bool:
        """True while a job was sent and nobody got the answer."""
        return self._answer is not None

    @property
    def returncode(self) -> int | None:
        """As `subprocess` tells it: negative for a signal."""
        return self._process.returncode

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines the child wrote to stderr since the current job began."""
        return tuple(self._tail)

    async def wait_ready(self) -> ErrorLine | None:
        """None once the child waits for a job or has died; otherwise why it cannot work."""
        awaited: set[asyncio.Future[Any]] = {self._ready, self._ended}
        done, _ = await asyncio.wait(awaited, timeout=WARM_UP_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            self.kill()
            return ErrorLine(
                code=ErrorCode.INTERNAL, message="The media libraries could not be loaded in time."
            )
        return self._ready.result() if self._ready.done() else None

    async def wait_ended(self) -> None:
        """Return when the child is gone."""
        await asyncio.wait({self._ended})

    async def ask(
        self, line: JobLine, on_progress: Callable[[ProgressLine], None]
    ) -> OutcomeLine | ErrorLine | StoppedLine | None:
        """Send a job and wait for its answer; None when the child died over it."""
        assert self._process.stdin is not None
        self._tail.clear()
        self._on_progress = on_progress
        self._context = (
            contextvars.copy_context()
        )  # the log's lines about the child carry the current task's ids
        self._answer = asyncio.get_running_loop().create_future()
        with contextlib.suppress(ConnectionError):  # it died just now: the end of its output says so
            self._process.stdin.write(encode_line(line))
            await self._process.stdin.drain()
        awaited: set[asyncio.Future[Any]] = {self._answer, self._ended}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        answer = self._answer.result() if self._answer.done() else None
        self._answer = None
        self._on_progress = None
        return answer

    async def stop_job(self, limit_s: float) -> bool:
        """Ask the running job, whose asker has gone, to end; True when it did in time and the child can go on."""
        assert self._process.stdin is not None
        answer = self._answer
        if answer is None:
            return True
        self._on_progress = None
        with contextlib.suppress(ConnectionError):  # it died just now: the end of its output says so
            self._process.stdin.write(STOP_LINE)
            await self._process.stdin.drain()
        awaited: set[asyncio.Future[Any]] = {answer, self._ended}
        await asyncio.wait(awaited, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            return False
        self._answer = None
        return True

    def kill(self) -> None:
        """Kill the child and everything it started; returns at once."""
        if self._process.returncode is None:
            lifeline.kill_group(self.pid)

    async def aclose(self) -> None:
        """Kill it and return when it is gone and its pipes are closed."""
        self.kill()
        self._answer = None
        await asyncio.wait({self._ended})

    async def _wait_ended(self) -> None:
        """The whole end: exit noticed, what it started killed, pipes read to the end and closed."""
        await self._process.wait()
        if sys.platform != "win32":
            lifeline.kill_group(self.pid)
        _, pending = await asyncio.wait(self._tasks, timeout=1.0)
        for task in pending:
            task.cancel()
        await asyncio.wait(self._tasks)
        if self._process.stdin is not None:
            self._process.stdin.close()
        if not self._ready.done():
            self._ready.set_result(None)

    async def _read_replies(self) -> None:
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:  # longer than any honest line: this child is out of its mind
                self.kill()
                return
            if not line:
                return
            try:
                reply = decode_reply(line)
            except ValueError:
                _log.exception("child %d of %s wrote an unknown line", self.pid, self._name)
                self.kill()
                return
            self._take(reply)

    def _take(self, reply: "ReadyLine | ProgressLine | ErrorLine | StoppedLine | OutcomeLine") -> None:
        match reply:
            case ReadyLine():
                if not self._ready.done():
                    self._ready.set_result(None)
            case ProgressLine():
                if self._on_progress is not None:
                    self._on_progress(reply)
            case ErrorLine() if not self._ready.done():
                self._ready.set_result(reply)
            case _:
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(reply)

    async def _read_stderr(self) -> None:
        """Keep the last lines. Read in blocks: a library may write a line of any length."""
        assert self._process.stderr is not None
        rest = b""
        while block := await self._process.stderr.read(65_536):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                self._keep(line)
            rest = rest[-65_536:]
        self._keep(rest)

    def _keep(self, line: bytes) -> None:
        beginning = line[
            : 8 * MAX_TAIL_LINE_CHARACTERS
        ]  # longer than what is kept: no credential is cut in two
        text = redact(beginning.decode("utf-8", "replace").rstrip())
        if text:
            self._tail.append(text[:MAX_TAIL_LINE_CHARACTERS])
            self._context.run(_log.debug, "child %d: %s", self.pid, text[:MAX_TAIL_LINE_CHARACTERS])
