"""Bytes to messages and back. JSON, one object, at most one megabyte."""

from typing import cast

from pydantic import TypeAdapter, ValidationError

from workers.protocol.messages import (
    AcceptReply,
    AcceptTask,
    AnyWorkTask,
    ControlMessage,
    FromWorker,
    PreviewReply,
    PreviewTask,
    ProbeReply,
    ProbeTask,
    StatusMessage,
    ToWorker,
    WorkerHeartbeat,
)
from workers.protocol.model import WireModel

MAX_MESSAGE_BYTES = 1_000_000
"""One line on stdio; the same limit on AMQP, so that both carry the same messages."""

type AnyToWorker = AnyWorkTask | ProbeTask | PreviewTask | AcceptTask | ControlMessage
type AnyFromWorker = StatusMessage | ProbeReply | PreviewReply | AcceptReply | WorkerHeartbeat

_to_worker: TypeAdapter[AnyToWorker] = TypeAdapter(ToWorker)
_from_worker: TypeAdapter[AnyFromWorker] = TypeAdapter(FromWorker)


class UndecodableMessage(ValueError):
    """The bytes are no message of a version and type that this program knows."""


def encode(message: WireModel) -> bytes:
    """One line of JSON without the line end.

    Raises:
        UndecodableMessage: the message is larger than `MAX_MESSAGE_BYTES`.
    """
    body = message.model_dump_json().encode()
    if len(body) > MAX_MESSAGE_BYTES:
        raise UndecodableMessage(f"message of {len(body)} bytes is over the limit of {MAX_MESSAGE_BYTES}")
    return body


def decode_to_worker(body: bytes) -> AnyToWorker:
    """A task or a control message.

    Raises:
        UndecodableMessage: not JSON, unknown type or version, or a field out of bounds.
    """
    return cast("AnyToWorker", _decode(_to_worker, body))


def decode_from_worker(body: bytes) -> AnyFromWorker:
    """A status, a heartbeat, or the answer to a probe or a preview.

    Raises:
        UndecodableMessage: not JSON, unknown type or version, or a field out of bounds.
    """
    return cast("AnyFromWorker", _decode(_from_worker, body))


def _decode(adapter: TypeAdapter[AnyToWorker] | TypeAdapter[AnyFromWorker], body: bytes) -> object:
    if len(body) > MAX_MESSAGE_BYTES:
        raise UndecodableMessage(f"message of {len(body)} bytes is over the limit of {MAX_MESSAGE_BYTES}")
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UndecodableMessage(f"{first['msg']} at {place or 'the top'}") from error
