"""What both worker classes are: a host with one kind of work, under the names of the documented interface."""

import asyncio
import logging
from typing import ClassVar

from workers.protocol.states import ProcessType
from workers.runtime.consumer import TaskConsumer
from workers.runtime.delivery import Delivery
from workers.transport.hosting import HostOptions, WorkerHost, make_config
from workers.validators import check_ffprobe_availability

_log = logging.getLogger(__name__)


class QueueWorker:
    """One kind of work. `startup()`, `connect()`, `start_consuming()`, and `close()` at the end.

    Args:
        rabbitmq_url: the broker's address; None: `RABBITMQ_URL`.
        options: everything else, for whoever hosts the worker; None: settings from the environment.
    """

    process_type: ClassVar[ProcessType]
    """What it does to a file; each kind of worker says."""

    def __init__(self, rabbitmq_url: str | None = None, *, options: HostOptions | None = None) -> None:
        self._host = WorkerHost(self.process_type, options or HostOptions(make_config(rabbitmq_url)))

    @property
    def consumer(self) -> TaskConsumer:
        """The task loop, after `startup()`."""
        return self._host.consumer

    async def startup(self) -> None:
        """Check what is installed, claim an identity, warm up the child process.

        Raises:
            InvalidBrokerUrl: the broker's address cannot be one.
            OSError: the data folder cannot be written.
        """
        if not await asyncio.to_thread(check_ffprobe_availability):
            _log.info("no ffprobe program here; files are probed without it")
        await self._host.start()

    async def connect(self) -> None:
        """Connect to RabbitMQ and declare exchanges and queues; tries until it succeeds."""
        await self._host.connect()

    async def close(self) -> None:
        """Stop at once and close the connection; running tasks go back to their queue."""
        await self._host.aclose()

    async def start_consuming(self) -> None:
        """Take tasks from the queue from now on, also after the broker was away. Returns at once."""
        await self._host.consume()

    async def process_message(self, message: Delivery) -> None:
        """Process one delivery: do the work, publish the statuses, acknowledge."""
        await self._host.process(message)
