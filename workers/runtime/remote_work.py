"""Tasks whose files are on another computer: the ordinary work, in a folder of this worker's own.

The source becomes a stand-in that is filled as it is read, what lies in the parts' folder is fetched, the work runs as
it does on a shared disk, and what it has made is handed over. What is there already of an earlier task of the same
file, or of an earlier delivery of this one, is used again.
"""

import asyncio
import logging
import os
import platform
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from workers.config import WorkerConfig
from workers.errors import TaskFailedError
from workers.exchange.addresses import Addresses, StoppedError
from workers.exchange.stand_ins import SourceDocument, boot_s, place
from workers.protocol.messages import AnyWorkTask, OutputTarget, SegmentTask, SourceRef
from workers.protocol.states import ProcessType, Stage
from workers.protocol.transfers import RemoteFiles
from workers.runtime.ahead import fetch_ahead
from workers.runtime.attempts import WorkOptions, locate, settings_key
from workers.runtime.executor import Executor
from workers.runtime.handing_over import fetch_all, hand_over_all, objects_of
from workers.runtime.outcome import HandedOver, WorkOutcome
from workers.runtime.part_work import parts_folder
from workers.runtime.progress import Measured, Observer
from workers.runtime.scratch import Scratch, open_scratch
from workers.runtime.sources import check_source, confine, path_from_uri, uri_from_path
from workers.runtime.work import Work
from workers.runtime.workspace import output_error

STOP_LIMIT_S: Final = 0.25
"""How long a transfer that nobody wants any more is waited for; it ends by itself at its next step."""
_LONGEST_NAME_BYTES: Final = 200
_log = logging.getLogger(__name__)


class RemoteWork:
    """Does what another `Work` does, wherever the files are.

    Args:
        make: the work itself, for given options.
        options: of the worker.
    """

    def __init__(self, make: Callable[[WorkOptions], Work], options: WorkOptions) -> None:
        self._config = options.config
        self._here = make(options)
        # In its own folder a worker is not held to the folders that its user allows.
        own = WorkOptions(options.config.model_copy(update={"roots": ()}), options.worker_id)
        self._elsewhere = make(own)

    @property
    def process_type(self) -> ProcessType:
        """See `Work`."""
        return self._here.process_type

    @property
    def kind(self) -> str:
        """See `Work`."""
        return self._here.kind

    def takes(self, task: AnyWorkTask) -> bool:
        """See `Work`."""
        return self._here.takes(task)

    async def run(self, task: AnyWorkTask, executor: Executor, observe: Observer) -> WorkOutcome:
        """See `Work`. Without addresses, or where the files are at hand, it is the ordinary work."""
        remote = task.remote
        if remote is None or await asyncio.to_thread(is_at_hand, task, remote, self._config):
            return await self._here.run(task, executor, observe)
        observe(Measured(Stage.FETCHING, 0.0))
        need = _need_bytes(task, remote)
        scratch = await asyncio.to_thread(
            open_scratch, self._config.remote_folder, task, need, self._config.min_free_disk_bytes
        )
        try:
            return await self._run_in(scratch, task, remote, executor, observe)
        finally:
            await asyncio.to_thread(scratch.close)

    async def _run_in(
        self, scratch: Scratch, task: AnyWorkTask, remote: RemoteFiles, executor: Executor, observe: Observer
    ) -> HandedOver:
        with Addresses(remote.certificate_sha256) as addresses:
            own = await asyncio.to_thread(_rewritten, task, remote, scratch)
            if remote.reads:
                folder = await asyncio.to_thread(_parts_path, own)
                await _on_thread(addresses, lambda: fetch_all(remote.reads, folder, addresses))
            async with _ahead(own, remote, scratch):
                result = await self._elsewhere.run(own, executor, observe)
            assert not isinstance(result, HandedOver), "the ordinary work hands nothing over"
            observe(Measured(Stage.SENDING, 100.0))
            objects = await asyncio.to_thread(objects_of, result, own)
            sent = await _on_thread(addresses, lambda: hand_over_all(objects, remote.writes, addresses))
            _log.info("handed over %d objects, %d bytes", len(sent), sum(one.size_bytes for one in sent))
            return HandedOver(result, sent)


def is_at_hand(task: AnyWorkTask, remote: RemoteFiles, config: WorkerConfig) -> bool:
    """True on the computer whose files these are, when the source is really there. Does file I/O."""
    if config.direct_files == "never" or remote.host != platform.node():
        return False
    try:
        check_source(confine(path_from_uri(task.source.uri), config.roots), task.source)
    except TaskFailedError:
        return False
    return True


@asynccontextmanager
async def _ahead(own: AnyWorkTask, remote: RemoteFiles, scratch: Scratch) -> AsyncIterator[None]:
    """Meanwhile fetch what the next segment will need."""
    span = remote.likely_next
    if span is None or not isinstance(own, SegmentTask):
        yield
        return
    folder = await asyncio.to_thread(_parts_path, own)
    addresses = Addresses(remote.certificate_sha256)
    async with fetch_ahead(scratch.source, folder, settings_key(own), span, addresses):
        yield


async def _on_thread[T](addresses: Addresses, work: Callable[[], T]) -> T:
    """Run blocking transfers; cancelled, they are told to stop."""
    running: asyncio.Future[T] = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        addresses.stop()
        await asyncio.wait({running}, timeout=STOP_LIMIT_S)
        running.add_done_callback(_forget)
        raise
    except OSError as error:
        raise output_error(error, Path(error.filename or ".")) from error


def _forget(running: asyncio.Future[Any]) -> None:
    """Nobody asks how a stopped transfer ended; a bug is told all the same."""
    error = None if running.cancelled() else running.exception()
    if error is not None and not isinstance(error, StoppedError | TaskFailedError | OSError):
        _log.error("a transfer that was stopped ended by a bug", exc_info=error)


def _rewritten(task: AnyWorkTask, remote: RemoteFiles, scratch: Scratch) -> AnyWorkTask:
    """The same task with files of this computer. Does file I/O.

    Raises:
        TaskFailedError: the disk refused.
    """
    source = task.source
    document = SourceDocument(
        url=remote.source_url,
        certificate_sha256=remote.certificate_sha256,
        size_bytes=source.size_bytes,
        mtime_ns=source.mtime_ns,
        boot_s=boot_s(),
    )
    try:
        stand_in = place(scratch.source, source_name(source.uri), document)
        scratch.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(error, scratch.folder) from error
    return task.model_copy(
        update={
            "source": SourceRef(
                uri=uri_from_path(stand_in), size_bytes=source.size_bytes, mtime_ns=source.mtime_ns
            ),
            "output": OutputTarget(directory_uri=uri_from_path(scratch.out), stem=task.output.stem),
            "remote": None,
        }
    )


def source_name(uri: str) -> str:
    """The file name at the end of an address, as this system can hold it; every suffix stays. Pure.

    The address may have been made on another kind of system.
    """
    raw = unquote_to_bytes(urlsplit(uri).path.rpartition("/")[2])
    if os.name == "nt":
        text = "".join(
            "_" if one in '<>:"|?*\\' or ord(one) < 32 else one for one in raw.decode("utf-8", "replace")
        )
        raw = text.encode("utf-8")
    raw = raw.replace(b"\0", b"_").replace(b"/", b"_")
    if len(raw) > _LONGEST_NAME_BYTES:
        stem, dot, suffix = raw.rpartition(b".")
        raw = (
            stem[: _LONGEST_NAME_BYTES - len(suffix) - 1] + dot + suffix
            if dot and len(suffix) < 20
            else raw[:200]
        )
    name = os.fsdecode(raw)
    return name if name not in {"", ".", "..", "source.json", "blocks.data", "blocks.there"} else "source"


def _parts_path(own: AnyWorkTask) -> Path:
    return parts_folder(own, locate(own, ()), settings_key(own)).path


def _need_bytes(task: AnyWorkTask, remote: RemoteFiles) -> int:
    """What the attempt may write: all of the source, what is fetched beside it, and a result of the source's size.

    For a segment, share and result together are no larger than the source.
    """
    source = task.source.size_bytes
    result = 0 if isinstance(task, SegmentTask) else source
    return source + result + sum(grant.size_bytes for grant in remote.reads)
