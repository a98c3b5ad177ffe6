"""The broker port over RabbitMQ: what the dispatcher publishes through, and hears from.

Knows the port and the client; nothing of AMQP itself.
"""

import logging

from vidproc_desktop.broker.rabbitmq.client import RabbitMQClient
from vidproc_desktop.broker.rabbitmq.link import LinkTiming
from vidproc_desktop.broker.rabbitmq.worker_processes import BrokerWorkers
from vidproc_desktop.domain.workers import BrokerHealth
from vidproc_desktop.services.ports import BrokerSink
from workers.protocol import topology
from workers.protocol.codec import AnyFromWorker
from workers.protocol.messages import AnyWorkTask, ControlMessage, StatusMessage, WorkerHeartbeat
from workers.protocol.model import WorkerId

_log = logging.getLogger(__name__)


class RabbitMQBroker:
    """`TaskBroker` over `RabbitMQClient`.

    Args:
        url: the broker's address.
        client_id: whose statuses are heard; keep it across restarts.
        workers: on this computer; ended together with the connection.
        is_passing: the client never comes back: its status queue is deleted at the end.
        timing: waits.

    Raises:
        UserFacingError: the URL is none.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        workers: BrokerWorkers | None = None,
        is_passing: bool = False,
        timing: LinkTiming | None = None,
    ) -> None:
        self._client = RabbitMQClient(url, client_id=client_id, on_health=self._on_health, timing=timing)
        self._workers = workers
        self._is_passing = is_passing
        self._sink: BrokerSink | None = None

    @property
    def label(self) -> str:
        """`host:port` of the broker."""
        return self._client.address.label

    async def start(self, sink: BrokerSink) -> None:
        """Begin; returns without waiting for a broker that is down."""
        self._sink = sink
        await self._client.start_consuming_status(self._on_message)
        self._client.start()

    async def aclose(self) -> None:
        """Close the connections and end our own workers. What others do goes on; their statuses wait for us."""
        if self._workers is not None:
            await self._workers.aclose()
        if self._is_passing:
            await self._client.forget()
        await self._client.close()

    async def publish(self, task: AnyWorkTask, *, worker_id: WorkerId | None = None) -> None:
        """Returns when the broker has confirmed the task. Raises UserFacingError otherwise."""
        await self._client.publish_message(task, topology.VIDEO_TASKS.name, worker_id=worker_id)

    async def control(self, message: ControlMessage) -> None:
        """Tell every worker. Raises UserFacingError when the broker did not take it."""
        await self._client.publish_message(message, topology.WORKER_CONTROL.name)

    async def _on_message(self, message: AnyFromWorker) -> None:
        sink = self._sink
        if sink is None:
            raise RuntimeError("a status came before anybody listened")
        if isinstance(message, StatusMessage):
            await sink.on_status(message)
        elif isinstance(message, WorkerHeartbeat):
            sink.on_heartbeat(message)
        else:
            _log.warning("a %s came over the broker and was ignored", type(message).__name__)

    def _on_health(self, health: BrokerHealth) -> None:
        if self._sink is not None:
            self._sink.on_health(health)
