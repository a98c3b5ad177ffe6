"""Opens one connection to the broker, and finds out why that did not work.

Knows nothing of tasks, queues and of trying again.
"""

import asyncio
from typing import Final

import aio_pika
from aio_pika.abc import AbstractConnection
from yarl import URL

from vidproc_desktop.broker.rabbitmq.address import BrokerAddress
from vidproc_desktop.broker.rabbitmq.faults import explain, no_amqp
from vidproc_desktop.errors import UserFacingError

HEARTBEAT_S: Final = 15
"""5–20 s is what RabbitMQ advises; shorter gives false alarms (rabbitmq.com, heartbeats)."""
_LOOK_S: Final = 1.0


async def open_connection(address: BrokerAddress, name: str) -> AbstractConnection:
    """A plain connection with our heartbeat, unless the address asks for another one.

    What failed, or was cancelled, is closed: the library would otherwise try it when the object is collected, and by
    then the event loop may have ended.
    """
    url = URL(address.url)
    if "heartbeat" not in url.query:
        url = url.update_query(heartbeat=str(HEARTBEAT_S))
    properties = {"connection_name": name, "product": "vidproc"}
    connection = aio_pika.Connection(url, client_properties=dict(properties))
    try:
        await connection.connect()
    except BaseException:
        await connection.close()  # does not wait: there is no transport yet
        raise
    return connection


async def find_out_why(error: BaseException, address: BrokerAddress) -> UserFacingError:
    """A connection that could not be opened, in words. May take a second.

    Whether the computer is silent or something listens there that says nothing cannot be seen from a timeout.
    """
    if isinstance(error, TimeoutError) and await _is_listening(address):
        return no_amqp(address)
    return explain(error, address)


async def _is_listening(address: BrokerAddress) -> bool:
    try:
        async with asyncio.timeout(_LOOK_S):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except OSError:
        return False
    writer.transport.abort()
    return True
