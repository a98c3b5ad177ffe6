"""The private broker of the tests does what the tests rely on."""

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import aio_pika
import psutil
import pytest

from tests.fixtures.rabbitmq_node import RabbitMQNode


async def _publish(url: str, queue: str, body: bytes) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, routing_key=queue)


async def _take(url: str, queue: str) -> bytes:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        # Not `get`: right after a restart 3.10 never answers it while the queue has no leader.
        async with declared.iterator(no_ack=False) as deliveries:
            async for delivery in deliveries:
                await delivery.ack()
                return delivery.body
    raise AssertionError("the consumer was cancelled")


async def test_virtual_hosts_do_not_see_each_other(rabbitmq_node: RabbitMQNode, broker_vhost: str) -> None:
    other = rabbitmq_node.new_vhost_url()
    assert other != broker_vhost
    await _publish(broker_vhost, "letters", b"for one")
    await _publish(other, "letters", b"for the other")
    assert await _take(other, "letters") == b"for the other"
    assert await _take(broker_vhost, "letters") == b"for one"


async def test_confirmed_messages_survive_kill_and_restart(
    rabbitmq_node: RabbitMQNode, broker_vhost: str
) -> None:
    await _publish(broker_vhost, "kept", b"still here")
    await asyncio.to_thread(rabbitmq_node.kill)
    assert not rabbitmq_node.is_running
    with pytest.raises(OSError):
        await aio_pika.connect(broker_vhost)
    await asyncio.to_thread(rabbitmq_node.start)
    assert await _take(broker_vhost, "kept") == b"still here"


def test_ctl_speaks_to_this_node(rabbitmq_node: RabbitMQNode) -> None:
    assert rabbitmq_node.ctl("eval", "node().").strip() == f"'{rabbitmq_node.name}'"
    with pytest.raises(RuntimeError, match="no_such_command"):
        rabbitmq_node.ctl("no_such_command")


def test_nothing_of_the_node_survives_a_killed_test_run(tmp_path: Path, rabbitmq_node: RabbitMQNode) -> None:
    # `rabbitmq_node` is asked for only so that this test skips where there is no broker.
    program = textwrap.dedent("""
        import os, signal, sys, psutil
        from pathlib import Path
        from tests.fixtures.rabbitmq_node import RabbitMQNode
        node = RabbitMQNode(Path(sys.argv[1]))
        node.start()
        print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    argv = [sys.executable, "-c", program, str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=150, cwd=root, check=False)
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) >= 4, done.stderr
    for pid in pids:
        try:
            psutil.Process(pid).wait(timeout=10)
        except psutil.NoSuchProcess:
            continue
        except psutil.TimeoutExpired:
            assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
