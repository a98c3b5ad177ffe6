"""What connecting and publishing can run into, in words. Never shows credentials.

Knows the exceptions of aio-pika and of the operating system; opens nothing itself.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from aio_pika.exceptions import AMQPError, AuthenticationError, ProbableAuthenticationError

from vidproc_desktop.broker.rabbitmq.address import BrokerAddress
from vidproc_desktop.errors import UserErrorCode, UserFacingError

NETWORK_FAULTS: Final = (AMQPError, OSError, TimeoutError, RuntimeError)
"""What the library raises when the other end or the network fails; `RuntimeError` is its word for "closed"."""


_THIS_COMPUTER: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def quiet_the_library() -> None:
    """Keep the AMQP library's own lines out of the log: each of its failures is reported by us, once, in words."""
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def is_ours(error: BaseException) -> bool:
    """True for a cancellation that somebody asked this task for.

    The library also rejects its own waiters with `CancelledError` when a connection closes; that is a fault of the
    network, and taking it for a cancellation would end a task that nobody wanted to end.
    """
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def explain(error: BaseException, address: BrokerAddress) -> UserFacingError:
    """A failed connection as a sentence with a hint."""
    for cause in _chain(error):
        told = _login(cause, address) or _network(cause, address) or _encryption(cause, address)
        if told is not None:
            return told
    if "Connection.OpenOk" in str(error):
        # The broker took the login and answered the choice of a virtual host with a refusal.
        return UserFacingError(
            UserErrorCode.BROKER_MISCONFIGURED,
            f"The virtual host “{address.virtual_host}” does not exist on {address.label},"
            f" or “{address.user}” may not use it.",
            hint="Check what stands after the last / of the address; nothing there means “/”.",
        )
    return _declaration(error, address)


def no_amqp(address: BrokerAddress) -> UserFacingError:
    """Something took the connection and kept silent."""
    return UserFacingError(
        UserErrorCode.BROKER_UNREACHABLE,
        f"Something listens on {address.label}, but it does not speak AMQP.",
        hint="Is this the port of RabbitMQ (5672, with encryption 5671)? A broker that hangs is silent, too.",
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _login(error: BaseException, address: BrokerAddress) -> UserFacingError | None:
    if not isinstance(error, ProbableAuthenticationError | AuthenticationError):
        return None
    hint = "Check user and password."
    if address.user == "guest" and address.host not in _THIS_COMPUTER:
        hint = "The user “guest” may log in only from the broker's own computer; use another user."
    return UserFacingError(
        UserErrorCode.BROKER_REFUSED_LOGIN,
        f"The broker on {address.label} refused the login of “{address.user}”.",
        hint=hint,
    )


def _network(error: BaseException, address: BrokerAddress) -> UserFacingError | None:
    where = address.label
    if isinstance(error, socket.gaierror):
        title = f"No computer named “{address.host}” can be found."
        hint = "Check the spelling and the network connection."
    elif isinstance(error, ConnectionRefusedError):
        title = f"Nothing listens on port {address.port} of {address.host}."
        hint = "Is RabbitMQ running there, and is the port right (5672, with encryption 5671)?"
    elif isinstance(error, TimeoutError):
        title = f"{where} does not answer."
        hint = "Is the computer switched on, and does a firewall let the port through?"
    elif isinstance(error, ConnectionResetError | BrokenPipeError):
        title = f"{where} closed the connection."
        hint = "Is this the port of RabbitMQ, and is amqp:// or amqps:// right?"
    elif isinstance(error, OSError) and not isinstance(error, AMQPError | ssl.SSLError):
        title = f"{where} cannot be reached."
        hint = "Check the network connection."
    else:
        return None
    return UserFacingError(UserErrorCode.BROKER_UNREACHABLE, title, detail=str(error), hint=hint)


def _encryption(error: BaseException, address: BrokerAddress) -> UserFacingError | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        title = f"The certificate of {address.label} is not trusted: {error.verify_message}."
        hint = (
            "Add ?cafile=/path/to/ca.pem to the address, or use the name that the certificate was made for."
        )
    elif isinstance(error, ssl.SSLError):
        title = f"{address.label} does not speak TLS."
        hint = "Use amqp:// for a broker without encryption (port 5672), or the port with encryption (5671)."
    else:
        return None
    return UserFacingError(UserErrorCode.BROKER_MISCONFIGURED, title, detail=str(error), hint=hint)


def _declaration(error: BaseException, address: BrokerAddress) -> UserFacingError:
    text = str(error)
    if "ACCESS_REFUSED" in text:
        return UserFacingError(
            UserErrorCode.BROKER_MISCONFIGURED,
            f"“{address.user}” may not create or use the queues on {address.label}.",
            detail=text,
            hint=f"rabbitmqctl set_permissions -p {address.virtual_host} {address.user} '.*' '.*' '.*'",
        )
    if "PRECONDITION_FAILED" in text:
        return UserFacingError(
            UserErrorCode.BROKER_MISCONFIGURED,
            f"{address.label} already has a queue or exchange of the same name with other properties.",
            detail=text,
            hint="Use a virtual host of its own for Vidproc, or delete the old queue.",
        )
    return UserFacingError(
        UserErrorCode.BROKER_UNREACHABLE,
        f"The connection to the broker on {address.label} failed.",
        detail=text or type(error).__name__,
        hint="It is tried again by itself.",
    )
