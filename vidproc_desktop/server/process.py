"""The media server's process, kept alive: started, waited for, started again on the same port when it dies.

Threads hold the pipes, since a Qt loop has no subprocesses everywhere. Knows nothing of files and tasks.
"""

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.server.child import ServerConfig, ServerReady

START_LIMIT_S: Final = 30.0
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0
LEAVE_S: Final = 3.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """The program with its arguments, and what is added to its environment."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


class MediaServerProcess:
    """One server process after the other, on one port.

    Args:
        command: starts one.
        config: what it is told; its port is only the first wish.
    """

    def __init__(self, command: ServerCommand, config: ServerConfig) -> None:
        self._command = command
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while one runs."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    @property
    def port(self) -> int:
        """The one that is listened on, once one has listened."""
        return self._config.port

    async def start(self) -> None:
        """Have a process that listens.

        Raises:
            UserFacingError: MEDIA_SERVER_WILL_NOT_START.
        """
        await self._start_one()
        self._keeper = asyncio.create_task(self._keep(), name="keep the media server")

    async def aclose(self) -> None:
        """End it; nothing is left when this returns."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait({keeper})
        await self._end()

    async def _start_one(self) -> None:
        spawning = asyncio.ensure_future(asyncio.to_thread(self._spawn))
        try:
            process = await asyncio.shield(spawning)
            async with asyncio.timeout(START_LIMIT_S):
                line = await asyncio.to_thread(_first_line, process)
            port = ServerReady.model_validate_json(line).port
        except asyncio.CancelledError:
            await asyncio.wait({spawning})
            await self._end()
            raise
        except (OSError, ValidationError) as error:  # TimeoutError is one
            await self._end()
            raise UserFacingError(
                UserErrorCode.MEDIA_SERVER_WILL_NOT_START,
                "The media server, from which other computers read the files, does not start.",
                detail=str(error),
                hint=f"Its log may tell why: {self._config.log}",
            ) from error
        self._config = self._config.model_copy(update={"port": port})

    async def _keep(self) -> None:
        """Start the next one when one has died."""
        pause_s = FIRST_PAUSE_S
        while True:
            process = self._process
            if process is not None:
                await asyncio.to_thread(process.wait)
                _log.warning("the media server ended with status %s", process.returncode)
                await self._end()
            await asyncio.sleep(pause_s)
            try:
                await self._start_one()
                pause_s = FIRST_PAUSE_S
            except UserFacingError as error:
                _log.warning("%s %s", error.title, error.detail)
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await asyncio.shield(asyncio.to_thread(_end, process))

    def _spawn(self) -> subprocess.Popen[bytes]:
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW
        process = subprocess.Popen(
            self._command.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self._command.environment},
            creationflags=flags,
            start_new_session=sys.platform != "win32",
        )
        self._process = process
        assert process.stdin is not None
        process.stdin.write(self._config.model_dump_json().encode() + b"\n")
        process.stdin.flush()
        return process


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close its input, wait, kill."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
