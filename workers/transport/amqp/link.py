"""A worker's lasting tie to the broker: opens session after session, and keeps what could not be sent.

A final status is confirmed by the broker, or committed to the journal on this computer's disk, before its delivery is
acknowledged. What lies in the journal is sent as soon as a session is there, again and again until it is confirmed.
"""

import asyncio
import logging
import random
import sqlite3
from dataclasses import dataclass
from typing import Final

from aio_pika import exceptions
from aio_pika.abc import AbstractIncomingMessage
from yarl import URL

from workers.protocol import topology
from workers.protocol.codec import UndecodableMessage, decode_to_worker, encode
from workers.protocol.messages import (
    AcceptReply,
    ControlMessage,
    PreviewReply,
    ProbeReply,
    StatusMessage,
    WorkerHeartbeat,
)
from workers.runtime.consumer import TaskConsumer
from workers.runtime.journal import Journal
from workers.transport.amqp.connecting import BROKER_ERRORS, BrokerUnreachable, in_words
from workers.transport.amqp.session import Session, SessionOptions
from workers.transport.timing import LinkTiming

JOURNAL_PAUSE_S: Final = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What a link needs to know."""

    session: SessionOptions
    journal: Journal
    timing: LinkTiming = LinkTiming()  # noqa: RUF009 - it is frozen


class AmqpLink:
    """Outlet and feed of one consumer. `connect()`, then `start_consuming(consumer)`, `aclose()` at the end."""

    is_exclusive = False

    def __init__(self, options: LinkOptions) -> None:
        self._options = options
        self._session: Session | None = None
        self._consumer: TaskConsumer | None = None
        self._taking = (False, False)
        self._taking_lock = asyncio.Lock()
        self._unsent = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._deliveries: set[asyncio.Task[None]] = set()
        self._trouble: str | None = "Not connected to RabbitMQ yet."

    @property
    def trouble(self) -> str | None:
        """What is wrong with the connection, in words; None when nothing is."""
        return self._trouble

    @property
    def is_connected(self) -> bool:
        """True while a session lives."""
        return self._session is not None and not self._session.broken.is_set()

    # ------------------------------------------------------------ life

    async def connect(self) -> None:
        """Open a session, trying until there is one. Says in the log why it takes long."""
        if not self.is_connected:
            self._session = await self._open_session()

    async def _open_session(self) -> Session:
        timing = self._options.timing
        pause_s = timing.first_pause_s
        while True:
            try:
                session = await Session.open(self._options.session)
            except BROKER_ERRORS as error:
                self._trouble = (
                    str(error)
                    if isinstance(error, BrokerUnreachable)
                    else in_words(error, URL(self._options.session.url))
                )
                _log.warning("%s Next try in %.1f s.", self._trouble, pause_s)
                await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - no secret, only spread
                pause_s = min(pause_s * 2, timing.longest_pause_s)
                continue
            self._trouble = None
            self._unsent.set()
            _log.info("connected to RabbitMQ")
            return session

    async def start_consuming(self, consumer: TaskConsumer) -> None:
        """Attach to the queues, and from now on stay attached."""
        self._consumer = consumer
        if self._session is not None:
            await self._attach_safely(self._session)
        self._tasks = [
            asyncio.create_task(self._stay_connected(), name="amqp-link"),
            asyncio.create_task(self._resend(), name="amqp-outbox"),
            asyncio.create_task(self._watch(), name="amqp-watchdog"),
        ]

    async def aclose(self) -> None:
        """Close the connection. What is unacknowledged goes back to its queue."""
        for task in (*self._tasks, *self._deliveries):
            task.cancel()
        if self._tasks or self._deliveries:
            await asyncio.wait({*self._tasks, *self._deliveries})
        self._tasks = []
        if self._session is not None:
            await self._session.aclose()
            self._session = None

    async def _stay_connected(self) -> None:
        while True:
            if self._session is not None:
                await self._session.broken.wait()
                self._trouble = "The connection to RabbitMQ was lost."
                _log.warning("the connection to RabbitMQ was lost")
                self._tell_consumer()
                await self._session.aclose()
            self._session = await self._open_session()
            await self._attach_safely(self._session)
            self._tell_consumer()

    async def _watch(self) -> None:
        """Look whether the broker still counts us among its consumers, and whether it holds us back."""
        while True:
            await asyncio.sleep(self._options.timing.watch_s)
            session = self._session
            if session is None or session.broken.is_set():
                continue
            try:
                is_blocked = await session.is_blocked()
                was_blocked = self._trouble is not None
                self._trouble = (
                    "RabbitMQ holds back all messages: its disk or memory is nearly full."
                    if is_blocked
                    else None
                )
                if is_blocked != was_blocked:
                    _log.warning("RabbitMQ %s messages", "holds back" if is_blocked else "takes")
                    self._tell_consumer()
                async with self._taking_lock:
                    is_attached = await session.is_attached()
            except BROKER_ERRORS as error:
                _log.warning(
                    "the connection does not answer: %s", in_words(error, URL(self._options.session.url))
                )
                is_attached = False
            if not is_attached:
                session.broken.set()

    def _tell_consumer(self) -> None:
        if self._consumer is not None:
            self._consumer.note_transport_change()

    # ------------------------------------------------------------ feed

    async def set_taking(self, *, shared: bool, own: bool) -> None:
        """Attach to or detach from the task queues; kept in mind for the next session when there is none."""
        async with self._taking_lock:
            self._taking = (shared, own)
            if self._session is not None and self.is_connected:
                await self._apply_safely(self._session)

    async def _attach_safely(self, session: Session) -> None:
        async with self._taking_lock:
            try:
                await session.consume_control(self._on_control)
            except BROKER_ERRORS as error:
                _log.warning("the control queue cannot be heard: %s", type(error).__name__)
                session.broken.set()
                return
            await self._apply_safely(session)

    async def _apply_safely(self, session: Session) -> None:
        shared, own = self._taking
        options = self._options.session
        queues = (
            (topology.QUEUE_OF[options.process_type], shared),
            (topology.worker_queue(options.worker_id), own),
        )
        try:
            for queue, should_take in queues:
                if should_take:
                    await session.consume_tasks(queue, self._on_task)
                else:
                    await session.stop_consuming(queue)
        except BROKER_ERRORS as error:
            _log.warning("a task queue cannot be attached: %s", type(error).__name__)
            session.broken.set()

    async def _on_task(self, message: AbstractIncomingMessage) -> None:
        if self._consumer is not None:
            self._consumer.accept(message)

    async def _on_control(self, message: AbstractIncomingMessage) -> None:
        try:
            control = decode_to_worker(message.body)
        except UndecodableMessage as error:
            _log.warning("a control message nobody can read was dropped: %s", error)
            return
        if isinstance(control, ControlMessage) and self._consumer is not None:
            self._consumer.handle_control(control)

    # ------------------------------------------------------------ outlet

    async def send_progress(self, status: StatusMessage) -> None:
        """Confirmed when all is well, dropped when not: the next one says more."""
        await self._send_lossy(encode(status), status.client_id, status.type)

    async def send_heartbeat(self, heartbeat: WorkerHeartbeat) -> None:
        """Heard by whoever listens now."""
        await self._send_lossy(encode(heartbeat), topology.HEARTBEAT_KEY, heartbeat.type)

    async def send_reply(self, reply: ProbeReply | PreviewReply | AcceptReply) -> None:
        """Probes and previews are never sent through a broker, nor what was to be taken over.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("what is answered in replies goes to a local worker only")

    async def send_final(self, status: StatusMessage) -> None:
        """Return when the broker has confirmed it, or when it lies safely in the journal."""
        if await self._confirm(status):
            return
        while True:
            try:
                await asyncio.to_thread(self._options.journal.keep, status)
            except sqlite3.Error:
                _log.exception("the final status can be neither sent nor kept; both are tried again")
                await asyncio.sleep(JOURNAL_PAUSE_S)
                if await self._confirm(status):
                    return
            else:
                self._unsent.set()
                return

    async def _confirm(self, status: StatusMessage) -> bool:
        session = self._session
        if session is None or session.broken.is_set():
            return False
        try:
            await session.publish_status(
                encode(status),
                status.client_id,
                must_arrive=True,
                limit_s=self._options.timing.confirm_s,
                kind=status.type,
            )
        except exceptions.DeliveryError:
            _log.warning("no queue of the client %s: its final status is kept", status.client_id)
            return False
        except BROKER_ERRORS as error:
            _log.warning("the final status was not confirmed (%s) and is kept", type(error).__name__)
            return False
        return True

    async def _send_lossy(self, body: bytes, routing_key: str, kind: str) -> None:
        session = self._session
        if session is None or session.broken.is_set():
            return
        try:
            await session.publish_status(
                body, routing_key, must_arrive=False, limit_s=self._options.timing.progress_s, kind=kind
            )
        except BROKER_ERRORS as error:
            _log.debug("a status was lost: %s", type(error).__name__)

    async def _resend(self) -> None:
        """Send what lies in the journal: after every reconnect, when something is added, and every half minute."""
        journal = self._options.journal
        while True:
            try:
                async with asyncio.timeout(self._options.timing.resend_s):
                    await self._unsent.wait()
                    self._unsent.clear()
            except TimeoutError:
                _log.debug("a look into the outbox")
            if not self.is_connected:
                continue
            for number, status in await asyncio.to_thread(journal.unsent):
                if await self._confirm(status):
                    await asyncio.to_thread(journal.drop, number)
