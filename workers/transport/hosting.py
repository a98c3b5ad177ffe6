"""What both worker classes share: identity, journal, consumer, and the transport they were given."""

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter

from workers.config import WorkerConfig, check_broker_url
from workers.protocol.messages import AnalysisTask, AnyWorkTask, AssemblyTask, FileTask, SegmentTask
from workers.protocol.states import ProcessType
from workers.runtime.attempts import WorkOptions
from workers.runtime.consumer import DISK_CHECK_INTERVAL_S, ConsumerParts, TaskConsumer
from workers.runtime.delivery import Delivery, Feed, Outlet
from workers.runtime.executor import MEDIA_JOBS, Executor, ExecutorOptions
from workers.runtime.identity import WorkerIdentity, claim_identity
from workers.runtime.journal import Journal
from workers.runtime.logs import LogContext, log_context
from workers.runtime.outcome import HandedOver
from workers.runtime.progress import Measured
from workers.runtime.remote_work import RemoteWork
from workers.runtime.work import EnhancementWork, MetadataWork, Work
from workers.transport.stdio import StdioChannel, StdioFeed
from workers.transport.timing import LinkTiming

if TYPE_CHECKING:
    from workers.transport.amqp import AmqpLink

ROLES = {ProcessType.VIDEO_ENHANCEMENT: "enhance", ProcessType.METADATA_EXTRACTION: "metadata"}
_tasks: TypeAdapter[AnyWorkTask] = TypeAdapter(
    Annotated[FileTask | AnalysisTask | SegmentTask | AssemblyTask, Field(discriminator="type")]
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How a worker is hosted. Without a channel it speaks to RabbitMQ; `jobs` is for tests."""

    config: WorkerConfig
    channel: StdioChannel | None = None
    identity: WorkerIdentity | None = None
    """Claimed by whoever made these options; None: claimed at start-up."""
    jobs: str = MEDIA_JOBS
    timing: LinkTiming = LinkTiming()  # noqa: RUF009 - it is frozen
    disk_check_s: float = DISK_CHECK_INTERVAL_S


class WorkerHost:
    """The life of one worker. `start()`, `connect()`, `consume()`, `aclose()`, in that order."""

    def __init__(self, process_type: ProcessType, options: HostOptions) -> None:
        self._process_type = process_type
        self._options = options
        self._held = ExitStack()
        self._journal: Journal | None = None
        self._link: AmqpLink | None = None
        self._consumer: TaskConsumer | None = None
        self._work: Work | None = None
        self._direct: Executor | None = None
        self._log_context = LogContext()

    @property
    def consumer(self) -> TaskConsumer:
        """The task loop.

        Raises:
            RuntimeError: before `start()`.
        """
        if self._consumer is None:
            raise RuntimeError("startup() comes first")
        return self._consumer

    async def start(self) -> None:
        """Claim an identity, open the journal, warm up the children.

        Raises:
            InvalidBrokerUrl: the broker's address cannot be one.
            OSError: the data folder cannot be written, or no process can be started.
        """
        config = self._options.config
        if self._options.channel is None:
            check_broker_url(config.rabbitmq_url)
        identity = self._options.identity
        if identity is None:
            identity = await asyncio.to_thread(self._claim)
        self._journal = Journal(identity.folder / "journal.sqlite3")
        await asyncio.to_thread(self._journal.open)
        self._work = _make_work(self._process_type, WorkOptions(config, identity.worker_id))
        outlet, feed = self._make_transport(identity, self._journal)
        parts = ConsumerParts(
            identity=identity,
            work=self._work,
            config=config,
            journal=self._journal,
            outlet=outlet,
            feed=feed,
            jobs=self._options.jobs,
            disk_check_s=self._options.disk_check_s,
        )
        self._consumer = TaskConsumer(parts)
        self._log_context = LogContext(identity.worker_id)
        with log_context(self._log_context):
            await self._consumer.start()
            _log.info("worker started")

    async def connect(self) -> None:
        """Connect to the broker and declare its topology; tries until it succeeds. Nothing to do over stdio."""
        if self._link is not None:
            with log_context(self._log_context):
                await self._link.connect()

    async def consume(self) -> None:
        """Begin to take tasks."""
        if self._link is not None:
            with log_context(self._log_context):
                await self._link.start_consuming(self.consumer)

    async def process(self, delivery: Delivery) -> None:
        """Run one delivery to its acknowledgement."""
        await self.consumer.process_message(delivery)

    async def run_directly(self, message: dict[str, Any] | AnyWorkTask) -> dict[str, Any]:
        """Do what a task asks of this worker, without any queue or status. A message without a type is a file task.

        Raises:
            TaskFailedError: the attempt cannot succeed.
            ValueError: the message is no task, or none of this worker's.
        """
        if self._work is None:
            raise RuntimeError("startup() comes first")
        task = _tasks.validate_python({"type": "file", **message}) if isinstance(message, dict) else message
        if self._direct is None:
            limit = self._options.config.memory_limit_bytes
            name = f"direct-{ROLES[self._process_type]}"
            self._direct = Executor(
                ExecutorOptions(
                    name,
                    (self._work.kind,),
                    self._options.jobs,
                    limit,
                    stand_ins=self._options.config.remote_folder,
                )
            )
            await self._direct.start()

        def observe(measured: Measured) -> None:
            _log.debug("%s %.0f %%", measured.stage, measured.percent)

        outcome = await self._work.run(task, self._direct, observe)
        result = outcome.result if isinstance(outcome, HandedOver) else outcome
        return result.model_dump(mode="json")

    async def aclose(self) -> None:
        """Stop at once; running tasks go back to their queue, no process is left. Calling it twice does no harm."""
        if self._consumer is not None:
            await self._consumer.aclose()
        if self._direct is not None:
            await self._direct.aclose()
            self._direct = None
        if self._link is not None:
            await self._link.aclose()
        if self._journal is not None:
            await asyncio.to_thread(self._journal.close)
        self._held.close()

    def _claim(self) -> WorkerIdentity:
        return self._held.enter_context(
            claim_identity(self._options.config.state_folder, ROLES[self._process_type], self._process_type)
        )

    def _make_transport(self, identity: WorkerIdentity, journal: Journal) -> tuple[Outlet, Feed]:
        if self._options.channel is not None:
            return self._options.channel, StdioFeed()
        # Late: without a broker its library need not be loaded.
        from workers.transport.amqp import AmqpLink, LinkOptions
        from workers.transport.amqp.session import SessionOptions

        config = self._options.config
        session = SessionOptions(
            url=config.rabbitmq_url,
            worker_id=identity.worker_id,
            process_type=self._process_type,
            slots=config.slots,
            task_limit_s=config.processing_timeout_s,
            priority=config.consumer_priority,
        )
        self._link = AmqpLink(LinkOptions(session, journal, self._options.timing))
        return self._link, self._link


def _make_work(process_type: ProcessType, options: WorkOptions) -> Work:
    is_enhancement = process_type is ProcessType.VIDEO_ENHANCEMENT
    return RemoteWork(EnhancementWork if is_enhancement else MetadataWork, options)


def make_config(rabbitmq_url: str | None) -> WorkerConfig:
    """The environment's settings, with another broker when one is given."""
    config = WorkerConfig()
    return config if rabbitmq_url is None else config.model_copy(update={"rabbitmq_url": rabbitmq_url})
