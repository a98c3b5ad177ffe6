"""A status is acknowledged to the broker when it is durable, and not a moment sooner."""

from typing import cast

import pytest
from aio_pika.abc import AbstractIncomingMessage

from tests.unit.desktop.values import CLIENT, status
from vidproc_desktop.broker.rabbitmq.link import Link
from vidproc_desktop.broker.rabbitmq.subscriber import Subscriber
from workers.protocol.codec import AnyFromWorker, encode
from workers.protocol.states import Status

DONE = status(5, Status.COMPLETED)


class Message:
    """A delivery that writes down how it ended."""

    def __init__(self, body: bytes, events: list[str]) -> None:
        self.body = body
        self._events = events

    async def ack(self) -> None:
        self._events.append("acknowledged")

    async def reject(self, requeue: bool = True) -> None:
        self._events.append(f"rejected, requeue={requeue}")


async def delivered(body: bytes) -> list[str]:
    events: list[str] = []

    async def store(message: AnyFromWorker) -> None:
        assert message == DONE
        events.append("durable")

    subscriber = Subscriber(CLIENT, cast(Link, None))
    await subscriber.attach(store)
    await subscriber._on_delivery(cast(AbstractIncomingMessage, Message(body, events)))
    return events


async def test_it_is_durable_first() -> None:
    assert await delivered(encode(DONE)) == ["durable", "acknowledged"]


@pytest.mark.expects_errors
async def test_what_cannot_be_read_never_comes_back() -> None:
    assert await delivered(b"{}") == ["rejected, requeue=False"]
