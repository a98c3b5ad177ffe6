"""One run: files in, waited for, shown, stopped when asked. Knows the session's face and a view; no adapter."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vidproc_desktop.cli.interrupt import Interrupt
from vidproc_desktop.cli.outcome import Outcome
from vidproc_desktop.cli.views import View
from vidproc_desktop.domain.library import FileRecord, Refusal
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState, WorkerView
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.events import (
    BrokerHealthChanged,
    Event,
    FileChanged,
    FilesAdded,
    IntakeFinished,
    Notice,
    WorkersChanged,
)
from vidproc_desktop.services.session import Session
from workers.protocol.model import FileId, WorkerId
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ProcessType, WorkerState

_CANCEL_LIMIT_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.5
_WHY_IDLE: Final = {
    WorkerState.DISK_FULL: UserErrorCode.DISK_FULL,
    WorkerState.SET_ASIDE: UserErrorCode.NO_WORKER,
}


@dataclass(frozen=True, slots=True)
class Job:
    """What one run is about."""

    paths: tuple[Path, ...]
    output_directory: Path
    settings: EnhancementSettings
    process_types: tuple[ProcessType, ...]
    broker_timeout_s: float | None
    worker_timeout_s: float | None = None
    """How long to go on without a single worker; None: one may join at any time."""


class Run:
    """Carries a job out.

    Args:
        session: not started; it is closed at the end.
        job: what is to be done.
        view: shows it.
        interrupt: the user's wish to stop.
    """

    def __init__(self, session: Session, job: Job, *, view: View, interrupt: Interrupt) -> None:
        self._session = session
        self._job = job
        self._view = view
        self._interrupt = interrupt
        self._ours: dict[FileId, FileRecord] = {}
        self._finished: set[FileId] = set()
        self._refused: list[Refusal] = []
        self._told: set[WorkerId] = set()
        self._is_all_known = False
        self._was_stopped = False
        self._news = asyncio.Event()

    async def carry_out(self) -> Outcome:
        """From start to end.

        Raises:
            UserFacingError: the run could not begin.
        """
        began = time.monotonic()
        unsubscribe = self._session.events.subscribe(self._on_event)
        try:
            await self._session.start()
            try:
                await self._work()
            finally:
                await self._session.aclose()
        finally:
            unsubscribe()
        files = tuple(self._ours.values())
        return Outcome(files, tuple(self._refused), time.monotonic() - began, self._was_stopped)

    async def _work(self) -> None:
        adding = asyncio.create_task(self._add(), name="add files")
        try:
            if not await self._wait_for(lambda: self._is_complete(adding)):
                adding.cancel()
                await self._stop()
        finally:
            adding.cancel()
            await asyncio.wait({adding})
        if not adding.cancelled():
            adding.result()
            if not self._ours and not self._refused:
                self._view.say("There is no video in what was given.")

    async def _add(self) -> None:
        try:
            await self._session.add(
                self._job.paths,
                settings=self._job.settings,
                output_directory=self._job.output_directory,
                process_types=self._job.process_types,
            )
        finally:
            self._is_all_known = True
            self._news.set()

    def _is_complete(self, adding: asyncio.Task[None]) -> bool:
        return adding.done() and len(self._finished) == len(self._ours)

    async def _wait_for(self, condition: Callable[[], bool]) -> bool:
        """Wait until it holds. False: the user stopped the run, or the broker stayed away too long."""
        while not condition():
            if self._interrupt.is_set or self._has_waited_too_long(self._session.health()):
                return False
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._interrupt.or_event(self._news)
        return True

    def _has_waited_too_long(self, health: BrokerHealth) -> bool:
        is_unreachable = health.state is BrokerState.UNREACHABLE
        has_no_worker = health.state is BrokerState.NO_WORKER
        limit_s = self._job.broker_timeout_s if is_unreachable else self._job.worker_timeout_s
        if limit_s is None or not (is_unreachable or has_no_worker) or time.time() - health.since < limit_s:
            return False
        code, title = (
            (UserErrorCode.BROKER_UNREACHABLE, f"The broker could not be reached for {limit_s:g} s.")
            if is_unreachable
            else (UserErrorCode.NO_WORKER, f"No worker was fit for work for {limit_s:g} s.")
        )
        self._view.notice(UserFacingError(code, title, detail=health.message))
        return True

    async def _stop(self) -> None:
        """Cancel what has not finished; a second Ctrl-C does not wait for it."""
        self._was_stopped = True
        self._view.say("Stopping … (Ctrl-C again to stop at once)")
        unfinished = [file_id for file_id in self._ours if file_id not in self._finished]
        with suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_LIMIT_S):
                await self._session.cancel(unfinished)
                while len(self._finished) < len(self._ours) and not self._interrupt.is_urgent:
                    self._news.clear()
                    await self._interrupt.or_event(self._news, is_urgent=True)
        self._view.say("Stopped.")

    def _on_event(self, event: Event) -> None:
        match event:
            case FilesAdded():
                self._take(event.files)
            case FileChanged():
                self._change(event.file)
            case IntakeFinished():
                self._refused += event.report.refused
                for refusal in event.report.refused:
                    self._view.refused(refusal)
            case BrokerHealthChanged():
                self._view.broker(event.health)
            case Notice():
                self._view.notice(event.error)
            case WorkersChanged():
                self._tell_of_idle_workers(event.workers)
            case _:
                return
        self._news.set()

    def _tell_of_idle_workers(self, workers: Sequence[WorkerView]) -> None:
        """A worker that takes no tasks says why, once: nothing would be seen but files that wait."""
        for worker in workers:
            code = _WHY_IDLE.get(worker.state)
            if code is None:
                self._told.discard(worker.worker_id)
            elif worker.message and worker.worker_id not in self._told:
                self._told.add(worker.worker_id)
                self._view.notice(UserFacingError(code, worker.message))

    def _take(self, files: Sequence[FileRecord]) -> None:
        for file in files:
            self._ours[file.file_id] = file
            self._view.added(file)

    def _change(self, file: FileRecord) -> None:
        if file.file_id not in self._ours or file.file_id in self._finished:
            return
        self._ours[file.file_id] = file
        if file.is_finished:
            self._finished.add(file.file_id)
            self._view.finished(file)
        else:
            self._view.changed(file)
