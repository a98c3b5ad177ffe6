"""Tries a broker once and says in words what is wrong: name, port, login, virtual host, TLS, rights.

Opens its own short connections and leaves none behind; never raises for what the world did, never shows a password.
"""

import asyncio
import contextlib
from typing import Final

from vidproc_desktop.broker.rabbitmq.address import BrokerAddress, parse_address
from vidproc_desktop.broker.rabbitmq.declare import declare_shared
from vidproc_desktop.broker.rabbitmq.faults import NETWORK_FAULTS, explain, is_ours, quiet_the_library
from vidproc_desktop.broker.rabbitmq.opening import find_out_why, open_connection
from vidproc_desktop.domain.workers import ConnectionReport
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from workers.protocol import topology

_LIMIT_S: Final = 7.0
_CLOSE_LIMIT_S: Final = 1.0
_GREETING: Final = b"AMQP\x00\x00\x09\x01"
"""Protocol header of AMQP 0-9-1 (specification, section 4.2.2)."""


async def test_connection(url: str) -> ConnectionReport:
    """Reach the broker, log in, declare the topology, and report the version or what stood in the way.

    Takes at most 8 s.
    """
    quiet_the_library()
    try:
        address = parse_address(url)
    except UserFacingError as error:
        return ConnectionReport(False, error.title, error.hint)
    speaks_amqp = False
    try:
        async with asyncio.timeout(_LIMIT_S):
            speaks_amqp = await _greet(address)
            message = await _log_in(address)
    except UserFacingError as error:
        return ConnectionReport(False, error.title, error.hint)
    except (asyncio.CancelledError, *NETWORK_FAULTS) as error:
        if is_ours(error):
            raise
        told = explain(error, address) if speaks_amqp else await find_out_why(error, address)
        return ConnectionReport(False, told.title, told.hint)
    return ConnectionReport(True, message)


test_connection.__test__ = False  # type: ignore[attr-defined]  # a name that pytest would take for a test


async def _greet(address: BrokerAddress) -> bool:
    """Say hello by hand first: what is no broker at all can then be named. True when a broker answered."""
    if address.uses_tls:
        return (
            False  # the library makes the encrypted connection, with the certificates that the address names
        )
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(_GREETING)
        await writer.drain()
        answer = await reader.read(8)
    finally:
        writer.transport.abort()
    if not answer.startswith(b"\x01\x00\x00"):  # a method frame on channel 0: connection.start
        raise _not_a_broker(address, answer)
    return True


def _not_a_broker(address: BrokerAddress, answer: bytes) -> UserFacingError:
    hint = "RabbitMQ usually listens on port 5672, with encryption on 5671."
    if answer.startswith(b"HTTP"):
        title = f"A web server answers on {address.label}, not RabbitMQ."
        hint = "15672 is the port of RabbitMQ's web page; programs use 5672."
    elif answer.startswith(b"\x15\x03"):  # a TLS alert record (RFC 8446, section 5.1)
        title = f"{address.label} wants encryption."
        hint = "Use amqps:// for this port."
    elif answer.startswith(b"AMQP"):
        title = f"{address.label} speaks another version of AMQP, not 0-9-1."
        hint = "Vidproc needs RabbitMQ 3.10 or newer."
    else:
        title = f"What answers on {address.label} is not RabbitMQ."
    return UserFacingError(UserErrorCode.BROKER_UNREACHABLE, title, detail=repr(answer), hint=hint)


async def _log_in(address: BrokerAddress) -> str:
    connection = await open_connection(address, "vidproc connection test")
    try:
        transport = connection.transport
        version = "?" if transport is None else _version(transport.connection.server_properties)
        channel = await connection.channel(publisher_confirms=False)
        await declare_shared(channel)
        underlay = await channel.get_underlay_channel()
        answer = await underlay.queue_declare(topology.ENHANCEMENT_QUEUE.name, passive=True)
        return _success(address, version, answer.consumer_count or 0)
    finally:
        with contextlib.suppress(*NETWORK_FAULTS):
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                await connection.close()


def _version(properties: object) -> str:
    return str(properties.get("version", "?")) if isinstance(properties, dict) else "?"


def _success(address: BrokerAddress, version: str, workers: int) -> str:
    serving = {0: "no worker is there yet", 1: "1 worker is there"}.get(
        workers, f"{workers} workers are there"
    )
    return f"RabbitMQ {version} on {address.label} is reached; {serving}."
