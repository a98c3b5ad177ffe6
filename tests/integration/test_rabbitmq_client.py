"""The desktop's client on a real node: topology, confirms, returns, and statuses that are never lost."""

import asyncio
import json

import pytest
from aio_pika.exceptions import ChannelPreconditionFailed

from tests.fixtures.rabbitmq_node import RabbitMQNode
from tests.integration.broker_samples import (
    QUICK,
    Listener,
    depth,
    file_task,
    heartbeat,
    leave,
    part_tasks,
    plain_channel,
    running_broker,
    send,
    status,
    take,
)
from vidproc_desktop.broker.rabbitmq import RabbitMQClient
from vidproc_desktop.domain.workers import BrokerState
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from workers.protocol import topology
from workers.protocol.codec import UndecodableMessage, decode_to_worker, encode
from workers.protocol.messages import AnyWorkTask, ControlMessage, ProbeTask, StatusMessage
from workers.protocol.model import WorkerId
from workers.protocol.states import ControlAction, Status

STATUS_QUEUE = topology.status_queue("client-1").name


async def test_connect_declares_the_whole_topology(rabbitmq_node: RabbitMQNode, broker_vhost: str) -> None:
    client = RabbitMQClient(broker_vhost, client_id="client-1")
    await client.connect()
    try:
        vhost = broker_vhost.rsplit("/", 1)[1]
        queues, bindings, exchanges = await asyncio.to_thread(_declared, rabbitmq_node, vhost)
    finally:
        await client.close()
    expected = {
        queue.name: queue.arguments()
        for queue in (*topology.SHARED_QUEUES, topology.status_queue("client-1"))
    }
    assert {name: arguments for name, arguments in queues.items() if name in expected} == expected
    assert bindings >= {
        (b.exchange, b.queue, b.routing_key)
        for b in (*topology.SHARED_BINDINGS, *topology.status_bindings("client-1"))
    }
    assert exchanges >= {(e.name, e.kind.value) for e in topology.EXCHANGES}


def _declared(
    node: RabbitMQNode, vhost: str
) -> tuple[dict[str, object], set[tuple[str, str, str]], set[tuple[str, str]]]:
    def rows(what: str, *columns: str) -> list[dict[str, object]]:
        listed: list[dict[str, object]] = json.loads(
            node.ctl("-p", vhost, "--formatter", "json", what, *columns)
        )
        return listed

    queues: dict[str, object] = {}
    for row in rows("list_queues", "name", "arguments"):
        raw = row["arguments"]
        # Erlang's argument tables print as lists of [name, type, value].
        assert isinstance(raw, list)
        queues[str(row["name"])] = {str(item[0]): item[2] for item in raw}
    bindings = {
        (str(r["source_name"]), str(r["destination_name"]), str(r["routing_key"]))
        for r in rows("list_bindings", "source_name", "destination_name", "routing_key")
    }
    exchanges = {(str(r["name"]), str(r["type"])) for r in rows("list_exchanges", "name", "type")}
    return queues, bindings, exchanges


async def test_a_second_client_declares_the_same_and_a_different_value_would_be_refused(
    broker_vhost: str,
) -> None:
    one = RabbitMQClient(broker_vhost, client_id="client-1")
    two = RabbitMQClient(broker_vhost, client_id="client-2")
    await one.connect()
    await two.connect()
    await one.close()
    await two.close()
    async with plain_channel(broker_vhost) as channel:
        with pytest.raises(ChannelPreconditionFailed):
            await channel.declare_queue(topology.ENHANCEMENT_QUEUE.name, durable=True)


async def test_one_publish_reaches_both_queues(broker_vhost: str) -> None:
    client = RabbitMQClient(broker_vhost)
    await client.connect()
    try:
        await client.publish_message(file_task())
        async with plain_channel(broker_vhost) as channel:
            for queue in (topology.ENHANCEMENT_QUEUE, topology.METADATA_QUEUE):
                assert decode_to_worker(await take(channel, queue.name)) == file_task()
                assert await depth(channel, queue.name) == 0
    finally:
        await client.close()


async def test_parts_reach_only_those_who_enhance(broker_vhost: str) -> None:
    client = RabbitMQClient(broker_vhost)
    await client.connect()
    try:
        for part in part_tasks():
            await client.publish_message(part)
        await client.publish_message(part_tasks()[1].model_dump())
        async with plain_channel(broker_vhost) as channel:
            queue = topology.ENHANCEMENT_QUEUE.name
            taken = sorted([await take(channel, queue) for _ in range(5)])
            assert taken == sorted(encode(part) for part in (*part_tasks(), part_tasks()[1]))
            assert await depth(channel, queue) == 0
            assert await depth(channel, topology.METADATA_QUEUE.name) == 0
    finally:
        await client.close()


async def test_a_mapping_is_published_when_it_validates_as_a_message(broker_vhost: str) -> None:
    client = RabbitMQClient(broker_vhost)
    await client.connect()
    try:
        await client.publish_message(file_task("from-mapping").model_dump(), exchange_name="video_tasks")
        with pytest.raises(UndecodableMessage):
            await client.publish_message({"type": "file", "file_id": "incomplete"})
        with pytest.raises(UndecodableMessage, match="probe"):
            await client.publish_message(ProbeTask(file_id="f", client_id="c", source=file_task().source))
        async with plain_channel(broker_vhost) as channel:
            taken = decode_to_worker(await take(channel, topology.METADATA_QUEUE.name))
            assert taken == file_task("from-mapping")
            assert await depth(channel, topology.METADATA_QUEUE.name) == 0
    finally:
        await client.close()


@pytest.mark.parametrize("task", [file_task(attempt=2), *part_tasks(attempt=2)], ids=lambda task: task.type)
async def test_a_task_for_a_worker_that_is_gone_is_returned_and_raises(
    broker_vhost: str, task: AnyWorkTask
) -> None:
    async with running_broker(broker_vhost, listener := Listener()) as broker:
        await listener.until_connected()
        with pytest.raises(UserFacingError) as caught:
            await broker.publish(task, worker_id=WorkerId("worker-9"))
        assert caught.value.code is UserErrorCode.NO_WORKER
        await broker.publish(task)  # the channel is still good


async def test_a_lost_queue_is_noticed_by_the_return_and_declared_again(broker_vhost: str) -> None:
    async with (
        running_broker(broker_vhost, listener := Listener()) as broker,
        plain_channel(broker_vhost) as channel,
    ):
        await listener.until_connected()
        for queue in (topology.ENHANCEMENT_QUEUE, topology.METADATA_QUEUE):
            await channel.queue_delete(queue.name)
        # Either the return or the watcher comes first; both lead to a new declaration.
        while True:
            try:
                await broker.publish(file_task())
            except UserFacingError:
                continue
            else:
                break
        assert decode_to_worker(await take(channel, topology.ENHANCEMENT_QUEUE.name)) == file_task()


async def test_a_control_message_reaches_every_worker_and_nobody_is_no_error(broker_vhost: str) -> None:
    cancel = ControlMessage(action=ControlAction.CANCEL, client_id="client-1", file_id="file-1")
    async with (
        running_broker(broker_vhost, listener := Listener()) as broker,
        plain_channel(broker_vhost) as channel,
    ):
        await listener.until_connected()
        await broker.control(cancel)
        queues = [await channel.declare_queue(exclusive=True) for _ in range(2)]
        for queue in queues:
            await queue.bind(topology.WORKER_CONTROL.name)
        await broker.control(cancel)
        for queue in queues:
            assert decode_to_worker(await take(channel, queue.name)) == cancel


async def test_statuses_sent_while_the_program_was_closed_arrive(broker_vhost: str) -> None:
    async with running_broker(broker_vhost, listener := Listener()):
        await listener.until_connected()
    async with plain_channel(broker_vhost) as channel:
        for sequence in range(300):
            await send(channel, topology.PROCESSING_STATUS.name, "client-1", status(sequence))
        assert await depth(channel, STATUS_QUEUE) == 300
    async with running_broker(broker_vhost, again := Listener()):
        await again.until(lambda: len(again.statuses) == 300)
    assert [s.sequence for s in again.statuses] == list(range(300))
    async with plain_channel(broker_vhost) as channel:
        assert await depth(channel, STATUS_QUEUE) == 0


async def test_a_status_is_acknowledged_only_when_it_is_durable(broker_vhost: str) -> None:
    """The program dies between hearing the final status and writing it: it comes again."""
    listener = Listener()
    async with running_broker(broker_vhost, listener):
        await listener.until_connected()
        listener.gate.clear()
        async with plain_channel(broker_vhost) as channel:
            await send(
                channel, topology.PROCESSING_STATUS.name, "client-1", status(9, state=Status.COMPLETED)
            )
    assert listener.statuses == []
    async with running_broker(broker_vhost, again := Listener()):
        await again.until(lambda: len(again.statuses) == 1)
    assert again.statuses[0].status is Status.COMPLETED


@pytest.mark.expects_errors
async def test_a_status_that_could_not_be_written_is_handed_over_again(broker_vhost: str) -> None:
    async with running_broker(broker_vhost, listener := Listener()), plain_channel(broker_vhost) as channel:
        await listener.until_connected()
        listener.refuse_next = OSError(28, "No space left on device")
        await send(channel, topology.PROCESSING_STATUS.name, "client-1", status(1))
        await listener.until(lambda: len(listener.statuses) == 1)
    async with plain_channel(broker_vhost) as channel:
        assert await depth(channel, STATUS_QUEUE) == 0


@pytest.mark.expects_errors
@pytest.mark.parametrize(
    "body", [b"", b"\xff\x00", b"[]", b'{"type": "status", "version": 99}', b'{"type": "new_type"}']
)
async def test_what_cannot_be_read_is_rejected_and_the_next_status_comes(
    broker_vhost: str, body: bytes
) -> None:
    async with running_broker(broker_vhost, listener := Listener()), plain_channel(broker_vhost) as channel:
        await listener.until_connected()
        await send(channel, topology.PROCESSING_STATUS.name, "client-1", body)
        await send(channel, topology.PROCESSING_STATUS.name, topology.HEARTBEAT_KEY, body)
        await send(channel, topology.PROCESSING_STATUS.name, "client-1", status(2))
        await listener.until(lambda: len(listener.statuses) == 1)
    async with plain_channel(broker_vhost) as channel:
        assert await depth(channel, STATUS_QUEUE) == 0


async def test_heartbeats_reach_every_client_and_pile_up_nowhere(broker_vhost: str) -> None:
    first, second = Listener(), Listener()
    async with (
        running_broker(broker_vhost, first),
        running_broker(broker_vhost, second, client_id="client-2"),
        plain_channel(broker_vhost) as channel,
    ):
        await first.until_connected()
        await second.until_connected()
        await send(channel, topology.PROCESSING_STATUS.name, topology.HEARTBEAT_KEY, heartbeat())
        await first.until(lambda: bool(first.heartbeats))
        await second.until(lambda: bool(second.heartbeats))
        assert await depth(channel, STATUS_QUEUE) == 0
    assert first.statuses == second.statuses == []


async def test_another_clients_statuses_stay_with_it(broker_vhost: str) -> None:
    first, second = Listener(), Listener()
    async with (
        running_broker(broker_vhost, first),
        running_broker(broker_vhost, second, client_id="client-2"),
        plain_channel(broker_vhost) as channel,
    ):
        await first.until_connected()
        await second.until_connected()
        await send(channel, topology.PROCESSING_STATUS.name, "client-2", status(1, client_id="client-2"))
        await send(channel, topology.PROCESSING_STATUS.name, "client-1", status(2))
        await second.until(lambda: bool(second.statuses))
        await first.until(lambda: bool(first.statuses))
    assert [s.sequence for s in first.statuses] == [2]
    assert [s.sequence for s in second.statuses] == [1]


async def test_queues_that_nobody_serves_are_named(broker_vhost: str) -> None:
    async with running_broker(broker_vhost, listener := Listener()), plain_channel(broker_vhost) as channel:
        await listener.until_state(BrokerState.NO_WORKER)
        enhancement = await channel.get_queue(topology.ENHANCEMENT_QUEUE.name)
        await enhancement.consume(leave)
        await listener.until(
            lambda: (
                "metadata" in listener.healths[-1].message and "enhance" not in listener.healths[-1].message
            )
        )
        metadata = await channel.get_queue(topology.METADATA_QUEUE.name)
        tag = await metadata.consume(leave)
        await listener.until_state(BrokerState.READY)
        await metadata.cancel(tag)
        await listener.until_state(BrokerState.NO_WORKER)


async def test_connect_raises_when_nothing_is_there() -> None:
    client = RabbitMQClient("amqp://guest:secret-word@127.0.0.1:1/", timing=QUICK)
    with pytest.raises(UserFacingError) as caught:
        await client.connect()
    assert caught.value.code is UserErrorCode.BROKER_UNREACHABLE
    assert (
        "secret-word" not in f"{caught.value.title}{caught.value.detail}{caught.value.hint}{client.address!r}"
    )


async def test_publishing_waits_for_the_connection_that_is_on_its_way(broker_vhost: str) -> None:
    async with running_broker(broker_vhost, Listener()) as broker:
        await broker.publish(file_task())
        async with plain_channel(broker_vhost) as channel:
            assert decode_to_worker(await take(channel, topology.METADATA_QUEUE.name)) == file_task()


async def test_a_thousand_tasks_are_confirmed_concurrently(broker_vhost: str) -> None:
    async with running_broker(broker_vhost, Listener()) as broker, plain_channel(broker_vhost) as channel:
        await asyncio.gather(*(broker.publish(file_task(f"file-{number}")) for number in range(1000)))
        for queue in (topology.ENHANCEMENT_QUEUE, topology.METADATA_QUEUE):
            assert await depth(channel, queue.name) == 1000


class Picky(Listener):
    """Lets results wait, as they do while what was handed over cannot be had."""

    async def on_status(self, status: StatusMessage) -> None:
        if status.status is Status.COMPLETED:
            await asyncio.Event().wait()
        await super().on_status(status)


async def test_progress_gets_past_the_results_that_wait(broker_vhost: str) -> None:
    """Of a hundred slots; when the connection ends, the results come again, and nothing of the waiting is left."""
    async with running_broker(broker_vhost, picky := Picky()), plain_channel(broker_vhost) as channel:
        await picky.until_connected()
        exchange = topology.PROCESSING_STATUS.name
        waiting = [status(number, state=Status.COMPLETED) for number in range(400)]
        await asyncio.gather(*(send(channel, exchange, "client-1", result) for result in waiting))
        await send(channel, exchange, "client-1", status(400))
        await picky.until(lambda: [taken.sequence for taken in picky.statuses] == [400])
    async with running_broker(broker_vhost, listener := Listener()):
        await listener.until(lambda: len(listener.statuses) == len(waiting))
        assert {taken.sequence for taken in listener.statuses} == set(range(400))
