"""Progressive, interlaced or telecine: told by motion in short runs of pictures, whatever the file says. Pure.

Weave a picture's fields with those of the next picture, both ways. In interlaced motion one way is a field apart and
combs as little as the picture itself, the other is three fields apart and combs far more; which way says which field
comes first. In progressive motion both ways are a picture apart and comb alike, and the picture itself does not.
In pulldown some pictures are like progressive ones, and the others find a partner that does not comb at all.
Texture, noise, flashes, cuts and pans comb both ways alike: only the difference counts.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.media.field_combing import SMALLEST_LINES, Luma, PairCombing, combs, own_combing, pair_combing
from workers.protocol.analysis import Figure, ScanFinding, ScanKind
from workers.protocol.media import FieldOrder

_MOVING_CODES: Final = 1.0
_MOVING_SHARE: Final = 0.25
"""A block moves where a weave combs more than its best weave by this many codes and this share of it: noise with a
standard deviation of 20 stays below in 98 of 100 blocks, and what passes has no direction."""

_MIN_BLOCKS: Final = 6
_ONE_SIDED: Final = 0.22
"""Share of the excess that one direction must hold. Interlaced motion holds 0.6–1, less where a codec that knew
nothing of fields smoothed the combing away; of progressive pairs that pass the next two tests none holds over 0.12."""

_AGREEING: Final = 0.55
"""How far the blocks must agree on the direction, 0–1. Interlaced 0.7–1; noise with σ 20 below 0.5."""

_SURE_DIRECTION: Final = 4.5
"""Sum of the blocks' directions in standard deviations of a sum of random ones."""

_LEANING: Final = 0.08
"""From here on a pair with a direction is no evidence for progressive pictures."""

_CLEAN_SHARE: Final = 0.5
_MANY_COMBED: Final = 0.6
_FEW_COMBED: Final = 0.2
"""Shares of a run's pairs that make it interlaced, and that make it a mixture."""

_PARTNERED: Final = 0.35
"""Excess of a picture's own combing over its best partner's, as a share of the worst weave's: about 0 interlaced,
0.5 in pulldown."""

_MIN_PAIRS: Final = 2
_HIGHEST_INTERLACED_RATE: Final = 31
"""Pictures per second; no format has more pairs of fields, so faster files must show it twice as often."""

_AGREEING_PAIRS: Final = 0.75
_SURE_PAIRS: Final = 12
_SAME_CODES: Final = 0.6
"""A block of a repeated picture changes by less than this on average …"""

_SAME_SHARE: Final = 0.12
"""… or by less than this share of what blocks of the run's moving pictures change by: coding noise."""


class PairKind(StrEnum):
    """What a pair of consecutive pictures is evidence for."""

    STILL = "still"
    PROGRESSIVE = "progressive"
    INTERLACED = "interlaced"
    PARTNERED = "partnered"
    """Combed, but a field of the neighbouring picture fits without combing."""
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """One pair's verdict.

    Attributes:
        kind: what it speaks for.
        is_top_first: which field came first; means something for interlaced and partnered pairs only.
    """

    kind: PairKind
    is_top_first: bool = False


@dataclass(frozen=True, slots=True)
class _RunFinding:
    kind: ScanKind
    votes: Counter[FieldOrder]
    pairs: int


def scan_fields(
    runs: Sequence[Sequence[Luma]], flagged: FieldOrder, rate: Fraction | None
) -> tuple[ScanFinding, Figure]:
    """Tell how the pictures were scanned, and how many only repeat the one before.

    Args:
        runs: each 8 or more consecutive pictures of full height, luma in 8-bit code values, shape (height, width);
            the width may have been cropped or reduced, the height must not.
        flagged: as the file says; decides only where motion leaves the order of the fields open.
        rate: pictures per second; None: unknown.

    Returns:
        The finding, and the share of pictures that repeat the one before.
    """
    usable = [run for run in runs if len(run) > 1 and run[0].shape[0] >= SMALLEST_LINES]
    found: list[_RunFinding] = []
    repeats: list[tuple[int, int]] = []
    for run in usable:
        pairs = [*_pairs(run)]
        evidence = [judge_pair(own, pair) for own, pair in pairs]
        found.append(_judge_run(evidence, rate))
        repeats.append(_count_repeats([pair for _, pair in pairs]))
    return _combine(found, flagged), _share(repeats)


def _pairs(run: Sequence[Luma]) -> Iterable[tuple[NDArray[np.float32], PairCombing]]:
    """Each pair with the earlier picture's own combing."""
    own = own_combing(run[0])
    for earlier, later in pairwise(run):
        pair = pair_combing(earlier, later)
        yield own, pair
        own = pair.own


def judge_pair(own: NDArray[np.float32], pair: PairCombing) -> PairEvidence:
    """What one pair of pictures is evidence for.

    Args:
        own: combing of the earlier picture as it is, a map of blocks.
        pair: the weaves of both.
    """
    best = np.minimum(np.minimum(own, pair.own), np.minimum(pair.later_top, pair.later_bottom))
    worst = np.maximum(pair.later_top, pair.later_bottom)
    moving = worst - best > _MOVING_CODES + _MOVING_SHARE * best
    if int(moving.sum()) < _MIN_BLOCKS:
        return PairEvidence(PairKind.STILL)
    earlier, later, top, bottom = (
        float(values[moving].sum()) for values in (own, pair.own, pair.later_top, pair.later_bottom)
    )
    low, high = min(top, bottom), max(top, bottom)
    excess = high - min(earlier, later, low)
    direction = (pair.later_bottom - pair.later_top)[moving]
    agreement = abs(float(direction.sum())) / max(1e-6, float(np.abs(direction).sum()))
    sureness = abs(float(direction.sum())) / max(1e-6, sqrt(float(np.square(direction).sum())))
    one_sided = (high - low) / max(1e-6, excess)
    has_direction = agreement >= _AGREEING and sureness >= _SURE_DIRECTION
    if has_direction and one_sided >= _ONE_SIDED:
        is_partnered = max(earlier, later) - low >= _PARTNERED * (high - low)
        return PairEvidence(PairKind.PARTNERED if is_partnered else PairKind.INTERLACED, top < bottom)
    is_clean = low - max(earlier, later) >= _CLEAN_SHARE * excess
    is_leaning = has_direction and one_sided >= _LEANING
    return PairEvidence(PairKind.PROGRESSIVE if is_clean and not is_leaning else PairKind.UNCLEAR)


def is_interlaced(before: Luma, picture: Luma, after: Luma) -> bool:
    """Whether one picture's fields show two moments: it combs, or its neighbours show that its fields moved.

    Args:
        before: luma of the picture before, shape (height, width), 8-bit code values; at the start the picture itself.
        picture: the one that is judged.
        after: the next one, or itself at the end.
    """
    if picture.shape[0] < SMALLEST_LINES:
        return False
    fields = {PairKind.INTERLACED, PairKind.PARTNERED}
    return (
        combs(picture)
        or judge_pair(own_combing(before), pair_combing(before, picture)).kind in fields
        or judge_pair(own_combing(picture), pair_combing(picture, after)).kind in fields
    )


def _judge_run(evidence: Sequence[PairEvidence], rate: Fraction | None) -> _RunFinding:
    counts = Counter(entry.kind for entry in evidence)
    combed = [e for e in evidence if e.kind in {PairKind.INTERLACED, PairKind.PARTNERED}]
    votes = Counter(FieldOrder.TOP_FIRST if e.is_top_first else FieldOrder.BOTTOM_FIRST for e in combed)
    clean = counts[PairKind.PROGRESSIVE]
    sides = max(votes.values(), default=0)
    pairs = clean + len(combed)
    share = len(combed) / max(1, pairs)
    wanted = _MIN_PAIRS if rate is None or rate <= _HIGHEST_INTERLACED_RATE else 2 * _MIN_PAIRS
    # One pair may be a cut or a flash. Pairs that disagree about the order are no fields at all.
    if len(combed) < wanted or share < _FEW_COMBED or sides < _AGREEING_PAIRS * len(combed):
        return _RunFinding(ScanKind.PROGRESSIVE if clean else ScanKind.UNKNOWN, Counter(), clean)
    if counts[PairKind.PARTNERED] > counts[PairKind.INTERLACED]:
        kind = ScanKind.TELECINE
    else:
        kind = ScanKind.INTERLACED if share > _MANY_COMBED else ScanKind.MIXED
    return _RunFinding(kind, votes, pairs)


def _combine(found: Sequence[_RunFinding], flagged: FieldOrder) -> ScanFinding:
    weights: Counter[ScanKind] = Counter()
    votes: Counter[FieldOrder] = Counter()
    for run in found:
        weights[run.kind] += run.pairs
        votes += run.votes
    del weights[ScanKind.UNKNOWN]
    total = weights.total()
    if not total:
        return ScanFinding(kind=ScanKind.UNKNOWN, field_order=FieldOrder.UNKNOWN, confidence=0.0)
    kind = _overall(weights)
    sureness = min(1.0, total / _SURE_PAIRS)
    if kind is ScanKind.PROGRESSIVE:
        return ScanFinding(kind=kind, field_order=FieldOrder.PROGRESSIVE, confidence=sureness)
    top, bottom = votes[FieldOrder.TOP_FIRST], votes[FieldOrder.BOTTOM_FIRST]
    order = FieldOrder.TOP_FIRST if top > bottom else FieldOrder.BOTTOM_FIRST
    agreement = abs(top - bottom) / (top + bottom)
    if agreement < 0.5 and flagged in {FieldOrder.TOP_FIRST, FieldOrder.BOTTOM_FIRST}:
        order = flagged
    return ScanFinding(kind=kind, field_order=order, confidence=sureness * agreement)


def _overall(weights: Counter[ScanKind]) -> ScanKind:
    """Pulldown with clean scenes stays pulldown: matching fields leaves clean pictures alone."""
    kinds = {kind for kind, weight in weights.items() if weight}
    if kinds <= {ScanKind.TELECINE, ScanKind.PROGRESSIVE} and ScanKind.TELECINE in kinds:
        return ScanKind.TELECINE
    return next(iter(kinds)) if len(kinds) == 1 else ScanKind.MIXED


def _count_repeats(pairs: Sequence[PairCombing]) -> tuple[int, int]:
    """Pictures that repeat the one before, and pictures looked at."""
    changes = [float(np.maximum(pair.top_change, pair.bottom_change).max()) for pair in pairs]
    moving = float(np.percentile(changes, 75))
    return sum(change < max(_SAME_CODES, _SAME_SHARE * moving) for change in changes), len(changes)


def _share(repeats: Sequence[tuple[int, int]]) -> Figure:
    total = sum(count for _, count in repeats)
    if not total:
        return Figure()
    return Figure(value=sum(same for same, _ in repeats) / total, confidence=min(1.0, total / _SURE_PAIRS))
