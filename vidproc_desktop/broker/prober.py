"""`Prober` over kept worker processes: one file at a time in each, so that a crash names its file.

A second and further process starts only when files are waiting. Knows probes; nothing of rows.
"""

import asyncio
import logging
import uuid
from pathlib import Path
from typing import Final

from vidproc_desktop.broker.commands import Command
from vidproc_desktop.broker.worker_process import ProcessEnd, WorkerProcess
from vidproc_desktop.errors import UserFacingError
from workers.protocol.codec import AnyFromWorker
from workers.protocol.messages import ProbeReply, ProbeTask, SourceRef
from workers.protocol.results import TaskError
from workers.protocol.states import ErrorCode

_log = logging.getLogger(__name__)

PROBE_LIMIT_S: Final = 120.0
TRIES: Final = 2
"""A process may also be killed by chance: the file is blamed when it happens twice."""
_CLIENT: Final = "prober"


class _ProcessGoneError(Exception):
    """The process ended under a probe."""

    def __init__(self, end: ProcessEnd) -> None:
        super().__init__(end.words)
        self.end = end


class _Lane:
    """One worker process that looks at one file at a time; started when it is needed."""

    def __init__(self, command: Command, name: str) -> None:
        self._command = command
        self._name = name
        self._process: WorkerProcess | None = None
        self._waiting: tuple[str, asyncio.Future[ProbeReply]] | None = None

    async def start(self) -> None:
        """Have a process. Raises UserFacingError."""
        if self._process is not None:
            return
        process = WorkerProcess(
            self._command,
            name=self._name,
            on_message=self._on_message,
            on_end=lambda end: self._gone(process, end),
        )
        await process.start()
        self._process = process

    async def ask(self, task: ProbeTask) -> ProbeReply:
        """Send one probe and wait for its answer.

        Raises:
            _ProcessGoneError: the process ended.
            TimeoutError: it did not answer; it is stopped.
            UserFacingError: no process can be started.
        """
        await self.start()
        process = self._process
        assert process is not None
        answer: asyncio.Future[ProbeReply] = asyncio.get_running_loop().create_future()
        self._waiting = task.file_id, answer
        is_answered = False
        try:
            process.send(task)
            async with asyncio.timeout(PROBE_LIMIT_S):
                reply = await answer
            is_answered = True
            return reply
        finally:
            self._waiting = None
            if not is_answered and self._process is process:
                # It is still busy with a file that nobody waits for.
                self._process = None
                process.kill()

    async def aclose(self) -> None:
        """Stop the process."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop()

    def _on_message(self, message: AnyFromWorker) -> None:
        if isinstance(message, ProbeReply) and self._waiting is not None:
            file_id, answer = self._waiting
            if message.file_id == file_id and not answer.done():
                answer.set_result(message)

    def _gone(self, process: WorkerProcess, end: ProcessEnd) -> None:
        if self._process is not process:
            return
        self._process = None
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_exception(_ProcessGoneError(end))


class LocalProber:
    """Looks at dropped files in worker processes on this computer.

    Args:
        command: starts a metadata worker on stdio.
        max_size_bytes: larger files are refused; None: no limit.
        lanes: processes at most.
    """

    def __init__(self, command: Command, *, max_size_bytes: int | None = None, lanes: int = 2) -> None:
        self._max_size_bytes = max_size_bytes
        self._lanes = [_Lane(command, f"probe worker {number}") for number in range(1, lanes + 1)]
        self._free: asyncio.PriorityQueue[int] = asyncio.PriorityQueue()
        for index in range(lanes):
            self._free.put_nowait(index)
        self._warm_up: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the first process; the others follow when files wait."""
        self._warm_up = asyncio.create_task(self._start_first(), name="start probe worker")

    async def _start_first(self) -> None:
        index = await self._free.get()
        try:
            await self._lanes[index].start()
        except UserFacingError as error:
            # Whoever drops a file is told; before that it matters to nobody.
            _log.warning("%s %s", error.title, error.detail)
        finally:
            self._free.put_nowait(index)

    async def aclose(self) -> None:
        """Stop every process."""
        if self._warm_up is not None:
            self._warm_up.cancel()
            await asyncio.wait({self._warm_up})
        await asyncio.gather(*(lane.aclose() for lane in self._lanes))

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
        index = await self._free.get()
        try:
            return await self._ask(self._lanes[index], task)
        finally:
            self._free.put_nowait(index)

    async def _ask(self, lane: _Lane, task: ProbeTask) -> ProbeReply:
        gone: _ProcessGoneError | None = None
        for _ in range(TRIES):
            try:
                return await lane.ask(task)
            except _ProcessGoneError as error:
                _log.info("a probe worker %s", error)
                gone = error
            except TimeoutError:
                return _refused(
                    task.file_id, ErrorCode.TIMEOUT, "Looking at this file took too long; it may be damaged."
                )
            except UserFacingError as error:
                return _refused(task.file_id, ErrorCode.INTERNAL, error.title, error.detail)
        assert gone is not None
        return _refused(
            task.file_id,
            ErrorCode.WORKER_CRASHED,
            "The program that looks at videos crashed on this file; it may be damaged.",
            "\n".join((gone.end.words, *gone.end.last_lines)),
        )


def _refused(file_id: str, code: ErrorCode, message: str, detail: str | None = None) -> ProbeReply:
    error = TaskError(code=code, message=message, detail=None if detail is None else detail[-4096:])
    return ProbeReply(file_id=file_id, client_id=_CLIENT, error=error)
