"""Messages, a listening sink and a plain AMQP peer for the tests of the RabbitMQ side."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from tests.fixtures.part_tasks import analysis_task, assembly_task, segment_task
from tests.fixtures.worker_part_jobs import spans
from vidproc_desktop.broker.rabbitmq import LinkTiming, RabbitMQBroker
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState
from workers.protocol.codec import encode
from workers.protocol.messages import (
    AnyWorkTask,
    FileTask,
    OutputTarget,
    SourceRef,
    StatusMessage,
    WorkerHeartbeat,
)
from workers.protocol.model import WireModel, WorkerId
from workers.protocol.results import AnalysisResult
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ProcessType, Stage, Status, WorkerState

LIMIT_S: Final = 60.0
QUICK: Final = LinkTiming(
    open_s=5,
    first_pause_s=0.05,
    longest_pause_s=0.5,
    close_s=1,
    confirm_s=10,
    watch_s=0.05,
    inspect_s=0.1,
    idle_grace_s=0,
)


def file_task(file_id: str = "file-1", *, client_id: str = "client-1", attempt: int = 1) -> FileTask:
    """A task as the dispatcher sends it."""
    return FileTask(
        file_id=file_id,
        client_id=client_id,
        process_types=(ProcessType.VIDEO_ENHANCEMENT, ProcessType.METADATA_EXTRACTION),
        attempt=attempt,
        source=SourceRef(uri="file:///nowhere/in.mp4", size_bytes=1, mtime_ns=1),
        output=OutputTarget(directory_uri="file:///nowhere/out", stem="in"),
        settings=EnhancementSettings(),
        timeout_s=60,
    )


def part_tasks(*, attempt: int = 1) -> tuple[AnyWorkTask, ...]:
    """All parts of one enhancement, as the dispatcher sends them one after the other."""
    task = file_task(attempt=attempt)
    shared_out = AnalysisResult(plan_sha256="0" * 64, spans=spans(2))
    segments = (segment_task(task, shared_out, number) for number in range(2))
    return analysis_task(task), *segments, assembly_task(task, shared_out)


def status(sequence: int, *, client_id: str = "client-1", state: Status = Status.PROCESSING) -> StatusMessage:
    """A status as a worker sends it."""
    return StatusMessage(
        file_id="file-1",
        client_id=client_id,
        process_type=ProcessType.VIDEO_ENHANCEMENT,
        status=state,
        progress=1.0,
        attempt=1,
        sequence=sequence,
        worker_id="worker-1",
        stage=Stage.ENHANCING,
    )


def heartbeat(worker_id: str = "worker-1") -> WorkerHeartbeat:
    """A sign of life as a worker sends it."""
    return WorkerHeartbeat(
        worker_id=worker_id,
        host="here",
        pid=1,
        process_types=(ProcessType.VIDEO_ENHANCEMENT,),
        state=WorkerState.IDLE,
        program_version="0",
        sequence=1,
        started_at="2026-01-01T00:00:00Z",
    )


class Listener:
    """A `BrokerSink` that keeps everything and can be waited on."""

    def __init__(self) -> None:
        self.statuses: list[StatusMessage] = []
        self.heartbeats: list[WorkerHeartbeat] = []
        self.healths: list[BrokerHealth] = []
        self.refuse_next: Exception | None = None
        """Raised by the next `on_status`, as a full disk would."""
        self.gate = asyncio.Event()
        """While clear, a status is not durable yet."""
        self.gate.set()
        self._news = asyncio.Event()

    async def on_status(self, status: StatusMessage) -> None:
        await self.gate.wait()
        if self.refuse_next is not None:
            error, self.refuse_next = self.refuse_next, None
            raise error
        self.statuses.append(status)
        self._news.set()

    def on_heartbeat(self, heartbeat: WorkerHeartbeat) -> None:
        self.heartbeats.append(heartbeat)
        self._news.set()

    def on_worker_gone(self, worker_id: WorkerId) -> None:
        raise AssertionError(f"no local worker here: {worker_id}")

    def on_health(self, health: BrokerHealth) -> None:
        self.healths.append(health)
        self._news.set()

    @property
    def state(self) -> BrokerState | None:
        return self.healths[-1].state if self.healths else None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds; it is looked at after every event."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def until_state(self, *states: BrokerState) -> None:
        """Wait until the connection is in one of these states."""
        await self.until(lambda: self.state in states)

    async def until_connected(self) -> None:
        """Wait until publishing is possible, with or without workers."""
        await self.until_state(BrokerState.READY, BrokerState.NO_WORKER)


@asynccontextmanager
async def running_broker(
    url: str, listener: Listener, *, client_id: str = "client-1"
) -> AsyncIterator[RabbitMQBroker]:
    """The adapter under test, connected to whatever is there."""
    broker = RabbitMQBroker(url, client_id=client_id, timing=QUICK)
    await broker.start(listener)
    try:
        yield broker
    finally:
        await broker.aclose()


@asynccontextmanager
async def plain_channel(url: str) -> AsyncIterator[AbstractChannel]:
    """A peer that knows nothing of the product's client."""
    connection = await aio_pika.connect(url)
    try:
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)
    finally:
        await connection.close()


async def send(channel: AbstractChannel, exchange: str, routing_key: str, message: WireModel | bytes) -> None:
    """Publish as a worker would."""
    body = message if isinstance(message, bytes) else encode(message)
    target = await channel.get_exchange(exchange, ensure=False)
    persistent = aio_pika.DeliveryMode.PERSISTENT
    await target.publish(aio_pika.Message(body, delivery_mode=persistent), routing_key, timeout=LIMIT_S)


async def take(channel: AbstractChannel, queue: str) -> bytes:
    """Consume one message and acknowledge it."""
    declared = await channel.get_queue(queue, ensure=False)
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def on_message(message: AbstractIncomingMessage) -> None:
        if arrived.done():  # the next one, handed over before the consumer was cancelled
            await message.reject(requeue=True)
            return
        arrived.set_result(message.body)
        await message.ack()

    await channel.set_qos(prefetch_count=1)
    tag = await declared.consume(on_message)
    try:
        return await asyncio.wait_for(arrived, LIMIT_S)
    finally:
        await declared.cancel(tag)


async def depth(channel: AbstractChannel, queue: str) -> int:
    """Messages that wait in a queue and were handed to nobody."""
    underlay = await channel.get_underlay_channel()
    answer = await underlay.queue_declare(queue, passive=True)
    return answer.message_count or 0


async def leave(_message: AbstractIncomingMessage) -> None:
    """Consume and do nothing: the message stays unacknowledged."""
