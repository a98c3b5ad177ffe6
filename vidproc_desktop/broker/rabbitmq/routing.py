"""Which routing key a message has: derived from its type, so that no caller can get it wrong. Pure."""

from collections.abc import Mapping
from typing import assert_never

from pydantic_core import to_json

from workers.protocol import topology
from workers.protocol.codec import (
    AnyFromWorker,
    AnyToWorker,
    UndecodableMessage,
    decode_from_worker,
    decode_to_worker,
)
from workers.protocol.messages import (
    AcceptReply,
    AcceptTask,
    AnalysisTask,
    AssemblyTask,
    ControlMessage,
    FileTask,
    PreviewReply,
    PreviewTask,
    ProbeReply,
    ProbeTask,
    SegmentTask,
    StatusMessage,
    WorkerHeartbeat,
)
from workers.protocol.model import WireModel, WorkerId

type AnyMessage = AnyToWorker | AnyFromWorker
_FROM_WORKER = frozenset({"status", "probe_reply", "worker"})


def as_message(message: WireModel | Mapping[str, object]) -> AnyMessage:
    """The message as a validated value.

    Raises:
        UndecodableMessage: a mapping that is none of our messages.
    """
    if isinstance(
        message,
        FileTask
        | AnalysisTask
        | SegmentTask
        | AssemblyTask
        | ProbeTask
        | ControlMessage
        | StatusMessage
        | ProbeReply
        | WorkerHeartbeat,
    ):
        return message
    if isinstance(message, WireModel):
        raise UndecodableMessage(f"{type(message).__name__} is not a message")
    body = to_json(dict(message))
    return decode_from_worker(body) if message.get("type") in _FROM_WORKER else decode_to_worker(body)


def routing_key(message: AnyMessage, worker_id: WorkerId | None = None) -> str:
    """Where the message goes on its exchange.

    Raises:
        UndecodableMessage: probes and previews never go through a broker: a local worker answers them.
    """
    match message:
        case FileTask() | AnalysisTask() | SegmentTask() | AssemblyTask() if worker_id is not None:
            return topology.worker_routing_key(worker_id)
        case FileTask():
            return topology.FILE_KEY
        case AnalysisTask():
            return topology.ANALYSIS_KEY
        case SegmentTask():
            return topology.SEGMENT_KEY
        case AssemblyTask():
            return topology.ASSEMBLY_KEY
        case ControlMessage():
            return ""
        case StatusMessage():
            return message.client_id
        case WorkerHeartbeat():
            return topology.HEARTBEAT_KEY
        case ProbeTask() | ProbeReply() | PreviewTask() | PreviewReply() | AcceptTask() | AcceptReply():
            raise UndecodableMessage("probes and previews never go through a broker")
        case _:
            assert_never(message)
