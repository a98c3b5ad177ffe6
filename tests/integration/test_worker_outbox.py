"""A final status lies on the worker's disk until the broker has confirmed it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from aio_pika.exceptions import DeliveryError
from pamqp.commands import Basic

from tests.fixtures.worker_peers import until
from tests.unit.desktop.values import status
from workers.protocol.codec import decode_from_worker
from workers.protocol.messages import StatusMessage
from workers.protocol.states import ProcessType, Status
from workers.runtime.consumer import TaskConsumer
from workers.runtime.journal import Journal
from workers.transport.amqp.link import AmqpLink, LinkOptions
from workers.transport.amqp.session import Session, SessionOptions
from workers.transport.timing import LinkTiming

DONE = status(5, Status.COMPLETED)


class Broker:
    """A session whose broker confirms nothing until it is told to."""

    def __init__(self) -> None:
        self.broken = asyncio.Event()
        self.confirms = False
        self.offered = 0
        self.taken: list[StatusMessage] = []

    async def publish_status(self, body: bytes, routing_key: str, **_: object) -> None:
        self.offered += 1
        if not self.confirms:
            raise DeliveryError(None, Basic.Ack())
        message = decode_from_worker(body)
        assert isinstance(message, StatusMessage)
        assert routing_key == message.client_id
        self.taken.append(message)

    async def consume_control(self, on_message: object) -> None:
        return None

    async def consume_tasks(self, queue: object, on_message: object) -> None:
        return None

    async def stop_consuming(self, queue: object) -> None:
        return None

    async def aclose(self) -> None:
        self.broken.set()


class NoConsumer:
    def note_transport_change(self) -> None:
        return None


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.sqlite3")
    journal.open()
    yield journal
    journal.close()


def link(journal: Journal, broker: Broker | None) -> AmqpLink:
    options = SessionOptions("amqp://nowhere/", "worker-1", ProcessType.VIDEO_ENHANCEMENT, 1, 60.0, 0)
    made = AmqpLink(LinkOptions(options, journal, LinkTiming(resend_s=0.02, watch_s=3600.0)))
    made._session = cast(Session | None, broker)
    return made


def kept(journal: Journal) -> list[StatusMessage]:
    return [message for _, message in journal.unsent()]


async def test_without_a_connection_it_is_kept_on_the_disk(journal: Journal, tmp_path: Path) -> None:
    await link(journal, None).send_final(DONE)
    again = Journal(tmp_path / "journal.sqlite3")
    again.open()
    assert kept(again) == [DONE]
    again.close()


async def test_what_no_queue_takes_is_kept_and_what_is_confirmed_is_not(journal: Journal) -> None:
    broker = Broker()
    await link(journal, broker).send_final(DONE)
    assert kept(journal) == [DONE]
    broker.confirms = True
    await link(journal, broker).send_final(status(6, Status.FAILED))
    assert kept(journal) == [DONE]


async def test_it_is_offered_again_until_it_is_confirmed_and_then_forgotten(journal: Journal) -> None:
    broker = Broker()
    sending = link(journal, broker)
    await sending.send_final(DONE)
    await sending.start_consuming(cast(TaskConsumer, NoConsumer()))
    try:
        await until(lambda: broker.offered >= 4, 8)
        assert kept(journal) == [DONE]
        broker.confirms = True
        await until(lambda: bool(broker.taken) and not kept(journal), 20)
    finally:
        await sending.aclose()
    assert broker.taken == [DONE]
