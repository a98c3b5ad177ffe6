"""What the task loop asks of a delivery, aio-pika's message has, with the same parameters."""

import inspect

import pytest
from aio_pika import IncomingMessage

from tests.fixtures.worker_peers import TestDelivery
from workers.runtime.delivery import Delivery, Feed, Outlet
from workers.transport.amqp import AmqpLink
from workers.transport.stdio import StdioChannel, StdioDelivery, StdioFeed


def accepts(delivery: Delivery) -> Delivery:
    """The type checker's half of this contract."""
    return delivery


def typed(message: IncomingMessage, line: StdioDelivery, double: TestDelivery) -> tuple[Delivery, ...]:
    return accepts(message), accepts(line), accepts(double)


def typed_outlets(link: AmqpLink, channel: StdioChannel) -> tuple[Outlet, ...]:
    return link, channel


def typed_feeds(link: AmqpLink, feed: StdioFeed) -> tuple[Feed, ...]:
    return link, feed


@pytest.mark.parametrize("kind", [IncomingMessage, StdioDelivery, TestDelivery])
@pytest.mark.parametrize("method", ["ack", "reject", "nack"])
def test_every_delivery_is_ended_alike(kind: type, method: str) -> None:
    wanted = inspect.signature(getattr(Delivery, method)).parameters
    offered = inspect.signature(getattr(kind, method)).parameters
    assert list(offered) == list(wanted)
    assert inspect.iscoroutinefunction(getattr(kind, method))
