"""Where the segments of a file in parts lie in its progress bar. Pure arithmetic; knows no Qt."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.segment_cells import (
    CellState,
    SegmentCount,
    cell_state,
    durations_of,
    segments_of,
)

MIN_CELL_PX = 3
"""Separator included: a narrower cell could not be told from its neighbours."""
MIN_TICK_PX = 8
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Cell:
    """One segment: its room from the bar's start on, separator included, and how far it is."""

    left_px: int
    width_px: int
    state: CellState
    share: float
    """0–1."""


@dataclass(frozen=True, slots=True)
class SegmentStrip:
    """All segments of a bar: cells, or, where these were too narrow, ticks below a plain bar."""

    count: SegmentCount
    cells: tuple[Cell, ...] = ()
    ticks_px: tuple[int, ...] = ()
    """Every so-many-th border between two segments."""
    failed_px: tuple[int, ...] = ()
    """Middles of failed segments, which a plain bar cannot show."""


def segment_strip(file: FileRecord, width_px: int) -> SegmentStrip | None:
    """The strip for a bar of this width; None for a file without segments. Linear in their number."""
    records = segments_of(file)
    if not records:
        return None
    durations = durations_of(file)
    states = [cell_state(record) for record in records]
    count = SegmentCount(states.count(CellState.DONE), len(states))
    edges = cell_edges(durations, width_px)
    if edges is None:
        return _ticks(count, durations, states, width_px)
    cells = (
        Cell(left, right - left, state, min(1.0, max(0.0, record.progress / 100)))
        for left, right, state, record in zip(edges[:-1], edges[1:], states, records, strict=True)
    )
    return SegmentStrip(count, cells=tuple(cells))


def cell_edges(durations: Sequence[float], width_px: int) -> tuple[int, ...] | None:
    """Whole pixels from 0 to `width_px`, one more than cells, each cell as wide as it is long.

    A short last segment is widened to `MIN_CELL_PX` at the cost of the others. None when not all can be that wide.
    """
    count = len(durations)
    if not count or count * MIN_CELL_PX > width_px:
        return None
    total = sum(durations)
    shares = [duration / total for duration in durations] if total > 0 else [1 / count] * count
    lifted = _lift(shares, MIN_CELL_PX / width_px)
    edges, reached = [0], 0.0
    for place, share in enumerate(lifted, start=1):
        reached += share * width_px
        lowest = edges[-1] + MIN_CELL_PX
        highest = width_px - (count - place) * MIN_CELL_PX
        edges.append(min(max(round(reached), lowest), highest))
    edges[-1] = width_px
    return tuple(edges)


def _lift(shares: Sequence[float], least: float) -> list[float]:
    """Shares of at least `least`, which sum to one; those above it keep their proportions."""
    lifted = list(shares)
    while True:
        short = [share <= least for share in lifted]
        rest = sum(share for share, is_short in zip(lifted, short, strict=True) if not is_short)
        room = 1 - least * sum(short)
        if rest <= 0:
            return [1 / len(lifted)] * len(lifted)
        scaled = [
            least if is_short else share * room / rest for share, is_short in zip(lifted, short, strict=True)
        ]
        if all(share >= least - 1e-9 for share in scaled):
            return scaled
        lifted = scaled


def _ticks(
    count: SegmentCount, durations: Sequence[float], states: Sequence[CellState], width_px: int
) -> SegmentStrip:
    ends = list(accumulate(durations))
    scale = width_px / (ends[-1] or 1.0)
    step = tick_step(len(durations), width_px)
    ticks = (round(end * scale) for end in ends[step - 1 : -1 : step])
    failed = (
        round((end - duration / 2) * scale)
        for end, duration, state in zip(ends, durations, states, strict=True)
        if state is CellState.FAILED
    )
    return SegmentStrip(count, ticks_px=tuple(ticks), failed_px=tuple(dict.fromkeys(failed)))


def tick_step(count: int, width_px: int) -> int:
    """Segments between two ticks: 1, 2, 5, 10, 20, 50, …, so that ticks keep their distance on the average."""
    decade = 1
    while True:
        for step in _STEPS:
            if step * decade * width_px >= MIN_TICK_PX * count:
                return step * decade
        decade *= 10
