"""A warm child process that does one job at a time and can be killed at any moment.

The event loop never waits for the media work itself: a hanging decoder, a crash or a hunger for memory ends the child,
becomes a `TaskFailedError` with the child's last lines, and a fresh child is warmed up for the next job.
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.errors import TaskFailedError
from workers.protocol.results import TaskError
from workers.protocol.states import ErrorCode
from workers.runtime.child_process import ChildProcess
from workers.runtime.memory import MemoryWatch, default_limit_bytes
from workers.runtime.pipe import (
    ErrorLine,
    Job,
    Outcome,
    ProgressLine,
    StoppedLine,
    job_line,
    to_outcome,
)
from workers.runtime.progress import Measured, ProgressMeter
from workers.runtime.workspace import in_words

MEDIA_JOBS: Final = "workers.runtime.media_jobs"
MAX_IDLE_RESTARTS: Final = 3
"""A child that dies this often without having done a job is started again only when there is one."""
_log = logging.getLogger(__name__)


class JobFailedError(TaskFailedError):
    """A job in a child failed; carries the child's last lines."""

    def __init__(
        self, code: ErrorCode, message: str, detail: str | None = None, *, log_tail: tuple[str, ...] = ()
    ) -> None:
        super().__init__(code, message, detail)
        self.log_tail = log_tail

    def to_wire(self, log_tail: tuple[str, ...] = ()) -> TaskError:
        """The value that travels in a status."""
        return super().to_wire(log_tail or self.log_tail)


@dataclass(frozen=True, slots=True)
class ExecutorOptions:
    """What an executor is for. `jobs` names the module that the child loads; tests pass their own."""

    name: str
    kinds: tuple[str, ...]
    jobs: str = MEDIA_JOBS
    memory_limit_bytes: int | None = None
    stop_limit_s: float = 0.0
    """How long a cancelled job may take to end by itself, so that its child stays warm; 0: killed at once."""
    stand_ins: Path | None = None
    """Below it lie stand-ins of other computers' files; None: the child reads plain files only."""


class Executor:
    """One slot of a worker. `start()` warms it up, `run()` does a job, `aclose()` leaves no process behind."""

    def __init__(self, options: ExecutorOptions) -> None:
        self._options = options
        self._child: ChildProcess | None = None
        self._busy = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._is_closed = False
        self._idle_deaths = 0

    @property
    def child_pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.pid if self._child is not None and self._child.is_alive else None

    async def start(self) -> None:
        """Start the first child. Returns before it is warm; `run` waits for that.

        Raises:
            OSError: no process can be started.
        """
        self._child = await self._spawn()
        self._keeper = asyncio.create_task(self._keep_warm(), name=f"keep-warm-{self._options.name}")

    async def wait_warm(self) -> bool:
        """True once a child waits for a job; False when it cannot load what it needs."""
        child = self._child
        return child is not None and await child.wait_ready() is None

    async def run(
        self, job: Job, *, timeout_s: float, on_progress: Callable[[Measured], None] | None = None
    ) -> Outcome:
        """Do one job. Cancelling ends it: see `ExecutorOptions.stop_limit_s`.

        Raises:
            JobFailedError: what the job raised, or TIMEOUT, OUT_OF_MEMORY, WORKER_CRASHED.
        """
        async with self._busy:
            child = await self._warm_child()
            self._idle_deaths = 0
            try:
                return await self._run_in(child, job, timeout_s, on_progress)
            finally:
                self._wake.set()

    async def aclose(self) -> None:
        """Kill the child and wait until it is gone."""
        self._is_closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
            self._keeper = None
        if self._child is not None:
            await self._child.aclose()
            self._child = None

    async def _run_in(
        self,
        child: ChildProcess,
        job: Job,
        timeout_s: float,
        on_progress: Callable[[Measured], None] | None,
    ) -> Outcome:
        meter = ProgressMeter()

        def observe(line: ProgressLine) -> None:
            if on_progress is not None:
                on_progress(meter.observe(line.to_progress(), time.monotonic()))

        limit = self._options.memory_limit_bytes or default_limit_bytes()
        watch = MemoryWatch(child.pid, limit, on_excess=child.kill)
        try:
            async with asyncio.timeout(timeout_s), watch:
                reply = await child.ask(job_line(job), observe)
        except TimeoutError as error:
            raise JobFailedError(
                ErrorCode.TIMEOUT,
                f"The work on this file was stopped: it took longer than {_duration(timeout_s)}.",
                log_tail=child.tail,
            ) from error
        finally:
            if child.is_asked:  # timed out or cancelled: whatever it does now, nobody waits for it
                await self._abandon(child)
        if reply is None:
            raise self._why_dead(child, watch, limit)
        if isinstance(reply, ErrorLine):
            raise JobFailedError(reply.code, reply.message, reply.detail, log_tail=child.tail)
        assert not isinstance(reply, StoppedLine), "only a job that nobody waits for is asked to stop"
        return to_outcome(reply)

    async def _abandon(self, child: ChildProcess) -> None:
        """End the running job: by itself where that was agreed, otherwise with the child."""
        limit_s = self._options.stop_limit_s
        try:
            if limit_s and child.is_alive and await child.stop_job(limit_s):
                return
        except asyncio.CancelledError:
            child.kill()
            raise
        await asyncio.shield(child.aclose())

    def _why_dead(self, child: ChildProcess, watch: MemoryWatch, limit: int) -> JobFailedError:
        if watch.has_exceeded:
            return JobFailedError(
                ErrorCode.OUT_OF_MEMORY,
                f"The work on this file needed more than {in_words(limit)} of memory and was stopped.",
                log_tail=child.tail,
            )
        ending = describe_ending(child.returncode)
        return JobFailedError(
            ErrorCode.WORKER_CRASHED,
            f"The process working on this file ended unexpectedly ({ending}).",
            log_tail=child.tail,
        )

    async def _warm_child(self) -> ChildProcess:
        """A living child that has loaded its libraries; a dead one is replaced."""
        if self._is_closed:
            raise RuntimeError("the executor is closed")
        child = self._child
        if child is None or not child.is_alive:
            child = await self._replace()
        problem = await child.wait_ready()
        if problem is not None:
            raise JobFailedError(problem.code, problem.message, problem.detail, log_tail=child.tail)
        if not child.is_alive:
            raise JobFailedError(
                ErrorCode.WORKER_CRASHED,
                f"The process for the media work could not be started ({describe_ending(child.returncode)}).",
                log_tail=child.tail,
            )
        return child

    async def _replace(self) -> ChildProcess:
        if self._child is not None:
            await self._child.aclose()
        self._child = await self._spawn()
        return self._child

    async def _spawn(self) -> ChildProcess:
        options = self._options
        return await ChildProcess.spawn(options.name, options.jobs, options.kinds, options.stand_ins)

    async def _keep_warm(self) -> None:
        """Replace a dead child while no job runs, so that the next one finds a warm one."""
        while True:
            child = self._child
            if child is not None and child.is_alive:
                await child.wait_ended()
            async with self._busy:
                if self._child is child and child is not None and self._idle_deaths < MAX_IDLE_RESTARTS:
                    self._idle_deaths += 1
                    _log.info(
                        "the child of %s ended (%s)", self._options.name, describe_ending(child.returncode)
                    )
                    with contextlib.suppress(OSError):  # no process can be had now: the next job says so
                        await self._replace()
                    continue
                self._wake.clear()
                should_wait = self._child is child
            if should_wait:
                await self._wake.wait()


def describe_ending(returncode: int | None) -> str:
    """`SIGSEGV` or `exit code 3`."""
    if returncode is None:
        return "still running"
    if returncode < 0:
        try:
            return signal.Signals(-returncode).name
        except ValueError:
            return f"signal {-returncode}"
    return f"exit code {returncode}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:g} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
