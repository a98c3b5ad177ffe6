"""The program of a child process: takes one job after the other from its worker and does it.

Standard input and output are private pipes of JSON lines. Libraries that print or read meet stderr and the null device.
It knows no broker, no queue and no final file name.
"""

import argparse
import errno
import faulthandler
import importlib
import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from workers.runtime import lifeline

if TYPE_CHECKING:
    from workers.runtime.pipe import JobLine

MIN_PROGRESS_INTERVAL_S: Final = 0.05
"""Twenty lines a second reach the worker, which thins them out further."""
STOP_LINE: Final = b'{"type":"stop"}\n'
"""Asks the running job to end where it next looks; one that does not look is killed with this process."""
_log = logging.getLogger(__name__)


class JobsModule(Protocol):
    """What the module named by `--jobs` offers; see `workers.runtime.media_jobs`."""

    warm_up: Callable[[Collection[str]], None]
    run: Callable[..., object]


class PrivatePipes:
    """The worker's ends of standard input and output, moved out of every library's reach."""

    def __init__(self) -> None:
        self._in = os.dup(0)
        self._out = os.dup(1)  # both are not inherited by what the child starts
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self.is_stopping = threading.Event()
        """Set while nobody waits for the running job any more."""

    def write(self, line: bytes) -> None:
        """Send one line as a whole; any thread may."""
        with self._lock:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._out, rest) :]

    def read_lines(self, lines: "queue.SimpleQueue[bytes]") -> None:
        """Hand over line after line; at the end of input the worker is gone, and so is this process."""
        with os.fdopen(self._in, "rb") as stream:
            for line in stream:
                if line == STOP_LINE:
                    self.is_stopping.set()
                else:
                    lines.put(line)
        lifeline.end_now()


def main(argv: Sequence[str] | None = None) -> int:
    """Run until the worker closes the pipe."""
    arguments = _parse(argv)
    lifeline.arm(arguments.parent_pid)
    pipes = PrivatePipes()
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=pipes.read_lines, args=(lines,), name="pipe-reader", daemon=True).start()
    faulthandler.enable()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    if arguments.stand_ins is not None:
        from workers.exchange.stand_ins import STAND_INS

        STAND_INS.allow(arguments.stand_ins)
    _serve(pipes, lines, arguments.jobs, arguments.kinds.split(","))
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="worker-child", allow_abbrev=False)
    parser.add_argument("--jobs", required=True, help="module with warm_up(kinds) and run(job, on_progress)")
    parser.add_argument("--kinds", required=True, help="comma-separated kinds of jobs to load libraries for")
    parser.add_argument("--parent-pid", type=int, required=True)
    parser.add_argument(
        "--stand-ins", type=Path, help="folder below which files are stand-ins of other computers'"
    )
    return parser.parse_args(argv)


def _serve(
    pipes: PrivatePipes, lines: "queue.SimpleQueue[bytes]", jobs_name: str, kinds: Collection[str]
) -> None:
    from workers.runtime.pipe import ErrorLine, ReadyLine, decode_job, encode_line

    try:
        jobs = cast("JobsModule", importlib.import_module(jobs_name))
        jobs.warm_up(kinds)
    except Exception as error:  # noqa: BLE001 - whatever a library raises while loading is told to the worker
        traceback.print_exc()
        pipes.write(encode_line(_error_line(error, ErrorLine)))
        return
    pipes.write(encode_line(ReadyLine()))
    while True:
        line = decode_job(lines.get())
        pipes.is_stopping.clear()  # a stop is sent before the next job: it was for an earlier one
        pipes.write(_run(jobs, line, pipes))


def _run(jobs: JobsModule, line: "JobLine", pipes: PrivatePipes) -> bytes:
    """The line that answers the job: an outcome or an error."""
    from workers.errors import JobStoppedError, TaskFailedError
    from workers.runtime.pipe import ErrorLine, Outcome, StoppedLine, encode_line, outcome_line

    try:
        outcome = cast("Outcome", jobs.run(line.to_job(), ProgressSender(pipes)))
        return encode_line(outcome_line(outcome))
    except JobStoppedError:
        return encode_line(StoppedLine())
    except TaskFailedError as error:
        _log.warning("%s: %s (%s)", error.code, error.message, error.detail)
        return encode_line(_error_line(error, ErrorLine))
    except Exception as error:  # noqa: BLE001 - the worker decides; a bug's traceback is in its log
        traceback.print_exc()
        return encode_line(_error_line(error, ErrorLine))


def _error_line[T](error: Exception, make: Callable[..., T]) -> T:
    """What an exception means to the person who dropped the file."""
    from workers.errors import TaskFailedError
    from workers.protocol.states import ErrorCode

    detail = f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()[:4096]
    if isinstance(error, TaskFailedError):
        own = error.detail.encode("utf-8", "replace").decode() if error.detail is not None else None
        return make(code=error.code, message=error.message.encode("utf-8", "replace").decode(), detail=own)
    if isinstance(error, MemoryError):
        return make(
            code=ErrorCode.OUT_OF_MEMORY, message="There was not enough memory for this file.", detail=detail
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return make(code=ErrorCode.DISK_FULL, message="The disk became full while working.", detail=detail)
    return make(
        code=ErrorCode.INTERNAL, message="The program made a mistake; its log has the details.", detail=detail
    )


class ProgressSender:
    """Sends progress to the worker, thinned out: stage changes always, the rest twenty times a second."""

    def __init__(self, pipes: PrivatePipes) -> None:
        self._pipes = pipes
        self._lock = threading.Lock()
        self._stage: object = None
        self._next_s = 0.0

    def __call__(self, progress: object) -> None:
        """Any thread may call it; returns at once.

        Raises:
            JobStoppedError: the worker asked for it.
        """
        from workers.errors import JobStoppedError
        from workers.media.jobs import Progress
        from workers.runtime.pipe import ProgressLine, encode_line

        assert isinstance(progress, Progress)
        if self._pipes.is_stopping.is_set():
            raise JobStoppedError
        now_s = time.monotonic()
        with self._lock:
            if progress.stage is self._stage and now_s < self._next_s:
                return
            self._stage = progress.stage
            self._next_s = now_s + MIN_PROGRESS_INTERVAL_S
            self._pipes.write(
                encode_line(
                    ProgressLine(
                        stage=progress.stage,
                        fraction=min(max(progress.fraction, 0.0), 1.0),
                        frames_done=progress.frames_done,
                        frames_total=progress.frames_total,
                    )
                )
            )


if __name__ == "__main__":
    sys.exit(main())
