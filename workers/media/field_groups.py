"""The cheapest way to cut fields into groups of two or three. Pure; it knows numbers, not pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_ORPHAN: Final = 0.75
"""A field that belongs to none, in the scale of combing and change, 0–1: dearer than any pulldown, cheaper than a
wrong partner for every field that follows."""

_ORPHAN_AT_END: Final = 0.55
"""Two of them cost more than one pair that combs: video keeps all its pictures."""

_RHYTHM: Final = {(2, 2): 0.03, (3, 3): 0.06}
_ACROSS_PICTURES: Final = 0.02
"""Two fields of two coded pictures: where everything fits, coded pictures are left as they are."""


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """Neighbouring fields, numbered in the order in which they were shown."""

    start: int
    size: int

    @property
    def pair(self) -> int:
        """The field that is woven with the next one: of three fields, the two of the same coded picture."""
        return self.start + (self.size == 3 and self.start % 2)


def cut_into_groups(inside: Sequence[float], change: Sequence[float]) -> list[FieldGroup]:
    """The cheapest way to cut all fields into groups.

    Args:
        inside: how little each field fits the next one, 0–1.
        change: from each field to the one after the next, 0–1.

    Returns:
        Groups in order that cover all fields. A group of one is a field whose partner is missing.
    """
    fields = len(inside) + 1
    repeated = [*change, 1.0]
    # cheapest[end][size]: cost of the best cut of the fields before `end` whose last group has that size.
    cheapest: list[dict[int, float]] = [{0: 0.0}]
    came_from: list[dict[int, int]] = [{}]
    for end in range(1, fields + 1):
        costs: dict[int, float] = {}
        origins: dict[int, int] = {}
        for size in range(1, min(3, end) + 1):
            start = end - size
            own = _cost(start, size, inside, repeated) if size > 1 else _orphan(start, fields)
            before, origin = min((cost + _rhythm(last, size), last) for last, cost in cheapest[start].items())
            costs[size], origins[size] = before + own, origin
        cheapest.append(costs)
        came_from.append(origins)
    return _traced_back(cheapest, came_from)


def _traced_back(
    cheapest: Sequence[dict[int, float]], came_from: Sequence[dict[int, int]]
) -> list[FieldGroup]:
    end = len(cheapest) - 1
    size = min(cheapest[end], key=cheapest[end].__getitem__)
    groups: list[FieldGroup] = []
    while end > 0:
        groups.append(FieldGroup(end - size, size))
        end, size = end - size, came_from[end][size]
    return groups[::-1]


def _cost(start: int, size: int, inside: Sequence[float], repeated: Sequence[float]) -> float:
    if size == 2:
        return inside[start] + _ACROSS_PICTURES * (start % 2)
    return inside[start] + inside[start + 1] + repeated[start]


def _orphan(start: int, fields: int) -> float:
    return _ORPHAN_AT_END if start in {0, fields - 1} else _ORPHAN


def _rhythm(last: int, size: int) -> float:
    return _RHYTHM.get((last, size), 0.0)
