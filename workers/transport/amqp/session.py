"""One life of the connection: two connections, the whole topology, consumers, confirmed publishes.

A session is never repaired. When any part of it breaks, `broken` is set, and the link opens a new one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self, cast

from aio_pika import DeliveryMode, Message
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
)

from workers.protocol import topology
from workers.protocol.states import ProcessType
from workers.protocol.topology import Binding, Queue
from workers.transport.amqp.connecting import BROKER_ERRORS, open_connection

DECLARE_LIMIT_S: Final = 20.0
CLOSE_LIMIT_S: Final = 3.0
CONSUMER_TIMEOUT_MARGIN_S: Final = 300.0
"""The executor ends a task at its limit; the broker takes it away only if even that failed."""
_log = logging.getLogger(__name__)

type OnMessage = Callable[[AbstractIncomingMessage], Awaitable[None]]


class _ConsumerTable(Protocol):
    """What aiormq's channel keeps, but does not name in its abstract class: consumers by their tags."""

    consumers: dict[str, object]


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What a session needs to know."""

    url: str
    worker_id: str
    process_type: ProcessType
    slots: int
    task_limit_s: float
    priority: int


class Session:
    """Use `Session.open`. Every method raises one of `BROKER_ERRORS` once the connection is gone."""

    def __init__(
        self, options: SessionOptions, publishing: AbstractConnection, consuming: AbstractConnection
    ) -> None:
        self._options = options
        self._connections = (publishing, consuming)
        self._publish_channel: AbstractChannel | None = None
        self._consume_channel: AbstractChannel | None = None
        self._status_exchange: AbstractExchange | None = None
        self._queues: dict[str, AbstractQueue] = {}
        self._tags: dict[str, str] = {}
        self.broken = asyncio.Event()

    @classmethod
    async def open(cls, options: SessionOptions) -> Self:
        """Connect twice and declare everything.

        Raises:
            BrokerUnreachable: no connection.
            Exception: one of `BROKER_ERRORS`, when the broker refuses a declaration.
        """
        name = f"vidproc worker {options.worker_id}"
        publishing = await open_connection(options.url, f"{name} publishes")
        try:
            consuming = await open_connection(options.url, f"{name} consumes")
        except BaseException:
            await _close(publishing)
            raise
        session = cls(options, publishing, consuming)
        try:
            async with asyncio.timeout(DECLARE_LIMIT_S):
                await session._set_up()
        except BaseException:
            await session.aclose()
            raise
        return session

    async def aclose(self) -> None:
        """Close both connections; what was not acknowledged goes back to its queue."""
        self.broken.set()
        await asyncio.gather(*(_close(connection) for connection in self._connections))

    # ------------------------------------------------------------ consuming

    async def consume_tasks(self, queue: Queue, on_message: OnMessage) -> None:
        """Attach to a task queue, with as many deliveries in flight as there are slots."""
        if queue.name in self._tags:
            return
        arguments: dict[str, Any] = {
            "x-consumer-timeout": int((self._options.task_limit_s + CONSUMER_TIMEOUT_MARGIN_S) * 1000),
            "x-priority": self._options.priority,
        }
        self._tags[queue.name] = await self._queues[queue.name].consume(
            on_message, arguments=arguments, timeout=DECLARE_LIMIT_S
        )

    async def stop_consuming(self, queue: Queue) -> None:
        """Detach from a task queue; deliveries in flight stay ours."""
        tag = self._tags.pop(queue.name, None)
        if tag is not None:
            await self._queues[queue.name].cancel(tag, timeout=DECLARE_LIMIT_S)

    async def consume_control(self, on_message: OnMessage) -> None:
        """Listen to cancel, pause, resume, drain and release."""
        queue = topology.control_queue(self._options.worker_id)
        self._tags[queue.name] = await self._queues[queue.name].consume(
            on_message, no_ack=True, timeout=DECLARE_LIMIT_S
        )

    async def is_attached(self) -> bool:
        """True when every consumer that should be there is there, on both sides.

        A consumer can vanish while its connection lives (the queue was deleted, or moved to another node).
        """
        assert self._consume_channel is not None
        underlay = await self._consume_channel.get_underlay_channel()
        attached = cast("_ConsumerTable", underlay).consumers
        for name, tag in tuple(self._tags.items()):
            if tag not in attached:
                _log.warning("the broker detached the consumer of %s", name)
                return False
            declared = await underlay.queue_declare(name, passive=True, timeout=DECLARE_LIMIT_S)
            if not declared.consumer_count:
                _log.warning("the broker knows no consumer of %s", name)
                return False
        return True

    # ------------------------------------------------------------ publishing

    async def publish_status(
        self, body: bytes, routing_key: str, *, must_arrive: bool, limit_s: float, kind: str
    ) -> None:
        """Publish to the status exchange and wait for the broker's confirmation.

        With `must_arrive` the message survives a restart of the broker, and one that no queue takes raises
        `DeliveryError`; without it such a message is dropped.
        """
        assert self._status_exchange is not None
        message = Message(
            body,
            content_type="application/json",
            type=kind,
            delivery_mode=DeliveryMode.PERSISTENT if must_arrive else DeliveryMode.NOT_PERSISTENT,
        )
        await self._status_exchange.publish(
            message, routing_key=routing_key, mandatory=must_arrive, timeout=limit_s
        )

    async def is_blocked(self) -> bool:
        """True while the broker holds back publishers because its disk or memory is short."""
        transport = self._connections[0].transport
        if transport is None:
            return False
        try:
            async with asyncio.timeout(0.05):
                await transport.ready()
        except TimeoutError:
            return True
        return False

    # ------------------------------------------------------------ set-up

    async def _set_up(self) -> None:
        publishing, consuming = self._connections
        for connection in self._connections:
            connection.close_callbacks.add(self._note_broken)
        self._publish_channel = publishing.channel(publisher_confirms=True, on_return_raises=True)
        self._consume_channel = consuming.channel()
        for channel in (self._publish_channel, self._consume_channel):
            await channel.initialize()
            channel.close_callbacks.add(self._note_broken)
        await self._consume_channel.set_qos(prefetch_count=self._options.slots)
        await self._declare(self._consume_channel)
        self._status_exchange = await self._publish_channel.get_exchange(
            topology.PROCESSING_STATUS.name, ensure=False
        )

    async def _declare(self, channel: AbstractChannel) -> None:
        """Exchanges, queues, bindings: all of them, before anything is published or consumed."""
        for exchange in topology.EXCHANGES:
            await channel.declare_exchange(exchange.name, exchange.kind.value, durable=True)
        worker_id = self._options.worker_id
        own, control = topology.worker_queue(worker_id), topology.control_queue(worker_id)
        for queue in (*topology.SHARED_QUEUES, own, control):
            self._queues[queue.name] = await channel.declare_queue(
                queue.name,
                durable=not queue.is_exclusive,
                exclusive=queue.is_exclusive,
                arguments=dict(queue.arguments()),
            )
        bindings = (
            *topology.SHARED_BINDINGS,
            Binding(topology.VIDEO_TASKS.name, own.name, topology.worker_routing_key(worker_id)),
            Binding(topology.WORKER_CONTROL.name, control.name, ""),
        )
        for binding in bindings:
            await self._queues[binding.queue].bind(binding.exchange, binding.routing_key)

    def _note_broken(self, *_: object) -> None:
        self.broken.set()


async def _close(connection: AbstractConnection) -> None:
    with contextlib.suppress(*BROKER_ERRORS):
        async with asyncio.timeout(CLOSE_LIMIT_S):
            await connection.close()
