"""`RabbitMQClient`: the desktop's two connections to a broker, one to publish and one to hear.

Knows AMQP and the messages; nothing of files, attempts or the database. What is not confirmed raises, so that the
caller's outbox keeps it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from uuid import uuid4

from aio_pika.abc import AbstractConnection

from vidproc_desktop.broker.rabbitmq.address import parse_address
from vidproc_desktop.broker.rabbitmq.faults import NETWORK_FAULTS
from vidproc_desktop.broker.rabbitmq.link import Link, LinkTiming, SetUp
from vidproc_desktop.broker.rabbitmq.publisher import Publisher
from vidproc_desktop.broker.rabbitmq.routing import as_message, routing_key
from vidproc_desktop.broker.rabbitmq.subscriber import StatusCallback, Subscriber
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState
from workers.protocol import topology
from workers.protocol.codec import encode
from workers.protocol.messages import ControlMessage
from workers.protocol.model import WireModel, WorkerId

_log = logging.getLogger(__name__)

_DOES = {
    topology.ENHANCEMENT_QUEUE.name: "enhance videos",
    topology.METADATA_QUEUE.name: "read metadata",
}


class RabbitMQClient:
    """Publishes with confirms and receives statuses; reconnects by itself.

    Args:
        rabbitmq_url: `amqp://user:password@host:port/vhost`, or `amqps://`.
        client_id: whose statuses these are; a client that comes back under the same id finds those it missed.
        on_health: told, on the loop's thread, whenever the state of the connection changes.
        timing: waits.

    Raises:
        UserFacingError: the URL is none.
    """

    def __init__(
        self,
        rabbitmq_url: str,
        *,
        client_id: str | None = None,
        on_health: Callable[[BrokerHealth], None] | None = None,
        timing: LinkTiming | None = None,
    ) -> None:
        self.client_id = client_id or f"client-{uuid4().hex[:12]}"
        self.address = parse_address(rabbitmq_url)
        self._on_health = on_health
        self._timing = timing or LinkTiming()
        self._publishing = self._link("publish", self._set_up_publishing)
        self._consuming = self._link("consume", self._set_up_consuming)
        self._publisher = Publisher(self.address, self.client_id, self._timing, self._publishing)
        self._subscriber = Subscriber(self.client_id, self._consuming)
        self._watcher: asyncio.Task[None] | None = None
        self._is_blocked = False
        self._idle_since: dict[str, float] = {}
        self._idle_queues: tuple[str, ...] = ()
        self._health = BrokerHealth(BrokerState.STOPPED, "Not connected.", time.time())

    @property
    def health(self) -> BrokerHealth:
        """State of the connection, with a sentence."""
        return self._health

    def start(self) -> None:
        """Begin to connect; returns at once. `connect()` is the same and waits."""
        if self._watcher is not None:
            return
        self._tell(BrokerState.STARTING, f"Connecting to {self.address.label} …")
        self._publishing.start()
        self._consuming.start()
        self._watcher = asyncio.create_task(self._watch(), name="rabbitmq watch")

    async def connect(self) -> None:
        """Connect and declare exchanges and queues.

        Raises:
            UserFacingError: the first attempt failed; nothing goes on in the background then.
        """
        self.start()
        try:
            await self._publishing.ready()
            await self._consuming.ready()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close both connections; what waits for a confirm ends with an error."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        if self._consuming.is_ready:
            await self._subscriber.finish(self._timing.close_s)
        await asyncio.gather(self._publishing.aclose(), self._consuming.aclose())
        await self._publisher.aclose()
        self._tell(BrokerState.STOPPED, "Not connected.")

    async def publish_message(
        self,
        message: WireModel | Mapping[str, object],
        exchange_name: str = topology.VIDEO_TASKS.name,
        *,
        worker_id: WorkerId | None = None,
    ) -> None:
        """Publish, persistent and mandatory; returns once the broker has confirmed.

        Args:
            message: one of `workers.protocol.messages`, or a mapping that validates as one.
            exchange_name: the exchange; the routing key follows from the type of the message.
            worker_id: only this worker shall have the task (a retry).

        Raises:
            UndecodableMessage: not one of our messages, or too large.
            UserFacingError: unreachable, blocked, refused, returned or not confirmed. Keep it and try again.
        """
        valid = as_message(message)
        # A control message may find nobody: then there is nobody to be told.
        mandatory = not isinstance(valid, ControlMessage)
        key = routing_key(valid, worker_id)
        await self._publisher.publish(exchange_name, key, encode(valid), mandatory=mandatory)

    async def start_consuming_status(self, callback: StatusCallback) -> None:
        """Hear statuses and heartbeats, also after every reconnect.

        Args:
            callback: called with each decoded message. A status is acknowledged once it returned, and handed over
                again when it raised.
        """
        await self._subscriber.attach(callback)

    async def forget(self) -> None:
        """Delete this client's status queue, if the broker can be asked now; else it expires by itself."""
        try:
            await self._subscriber.delete_status_queue()
        except NETWORK_FAULTS as error:
            _log.info("the status queue is left to expire: %r", error)

    def _link(self, purpose: str, set_up: SetUp) -> Link:
        name = f"vidproc {purpose} {self.client_id}"
        return Link(self.address, name=name, set_up=set_up, on_change=self._evaluate, timing=self._timing)

    async def _set_up_publishing(self, connection: AbstractConnection) -> None:
        await self._publisher.set_up(connection)

    async def _set_up_consuming(self, connection: AbstractConnection) -> None:
        await self._subscriber.set_up(connection)

    async def _watch(self) -> None:
        """Look at what the broker does not tell by itself: alarms, queues that nobody serves, lost consumers."""
        last_look = float("-inf")
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._timing.watch_s)
            self._is_blocked = await self._publisher.is_blocked()
            if self._consuming.is_ready and loop.time() - last_look >= self._timing.inspect_s:
                last_look = loop.time()
                await self._inspect()
            self._evaluate()

    async def _inspect(self) -> None:
        try:
            consumers = await self._subscriber.consumers()
        except NETWORK_FAULTS as error:
            _log.info("the broker's queues could not be looked at: %r", error)
            return
        now = asyncio.get_running_loop().time()
        idle = {name: self._idle_since.get(name, now) for name, count in consumers.items() if count == 0}
        self._idle_since = idle
        grace_s = self._timing.idle_grace_s
        self._idle_queues = tuple(name for name, since in idle.items() if now - since >= grace_s)

    def _evaluate(self) -> None:
        """Say how things stand, from what is known now."""
        fault = self._publishing.fault or self._consuming.fault
        if fault is not None:
            self._tell(BrokerState.UNREACHABLE, f"{fault.title} {fault.hint}".strip())
        elif not (self._publishing.is_ready and self._consuming.is_ready):
            return  # still on its way; the next change tells
        elif self._is_blocked:
            text = f"{self.address.label} accepts no messages: its disk or memory alarm is on."
            self._tell(BrokerState.BLOCKED, text)
        elif self._idle_queues:
            what = " and to ".join(_DOES[name] for name in self._idle_queues)
            self._tell(
                BrokerState.NO_WORKER, f"Connected to {self.address.label}, but no worker is there to {what}."
            )
        else:
            self._tell(BrokerState.READY, f"Connected to {self.address.label}.")

    def _tell(self, state: BrokerState, message: str) -> None:
        if (state, message) == (self._health.state, self._health.message):
            return
        since = self._health.since if state is self._health.state else time.time()
        self._health = BrokerHealth(state, message, since)
        if self._on_health is not None:
            self._on_health(self._health)
