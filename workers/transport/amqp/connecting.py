"""Opening a connection to the broker, and saying in words why that failed. Never shows credentials."""

import asyncio
import errno
import socket
import ssl
from typing import Final

import aio_pika
from aio_pika import exceptions
from aio_pika.abc import AbstractConnection
from yarl import URL

HEARTBEAT_S: Final = 15
"""RabbitMQ's own advice is 5 to 20 seconds."""
CONNECT_LIMIT_S: Final = 15.0

BROKER_ERRORS: Final = (exceptions.AMQPError, ConnectionError, OSError, TimeoutError, RuntimeError)
"""Everything that a broken connection raises somewhere in aio_pika or aiormq."""


class BrokerUnreachable(ConnectionError):
    """No connection; the message says why, for people."""


async def open_connection(url: str, name: str) -> AbstractConnection:
    """A plain connection (reconnecting is our own business), named in the broker's management page.

    Raises:
        BrokerUnreachable: why not.
    """
    address = URL(url)
    if "heartbeat" not in address.query:
        address = address.update_query(heartbeat=str(HEARTBEAT_S))
    try:
        async with asyncio.timeout(CONNECT_LIMIT_S):
            return await _connect(address, name)
    except BROKER_ERRORS as error:
        raise BrokerUnreachable(in_words(error, address)) from error


async def _connect(address: URL, name: str) -> AbstractConnection:
    """Connect; what failed, or was cancelled, is closed.

    The library would otherwise try that when the object is collected, and by then the event loop may have ended.
    """
    connection = aio_pika.Connection(address, client_properties={"connection_name": name})
    try:
        await connection.connect()
    except BaseException:
        await connection.close()  # does not wait: there is no transport yet
        raise
    return connection


def in_words(error: BaseException, address: URL) -> str:
    """Why the broker cannot be used, as a sentence."""
    place = f"{address.host}:{address.port or (5671 if address.scheme == 'amqps' else 5672)}"
    match _origin(error):
        case exceptions.ProbableAuthenticationError() | exceptions.AuthenticationError():
            words = f"RabbitMQ at {place} refused the user name or the password."
        case socket.gaierror():
            words = f"There is no computer named “{address.host}”."
        case ssl.SSLError() as failure:
            words = f"No encrypted connection to {place} is possible: {failure.reason or 'TLS failed'}."
        case ConnectionRefusedError():
            words = f"Nothing answers at {place}; RabbitMQ is not running there."
        case TimeoutError():
            words = f"{place} did not answer in time."
        case exceptions.IncompatibleProtocolError():
            words = f"What answers at {place} is no RabbitMQ, or one of another protocol."
        case exceptions.ConnectionClosed():
            words = f"RabbitMQ at {place} closed the connection: {_reason(error)}."
        case exceptions.ChannelPreconditionFailed():
            words = f"A queue or exchange at {place} exists already with other properties: {_reason(error)}."
        case _:
            words = f"The connection to RabbitMQ at {place} failed: {_reason(error)}."

    return words


def _origin(error: BaseException) -> BaseException:
    """The system's own error inside the library's."""
    cause = error.__cause__
    if type(error) is exceptions.AMQPConnectionError and isinstance(cause, OSError):
        error = cause
    if isinstance(error, OSError) and (
        error.errno == errno.ECONNREFUSED or "Connect call failed" in str(error)
    ):
        return ConnectionRefusedError(errno.ECONNREFUSED, str(error))
    return error


def _reason(error: BaseException) -> str:
    words = [str(part) for part in error.args if isinstance(part, str) and part]
    if "no access to this vhost" in " ".join(words).lower() or "vhost" in " ".join(words).lower():
        return "this user may not use that virtual host, or there is none of that name"
    return (words[-1] if words else type(error).__name__).rstrip(".")
