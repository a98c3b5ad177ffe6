"""Pictures before and after for the window, made in a child of their own that goes when nobody asks for a while.

The newest request of a client wins: an older one, waiting or running, is dropped at once. The child outlives that, with
its open file and what it has measured, because a dropped job ends by itself. It never shares a child with a task.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from workers.config import WorkerConfig
from workers.errors import TaskFailedError
from workers.media.jobs import PreviewJob, PreviewOutcome
from workers.protocol.messages import PreviewPictures, PreviewReply, PreviewTask
from workers.protocol.states import ErrorCode
from workers.runtime.executor import Executor
from workers.runtime.settling import as_task_failure
from workers.runtime.sources import check_source, confine, path_from_uri, uri_from_path

PICTURE_TIMEOUT_S: Final = 120.0
CLIP_TIMEOUT_S: Final = 900.0
IDLE_LIMIT_S: Final = 90.0
"""After this long without a request the child's memory is worth more than its warmth."""
STOP_LIMIT_S: Final = 2.0
"""A dropped job looks whether to go on before every picture; one in the middle of a very slow picture is killed."""
_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Request:
    """One request in the making."""

    number: int
    job: asyncio.Task[PreviewReply]
    is_dropped: bool = False

    def drop(self) -> None:
        """Stop it; its reply says so."""
        if not self.is_dropped and not self.job.done():
            self.is_dropped = True
            self.job.cancel()


class Previewer:
    """Answers preview tasks; starts with the first one. `aclose()` leaves no process behind.

    Args:
        make_executor: makes the child's executor; it is not started, so that its child comes with the first job.
        config: roots and threads.
        idle_limit_s: how long the child outlives the last request.
    """

    def __init__(
        self,
        make_executor: Callable[[], Executor],
        config: WorkerConfig,
        *,
        idle_limit_s: float = IDLE_LIMIT_S,
    ) -> None:
        self._make_executor = make_executor
        self._config = config
        self._idle_limit_s = idle_limit_s
        self._newest: dict[str, _Request] = {}
        self._executor: Executor | None = None
        self._idler: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()
        self._busy = 0

    @property
    def child_pids(self) -> list[int]:
        """Leader of the child's process group, while there is one."""
        pid = None if self._executor is None else self._executor.child_pid
        return [] if pid is None else [pid]

    async def show(self, task: PreviewTask) -> PreviewReply:
        """Answer one request; a newer one of the same client ends it."""
        older = self._newest.get(task.client_id)
        if older is not None and older.number > task.request:
            return _dropped(task)
        request = _Request(
            task.request, asyncio.create_task(self._answer(task), name=f"preview-{task.request}")
        )
        self._newest[task.client_id] = request
        if older is not None:
            older.drop()
        try:
            await asyncio.wait({request.job})
        except asyncio.CancelledError:
            request.job.cancel()
            await asyncio.wait({request.job})
            raise
        finally:
            if self._newest.get(task.client_id) is request:
                del self._newest[task.client_id]
        return _dropped(task) if request.job.cancelled() else request.job.result()

    async def aclose(self) -> None:
        """End the child. Requests have to be cancelled before."""
        if self._idler is not None:
            self._idler.cancel()
            await asyncio.wait({self._idler})
            self._idler = None
        executor, self._executor = self._executor, None
        if executor is not None:
            await executor.aclose()

    async def _answer(self, task: PreviewTask) -> PreviewReply:
        self._busy += 1
        try:
            job = await asyncio.to_thread(_job, task, self._config)
            limit_s = CLIP_TIMEOUT_S if task.duration_s else PICTURE_TIMEOUT_S
            outcome = await self._own_executor().run(job, timeout_s=limit_s)
            assert isinstance(outcome, PreviewOutcome)
        except Exception as error:  # noqa: BLE001 - told in words; `as_task_failure` logs what is a bug
            failure = as_task_failure(error)
            return PreviewReply(
                file_id=task.file_id, client_id=task.client_id, request=task.request, error=failure.to_wire()
            )
        finally:
            self._busy -= 1
            self._answered.set()
        return PreviewReply(
            file_id=task.file_id,
            client_id=task.client_id,
            request=task.request,
            pictures=PreviewPictures(
                before_uri=uri_from_path(outcome.before),
                after_uri=uri_from_path(outcome.after),
                is_clip=outcome.is_clip,
                width_px=outcome.width_px,
                height_px=outcome.height_px,
                at_s=outcome.at_s,
                frames=outcome.frames,
                plan=outcome.plan,
                notes=outcome.notes,
            ),
        )

    def _own_executor(self) -> Executor:
        if self._executor is None:
            self._executor = self._make_executor()
            self._idler = asyncio.create_task(self._end_when_idle(), name="preview-idle")
        return self._executor

    async def _end_when_idle(self) -> None:
        """Wait until nothing was asked for a while, then end the child."""
        while True:
            self._answered.clear()
            try:
                async with asyncio.timeout(self._idle_limit_s):
                    await self._answered.wait()
            except TimeoutError:
                if not self._busy:
                    break
        _log.info("nobody asked for previews any more: their process ends")
        executor, self._executor = self._executor, None
        self._idler = None  # a request that comes while the child ends gets another one
        if executor is not None:
            await executor.aclose()


def _job(task: PreviewTask, config: WorkerConfig) -> PreviewJob:
    """The job with confined paths. Does file I/O.

    Raises:
        TaskFailedError: the source is not what was asked about, or a path is not allowed.
    """
    source = confine(path_from_uri(task.source.uri), config.roots)
    check_source(source, task.source)
    folder = confine(path_from_uri(task.directory_uri), config.roots)
    if not folder.is_dir():
        raise TaskFailedError(ErrorCode.OUTPUT_NOT_WRITABLE, "The folder for previews is not there.")
    return PreviewJob(
        source=source,
        folder=folder,
        stem=f"preview-{task.request}",
        settings=task.settings,
        at_s=task.at_s,
        duration_s=task.duration_s,
        max_side_px=task.max_side_px,
        wants_size=task.wants_size,
    )


def _dropped(task: PreviewTask) -> PreviewReply:
    return PreviewReply(
        file_id=task.file_id, client_id=task.client_id, request=task.request, was_dropped=True
    )
