"""`Previewer` over a worker process of its own, started with the first request: local in every mode.

It shares no process with tasks and probes. Knows requests and replies; nothing of files, rows or pictures.
"""

import asyncio
import logging
from typing import Final

from vidproc_desktop.broker.commands import Command
from vidproc_desktop.broker.lanes import ProcessGoneError
from vidproc_desktop.broker.worker_process import ProcessEnd, WorkerProcess
from vidproc_desktop.errors import UserFacingError
from workers.protocol.codec import AnyFromWorker
from workers.protocol.messages import PreviewReply, PreviewTask
from workers.protocol.results import TaskError
from workers.protocol.states import ErrorCode

_log = logging.getLogger(__name__)

REPLY_LIMIT_S: Final = 1000.0
"""The worker has limits of its own, which are shorter: past this one it hangs."""


class LocalPreviewer:
    """Answers preview tasks on this computer; the worker drops older ones of the same client.

    Args:
        command: starts a worker on stdio.
    """

    def __init__(self, command: Command) -> None:
        self._command = command
        self._process: WorkerProcess | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[int, asyncio.Future[PreviewReply]] = {}

    async def aclose(self) -> None:
        """Stop the process; requests that wait are answered by nobody, so cancel them before."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop()

    async def show(self, task: PreviewTask) -> PreviewReply:
        """The reply, whatever happens to the process: what is wrong comes back in words."""
        answer: asyncio.Future[PreviewReply] = asyncio.get_running_loop().create_future()
        self._waiting[task.request] = answer
        try:
            (await self._started()).send(task)
            async with asyncio.timeout(REPLY_LIMIT_S):
                return await answer
        except UserFacingError as error:
            return _failed(task, ErrorCode.INTERNAL, error.title, error.detail)
        except ProcessGoneError as error:
            text = "The program that makes previews ended."
            return _failed(task, ErrorCode.WORKER_CRASHED, text, error.detail)
        except TimeoutError:
            await self.aclose()
            return _failed(task, ErrorCode.TIMEOUT, "The preview took too long.", None)
        finally:
            del self._waiting[task.request]

    async def _started(self) -> WorkerProcess:
        async with self._starting:
            if self._process is None:
                process = WorkerProcess(
                    self._command,
                    name="preview worker",
                    on_message=self._on_message,
                    on_end=lambda end: self._on_end(process, end),
                )
                await process.start()
                self._process = process
            return self._process

    def _on_message(self, message: AnyFromWorker) -> None:
        if isinstance(message, PreviewReply):
            answer = self._waiting.get(message.request)
            if answer is not None and not answer.done():
                answer.set_result(message)

    def _on_end(self, process: WorkerProcess, end: ProcessEnd) -> None:
        if self._process is process:
            self._process = None
            _log.warning("the preview worker %s", end.words)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ProcessGoneError(end))


def _failed(task: PreviewTask, code: ErrorCode, message: str, detail: str | None) -> PreviewReply:
    error = TaskError(code=code, message=message, detail=None if detail is None else detail[-4096:])
    return PreviewReply(file_id=task.file_id, client_id=task.client_id, request=task.request, error=error)
