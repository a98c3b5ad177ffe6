"""The stages of one job: how far it is, told as it goes on, and how long each stage took."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from workers.media.jobs import Progress, ProgressCallback
from workers.protocol.report import StageSeconds
from workers.protocol.states import Stage


class JobStages:
    """Progress and timings of one job; its fraction never falls.

    Args:
        on_progress: told of every step; what it raises ends the job.
    """

    def __init__(self, on_progress: ProgressCallback) -> None:
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._timings: list[StageSeconds] = []
        self.fraction = 0.0
        """How far the whole job is."""
        self._last: Progress | None = None
        self.started_at = now()

    @property
    def timings(self) -> tuple[StageSeconds, ...]:
        """Of the stages that have ended."""
        return tuple(self._timings)

    def report(self, stage: Stage, fraction: float, done: int = 0, total: int | None = None) -> None:
        """Tell how far the job is; from any thread."""
        with self._lock:
            self.fraction = max(self.fraction, min(1.0, fraction))
            self._last = Progress(stage, self.fraction, done, total)
            self._on_progress(self._last)

    def go_on(self) -> None:
        """Nothing new to tell: only ask, from any thread, whether the job is still wanted."""
        with self._lock:
            if self._last is not None:
                self._on_progress(self._last)

    def counter(self, stage: Stage, start: float, end: float, total: int) -> Callable[[int], None]:
        """What turns a count of pictures into progress of one stage.

        Args:
            stage: whose pictures are counted.
            start: share of the whole job that is done before them.
            end: the same after them.
            total: so many there are.
        """

        def count(done: int) -> None:
            share = min(1.0, done / max(1, total))
            self.report(stage, start + (end - start) * share, done, max(1, total))

        return count

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Measure a stage, unless it fails."""
        started = time.monotonic()
        yield
        self._timings.append(StageSeconds(stage=stage.value, seconds=round(time.monotonic() - started, 3)))


def now() -> str:
    """The moment as reports state it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
