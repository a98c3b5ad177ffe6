"""Declares the topology of `workers.protocol.topology`. Both sides do it before the first publish.

Without it `mandatory` proves little: it is satisfied by one queue, and a topic exchange with nothing bound confirms.
"""

from aio_pika.abc import AbstractChannel, AbstractQueue

from workers.protocol import topology
from workers.protocol.topology import Binding, Queue

DECLARE_TIMEOUT_S = 10.0


async def declare_shared(channel: AbstractChannel, client_id: str | None = None) -> None:
    """Exchanges and shared queues with their bindings, and the client's durable status queue when one is named."""
    for exchange in topology.EXCHANGES:
        await channel.declare_exchange(
            exchange.name, exchange.kind.value, durable=True, timeout=DECLARE_TIMEOUT_S
        )
    for queue in topology.SHARED_QUEUES:
        await declare_queue(channel, queue, topology.SHARED_BINDINGS)
    if client_id is not None:
        await declare_queue(channel, topology.status_queue(client_id), topology.status_bindings(client_id))


async def declare_queue(
    channel: AbstractChannel, queue: Queue, bindings: tuple[Binding, ...]
) -> AbstractQueue:
    """One queue, and those of the bindings that lead to it."""
    declared = await channel.declare_queue(
        queue.name,
        durable=not queue.is_exclusive,
        exclusive=queue.is_exclusive,
        arguments=dict(queue.arguments()),
        timeout=DECLARE_TIMEOUT_S,
    )
    for binding in bindings:
        if binding.queue == queue.name:
            await declared.bind(binding.exchange, binding.routing_key, timeout=DECLARE_TIMEOUT_S)
    return declared
