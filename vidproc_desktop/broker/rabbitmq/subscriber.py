"""Receiving statuses and heartbeats, and looking at the queues: acknowledged only when what came is durable.

Knows one connection at a time; what a status means is the business of the callback.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

from vidproc_desktop.broker.rabbitmq.declare import declare_queue, declare_shared
from vidproc_desktop.broker.rabbitmq.faults import NETWORK_FAULTS
from vidproc_desktop.broker.rabbitmq.link import Link
from workers.protocol import topology
from workers.protocol.codec import AnyFromWorker, UndecodableMessage, decode_from_worker
from workers.protocol.messages import WorkerHeartbeat
from workers.protocol.topology import PROCESSING_STATUS, Binding, Queue

_log = logging.getLogger(__name__)

PREFETCH: Final = 500
"""Statuses in the air: enough for one database transaction to take many, few enough to come back quickly. And more than
the results that may wait to be taken over, of which there are at most two for each slot and kind of work: progress has
to get past them."""

_INSPECT_LIMIT_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 30.0

type StatusCallback = Callable[[AnyFromWorker], Awaitable[None]]


class Subscriber:
    """The consuming half of the client, on a connection of its own."""

    def __init__(self, client_id: str, link: Link) -> None:
        self._client_id = client_id
        self._link = link
        self._callback: StatusCallback | None = None
        self._channel: AbstractChannel | None = None
        self._inspection: AbstractChannel | None = None
        self._missed = 0
        self._in_hand = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._is_finishing = False

    async def set_up(self, connection: AbstractConnection) -> None:
        """Prepare a fresh connection: declare, consume, and open a channel for looking at queues."""
        self._is_finishing = False
        channel = await connection.channel(publisher_confirms=False)
        await declare_shared(channel, self._client_id)
        self._inspection = await connection.channel(publisher_confirms=False)
        channel.close_callbacks.add(self._on_channel_closed)
        self._channel = channel
        if self._callback is not None:
            await self._consume(channel)

    async def attach(self, callback: StatusCallback) -> None:
        """Set who is told, now if the connection is open, and after every reconnect."""
        is_first = self._callback is None
        self._callback = callback
        if is_first and self._channel is not None:
            try:
                await self._consume(self._channel)
            except NETWORK_FAULTS as error:
                self._link.restart(f"its queues could not be consumed ({error!r})")

    async def _consume(self, channel: AbstractChannel) -> None:
        await channel.set_qos(prefetch_count=PREFETCH)
        status = topology.status_queue(self._client_id)
        queue = await declare_queue(channel, status, topology.status_bindings(self._client_id))
        await queue.consume(self._on_delivery)
        # A name of its own for every connection: after a lost network the broker keeps the old exclusive queue
        # until it misses the old connection's heartbeats, and would refuse the same name meanwhile.
        own = topology.heartbeat_queue(f"{self._client_id}.{secrets.token_hex(4)}")
        heartbeats = await declare_queue(channel, own, (_heartbeat_binding(own),))
        await heartbeats.consume(self._on_heartbeat, no_ack=True)
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(self._on_cancelled)

    async def consumers(self) -> dict[str, int]:
        """Consumers of each shared task queue. Also checks that we are still attached to our own queue.

        Raises:
            NETWORK_FAULTS: the broker did not answer or a queue is gone; the link is opened anew.
        """
        try:
            async with asyncio.timeout(_INSPECT_LIMIT_S):
                await self._check_attachment()
                return {queue.name: await self._count(queue) for queue in topology.QUEUE_OF.values()}
        except NETWORK_FAULTS as error:
            self._link.restart(f"its queues could not be looked at ({error!r})")
            raise

    async def delete_status_queue(self) -> None:
        """Stop hearing, for good. Raises NETWORK_FAULTS."""
        channel, self._callback = self._inspection, None
        if channel is None or not self._link.is_ready:
            raise RuntimeError("not connected")
        async with asyncio.timeout(_INSPECT_LIMIT_S):
            await channel.queue_delete(topology.status_queue(self._client_id).name)

    async def _check_attachment(self) -> None:
        """A consumer can stay detached in silence after a broker's restart (aio-pika #231, #632)."""
        if self._callback is None:
            return
        attached = await self._count(topology.status_queue(self._client_id))
        self._missed = 0 if attached else self._missed + 1
        if self._missed >= 2:  # once may be the moment between declaring and consuming
            self._missed = 0
            raise RuntimeError("nobody is attached to the status queue")

    async def _count(self, queue: Queue) -> int:
        channel = self._inspection
        if channel is None:
            raise RuntimeError("the channel is closed")
        underlay = await channel.get_underlay_channel()
        answer = await underlay.queue_declare(queue.name, passive=True, timeout=_INSPECT_LIMIT_S)
        return answer.consumer_count or 0

    async def finish(self, limit_s: float) -> None:
        """Take no more, and let those that were taken be acknowledged, within the limit; the rest comes again."""
        self._is_finishing = True
        try:
            async with asyncio.timeout(limit_s):
                await self._is_idle.wait()
                await self._flush()
        except TimeoutError:
            _log.info("%d statuses were not durable at the end and come again", self._in_hand)
        except NETWORK_FAULTS as error:
            _log.info("the last acknowledgements may not have arrived: %r", error)

    async def _flush(self) -> None:
        """Acknowledgements have no answer; that of a question behind them on the same channel shows they arrived."""
        channel = self._channel
        if channel is not None and not channel.is_closed:
            underlay = await channel.get_underlay_channel()
            await underlay.queue_declare(topology.ENHANCEMENT_QUEUE.name, passive=True)

    async def _on_delivery(self, message: AbstractIncomingMessage) -> None:
        if self._is_finishing:
            return
        self._in_hand += 1
        self._is_idle.clear()
        try:
            await self._take(message)
        finally:
            self._in_hand -= 1
            if not self._in_hand:
                self._is_idle.set()

    async def _take(self, message: AbstractIncomingMessage) -> None:
        try:
            status = decode_from_worker(message.body)
        except UndecodableMessage as error:
            _log.error("a status that cannot be read was rejected: %s", error)
            await message.reject(requeue=False)
            return
        await self._hand_over(status)
        try:
            await message.ack()
        except NETWORK_FAULTS as error:
            # The delivery tag died with its channel: the status comes again, and is known by its sequence.
            _log.info("a status was taken and could not be acknowledged: %r", error)

    async def _hand_over(self, status: AnyFromWorker) -> None:
        """Call back until it works: a status that is not durable is not acknowledged, and never dropped."""
        pause_s = 1.0
        while self._callback is not None:
            try:
                await self._callback(status)
            except Exception:  # noqa: BLE001 - whatever it is (a full disk, a bug), the status must not be lost
                _log.exception("a status was not taken; tried again in %.0f s", pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
            else:
                return

    async def _on_heartbeat(self, message: AbstractIncomingMessage) -> None:
        try:
            heartbeat = decode_from_worker(message.body)
        except UndecodableMessage as error:
            _log.error("a heartbeat that cannot be read was dropped: %s", error)
            return
        if isinstance(heartbeat, WorkerHeartbeat) and self._callback is not None:
            await self._callback(heartbeat)

    def _on_channel_closed(self, _sender: object, error: BaseException | None) -> None:
        self._channel = None
        self._link.restart(f"its channel was closed ({error!r})")

    def _on_cancelled(self, _frame: object) -> None:
        self._link.restart("the broker cancelled the consumer")


def _heartbeat_binding(queue: Queue) -> Binding:
    return Binding(PROCESSING_STATUS.name, queue.name, topology.HEARTBEAT_KEY)
