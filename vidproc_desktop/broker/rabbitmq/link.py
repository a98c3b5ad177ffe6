"""One supervised connection to the broker: opened, prepared, watched, and opened again when it breaks.

Knows nothing of tasks and statuses; what a fresh connection needs is done by the `set_up` it is given.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aio_pika.abc import AbstractConnection

from vidproc_desktop.broker.rabbitmq.address import BrokerAddress
from vidproc_desktop.broker.rabbitmq.faults import NETWORK_FAULTS, explain, is_ours, quiet_the_library
from vidproc_desktop.broker.rabbitmq.opening import find_out_why, open_connection
from vidproc_desktop.errors import UserErrorCode, UserFacingError

type SetUp = Callable[[AbstractConnection], Awaitable[None]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """Waits of the client, in seconds."""

    open_s: float = 8.0
    first_pause_s: float = 0.25
    longest_pause_s: float = 5.0
    close_s: float = 3.0
    confirm_s: float = 15.0
    watch_s: float = 1.0
    inspect_s: float = 3.0
    idle_grace_s: float = 5.0
    """A queue that nobody serves is reported after this time: workers may just be starting."""

    def pause_s(self, failures: int) -> float:
        """Growing, and spread, so that a hundred clients do not come back in the same instant."""
        pause = min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(failures, 16))
        return pause * random.uniform(0.75, 1.25)  # noqa: S311 - spreads reconnects, guards nothing


class Link:
    """A connection that comes back.

    Args:
        address: the broker.
        name: shown in the broker's list of connections and in the log.
        set_up: prepares a fresh connection; raising means that it is not usable.
        on_change: called, on the loop's thread, whenever `is_ready` or `fault` has changed.
        timing: waits.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        name: str,
        set_up: SetUp,
        on_change: Callable[[], None],
        timing: LinkTiming,
    ) -> None:
        self._address = address
        self._name = name
        self._set_up = set_up
        self._on_change = on_change
        self._timing = timing
        self._connection: AbstractConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()
        self._settled = asyncio.Event()
        self._is_deliberate = False
        self.fault: UserFacingError | None = None
        """Why there is no connection; None before the first attempt ended and while connected."""

    @property
    def is_ready(self) -> bool:
        """True while the connection is open and prepared."""
        return self._connection is not None and not self._broken.is_set()

    @property
    def connection(self) -> AbstractConnection | None:
        """The open connection."""
        return self._connection if self.is_ready else None

    def start(self) -> None:
        """Begin; returns at once."""
        quiet_the_library()
        self._task = asyncio.create_task(self._supervise(), name=f"rabbitmq {self._name}")

    async def aclose(self) -> None:
        """End, also in the middle of connecting."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def ready(self) -> None:
        """Wait until connected.

        Raises:
            UserFacingError: the last attempt failed. The next one is made anyway.
        """
        await self._settled.wait()
        if self.fault is not None:
            raise self.fault

    def restart(self, reason: str) -> None:
        """Give the connection up and open a new one."""
        if self.is_ready:
            _log.warning("broker %s: %s is opened anew: %s", self._address.label, self._name, reason)
            self._is_deliberate = True
            self._settled.clear()
            self._broken.set()

    async def _supervise(self) -> None:
        failures = 0
        while True:
            connection = await self._try_open()
            if connection is None:
                await asyncio.sleep(self._timing.pause_s(failures))
                failures += 1
                continue
            failures = 0
            try:
                await self._broken.wait()
            finally:
                self._connection = None
                await self._close(connection)
            if not self._is_deliberate:
                self._settle(self._lost())

    def _lost(self) -> UserFacingError:
        return UserFacingError(
            UserErrorCode.BROKER_UNREACHABLE,
            f"The connection to the broker on {self._address.label} was lost.",
            hint="It is opened again by itself.",
        )

    async def _try_open(self) -> AbstractConnection | None:
        connection: AbstractConnection | None = None
        self._broken.clear()
        self._is_deliberate = False
        try:
            async with asyncio.timeout(self._timing.open_s):
                connection = await open_connection(self._address, self._name)
                connection.close_callbacks.add(self._on_closed)
                await self._set_up(connection)
        except (asyncio.CancelledError, *NETWORK_FAULTS) as error:
            if connection is not None:
                await self._close(connection)
            if is_ours(error):
                raise
            is_opened = connection is not None
            told = explain(error, self._address) if is_opened else await find_out_why(error, self._address)
            self._settle(told)
            return None
        self._connection = connection
        self._settle(None)
        return connection

    def _settle(self, fault: UserFacingError | None) -> None:
        if fault is None:
            _log.info("broker %s: %s is connected", self._address.label, self._name)
        elif self.fault is None or self.fault.title != fault.title:
            _log.warning("broker %s: %s: %s %s", self._address.label, self._name, fault.title, fault.detail)
        self.fault = fault
        self._settled.set()
        self._on_change()

    def _on_closed(self, _sender: object, _error: BaseException | None) -> None:
        self._broken.set()

    async def _close(self, connection: AbstractConnection) -> None:
        """Close within bounds: a broker that blocks us or is frozen does not answer a goodbye."""
        connection.close_callbacks.discard(self._on_closed)
        try:
            async with asyncio.timeout(self._timing.close_s):
                await connection.close()
        except (asyncio.CancelledError, *NETWORK_FAULTS) as error:
            if is_ours(error):
                raise
            _log.debug("broker %s: %s did not close in order: %r", self._address.label, self._name, error)
