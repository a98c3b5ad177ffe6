"""The broker is killed, frozen, blocked or absent; the client says so, loses nothing and comes back by itself."""

import asyncio
import logging

import pytest
from aio_pika.exceptions import PublishError

from tests.fixtures.rabbitmq_node import RabbitMQNode
from tests.integration.broker_samples import (
    QUICK,
    Listener,
    depth,
    file_task,
    plain_channel,
    running_broker,
    send,
    status,
    take,
)
from vidproc_desktop.broker.rabbitmq import RabbitMQBroker
from vidproc_desktop.domain.workers import BrokerState
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from workers.protocol import topology
from workers.protocol.codec import decode_to_worker


async def _publish_until_confirmed(broker: RabbitMQBroker, number: int) -> int:
    """What an outbox does. Returns how often it took."""
    for attempt in range(1, 1000):
        try:
            await broker.publish(file_task(f"file-{number}"))
        except UserFacingError:
            await asyncio.sleep(0.05)  # the outbox's own pause between two tries
        else:
            return attempt
    raise AssertionError("never confirmed")


async def test_killed_with_9_and_back_on_the_same_data(
    rabbitmq_node: RabbitMQNode, broker_vhost: str
) -> None:
    async with running_broker(broker_vhost, listener := Listener()) as broker:
        await listener.until_connected()
        await broker.publish(file_task("before"))
        await asyncio.to_thread(rabbitmq_node.kill)
        await listener.until_state(BrokerState.UNREACHABLE)
        since = listener.healths[-1].since
        with pytest.raises(UserFacingError) as caught:
            await broker.publish(file_task("meanwhile"))
        assert caught.value.code is UserErrorCode.BROKER_UNREACHABLE
        await asyncio.to_thread(rabbitmq_node.start)
        await listener.until_connected()
        unreachable = [h for h in listener.healths if h.state is BrokerState.UNREACHABLE]
        assert {h.since for h in unreachable} == {since}, (
            "unreachable since the first moment, not the last try"
        )
        await broker.publish(file_task("after"))
        async with plain_channel(broker_vhost) as channel:
            taken = [decode_to_worker(await take(channel, topology.METADATA_QUEUE.name)) for _ in range(2)]
            assert [task.file_id for task in taken] == ["before", "after"]
            # The consumer is attached again: a status comes through.
            await send(channel, topology.PROCESSING_STATUS.name, "client-1", status(1))
            await listener.until(lambda: len(listener.statuses) == 1)


async def test_every_task_arrives_when_connections_are_cut_while_publishing(
    rabbitmq_node: RabbitMQNode, broker_vhost: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running_broker(broker_vhost, listener := Listener()) as broker:
        await listener.until_connected()
        cutting = asyncio.create_task(
            asyncio.to_thread(rabbitmq_node.ctl, "close_all_connections", "--global", "a test")
        )
        sent = 0
        while not cutting.done():
            batch = range(sent, sent + 50)
            await asyncio.gather(*(_publish_until_confirmed(broker, number) for number in batch))
            sent = batch.stop
        await cutting
        await _publish_until_confirmed(broker, sent)
        openings = [line for line in caplog.messages if "publish" in line and "is connected" in line]
        assert len(openings) > 1, "the connection was not cut"
        async with plain_channel(broker_vhost) as channel:
            waiting = await depth(channel, topology.ENHANCEMENT_QUEUE.name)
            seen = {
                decode_to_worker(await take(channel, topology.ENHANCEMENT_QUEUE.name)).file_id
                for _ in range(waiting)
            }
            await send(channel, topology.PROCESSING_STATUS.name, "client-1", status(1))
            await listener.until(lambda: bool(listener.statuses))
    assert seen == {f"file-{number}" for number in range(sent + 1)}


async def test_a_consumer_that_lost_its_queue_is_attached_again(broker_vhost: str) -> None:
    async with running_broker(broker_vhost, listener := Listener()), plain_channel(broker_vhost) as channel:
        await listener.until_connected()
        await channel.queue_delete(topology.status_queue("client-1").name)
        while not listener.statuses:
            try:
                await send(channel, topology.PROCESSING_STATUS.name, "client-1", status(1))
            except PublishError:
                await asyncio.sleep(0.05)  # returned: the queue is still away
                continue
            await listener.until(lambda: bool(listener.statuses))


async def test_a_consumer_that_is_silently_detached_is_noticed(broker_vhost: str) -> None:
    """The connection and the queue are fine, only nobody consumes any more."""
    async with (
        running_broker(broker_vhost, listener := Listener()) as broker,
        plain_channel(broker_vhost) as channel,
    ):
        await listener.until_connected()
        subscriber = broker._client._subscriber
        assert subscriber._channel is not None
        underlay = await subscriber._channel.get_underlay_channel()
        for tag in list(underlay.consumers):  # type: ignore[attr-defined]  # the library's, without another way in
            await underlay.basic_cancel(tag)
        await send(channel, topology.PROCESSING_STATUS.name, "client-1", status(1))
        await listener.until(lambda: bool(listener.statuses))


async def test_an_alarm_is_said_publishing_does_not_hang_and_nothing_is_sent_twice(
    rabbitmq_node: RabbitMQNode, broker_vhost: str
) -> None:
    async with running_broker(broker_vhost, listener := Listener()) as broker:
        await listener.until_connected()
        await asyncio.to_thread(rabbitmq_node.ctl, "set_disk_free_limit", "1000000GB")
        try:
            for _ in range(3):  # the outbox tries again and again
                with pytest.raises(UserFacingError) as caught:
                    await broker.publish(file_task("behind-the-alarm"))
                assert caught.value.code is UserErrorCode.BROKER_BLOCKED
            await listener.until_state(BrokerState.BLOCKED)
            with pytest.raises(UserFacingError):
                await broker.publish(file_task("another"))
        finally:
            await asyncio.to_thread(rabbitmq_node.ctl, "set_disk_free_limit", "1MB")
        await listener.until_connected()
        await broker.publish(file_task("behind-the-alarm"))
        await broker.publish(file_task("another"))
        async with plain_channel(broker_vhost) as channel:
            assert await depth(channel, topology.METADATA_QUEUE.name) == 2


async def test_closing_under_an_alarm_is_quick_and_leaves_nothing(
    rabbitmq_node: RabbitMQNode, broker_vhost: str
) -> None:
    async with running_broker(broker_vhost, listener := Listener()) as broker:
        await listener.until_connected()
        await asyncio.to_thread(rabbitmq_node.ctl, "set_disk_free_limit", "1000000GB")
        try:
            with pytest.raises(UserFacingError):
                await broker.publish(file_task())
            async with asyncio.timeout(20):
                await broker.aclose()
        finally:
            await asyncio.to_thread(rabbitmq_node.ctl, "set_disk_free_limit", "1MB")


async def test_a_frozen_broker_does_not_hold_publish_or_close(
    rabbitmq_node: RabbitMQNode, broker_vhost: str
) -> None:
    async with running_broker(broker_vhost, listener := Listener()) as broker:
        await listener.until_connected()
        rabbitmq_node.pause()
        try:
            with pytest.raises(UserFacingError) as caught:
                await broker.publish(file_task("frozen"))
            assert caught.value.code is UserErrorCode.BROKER_UNREACHABLE
            await listener.until_state(BrokerState.UNREACHABLE)
        finally:
            rabbitmq_node.resume()
        await listener.until_connected()
        assert await _publish_until_confirmed(broker, 1) >= 1


async def test_a_broker_that_is_down_at_the_start_is_found_when_it_comes(
    rabbitmq_node: RabbitMQNode, broker_vhost: str
) -> None:
    await asyncio.to_thread(rabbitmq_node.stop)
    async with running_broker(broker_vhost, listener := Listener()) as broker:
        await listener.until_state(BrokerState.UNREACHABLE)
        assert str(rabbitmq_node.port) in listener.healths[-1].message
        with pytest.raises(UserFacingError):
            await broker.publish(file_task())
        await asyncio.to_thread(rabbitmq_node.start)
        await listener.until_connected()
        await broker.publish(file_task())


async def test_closing_in_the_middle_of_connecting() -> None:
    broker = RabbitMQBroker("amqp://guest:guest@127.0.0.1:1/", client_id="client-1", timing=QUICK)
    listener = Listener()
    await broker.start(listener)
    await broker.aclose()
    assert listener.state is BrokerState.STOPPED
