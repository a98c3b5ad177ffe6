"""Who works for us: heartbeats in, views out, and a worker that is silent for too long is lost.

Knows no broker. The clock is handed in.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from vidproc_desktop.domain.workers import LOST_AFTER_S, WorkerView
from vidproc_desktop.services.events import EventHub, WorkersChanged
from workers.protocol.messages import WorkerHeartbeat
from workers.protocol.model import WorkerId
from workers.protocol.states import WorkerState

EVENT_SPACING_S: Final = 0.25
LOOK_EVERY_S: Final = 1.0
FORGET_AFTER_S: Final = 3600.0
"""A lost worker stays visible for an hour."""


class WorkerPool:
    """Every worker that was heard of.

    Args:
        events: told at most four times a second.
        is_ours: says of a heartbeat whether this program started its sender.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        events: EventHub,
        is_ours: Callable[[WorkerHeartbeat], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._events = events
        self._is_ours = is_ours
        self._clock = clock
        self._views: dict[WorkerId, WorkerView] = {}
        self._pending: asyncio.TimerHandle | None = None
        self._last_event = 0.0
        self._on_change: list[Callable[[], None]] = []
        self._on_lost: list[Callable[[WorkerId], None]] = []

    def watch(self, on_change: Callable[[], None], on_lost: Callable[[WorkerId], None]) -> None:
        """Hear, at once, that something changed, and who was lost or ended."""
        self._on_change.append(on_change)
        self._on_lost.append(on_lost)

    def views(self) -> tuple[WorkerView, ...]:
        """Everybody, in the order in which they were first heard."""
        return tuple(self._views.values())

    def is_live(self, worker_id: WorkerId) -> bool:
        """True for a worker that is known and not lost."""
        view = self._views.get(worker_id)
        return view is not None and not view.is_lost

    def hear(self, heartbeat: WorkerHeartbeat) -> None:
        """Take a heartbeat."""
        worker_id = WorkerId(heartbeat.worker_id)
        if heartbeat.state is WorkerState.STOPPING and not heartbeat.current:
            self.gone(worker_id)
            return
        self._views[worker_id] = WorkerView(
            worker_id=worker_id,
            host=heartbeat.host,
            pid=heartbeat.pid,
            is_ours=self._is_ours(heartbeat),
            process_types=heartbeat.process_types,
            state=heartbeat.state,
            is_lost=False,
            slots=heartbeat.slots,
            current=heartbeat.current,
            message=heartbeat.message,
            last_seen_at=self._clock(),
            program_version=heartbeat.program_version,
        )
        self._changed()

    def gone(self, worker_id: WorkerId) -> None:
        """A worker has ended, and is known to have."""
        if self._views.pop(worker_id, None) is not None:
            self._changed()
            for listener in self._on_lost:
                listener(worker_id)

    def forget_all(self) -> None:
        """The broker was changed: nobody is known."""
        self._views.clear()
        self._changed()

    async def watch_for_lost(self) -> None:
        """Look for silent workers until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        """Mark as lost who has been silent too long."""
        now = self._clock()
        for worker_id, view in tuple(self._views.items()):
            silent_s = now - view.last_seen_at
            if view.is_lost and silent_s > FORGET_AFTER_S:
                del self._views[worker_id]
                self._changed()
            elif not view.is_lost and silent_s > LOST_AFTER_S:
                self._views[worker_id] = replace(view, is_lost=True, current=())
                self._changed()
                for listener in self._on_lost:
                    listener(worker_id)

    def close(self) -> None:
        """Cancel the event that is on its way."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    def _changed(self) -> None:
        for listener in self._on_change:
            listener()
        if self._pending is not None:
            return
        loop = asyncio.get_running_loop()
        wait_s = max(0.0, self._last_event + EVENT_SPACING_S - loop.time())
        self._pending = loop.call_later(wait_s, self._tell)

    def _tell(self) -> None:
        self._pending = None
        self._last_event = asyncio.get_running_loop().time()
        self._events.publish(WorkersChanged(self.views()))
