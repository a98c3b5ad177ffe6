"""What one transport tells the services; closed together with it, so that a late word of the old one is dropped."""

from collections.abc import Callable

from vidproc_desktop.domain.workers import BrokerHealth
from vidproc_desktop.services.acceptance import Acceptance
from vidproc_desktop.services.worker_pool import WorkerPool
from workers.protocol.messages import StatusMessage, WorkerHeartbeat
from workers.protocol.model import WorkerId


class Inlet:
    """`BrokerSink` of one transport.

    Args:
        acceptance: takes statuses.
        pool: takes heartbeats.
        on_health: takes the state of the connection.
    """

    def __init__(
        self, acceptance: Acceptance, pool: WorkerPool, on_health: Callable[[BrokerHealth], None]
    ) -> None:
        self._acceptance = acceptance
        self._pool = pool
        self._on_health = on_health
        self._is_open = True

    def close(self) -> None:
        """Hear no heartbeat and no change of health any more. Statuses are true whoever brings them."""
        self._is_open = False

    async def on_status(self, status: StatusMessage) -> None:
        """Returns once the status is durable. Raises UserFacingError when it could not be written."""
        await self._acceptance.take(status)

    def on_heartbeat(self, heartbeat: WorkerHeartbeat) -> None:
        """A worker lives."""
        if self._is_open:
            self._pool.hear(heartbeat)

    def on_worker_gone(self, worker_id: WorkerId) -> None:
        """A worker process of ours ended."""
        if self._is_open:
            self._pool.gone(worker_id)

    def on_health(self, health: BrokerHealth) -> None:
        """The connection changed."""
        if self._is_open:
            self._on_health(health)
