"""What the runtime needs of a transport, as protocols. An aio-pika message is a `Delivery` as it is."""

from typing import Any, Protocol

from workers.protocol.messages import AcceptReply, PreviewReply, ProbeReply, StatusMessage, WorkerHeartbeat


class Delivery(Protocol):
    """One task on its way; exactly one of `ack`, `reject` and `nack` ends it."""

    @property
    def body(self) -> bytes:
        """The encoded message."""
        ...

    @property
    def redelivered(self) -> bool | None:
        """True when the broker handed it out before."""
        ...

    @property
    def routing_key(self) -> str | None:
        """`worker.<id>` when it was meant for this worker alone."""
        ...

    async def ack(self, multiple: bool = ...) -> Any:
        """Done with it, one way or the other: its final status is safe."""
        ...

    async def reject(self, requeue: bool = ...) -> Any:
        """With `requeue=False`: nobody can do anything with it."""
        ...

    async def nack(self, multiple: bool = ..., requeue: bool = ...) -> Any:
        """With `requeue=True`: not me, or I am going; somebody else shall have it."""
        ...


class Outlet(Protocol):
    """Where a worker's messages go."""

    async def send_progress(self, status: StatusMessage) -> None:
        """Send a status that may be lost."""
        ...

    async def send_final(self, status: StatusMessage) -> None:
        """Return when the status is safe: confirmed by the broker, or on this computer's disk to be sent again."""
        ...

    async def send_reply(self, reply: ProbeReply | PreviewReply | AcceptReply) -> None:
        """Answer a probe, a preview, or what was to be taken over."""
        ...

    async def send_heartbeat(self, heartbeat: WorkerHeartbeat) -> None:
        """Say that the worker lives; may be lost."""
        ...


class Feed(Protocol):
    """Where a worker's tasks come from."""

    @property
    def is_exclusive(self) -> bool:
        """True when nobody else could have the tasks: then they wait here instead of being given back."""
        ...

    @property
    def trouble(self) -> str | None:
        """What is wrong with the connection, in words for the heartbeat; None when nothing is."""
        ...

    async def set_taking(self, *, shared: bool, own: bool) -> None:
        """Take, or stop taking, tasks from the shared queue and from this worker's own. Idempotent."""
        ...
