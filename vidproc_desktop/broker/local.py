"""Local mode: worker processes of this program's own, and the queue between. `TaskBroker` and `WorkerProcesses`.

A task is handed to a free worker and kept until its final status. A worker process that dies with a task in its hands
is a failed attempt (`worker_crashed`) of that task, reported in the worker's place: the dispatcher decides about the
next attempt as about any other, so the file still finishes, and one that kills every worker ends with its ledger. A
worker that is taken away hands its task back instead, and the same attempt goes to another.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Final

from vidproc_desktop.broker.commands import Command, WorkerRole
from vidproc_desktop.broker.deliveries import Delivery, DeliveryQueue, concerns
from vidproc_desktop.broker.place import Place, PlaceEvents
from vidproc_desktop.broker.worker_process import ProcessEnd
from vidproc_desktop.domain.tasks import crash_error
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.ports import BrokerSink
from vidproc_desktop.services.spawn import Background
from workers.protocol.codec import AnyFromWorker
from workers.protocol.messages import AnyWorkTask, ControlMessage, StatusMessage, WorkerHeartbeat
from workers.protocol.model import WorkerId
from workers.protocol.states import ControlAction, Status, WorkerState

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
FAILURES_UNTIL_TOLD: Final = 3
_OURSELVES: Final = "local-broker"


@dataclass(frozen=True, slots=True)
class LocalCommands:
    """How the two kinds of worker are started."""

    enhance: Command
    metadata: Command


class LocalBroker:
    """Tasks to worker processes on this computer.

    Args:
        commands: how workers are started.
        count: enhancement workers at start; one metadata worker is added.
    """

    def __init__(self, commands: LocalCommands, *, count: int = 1) -> None:
        self._commands = commands
        self._count = count
        self._queue = DeliveryQueue()
        self._places: dict[Place, asyncio.Task[None]] = {}
        self._numbers = 0
        self._background = Background()
        self._sink: BrokerSink | None = None
        self._health = BrokerHealth(BrokerState.STOPPED, "Not started.", time.time())
        self._has_resized = asyncio.Lock()

    # ------------------------------------------------------------ broker

    async def start(self, sink: BrokerSink) -> None:
        """Begin; the workers come up in the background and stay warm."""
        self._sink = sink
        self._tell(BrokerState.STARTING, "Starting the workers on this computer …")
        self._fill(WorkerRole.METADATA)
        for _ in range(self._count):
            self._fill(WorkerRole.ENHANCE)
        self._background.spawn(self._watch(), "watch local workers")

    async def aclose(self) -> None:
        """Stop every process; what was under way is forgotten here, and known to whoever published it."""
        places, self._places = dict(self._places), {}
        await _leave(places)
        await self._background.aclose()
        if self._sink is not None:
            self._tell(BrokerState.STOPPED, "Stopped.")
            self._sink = None

    async def publish(self, task: AnyWorkTask, *, worker_id: WorkerId | None = None) -> None:
        """Take responsibility for a task. Raises UserFacingError when this broker was stopped."""
        if self._sink is None:
            raise UserFacingError(UserErrorCode.NO_WORKER, "The workers on this computer were stopped.")
        self._queue.put(task, worker_id)
        self._hand_out()

    async def control(self, message: ControlMessage) -> None:
        """Tell those whom it concerns. A cancelled task that waits is dropped here."""
        if message.action is ControlAction.CANCEL:
            self._cancel(message)
            return
        for place in self._places:
            if message.worker_id in (None, place.worker_id):
                place.control(message)

    # ------------------------------------------------------------ worker processes

    @property
    def count(self) -> int:
        """How many enhancement workers are wanted."""
        return self._count

    @property
    def pids(self) -> frozenset[int]:
        """Process ids of those that run."""
        return frozenset(place.pid for place in self._places if place.pid is not None)

    async def set_count(self, count: int) -> None:
        """Have this many enhancement workers; those that leave hand their task back."""
        async with self._has_resized:
            self._count = max(0, count)
            present = [place for place in self._places if place.role is WorkerRole.ENHANCE]
            if self._sink is None:
                return
            for _ in range(len(present), self._count):
                self._fill(WorkerRole.ENHANCE)
            # Those that have nothing to do go first.
            surplus = sorted(present, key=lambda place: len(place.held))[: max(0, len(present) - self._count)]
            await _leave({place: self._places.pop(place) for place in surplus})
            self._hand_out()

    def _fill(self, role: WorkerRole) -> None:
        self._numbers += 1
        command = self._commands.enhance if role is WorkerRole.ENHANCE else self._commands.metadata
        place = Place(
            role,
            command,
            name=f"{role.value} worker {self._numbers}",
            events=PlaceEvents(self._on_message, self._on_end, self._on_trouble),
        )
        self._places[place] = self._background.spawn(place.run(), place.name)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            for place in tuple(self._places):
                place.look(now)

    # ------------------------------------------------------------ what places say

    def _on_message(self, place: Place, message: AnyFromWorker) -> None:
        sink = self._sink
        if sink is None:
            return
        match message:
            case StatusMessage():
                self._take_status(place, message)
            case WorkerHeartbeat():
                sink.on_heartbeat(message)
                if message.state is WorkerState.SET_ASIDE and not message.current:
                    place.complaint = message.message
                    self._begin_anew(place)
                self._judge()
                self._hand_out()
            case _:
                _log.warning("%s answered a probe that nobody sent", place.name)

    def _begin_anew(self, place: Place) -> None:
        """Nobody else would do the work of a worker set aside, and a fresh process may be all that it takes.

        It may have been handed a task between its last failure and this word of it: that one is not begun.
        """
        _log.warning("%s is set aside and begins anew: %s", place.name, place.complaint)
        not_begun = [delivery for delivery in place.held.values() if delivery.cancelled_at is None]
        for delivery in not_begun:
            del place.held[delivery.key]
        self._queue.put_back(not_begun)
        place.kill()

    def _take_status(self, place: Place, status: StatusMessage) -> None:
        delivery = place.held.get((status.file_id, status.process_type, status.part))
        if delivery is not None and delivery.task.attempt == status.attempt:
            delivery.note(status)
            if status.status.is_final:
                del place.held[delivery.key]
        self._report(status)
        if status.status.is_final:
            self._hand_out()

    def _on_end(self, place: Place, end: ProcessEnd) -> None:
        """A process ended: its tasks failed with it, were cancelled, or go back into the queue."""
        if self._sink is None:
            return
        held = list(place.held.values())
        place.held.clear()
        worker_id = place.worker_id
        returned = []
        for delivery in held:
            if delivery.cancelled_at is not None:
                self._report(self._ending(delivery, Status.CANCELLED, worker_id))
            elif place.is_leaving:
                returned.append(delivery)
            else:
                self._report(self._crashed(delivery, worker_id, end))
        self._queue.put_back(returned)
        if worker_id is not None:
            self._sink.on_worker_gone(worker_id)
        if place.failures >= FAILURES_UNTIL_TOLD and not place.is_leaving:
            self._complain(place.complaint or "\n".join((end.words, *end.last_lines[-3:])))
        place.complaint = None
        self._hand_out()

    def _on_trouble(self, place: Place, error: UserFacingError) -> None:
        if place.failures >= FAILURES_UNTIL_TOLD:
            self._complain(error.detail)

    # ------------------------------------------------------------ tasks

    def _hand_out(self) -> None:
        """Give waiting tasks to whoever has room."""
        present = {place.worker_id for place in self._places if place.worker_id is not None}
        for place in self._places:
            while place.has_room:
                worker_id = place.worker_id
                assert worker_id is not None
                delivery = self._queue.take(worker_id, place.process_types, present)
                if delivery is None:
                    break
                place.hand_over(delivery)

    def _cancel(self, message: ControlMessage) -> None:
        def is_meant(delivery: Delivery) -> bool:
            return concerns(message, delivery)

        for delivery in self._queue.drop(is_meant):
            self._report(self._ending(delivery, Status.CANCELLED, None))
        for place in self._places:
            meant = [delivery for delivery in place.held.values() if is_meant(delivery)]
            for delivery in meant:
                delivery.cancelled_at = delivery.cancelled_at or time.monotonic()
            if meant:
                place.control(message)

    def _ending(self, delivery: Delivery, status: Status, worker_id: WorkerId | None) -> StatusMessage:
        return delivery.ending(status, worker_id=worker_id or _OURSELVES, now_us=time.time_ns() // 1000)

    def _crashed(self, delivery: Delivery, worker_id: WorkerId | None, end: ProcessEnd) -> StatusMessage:
        return delivery.ending(
            Status.FAILED,
            worker_id=worker_id or _OURSELVES,
            now_us=time.time_ns() // 1000,
            error=crash_error(end.words, end.last_lines),
        )

    def _report(self, status: StatusMessage) -> None:
        # Tasks begin in the order in which they are made: statuses reach the sink in order, nobody waits for the disk.
        self._background.spawn(self._deliver(status), f"status of {status.file_id}")

    async def _deliver(self, status: StatusMessage) -> None:
        if self._sink is None:
            return
        try:
            await self._sink.on_status(status)
        except UserFacingError as error:
            # The sink has it in memory and tells the user; there is no queue here that could keep it longer.
            _log.warning("a status could not be stored yet: %s", error.title)

    # ------------------------------------------------------------ health

    def _judge(self) -> None:
        """Ready once somebody is there for each kind of work that is wanted."""
        roles = {place.role for place in self._places if place.heartbeat is not None}
        wanted = {WorkerRole.METADATA} | ({WorkerRole.ENHANCE} if self._count else set())
        if wanted <= roles and self._health.state is not BrokerState.READY:
            self._tell(BrokerState.READY, "Working on this computer.")

    def _complain(self, detail: str) -> None:
        self._tell(BrokerState.NO_WORKER, f"Worker processes do not start on this computer: {detail}")

    def _tell(self, state: BrokerState, message: str) -> None:
        if self._sink is None or (self._health.state, self._health.message) == (state, message):
            return
        self._health = BrokerHealth(state, message, time.time())
        self._sink.on_health(self._health)


async def _leave(places: dict[Place, asyncio.Task[None]]) -> None:
    """Empty places; returns when their processes are gone."""
    for place, task in places.items():
        place.is_leaving = True
        task.cancel()
    if places:
        await asyncio.wait(places.values())
