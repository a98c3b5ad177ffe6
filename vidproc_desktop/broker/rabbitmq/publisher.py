"""Publishing with proof: persistent, mandatory, confirmed. What is not proven raises, and stays in the outbox.

Knows one connection at a time and nothing of tasks; who calls decides what to send again.
"""

import asyncio
import hashlib
import logging
from typing import Final

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import DeliveryError, PublishError

from vidproc_desktop.broker.rabbitmq.address import BrokerAddress
from vidproc_desktop.broker.rabbitmq.declare import declare_shared
from vidproc_desktop.broker.rabbitmq.faults import NETWORK_FAULTS
from vidproc_desktop.broker.rabbitmq.link import Link, LinkTiming
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from workers.protocol import topology

_log = logging.getLogger(__name__)
_POLL_S: Final = 0.2
_MAX_UNCLAIMED: Final = 4096


class Publisher:
    """The publishing half of the client, on a connection of its own: an alarm blocks only those who publish."""

    def __init__(self, address: BrokerAddress, client_id: str, timing: LinkTiming, link: Link) -> None:
        self._address = address
        self._client_id = client_id
        self._timing = timing
        self._link = link
        self._channel: AbstractChannel | None = None
        self._unclaimed: dict[str, asyncio.Task[None]] = {}

    async def set_up(self, connection: AbstractConnection) -> None:
        """Prepare a fresh connection: declare everything before the first publish."""
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await declare_shared(channel, self._client_id)
        channel.close_callbacks.add(self._on_channel_closed)
        self._channel = channel

    async def aclose(self) -> None:
        """Stop waiting for confirms that never came."""
        waiting = list(self._unclaimed.values())
        self._unclaimed.clear()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def is_blocked(self) -> bool:
        """True while the broker accepts nothing: its disk or memory alarm is on."""
        connection = self._link.connection
        if connection is None or connection.transport is None:
            return False
        try:
            async with asyncio.timeout(0.02):
                # The library's only public word on `connection.blocked`: ready means open and not blocked.
                await connection.transport.ready()
        except TimeoutError:
            return self._link.is_ready
        return False

    async def publish(self, exchange: str, routing_key: str, body: bytes, *, mandatory: bool) -> None:
        """Returns once the broker has confirmed the message.

        The same message published again while its confirm is still outstanding waits for that confirm and is not
        sent twice: behind an alarm, messages lie in the socket until the alarm ends.

        Raises:
            UserFacingError: unreachable, blocked, refused, returned, or not confirmed in time.
        """
        identity = hashlib.blake2b(
            b"\0".join((exchange.encode(), routing_key.encode(), body)), digest_size=16
        ).hexdigest()
        task = self._unclaimed.pop(identity, None)
        if task is None:
            await self._link.ready()
            if await self.is_blocked():
                raise self._blocked_error()
            message = Message(
                body,
                content_type="application/json",
                delivery_mode=DeliveryMode.PERSISTENT,
                message_id=identity,
            )
            task = asyncio.create_task(
                self._send(exchange, routing_key, message, mandatory=mandatory),
                name=f"rabbitmq publish {routing_key}",
            )
        self._unclaimed[identity] = task
        await self._await_confirm(task)
        self._unclaimed.pop(identity, None)
        self._claim(task, routing_key)

    async def _send(self, exchange: str, routing_key: str, message: Message, *, mandatory: bool) -> None:
        channel = self._channel
        if channel is None:
            raise RuntimeError("the channel is closed")
        target = await channel.get_exchange(exchange, ensure=False)
        await target.publish(message, routing_key, mandatory=mandatory)

    async def _await_confirm(self, task: asyncio.Task[None]) -> None:
        """Wait until the task is done, the broker blocks, or the time is up (the task then goes on waiting)."""
        try:
            async with asyncio.timeout(self._timing.confirm_s):
                while not (await asyncio.wait({task}, timeout=_POLL_S))[0]:
                    if await self.is_blocked():
                        self._forget_oldest()
                        raise self._blocked_error()
        except TimeoutError as error:
            self._forget_oldest()
            raise UserFacingError(
                UserErrorCode.BROKER_UNREACHABLE,
                f"The broker on {self._address.label} did not confirm a message.",
                hint="It is sent again by itself.",
            ) from error

    def _claim(self, task: asyncio.Task[None], routing_key: str) -> None:
        """Turn the outcome into ours."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            return
        if isinstance(error, PublishError):
            raise self._returned_error(routing_key) from error
        if isinstance(error, DeliveryError):
            title = f"The broker on {self._address.label} refused a message."
        elif isinstance(error, (asyncio.CancelledError, *NETWORK_FAULTS)):
            title = (
                f"The connection to the broker on {self._address.label} was lost while a message was sent."
            )
        else:
            raise error
        raise UserFacingError(
            UserErrorCode.BROKER_UNREACHABLE, title, detail=repr(error), hint="It is sent again by itself."
        ) from error

    def _returned_error(self, routing_key: str) -> UserFacingError:
        if routing_key.startswith(topology.worker_routing_key("")):
            return UserFacingError(
                UserErrorCode.NO_WORKER,
                "The worker that should try again is gone.",
                detail=f"returned: {routing_key}",
            )
        self._link.restart("a message was returned, so the queues are declared again")
        return UserFacingError(
            UserErrorCode.BROKER_MISCONFIGURED,
            f"The broker on {self._address.label} has no queue for this task.",
            detail=f"returned: {routing_key}",
            hint="The queues are made again by themselves.",
        )

    def _blocked_error(self) -> UserFacingError:
        return UserFacingError(
            UserErrorCode.BROKER_BLOCKED,
            f"The broker on {self._address.label} accepts no messages: its disk or memory alarm is on.",
            hint="Free disk space on the broker's computer.",
        )

    def _forget_oldest(self) -> None:
        """Bound what waits for a confirm that nobody asks for any more."""
        while len(self._unclaimed) > _MAX_UNCLAIMED:
            self._unclaimed.pop(next(iter(self._unclaimed))).cancel()

    def _on_channel_closed(self, _sender: object, error: BaseException | None) -> None:
        self._channel = None
        self._link.restart(f"its channel was closed ({error!r})")
