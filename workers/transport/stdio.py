"""Tasks as JSON lines on standard input, statuses as JSON lines on standard output: the mode without a broker.

The messages own a private copy of descriptor 1, and stdout points at stderr, so that no library can spoil a line. The
end of input means that the program at the other end is gone, however it went: everything here is then gone within
two seconds. A status counts as safe once it is written to the pipe: whoever reads the other end outlives us or needs
it no more.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from workers.protocol.codec import MAX_MESSAGE_BYTES, UndecodableMessage, decode_to_worker, encode
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
from workers.protocol.model import WireModel
from workers.protocol.states import ProcessType
from workers.runtime import lifeline
from workers.runtime.consumer import TaskConsumer

GRACE_AFTER_END_S: Final = 1.2
"""Time to clean up after the end of input; afterwards everything is killed from a thread, whatever the loop does."""
MAX_QUEUED_PROGRESS: Final = 64
"""Progress lines waiting for a slow reader; further ones are dropped."""
READ_BLOCK_BYTES: Final = 65_536
_log = logging.getLogger(__name__)


class StdioDelivery:
    """A task from a line. Ending it tells nobody: the final status does."""

    redelivered: bool | None = False
    routing_key: str | None = None

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def ack(self, multiple: bool = False) -> None:
        """Nothing to tell."""

    async def reject(self, requeue: bool = False) -> None:
        """Only the log hears of it."""
        _log.warning("a line that nobody can use was dropped (requeue=%s)", requeue)

    async def nack(self, multiple: bool = False, requeue: bool = True) -> None:
        """The worker stops; the other end sees that and knows what it has sent."""


class StdioFeed:
    """The only place where these tasks are: they wait in the consumer until it can take them."""

    is_exclusive = True
    trouble: str | None = None

    async def set_taking(self, *, shared: bool, own: bool) -> None:
        """Nothing to stop: lines are read always, because a cancel may be among them."""


class StdioChannel:
    """This process's standard input and output as a line channel. `open()` first; the outlet of its consumers."""

    def __init__(self, in_descriptor: int = 0, out_descriptor: int = 1) -> None:
        self._in_descriptor = in_descriptor
        self._out_descriptor = out_descriptor
        self._in = -1
        self._out = -1
        self._writer: ThreadPoolExecutor | None = None
        self._queued_progress = 0
        self._closed = threading.Event()
        self._consumers: Sequence[TaskConsumer] = ()
        self.ended = asyncio.Event()
        """Set when the input is at its end, or the output has no reader any more."""

    def open(self) -> None:
        """Take the two descriptors away from everybody else in this process."""
        self._in = os.dup(self._in_descriptor)
        self._out = os.dup(self._out_descriptor)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, self._in_descriptor)
        os.close(null)
        os.dup2(2, self._out_descriptor)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stdout")

    def listen(self, consumers: Sequence[TaskConsumer]) -> None:
        """Begin to read lines and hand them to the consumers whose work they ask for."""
        self._consumers = tuple(consumers)
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop,), name="stdin", daemon=True).start()

    def close(self) -> None:
        """Everything is cleaned up: nothing needs to be killed any more."""
        self._closed.set()
        if self._writer is not None:
            self._writer.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------ outlet

    async def send_progress(self, status: StatusMessage) -> None:
        """Write it, or drop it when the reader is far behind."""
        await self._send_lossy(status)

    async def send_final(self, status: StatusMessage) -> None:
        """Return when it is written."""
        await self._write(encode(status))

    async def send_reply(self, reply: ProbeReply | PreviewReply | AcceptReply) -> None:
        """Return when it is written. A file with too many facts for a line is answered without them."""
        try:
            body = encode(reply)
        except UndecodableMessage:
            assert isinstance(reply, ProbeReply), "every other reply is of bounded size"
            info = reply.info
            assert info is not None
            few = info.model_copy(update={"tags": (), "chapters": (), "warnings": info.warnings[:20]})
            body = encode(reply.model_copy(update={"info": few}))
        await self._write(body)

    async def send_heartbeat(self, heartbeat: WorkerHeartbeat) -> None:
        """Write it, or drop it when the reader is far behind."""
        await self._send_lossy(heartbeat)

    async def _send_lossy(self, message: WireModel) -> None:
        if self._queued_progress >= MAX_QUEUED_PROGRESS:
            return
        self._queued_progress += 1
        try:
            await self._write(encode(message))
        finally:
            self._queued_progress -= 1

    async def _write(self, body: bytes) -> None:
        """One whole line, in the order of the calls, on a thread: a full pipe must not stop the loop."""
        if self._writer is None or self.ended.is_set():
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._write_now, body + b"\n")
        except OSError as error:
            _log.warning("nobody reads the output any more: %s", error)
            self.ended.set()

    def _write_now(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._out, rest) :]

    # ------------------------------------------------------------ input

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Thread: read until the end, then see to it that nothing is left, even if the loop hangs."""
        assembler = LineAssembler(lambda line: loop.call_soon_threadsafe(self._take, line))
        try:
            while block := os.read(self._in, READ_BLOCK_BYTES):
                assembler.feed(block)
        except OSError:
            _log.exception("standard input cannot be read")
        except RuntimeError:  # the loop is closed: this process is on its way out
            return
        _log.info("end of input: the program at the other end is gone")
        try:
            loop.call_soon_threadsafe(self.ended.set)
        except RuntimeError:
            return
        if not self._closed.wait(GRACE_AFTER_END_S):
            for consumer in self._consumers:
                for pid in consumer.child_pids:
                    lifeline.kill_group(pid)
            os._exit(0)

    def _take(self, line: bytes) -> None:
        try:
            message = decode_to_worker(line)
        except UndecodableMessage as error:
            _log.warning("a line nobody can read was dropped: %s", error)
            return
        match message:
            case ControlMessage():
                for consumer in self._consumers:
                    consumer.handle_control(message)
            case ProbeTask() | PreviewTask() | AcceptTask():
                self._prober().accept(StdioDelivery(line))
            case FileTask() | AnalysisTask() | SegmentTask() | AssemblyTask():
                takers = [consumer for consumer in self._consumers if consumer.takes(message)]
                for consumer in takers or self._consumers[:1]:  # which says that it is not for here
                    consumer.accept(StdioDelivery(line))

    def _prober(self) -> TaskConsumer:
        """Everything that is answered in a reply goes to the metadata part, where there is one."""
        for consumer in self._consumers:
            if consumer.process_type is ProcessType.METADATA_EXTRACTION:
                return consumer
        return self._consumers[0]


class LineAssembler:
    """Cuts a byte stream into lines of at most `MAX_MESSAGE_BYTES`; a longer one is dropped as a whole. Pure."""

    def __init__(self, on_line: Callable[[bytes], object]) -> None:
        self._on_line = on_line
        self._parts: list[bytes] = []
        self._length = 0
        self._is_too_long = False

    def feed(self, block: bytes) -> None:
        """Take bytes as they come."""
        *ends, rest = block.split(b"\n")
        for end in ends:
            self._add(end)
            self._finish()
        self._add(rest)

    def _add(self, part: bytes) -> None:
        self._length += len(part)
        if self._length > MAX_MESSAGE_BYTES:
            self._is_too_long = True
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _finish(self) -> None:
        line = b"".join(self._parts).strip()
        was_too_long, self._is_too_long = self._is_too_long, False
        self._parts.clear()
        self._length = 0
        if was_too_long:
            _log.warning("a line over %d bytes was dropped", MAX_MESSAGE_BYTES)
        elif line:
            self._on_line(line)
