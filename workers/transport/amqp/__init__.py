"""Tasks from RabbitMQ's queues, statuses to its exchange, under every rule that keeps a message from being lost.

The only package of the workers that imports aio_pika.
"""

from workers.transport.amqp.link import AmqpLink, LinkOptions

__all__ = ["AmqpLink", "LinkOptions"]
