"""A place for one worker process: filled, watched, filled again when the process dies, emptied in the end.

Knows how long to wait before the next start; nothing of queues or files.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vidproc_desktop.broker.commands import Command, WorkerRole
from vidproc_desktop.broker.deliveries import Delivery, DeliveryKey
from vidproc_desktop.broker.worker_process import ProcessEnd, WorkerProcess
from vidproc_desktop.errors import UserFacingError
from workers.protocol.codec import AnyFromWorker
from workers.protocol.messages import ControlMessage, WorkerHeartbeat
from workers.protocol.model import WorkerId
from workers.protocol.states import ProcessType, WorkerState

_log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 30.0
SILENT_LIMIT_S: Final = 60.0
"""A process that says nothing for this long, with a heartbeat every five seconds, hangs."""
CANCEL_LIMIT_S: Final = 10.0
"""A worker that has not stopped a cancelled task by then is stopped itself."""
_UNPROVEN: Final = frozenset({WorkerState.STARTING, WorkerState.SET_ASIDE})
"""A worker that cannot load its libraries starts, and is set aside at once."""
_TAKES: Final = frozenset({WorkerState.IDLE, WorkerState.BUSY})


@dataclass(frozen=True, slots=True)
class PlaceEvents:
    """Who hears what happens at a place; all on the loop's thread."""

    on_message: Callable[["Place", AnyFromWorker], None]
    on_end: Callable[["Place", ProcessEnd], None]
    """The process ended; `place.held` still has what it was working on."""
    on_trouble: Callable[["Place", UserFacingError], None]
    """No process can be started."""


class Place:
    """One worker process at a time, until `aclose`."""

    def __init__(self, role: WorkerRole, command: Command, *, name: str, events: PlaceEvents) -> None:
        self.role = role
        self.name = name
        self.held: dict[DeliveryKey, Delivery] = {}
        self.heartbeat: WorkerHeartbeat | None = None
        self.failures = 0
        """Starts in a row without one that was fit for work."""
        self.complaint: str | None = None
        """Why the last process was of no use, in its own words."""
        self.is_leaving = False
        self._command = command
        self._events = events
        self._process: WorkerProcess | None = None
        self._ended: asyncio.Event = asyncio.Event()
        self._last_heard = 0.0

    @property
    def worker_id(self) -> WorkerId | None:
        """Who works here, once it has said so."""
        return WorkerId(self.heartbeat.worker_id) if self.heartbeat is not None else None

    @property
    def pid(self) -> int | None:
        """Process id of who works here."""
        return self._process.pid if self._process is not None else None

    @property
    def process_types(self) -> tuple[ProcessType, ...]:
        """What is done here."""
        return self.heartbeat.process_types if self.heartbeat is not None else ()

    @property
    def has_room(self) -> bool:
        """True when a further task can be handed over."""
        beat = self.heartbeat
        return (
            beat is not None
            and self._process is not None
            and not self.is_leaving
            and beat.state in _TAKES
            and len(self.held) < max(1, beat.slots)
        )

    def hand_over(self, delivery: Delivery) -> None:
        """Give a task to the process here."""
        assert self._process is not None
        self.held[delivery.key] = delivery
        self._process.send(delivery.message)

    def control(self, message: ControlMessage) -> None:
        """Tell the process here."""
        if self._process is not None:
            self._process.send(message)

    def kill(self) -> None:
        """End the process; another one follows."""
        if self._process is not None:
            self._process.kill()

    def look(self, now: float) -> None:
        """End a process that hangs, or does not let go of a cancelled task. Called every second."""
        if self._process is None:
            return
        overdue = [
            delivery
            for delivery in self.held.values()
            if delivery.cancelled_at is not None and now - delivery.cancelled_at > CANCEL_LIMIT_S
        ]
        if overdue:
            _log.warning("%s does not stop a cancelled task and is restarted", self.name)
            self.kill()
        elif now - self._last_heard > SILENT_LIMIT_S:
            _log.warning("%s has said nothing for %.0f s and is restarted", self.name, SILENT_LIMIT_S)
            self._last_heard = now
            self.kill()

    async def run(self) -> None:
        """Keep a process here until cancelled; then stop it."""
        try:
            while True:
                await self._run_once()
                await asyncio.sleep(self._pause_s())
        finally:
            self.is_leaving = True
            process = self._process
            if process is not None:
                await process.stop()

    def _pause_s(self) -> float:
        if self.failures == 0:
            return 0.0
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self.failures, 10))

    async def _run_once(self) -> None:
        """One process from its start to its end."""
        self._ended = asyncio.Event()
        process = WorkerProcess(
            self._command, name=self.name, on_message=self._on_message, on_end=self._on_end
        )
        self._last_heard = time.monotonic()
        self.failures += 1
        try:
            self._process = process
            await process.start()
        except UserFacingError as error:
            self._process = None
            self._events.on_trouble(self, error)
            return
        await self._ended.wait()

    def _on_message(self, message: AnyFromWorker) -> None:
        self._last_heard = time.monotonic()
        if isinstance(message, WorkerHeartbeat):
            self.heartbeat = message
            if message.state not in _UNPROVEN:
                self.failures = 0
        self._events.on_message(self, message)

    def _on_end(self, end: ProcessEnd) -> None:
        if not self.is_leaving:
            _log.warning("%s (%s) %s", self.name, self.worker_id or "not started", end.words)
        # Whoever hears of it hands out what waits: there is no room at a process that is gone.
        self._process = None
        self._events.on_end(self, end)
        self.heartbeat = None
        self.held.clear()
        self._ended.set()
