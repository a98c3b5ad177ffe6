"""Exchanges, queues and bindings as values. Both sides declare the same ones before the first publish."""

from dataclasses import dataclass
from enum import StrEnum

from workers.protocol.states import ProcessType


class ExchangeKind(StrEnum):
    """AMQP exchange types in use."""

    TOPIC = "topic"
    FANOUT = "fanout"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: ExchangeKind


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue; the arguments are the same on every broker version, or a later upgrade answers 406."""

    name: str
    is_quorum: bool = True
    dead_letter_exchange: str | None = None
    expires_after_ms: int | None = None
    is_exclusive: bool = False
    """Dies with its connection; then it is a classic queue, the only kind that can be exclusive."""

    def arguments(self) -> dict[str, str | int]:
        """`x-` arguments for `queue.declare`."""
        table: dict[str, str | int] = {}
        if self.is_quorum:
            table["x-queue-type"] = "quorum"
        if self.dead_letter_exchange is not None:
            table["x-dead-letter-exchange"] = self.dead_letter_exchange
        if self.expires_after_ms is not None:
            table["x-expires"] = self.expires_after_ms
        return table


@dataclass(frozen=True, slots=True)
class Binding:
    """Messages of `exchange` with a key that matches `routing_key` go to `queue`."""

    exchange: str
    queue: str
    routing_key: str


VIDEO_TASKS = Exchange("video_tasks", ExchangeKind.TOPIC)
PROCESSING_STATUS = Exchange("processing_status", ExchangeKind.TOPIC)
WORKER_CONTROL = Exchange("worker_control", ExchangeKind.FANOUT)
DEAD_TASKS = Exchange("video_tasks.dead", ExchangeKind.FANOUT)
EXCHANGES = (VIDEO_TASKS, PROCESSING_STATUS, WORKER_CONTROL, DEAD_TASKS)

ENHANCEMENT_QUEUE = Queue("video_enhancement_queue", dead_letter_exchange=DEAD_TASKS.name)
METADATA_QUEUE = Queue("metadata_extraction_queue", dead_letter_exchange=DEAD_TASKS.name)
DEAD_LETTER_QUEUE = Queue("video_tasks.dead_letter")

FILE_KEY = "file"
ANALYSIS_KEY = "enhance.analysis"
SEGMENT_KEY = "enhance.segment"
ASSEMBLY_KEY = "enhance.assembly"
ENHANCEMENT_KEYS = (ANALYSIS_KEY, SEGMENT_KEY, ASSEMBLY_KEY)
HEARTBEAT_KEY = "worker"
"""Routing key of heartbeats on `processing_status`: they concern every client."""

STATUS_QUEUE_EXPIRES_MS = 14 * 24 * 3600 * 1000
WORKER_QUEUE_EXPIRES_MS = 24 * 3600 * 1000

SHARED_QUEUES = (ENHANCEMENT_QUEUE, METADATA_QUEUE, DEAD_LETTER_QUEUE)
SHARED_BINDINGS = (
    Binding(VIDEO_TASKS.name, ENHANCEMENT_QUEUE.name, FILE_KEY),
    Binding(VIDEO_TASKS.name, METADATA_QUEUE.name, FILE_KEY),
    *(Binding(VIDEO_TASKS.name, ENHANCEMENT_QUEUE.name, key) for key in ENHANCEMENT_KEYS),
    Binding(DEAD_TASKS.name, DEAD_LETTER_QUEUE.name, "#"),
)

QUEUE_OF = {
    ProcessType.VIDEO_ENHANCEMENT: ENHANCEMENT_QUEUE,
    ProcessType.METADATA_EXTRACTION: METADATA_QUEUE,
}


def status_queue(client_id: str) -> Queue:
    """The durable queue that keeps a client's statuses while its program is closed."""
    return Queue(f"{PROCESSING_STATUS.name}.{client_id}", expires_after_ms=STATUS_QUEUE_EXPIRES_MS)


def status_bindings(client_id: str) -> tuple[Binding, ...]:
    """A client's own statuses, which outlive the program. Heartbeats go elsewhere: they would pile up."""
    return (Binding(PROCESSING_STATUS.name, status_queue(client_id).name, client_id),)


def heartbeat_queue(client_id: str) -> Queue:
    """Heartbeats for a running client; gone with its connection."""
    return Queue(f"{PROCESSING_STATUS.name}.{client_id}.heartbeats", is_quorum=False, is_exclusive=True)


def worker_routing_key(worker_id: str) -> str:
    """Routing key on `video_tasks` that reaches one worker only (retries)."""
    return f"worker.{worker_id}"


def worker_queue(worker_id: str) -> Queue:
    """A worker's own task queue; it outlives a restart of the worker and is collected after a day."""
    return Queue(
        f"{VIDEO_TASKS.name}.worker.{worker_id}",
        dead_letter_exchange=DEAD_TASKS.name,
        expires_after_ms=WORKER_QUEUE_EXPIRES_MS,
    )


def control_queue(worker_id: str) -> Queue:
    """Where a worker hears cancel, pause, resume and drain."""
    return Queue(f"{WORKER_CONTROL.name}.{worker_id}", is_quorum=False, is_exclusive=True)
