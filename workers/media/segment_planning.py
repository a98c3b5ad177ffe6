"""Where a long film is cut into segments. Pure: times and numbers in, spans out.

Segments begin where the source can be entered, at its keyframes, and rather at a change of scene than elsewhere, where
nobody sees that an encoder began anew. They are shares of the list of output pictures, whatever the frame map is.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from workers.protocol.segments import MAX_SEGMENTS, SegmentSpan

_SHORTEST: Final = 2 / 3
_LONGEST: Final = 2.0
"""Shares of the wanted length: 20 to 60 seconds for 30."""

_CUT_IS_WORTH: Final = 0.5
"""A change of scene may be so much further from the wanted length, as a share of it, than another keyframe."""

_LEAST_PICTURES: Final = 2
"""Two keyframes in a row, each a segment, could be taken for one picture (idr_pic_id, ITU-T H.264 7.4.3)."""


@dataclass(frozen=True, slots=True)
class OutputTimeline:
    """The output pictures as far as cutting is concerned; one entry for each in both.

    Attributes:
        first_sources: lowest number of the source pictures that each is made of.
        starts_s: when each is shown.
        end_s: when the last one stops being shown.
    """

    first_sources: Sequence[int]
    starts_s: Sequence[float]
    end_s: float


@dataclass(frozen=True, slots=True)
class _SplitPoint:
    """An output picture that a segment may begin with."""

    number: int
    is_cut: bool


def plan_spans(
    timeline: OutputTimeline, keyframes: Iterable[int], cuts: Collection[int], segment_s: float
) -> tuple[SegmentSpan, ...]:
    """Share the output out.

    Args:
        timeline: at least one picture.
        keyframes: source pictures at which decoding can start, ascending.
        cuts: source pictures that begin a new scene, as far as they are known.
        segment_s: about how long a segment should be, positive.

    Returns:
        At least one span; they follow each other and cover every picture once.
    """
    total_s = timeline.end_s - timeline.starts_s[0]
    wanted_s = max(segment_s, total_s / (MAX_SEGMENTS * _SHORTEST))
    points = _split_points(timeline, keyframes, frozenset(cuts))
    borders = [0]
    while (following := _next_border(timeline, points, borders[-1], wanted_s)) is not None:
        borders.append(following)
    edges = [*borders, len(timeline.starts_s)]
    return tuple(
        _span(timeline, number, first, until) for number, (first, until) in enumerate(pairwise(edges))
    )


def _split_points(
    timeline: OutputTimeline, keyframes: Iterable[int], cuts: frozenset[int]
) -> list[_SplitPoint]:
    """For each keyframe the first output picture that needs nothing before it."""
    # Fields of two pictures can be woven in any order: from here on nothing older is needed.
    settled = list(accumulate(reversed(timeline.first_sources), min))[::-1]
    points: dict[int, bool] = {}
    for keyframe in keyframes:
        number = bisect_left(settled, keyframe)
        if 0 < number < len(settled):
            points[number] = points.get(number, False) or keyframe in cuts
    return [_SplitPoint(number, is_cut) for number, is_cut in sorted(points.items())]


def _next_border(
    timeline: OutputTimeline, points: Sequence[_SplitPoint], begin: int, wanted_s: float
) -> int | None:
    """Where the segment that begins at `begin` ends; None: with the film."""
    begin_s = timeline.starts_s[begin]
    place = bisect_left(points, begin + _LEAST_PICTURES, key=lambda point: point.number)
    best: tuple[float, int] | None = None
    for point in points[place:]:
        length = (timeline.starts_s[point.number] - begin_s) / wanted_s
        left = (timeline.end_s - timeline.starts_s[point.number]) / wanted_s
        if left < _SHORTEST or len(timeline.starts_s) - point.number < _LEAST_PICTURES:
            break
        if length > _LONGEST and best is not None:
            break
        if length >= _SHORTEST:
            cost = abs(length - 1) - (_CUT_IS_WORTH if point.is_cut else 0)
            best = min(best, (cost, point.number)) if best is not None else (cost, point.number)
        if length > _LONGEST:
            break
    return None if best is None else best[1]


def _span(timeline: OutputTimeline, number: int, first: int, until: int) -> SegmentSpan:
    start_s = timeline.starts_s[first]
    end_s = timeline.starts_s[until] if until < len(timeline.starts_s) else timeline.end_s
    return SegmentSpan(
        number=number,
        first=first,
        count=until - first,
        start_s=max(0.0, start_s),
        duration_s=max(0.0, end_s - start_s),
    )
