"""The heartbeat: every five seconds and whenever something changed, a worker says what it is and what it does."""

import asyncio
import logging
from typing import Final

from workers.protocol.messages import CurrentTask, WorkerHeartbeat
from workers.runtime.delivery import Feed, Outlet
from workers.runtime.identity import WorkerIdentity
from workers.runtime.standing import Standing
from workers.runtime.turns import Turns

INTERVAL_S: Final = 5.0
FAREWELL_LIMIT_S: Final = 0.5
_log = logging.getLogger(__name__)


class Heart:
    """Beats from `start()` to `aclose()`, which sends the last beat."""

    def __init__(
        self, identity: WorkerIdentity, standing: Standing, turns: Turns, outlet: Outlet, feed: Feed
    ) -> None:
        self._identity = identity
        self._standing = standing
        self._turns = turns
        self._outlet = outlet
        self._feed = feed
        self._sequence = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with a first beat at once."""
        self._task = asyncio.create_task(self._beat(), name="heartbeat")

    async def aclose(self) -> None:
        """Stop, after a last beat that the state `stopping` is in."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait({task})
        try:
            async with asyncio.timeout(FAREWELL_LIMIT_S):
                await self._outlet.send_heartbeat(self._make())
        except TimeoutError:
            _log.debug("nobody heard the last heartbeat")

    def note_change(self) -> None:
        """Beat now. Never waits."""
        self._changed.set()

    async def _beat(self) -> None:
        while True:
            self._changed.clear()
            await self._outlet.send_heartbeat(self._make())
            try:
                async with asyncio.timeout(INTERVAL_S):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _make(self) -> WorkerHeartbeat:
        self._sequence += 1
        identity = self._identity
        running = self._turns.running
        return WorkerHeartbeat(
            worker_id=identity.worker_id,
            host=identity.host,
            pid=identity.pid,
            process_types=(identity.process_type,),
            state=self._standing.state(is_busy=bool(running)),
            slots=max(self._turns.slots, 1),
            current=tuple(
                CurrentTask(
                    file_id=held.task.file_id,
                    client_id=held.task.client_id,
                    process_type=held.process_type,
                    part=held.task.part,
                    attempt=held.task.attempt,
                    stage=held.stream.shown.stage,
                    progress=held.stream.shown.percent,
                    frames_per_s=held.stream.shown.frames_per_s,
                )
                for held in running
                if held.stream is not None
            ),
            message=self._standing.message or self._feed.trouble,
            program_version=identity.program_version,
            sequence=self._sequence,
            started_at=identity.started_at,
        )
