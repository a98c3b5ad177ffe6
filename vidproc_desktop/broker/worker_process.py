"""One worker process and its lines, on any event loop: threads read and write the pipes, the loop gets messages.

`asyncio`'s own subprocesses need a loop that supports them, and a Qt loop does not everywhere. Knows processes and
the codec; nothing of tasks.
"""

import asyncio
import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final

from vidproc_desktop.broker.commands import Command
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from workers.protocol.codec import (
    MAX_MESSAGE_BYTES,
    AnyFromWorker,
    AnyToWorker,
    UndecodableMessage,
    decode_from_worker,
    encode,
)

_log = logging.getLogger(__name__)

STDERR_LINES: Final = 20
MAX_STDERR_LINE_BYTES: Final = 4000
LEAVE_S: Final = 2.5
"""Grace after the end of its input: a worker cleans up within two seconds."""
TERMINATE_S: Final = 0.5
LAST_LINES_S: Final = 1.0
"""How long lines that a dead process has left in the pipe are waited for."""


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How a worker process ended."""

    return_code: int
    """As `subprocess` has it: negative for a signal."""
    last_lines: tuple[str, ...]
    """The end of what it wrote to its standard error."""

    @property
    def words(self) -> str:
        """For the log and the tooltip."""
        if self.return_code < 0:
            with contextlib.suppress(ValueError):
                return f"ended by {signal.Signals(-self.return_code).name}"
        return f"ended with status {self.return_code}"


class WorkerProcess:
    """A started worker. Callbacks come on the loop's thread; the last one is `on_end`, after every message.

    Args:
        command: what to start.
        name: for threads and the log.
        on_message: a decoded line.
        on_end: the process is gone.
    """

    def __init__(
        self,
        command: Command,
        *,
        name: str,
        on_message: Callable[[AnyFromWorker], None],
        on_end: Callable[[ProcessEnd], None],
    ) -> None:
        self._command = command
        self._name = name
        self._on_message = on_message
        self._on_end = on_end
        self._process: subprocess.Popen[bytes] | None = None
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._ended = asyncio.Event()
        self._reap = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and not self._ended.is_set() else None

    async def start(self) -> None:
        """Start the process and its threads.

        Raises:
            UserFacingError: WORKER_WILL_NOT_START.
        """
        loop = asyncio.get_running_loop()
        spawning = loop.run_in_executor(None, self._spawn, loop)
        try:
            await asyncio.shield(spawning)
        except asyncio.CancelledError:
            # Nobody would own a process that appears after this: wait for it, then end it.
            await asyncio.wait({spawning})
            self.kill()
            raise
        except OSError as error:
            raise UserFacingError(
                UserErrorCode.WORKER_WILL_NOT_START,
                "A worker process cannot be started.",
                detail=str(error),
                hint="Installing Vidproc again may help.",
            ) from error

    def send(self, message: AnyToWorker) -> None:
        """Hand over one message; never waits. A process that has ended gets nothing, and its end is reported."""
        self._outgoing.put(encode(message) + b"\n")

    async def stop(self) -> None:
        """End it: close its input, then ask, then insist. Returns when it is gone."""
        self._outgoing.put(None)
        if await self._has_ended(LEAVE_S):
            return
        self._signal(signal.SIGTERM)
        if await self._has_ended(TERMINATE_S):
            return
        self.kill()
        await self._ended.wait()

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)

    async def _has_ended(self, limit_s: float) -> bool:
        if self._process is None:
            return True
        try:
            async with asyncio.timeout(limit_s):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        # Under the lock the process is not reaped yet: its id cannot have gone to another one.
        with self._reap:
            if self._process is not None and self._process.returncode is None:
                self._process.send_signal(number)

    # ------------------------------------------------------------ threads

    def _spawn(self, loop: asyncio.AbstractEventLoop) -> None:
        process = subprocess.Popen(
            self._command.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **self._command.environment},
            # Ctrl-C on a terminal is for us; we tell the workers ourselves.
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        readers = (
            self._thread("stdout", self._read_messages, process.stdout, loop),
            self._thread("stderr", self._read_errors, process.stderr),
        )
        self._thread("stdin", self._write, process.stdin)
        self._thread("wait", self._wait, process, readers, loop)

    def _thread(self, what: str, target: Callable[..., None], *arguments: object) -> threading.Thread:
        # Daemons: a pipe that somebody else holds open must not keep the program from ending.
        thread = threading.Thread(target=target, args=arguments, name=f"{self._name} {what}", daemon=True)
        thread.start()
        return thread

    def _write(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError), pipe:
            while (line := self._outgoing.get()) is not None:
                pipe.write(line)
                pipe.flush()

    def _read_messages(self, pipe: IO[bytes], loop: asyncio.AbstractEventLoop) -> None:
        with pipe:
            while line := pipe.readline(MAX_MESSAGE_BYTES + 2):
                try:
                    message = decode_from_worker(line.rstrip(b"\r\n"))
                except UndecodableMessage as error:
                    # What follows cannot be trusted either: a fresh process is cheaper than a guess.
                    _log.warning("%s wrote a line nobody can read and is restarted: %s", self._name, error)
                    self.kill()
                    return
                if not _call(loop, self._on_message, message):
                    return

    def _read_errors(self, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(MAX_STDERR_LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    self._stderr.append(text)

    def _wait(
        self,
        process: "subprocess.Popen[bytes]",
        readers: tuple[threading.Thread, ...],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            with self._reap:
                process.wait()
        else:
            process.wait()
        self._outgoing.put(None)
        for reader in readers:
            reader.join(LAST_LINES_S)
        _call(loop, self._end, ProcessEnd(process.returncode, tuple(self._stderr)))

    def _end(self, end: ProcessEnd) -> None:
        self._ended.set()
        self._on_end(end)


def _call[T](loop: asyncio.AbstractEventLoop, callback: Callable[[T], None], value: T) -> bool:
    """Run a callback on the loop; False when the loop is closed."""
    try:
        loop.call_soon_threadsafe(callback, value)
    except RuntimeError:
        return False
    return True
