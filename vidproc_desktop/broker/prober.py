"""`Prober` over kept worker processes: one file at a time in each, so that a crash names its file.

Knows probes; nothing of rows.
"""

import asyncio
import logging
import uuid
from pathlib import Path
from typing import Final

from vidproc_desktop.broker.commands import Command
from vidproc_desktop.broker.lanes import Lanes, ProcessGoneError
from vidproc_desktop.errors import UserFacingError
from workers.protocol.messages import ProbeReply, ProbeTask, SourceRef
from workers.protocol.results import TaskError
from workers.protocol.states import ErrorCode

_log = logging.getLogger(__name__)

PROBE_LIMIT_S: Final = 120.0
_CLIENT: Final = "prober"


class LocalProber:
    """Looks at dropped files in worker processes on this computer.

    Args:
        command: starts a metadata worker on stdio.
        max_size_bytes: larger files are refused; None: no limit.
        lanes: processes at most.
    """

    def __init__(self, command: Command, *, max_size_bytes: int | None = None, lanes: int = 2) -> None:
        self._max_size_bytes = max_size_bytes
        self._lanes = Lanes(command, "probe worker", ProbeReply, count=lanes)
        self._warm_up: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the first process; the others follow when files wait."""
        self._warm_up = asyncio.create_task(self._start_first(), name="start probe worker")

    async def _start_first(self) -> None:
        try:
            await self._lanes.warm_up()
        except UserFacingError as error:
            # Whoever drops a file is told; before that it matters to nobody.
            _log.warning("%s %s", error.title, error.detail)

    async def aclose(self) -> None:
        """Stop every process."""
        if self._warm_up is not None:
            self._warm_up.cancel()
            await asyncio.wait({self._warm_up})
        await self._lanes.aclose()

    async def probe(self, path: Path, thumbnail: Path | None) -> ProbeReply:
        """Facts about the file, or why it cannot be used. A crash or a hang of the process is an answer too."""
        file_id = uuid.uuid4().hex
        try:
            found = await asyncio.to_thread(path.stat)
        except OSError as error:
            return _refused(
                file_id, ErrorCode.FILE_MISSING, "The file is not there, or cannot be reached.", str(error)
            )
        task = ProbeTask(
            file_id=file_id,
            client_id=_CLIENT,
            source=SourceRef(uri=path.as_uri(), size_bytes=found.st_size, mtime_ns=found.st_mtime_ns),
            thumbnail_uri=thumbnail.as_uri() if thumbnail is not None else None,
            max_size_bytes=self._max_size_bytes,
        )
        try:
            return await self._lanes.ask(task, PROBE_LIMIT_S)
        except ProcessGoneError as error:
            return _refused(
                file_id,
                ErrorCode.WORKER_CRASHED,
                "The program that looks at videos crashed on this file; it may be damaged.",
                error.detail,
            )
        except TimeoutError:
            return _refused(
                file_id, ErrorCode.TIMEOUT, "Looking at this file took too long; it may be damaged."
            )
        except UserFacingError as error:
            return _refused(file_id, ErrorCode.INTERNAL, error.title, error.detail)


def _refused(file_id: str, code: ErrorCode, message: str, detail: str | None = None) -> ProbeReply:
    error = TaskError(code=code, message=message, detail=None if detail is None else detail[-4096:])
    return ProbeReply(file_id=file_id, client_id=_CLIENT, error=error)
