"""Statuses of one attempt, in order, at most five a second; every change of state or stage always.

Sequence numbers are the wall clock in microseconds, raised by at least one each time. So they also rise when a
redelivered task goes on in another process or on another computer, as far as the computers' clocks agree; a receiver
takes a final status whatever its number, because clocks may disagree by more than a task lasts.
"""

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Self

from workers.errors import TaskFailedError
from workers.protocol.messages import StatusMessage, WorkTask
from workers.protocol.states import ProcessType, Stage, Status
from workers.runtime.delivery import Outlet
from workers.runtime.outcome import HandedOver, WorkOutcome
from workers.runtime.progress import Measured

MIN_INTERVAL_S: Final = 0.2
"""Five statuses a second and task."""


class SequenceClock:
    """Numbers that rise with every call and, across processes, with time."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """The next number."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return self._last


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose statuses these are."""

    task: WorkTask
    process_type: ProcessType
    worker_id: str

    def status(self, sequence: int, status: Status, **fields: Any) -> StatusMessage:
        """A status of this attempt."""
        return StatusMessage(
            file_id=self.task.file_id,
            client_id=self.task.client_id,
            process_type=self.process_type,
            part=self.task.part,
            status=status,
            attempt=self.task.attempt,
            sequence=sequence,
            worker_id=self.worker_id,
            **fields,
        )


class StatusStream:
    """Sends one attempt's statuses. Use as an async context; the final status goes out after it."""

    def __init__(self, subject: Subject, outlet: Outlet, clock: SequenceClock) -> None:
        self._subject = subject
        self._outlet = outlet
        self._clock = clock
        self._changes: deque[Measured] = deque()
        self._latest: Measured | None = None
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.shown = Measured(Stage.WAITING, 0.0)

    async def __aenter__(self) -> Self:
        task = self._subject.task
        name = f"statuses-{task.file_id}-{task.part or self._subject.process_type}"
        self._task = asyncio.create_task(self._pump(), name=name)
        return self

    async def __aexit__(self, *_: object) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    def observe(self, measured: Measured) -> None:
        """Take progress; what comes too often replaces what was not sent yet. Never waits."""
        if measured.stage is not self.shown.stage:
            self._changes.append(measured)
            self._latest = None
        else:
            self._latest = measured
        self.shown = measured
        self._news.set()

    def completed(self, outcome: WorkOutcome) -> StatusMessage:
        """The final status of an attempt that went well."""
        result, sent = (outcome.result, outcome.sent) if isinstance(outcome, HandedOver) else (outcome, ())
        frames: dict[str, Any] = {
            "frames_done": self.shown.frames_done,
            "frames_total": self.shown.frames_total,
        }
        return self._final(Status.COMPLETED, progress=100.0, result=result, sent=sent, **frames)

    def failed(self, error: TaskFailedError) -> StatusMessage:
        """The final status of an attempt that failed, with the last lines of its log."""
        return self._final(Status.FAILED, progress=self.shown.percent, error=error.to_wire())

    def cancelled(self) -> StatusMessage:
        """The final status of an attempt that somebody stopped."""
        return self._final(Status.CANCELLED, progress=self.shown.percent)

    def _final(self, status: Status, **fields: Any) -> StatusMessage:
        return self._subject.status(self._clock.next(), status, stage=self.shown.stage, **fields)

    async def _pump(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._changes or self._latest is not None:
                measured = self._changes.popleft() if self._changes else self._latest
                if not self._changes and measured is self._latest:
                    self._latest = None
                assert measured is not None
                await self._send(measured)
                await self._pause()

    async def _pause(self) -> None:
        """A fifth of a second, or until the stage changes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MIN_INTERVAL_S):
                while not self._changes:
                    await self._news.wait()
                    self._news.clear()

    async def _send(self, measured: Measured) -> None:
        await self._outlet.send_progress(
            self._subject.status(
                self._clock.next(),
                Status.PROCESSING,
                progress=measured.percent,
                stage=measured.stage,
                frames_done=measured.frames_done,
                frames_total=measured.frames_total,
                frames_per_s=measured.frames_per_s,
                remaining_s=measured.remaining_s,
            )
        )
