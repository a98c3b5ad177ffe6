"""Kept worker processes that answer one question at a time, so that a crash or a hang names what was asked about.

A second and further process starts only when questions are waiting. Knows neither rows nor what is asked.
"""

import asyncio
import logging
from typing import Final

from vidproc_desktop.broker.commands import Command
from vidproc_desktop.broker.worker_process import ProcessEnd, WorkerProcess
from workers.protocol.codec import AnyFromWorker
from workers.protocol.messages import AcceptReply, AcceptTask, ProbeReply, ProbeTask

_log = logging.getLogger(__name__)

TRIES: Final = 2
"""A process may also be killed by chance: the question is blamed when it happens twice."""


class ProcessGoneError(Exception):
    """The process ended over a question."""

    def __init__(self, end: ProcessEnd) -> None:
        super().__init__(end.words)
        self.end = end

    @property
    def detail(self) -> str:
        """How it ended, and its last lines."""
        return "\n".join((self.end.words, *self.end.last_lines))


class _Lane[A: ProbeReply | AcceptReply]:
    """One worker process; started when it is needed."""

    def __init__(self, command: Command, name: str, answers: type[A]) -> None:
        self._command = command
        self._name = name
        self._answers = answers
        self._process: WorkerProcess | None = None
        self._waiting: tuple[str, asyncio.Future[A]] | None = None

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

    async def ask(self, task: ProbeTask | AcceptTask, limit_s: float) -> A:
        """Send one question and wait for its answer.

        Raises:
            ProcessGoneError: the process ended.
            TimeoutError: it did not answer; it is stopped.
            UserFacingError: no process can be started.
        """
        await self.start()
        process = self._process
        assert process is not None
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting = task.file_id, answer
        is_answered = False
        try:
            process.send(task)
            async with asyncio.timeout(limit_s):
                reply = await answer
            is_answered = True
            return reply
        finally:
            self._waiting = None
            if not is_answered and self._process is process:
                # It is still busy with something that nobody waits for.
                self._process = None
                process.kill()

    async def aclose(self) -> None:
        """Stop the process."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop()

    def _on_message(self, message: AnyFromWorker) -> None:
        if isinstance(message, self._answers) and self._waiting is not None:
            file_id, answer = self._waiting
            if message.file_id == file_id and not answer.done():
                answer.set_result(message)

    def _gone(self, process: WorkerProcess, end: ProcessEnd) -> None:
        if self._process is not process:
            return
        self._process = None
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_exception(ProcessGoneError(end))


class Lanes[A: ProbeReply | AcceptReply]:
    """A few worker processes side by side.

    Args:
        command: starts a metadata worker on stdio.
        name: for the log; a number follows.
        answers: type of the answers.
        count: processes at most.
    """

    def __init__(self, command: Command, name: str, answers: type[A], *, count: int = 2) -> None:
        self._lanes = [_Lane(command, f"{name} {number}", answers) for number in range(1, count + 1)]
        self._free: asyncio.PriorityQueue[int] = asyncio.PriorityQueue()
        for index in range(count):
            self._free.put_nowait(index)

    async def warm_up(self) -> None:
        """Start the first process. Raises UserFacingError."""
        index = await self._free.get()
        try:
            await self._lanes[index].start()
        finally:
            self._free.put_nowait(index)

    async def ask(self, task: ProbeTask | AcceptTask, limit_s: float) -> A:
        """The answer of the first process that is free.

        Raises:
            ProcessGoneError: it ended, and so did the next one.
            TimeoutError: there was no answer within the limit.
            UserFacingError: no process can be started.
        """
        index = await self._free.get()
        try:
            for _ in range(TRIES - 1):
                try:
                    return await self._lanes[index].ask(task, limit_s)
                except ProcessGoneError as error:
                    _log.info("a %s worker %s", task.type, error)
            return await self._lanes[index].ask(task, limit_s)
        finally:
            self._free.put_nowait(index)

    async def aclose(self) -> None:
        """Stop every process."""
        await asyncio.gather(*(lane.aclose() for lane in self._lanes))
