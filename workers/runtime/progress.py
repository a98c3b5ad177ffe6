"""From raw progress to what a person reads: percent, frames per second, seconds left. Pure; the clock is passed in."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from workers.media.jobs import Progress
from workers.protocol.states import Stage

TIME_CONSTANT_S: Final = 4.0
"""Weight of the past: after this time a change of speed counts 63 %."""
MIN_SPAN_S: Final = 0.2
"""Shorter spans are added up before they count, or jitter would rule."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Progress with its speed."""

    stage: Stage
    percent: float
    frames_done: int = 0
    frames_total: int | None = None
    frames_per_s: float | None = None
    remaining_s: float | None = None


type Observer = Callable[[Measured], None]
"""Takes progress; never waits."""


class SmoothRate:
    """Exponentially weighted rate of a growing number, over unevenly spaced readings."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self.per_s: float | None = None

    def observe(self, value: float, now_s: float) -> None:
        """Take a reading; one that went back starts anew."""
        if self._last is None or value < self._last[0]:
            self._last = (value, now_s)
            self.per_s = None
            return
        span_s = now_s - self._last[1]
        if span_s < MIN_SPAN_S:
            return
        rate = (value - self._last[0]) / span_s
        keep = math.exp(-span_s / TIME_CONSTANT_S)
        self.per_s = rate if self.per_s is None else keep * self.per_s + (1 - keep) * rate
        self._last = (value, now_s)


class ProgressMeter:
    """Follows one job. The percentage never falls, whatever the job says."""

    def __init__(self) -> None:
        self._fraction = 0.0
        self._stage = Stage.WAITING
        self._frames = SmoothRate()
        self._work = SmoothRate()

    def observe(self, progress: Progress, now_s: float) -> Measured:
        """Take a reading at `now_s` of a monotonic clock."""
        if progress.stage is not self._stage:
            self._stage = progress.stage
            self._frames = SmoothRate()
        self._fraction = max(self._fraction, min(max(progress.fraction, 0.0), 1.0))
        self._frames.observe(progress.frames_done, now_s)
        self._work.observe(self._fraction, now_s)
        speed = self._work.per_s
        return Measured(
            stage=progress.stage,
            percent=100.0 * self._fraction,
            frames_done=progress.frames_done,
            frames_total=progress.frames_total,
            frames_per_s=_rounded(self._frames.per_s) if progress.frames_done else None,
            remaining_s=_rounded((1.0 - self._fraction) / speed) if speed else None,
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
