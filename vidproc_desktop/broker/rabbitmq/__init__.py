"""RabbitMQ: the client, the broker adapter over it, the connection test, and local workers for a broker.

The only part of the desktop that imports aio-pika.
"""

from vidproc_desktop.broker.rabbitmq.address import broker_identity
from vidproc_desktop.broker.rabbitmq.client import RabbitMQClient
from vidproc_desktop.broker.rabbitmq.connection_test import test_connection
from vidproc_desktop.broker.rabbitmq.link import LinkTiming
from vidproc_desktop.broker.rabbitmq.task_broker import RabbitMQBroker
from vidproc_desktop.broker.rabbitmq.worker_processes import BrokerWorkers

__all__ = [
    "BrokerWorkers",
    "LinkTiming",
    "RabbitMQBroker",
    "RabbitMQClient",
    "broker_identity",
    "test_connection",
]
