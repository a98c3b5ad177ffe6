"""The task loop of one worker, the same over every transport.

A delivery is acknowledged only when its final status is safe; a failed attempt is reported and acknowledged too,
because retrying is the dispatcher's decision. Nothing is ever put back into a queue because it failed.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workers.config import WorkerConfig
from workers.errors import TaskFailedError
from workers.protocol.codec import UndecodableMessage, decode_to_worker
from workers.protocol.messages import (
    AcceptTask,
    AnalysisTask,
    AnyWorkTask,
    AssemblyTask,
    ControlMessage,
    FileTask,
    PreviewTask,
    ProbeTask,
    SegmentTask,
    StatusMessage,
)
from workers.protocol.states import ControlAction, ErrorCode, ProcessType, Status, WorkerState
from workers.runtime.accepting import Accepter
from workers.runtime.attempts import locate
from workers.runtime.cancellations import Cancellations, concerns
from workers.runtime.crew import Crew, CrewOptions
from workers.runtime.delivery import Delivery, Feed, Outlet
from workers.runtime.executor import MEDIA_JOBS, Executor
from workers.runtime.heart import Heart
from workers.runtime.identity import WorkerIdentity
from workers.runtime.journal import AttemptKey, Journal
from workers.runtime.logs import log_context, task_context
from workers.runtime.previewing import Previewer
from workers.runtime.probing import probe
from workers.runtime.reporting import SequenceClock, StatusStream, Subject
from workers.runtime.settling import as_task_failure, given_up, settle
from workers.runtime.sources import FolderMissingError
from workers.runtime.standing import Standing
from workers.runtime.turns import Held, Turns, Verdict
from workers.runtime.work import Work
from workers.runtime.workspace import DiskFullError, has_room, needed_bytes

DISK_CHECK_INTERVAL_S: Final = 10.0
MAX_RECENT: Final = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConsumerParts:
    """What a consumer is made of."""

    identity: WorkerIdentity
    work: Work
    config: WorkerConfig
    journal: Journal
    outlet: Outlet
    feed: Feed
    jobs: str = MEDIA_JOBS
    disk_check_s: float = DISK_CHECK_INTERVAL_S


class TaskConsumer:
    """Takes deliveries, runs them in its slots, reports. `start()` before anything else, `aclose()` at the end."""

    def __init__(self, parts: ConsumerParts) -> None:
        self._parts = parts
        self._turns = Turns()
        self._standing = Standing()
        self._cancellations = Cancellations()
        self._clock = SequenceClock()
        self._heart = Heart(parts.identity, self._standing, self._turns, parts.outlet, parts.feed)
        config = parts.config
        self._crew = Crew(CrewOptions.of(parts.identity.worker_id, parts.work.kind, config, parts.jobs))
        self._previews = Previewer(self._crew.preview_executor, config)
        self._accepter = Accepter(self._crew.prober, config)
        self._deliveries: set[asyncio.Task[None]] = set()
        self._own_tasks: list[asyncio.Task[None]] = []
        self._recent: OrderedDict[AttemptKey, StatusMessage] = OrderedDict()
        self._changed = asyncio.Event()
        self._is_closed = False
        self.drained = asyncio.Event()
        """Set when a drain was asked for and the last task is settled."""

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Start the children, warm them up in the background, begin the heartbeat.

        Raises:
            OSError: no process can be started.
        """
        for executor in await self._crew.start():
            self._turns.add_slot(executor)
        self._own_tasks = [
            asyncio.create_task(self._warm_up(), name="warm-up"),
            asyncio.create_task(self._reconcile(), name="reconcile"),
            asyncio.create_task(self._watch_disk(), name="disk-watch"),
        ]
        self._heart.start()

    async def aclose(self) -> None:
        """Stop at once: running jobs are killed and given back, no process is left."""
        self._is_closed = True
        self._standing.is_draining = True
        for delivery in tuple(self._deliveries):
            delivery.cancel()
        if self._deliveries:
            await asyncio.wait(self._deliveries)
        for task in self._own_tasks:
            task.cancel()
        if self._own_tasks:
            await asyncio.wait(self._own_tasks)
        await self._heart.aclose()
        await self._previews.aclose()
        await self._crew.aclose()

    def drain(self) -> None:
        """Take nothing new, finish what runs; `drained` tells when."""
        self._standing.is_draining = True
        self._note_change()

    @property
    def state(self) -> WorkerState:
        """As the heartbeat tells it."""
        return self._standing.state(is_busy=bool(self._turns.running))

    @property
    def process_type(self) -> ProcessType:
        """The process of a file that is done here."""
        return self._parts.work.process_type

    def takes(self, task: AnyWorkTask) -> bool:
        """True when this task asks for what is done here."""
        return self._parts.work.takes(task)

    @property
    def child_pids(self) -> list[int]:
        """Leaders of the process groups that have to be gone when this worker is."""
        return self._crew.child_pids + self._previews.child_pids

    def note_transport_change(self) -> None:
        """The connection changed: say so, and take tasks again where it was lost."""
        self._note_change()

    # ------------------------------------------------------------ messages

    def accept(self, delivery: Delivery) -> None:
        """Process a delivery in a task of this consumer's own. Returns at once.

        One that comes while the worker ends stays untouched: it goes back to its queue with the connection.
        """
        if self._is_closed:
            return
        self._own(self.process_message(delivery), name=f"delivery-{id(delivery):x}")

    async def process_message(self, delivery: Delivery) -> None:
        """Process one delivery to its end: run it, report it, acknowledge it."""
        try:
            message = decode_to_worker(delivery.body)
        except UndecodableMessage as error:
            _log.warning("a message nobody can read goes to the dead letters: %s", error)
            await settle(delivery.reject(requeue=False))
            return
        match message:
            case FileTask() | AnalysisTask() | SegmentTask() | AssemblyTask() if self.takes(message):
                worker_id = self._parts.identity.worker_id
                with log_context(task_context(worker_id, message, self.process_type)):
                    await self._process_task(message, delivery)
            case FileTask():  # reaches both queues: the other process of the file is wanted
                await settle(delivery.ack())
            case ProbeTask() if self._parts.feed.is_exclusive:
                reply = await probe(message, await self._crew.prober(), self._parts.config)
                await self._parts.outlet.send_reply(reply)
                await settle(delivery.ack())
            case PreviewTask() if self._parts.feed.is_exclusive:
                await self._parts.outlet.send_reply(await self._previews.show(message))
                await settle(delivery.ack())
            case AcceptTask() if self._parts.feed.is_exclusive:
                await self._parts.outlet.send_reply(await self._accepter.accept(message))
                await settle(delivery.ack())
            case _:
                _log.warning("a %s message does not belong into a task queue", message.type)
                await settle(delivery.reject(requeue=False))

    def handle_control(self, message: ControlMessage) -> None:
        """Cancel, pause, resume, drain or release. Never waits."""
        if message.worker_id not in (None, self._parts.identity.worker_id):
            return
        match message.action:
            case ControlAction.CANCEL:
                self._cancel(message)
            case ControlAction.PAUSE:
                self._standing.is_paused = True
            case ControlAction.RESUME:
                self._standing.is_paused = False
            case ControlAction.DRAIN:
                self._standing.is_draining = True
            case ControlAction.RELEASE:
                self._standing.release()
        self._note_change()

    def _cancel(self, message: ControlMessage) -> None:
        own_type = self._parts.work.process_type
        if message.process_type not in (None, own_type):
            return
        self._cancellations.remember(message, own_type, asyncio.get_running_loop().time())
        for held in tuple(self._turns.held.values()):
            if concerns(message, held.task):
                held.cancel()
                self._cancellations.settle(held.task)

    # ------------------------------------------------------------ one task

    async def _process_task(self, task: AnyWorkTask, delivery: Delivery) -> None:
        process_type = self._parts.work.process_type
        key = AttemptKey.of(task, process_type)
        same = self._turns.held.get(key)
        if same is not None:
            # Redelivered after a lost connection while the first delivery is still being worked on.
            await same.settled.wait()
            await settle(delivery.ack() if same.was_finished else delivery.nack(requeue=True))
            return
        earlier = self._recent.get(key) if delivery.redelivered else None
        if earlier is not None and earlier.status is not Status.COMPLETED:
            again = earlier.model_copy(update={"sequence": self._clock.next()})
            await self._parts.outlet.send_final(again)
            await settle(delivery.ack())
            return
        held = self._turns.hold(task, process_type, delivery)
        try:
            await self._take_turn(held)
        finally:
            self._turns.let_go(held)
            self._note_change()

    async def _take_turn(self, held: Held) -> None:
        """Wait for a child, work, and end the delivery."""
        if self._cancellations.covers(held.task, asyncio.get_running_loop().time()):
            self._cancellations.settle(held.task)
            held.cancel()
        self._note_change()
        try:
            turn = await held.turn
        except asyncio.CancelledError:
            await settle(held.delivery.nack(requeue=True))
            raise
        if turn is Verdict.GIVEN_BACK:
            await settle(held.delivery.nack(requeue=True))
        elif isinstance(turn, Verdict):
            await self._finish(held, self._stream(held).cancelled())
        else:
            try:
                await self._work_on(held, turn)
            finally:
                self._turns.free(turn)

    async def _work_on(self, held: Held, executor: Executor) -> None:
        journal = self._parts.journal
        stream = self._stream(held)
        held.stream = stream
        self._heart.note_change()
        try:
            begun = await asyncio.to_thread(journal.begin, held.key)
            if begun >= self._parts.config.max_processing_attempts:
                final = stream.failed(given_up(begun))
            else:
                async with stream:
                    final = await self._attempt(held, stream, executor)
        except (
            asyncio.CancelledError
        ):  # the worker stops: the attempt is somebody else's, and not the file's fault
            await asyncio.to_thread(journal.end, held.key)
            await settle(held.delivery.nack(requeue=True))
            raise
        await self._finish(held, final)
        await asyncio.to_thread(journal.end, held.key)

    async def _attempt(self, held: Held, stream: StatusStream, executor: Executor) -> StatusMessage:
        """Run the job and turn whatever comes of it into a final status."""
        work = self._parts.work.run(held.task, executor, stream.observe)
        name = f"job-{held.task.file_id}-{held.task.part or held.process_type}"
        held.job = asyncio.create_task(work, name=name)
        if held.is_cancelled:
            held.job.cancel()
        try:
            await asyncio.wait({held.job})
        except asyncio.CancelledError:
            held.job.cancel()
            await asyncio.wait({held.job})
            raise
        if held.job.cancelled():
            return stream.cancelled()
        error = held.job.exception()
        if error is None:
            self._standing.note_success()
            return stream.completed(held.job.result())
        return await self._failed(held, stream, as_task_failure(error))

    async def _failed(self, held: Held, stream: StatusStream, error: TaskFailedError) -> StatusMessage:
        _log.warning("attempt failed: %s (%s) %s", error.message, error.code, error.detail or "")
        if error.code is ErrorCode.DISK_FULL:
            await self._look_at_disk(held.task, error)
        self._standing.note_failure(
            held.task.file_id,
            error.code,
            is_place_missing=isinstance(error, FolderMissingError) and not self._parts.feed.is_exclusive,
        )
        return stream.failed(error)

    async def _finish(self, held: Held, final: StatusMessage) -> None:
        """The final status is safe first, then the delivery is acknowledged."""
        _log.info("attempt ended: %s", final.status)
        await self._parts.outlet.send_final(final)
        held.was_finished = True
        self._recent[held.key] = final
        while len(self._recent) > MAX_RECENT:
            self._recent.popitem(last=False)
        await settle(held.delivery.ack())

    def _stream(self, held: Held) -> StatusStream:
        identity = self._parts.identity
        subject = Subject(held.task, held.process_type, identity.worker_id)
        return StatusStream(subject, self._parts.outlet, self._clock)

    # ------------------------------------------------------------ the worker itself

    async def _warm_up(self) -> None:
        if not await self._crew.wait_warm():
            self._standing.note_unusable(
                "The media libraries cannot be loaded here; the log has the details."
            )
        self._standing.is_starting = False
        self._note_change()

    def _note_change(self) -> None:
        self._changed.set()
        self._heart.note_change()

    async def _reconcile(self) -> None:
        """Bring what is taken in line with what can be done, whenever something changed."""
        feed, standing, turns = self._parts.feed, self._standing, self._turns
        while True:
            await self._changed.wait()
            self._changed.clear()
            takes = standing.takes_tasks
            shares = takes and turns.own_load < turns.slots
            await feed.set_taking(shared=shares, own=takes)
            if standing.is_draining:
                turns.give_back(own_too=True)
            elif not feed.is_exclusive and not standing.is_starting and not shares:
                turns.give_back(own_too=not takes)
            if standing.takes_tasks:
                turns.dispatch()
            if standing.is_draining and not turns.held:
                self.drained.set()

    async def _look_at_disk(self, task: AnyWorkTask, error: TaskFailedError) -> None:
        """Stop taking tasks when the disk is below the floor now that the workspace is gone."""
        if isinstance(error, DiskFullError):
            folder = error.folder
        else:
            folder = (await asyncio.to_thread(locate, task, self._parts.config.roots)).videos
        if not await asyncio.to_thread(has_room, folder, self._floor_bytes()):
            self._standing.note_full_disk(folder, error.message)

    def _floor_bytes(self) -> int:
        return needed_bytes(self._parts.work.process_type, 0, self._parts.config.min_free_disk_bytes)

    async def _watch_disk(self) -> None:
        while True:
            await asyncio.sleep(self._parts.disk_check_s)
            folder: Path | None = self._standing.full_folder
            if folder is not None and await asyncio.to_thread(has_room, folder, self._floor_bytes()):
                self._standing.note_room()
                self._note_change()

    def _own(self, coroutine: Coroutine[Any, Any, None], *, name: str) -> None:
        task = asyncio.create_task(coroutine, name=name)
        self._deliveries.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._deliveries.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a delivery could not be processed; the broker will hand it out again", exc_info=error)
