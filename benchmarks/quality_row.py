"""What one line of the quality table says, and how measured numbers are judged against their goals.

It knows nothing of how anything is measured: modules `benchmarks.quality_*` make rows, `benchmarks.quality` prints.
"""

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_QUICK_VARIABLE: Final = "VIDPROC_BENCHMARK_QUICK"


class Verdict(StrEnum):
    """How a value stands to its goals."""

    STRETCH = "stretch"
    GOAL = "goal"
    MISSED = "missed"
    INFO = "–"
    """Shown beside the others; no goal is set for it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure.

    Attributes:
        name: of the group, as `--rows` takes it: `denoise`, `fields`, `upscale`.
        what: the figure, with its unit.
        goal: in words, with the number.
        stretch: the same; empty where there is none.
        value: what was measured, with detail where it helps.
        peer: what the peer reached in the same run, named; empty where there is none.
        verdict: how `value` stands to the goals.
    """

    name: str
    what: str
    goal: str
    stretch: str
    value: str
    peer: str = ""
    verdict: Verdict = Verdict.INFO


def at_least(value: float, goal: float, stretch: float | None = None) -> Verdict:
    """Larger is better."""
    if stretch is not None and value >= stretch:
        return Verdict.STRETCH
    return Verdict.GOAL if value >= goal else Verdict.MISSED


def at_most(value: float, goal: float, stretch: float | None = None) -> Verdict:
    """Smaller is better."""
    return at_least(-value, -goal, None if stretch is None else -stretch)


def is_quick() -> bool:
    """Whether a rough answer in little time is wanted: fewer clips and pictures."""
    return os.environ.get(_QUICK_VARIABLE) == "1"


def be_quick() -> None:
    """Ask every module for a rough answer; also in processes that are started from now on."""
    os.environ[_QUICK_VARIABLE] = "1"
