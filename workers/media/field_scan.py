"""Progressive, interlaced or telecine: told by motion in short runs of pictures, whatever the file says. Pure.

Each pair of pictures is evidence for one or the other (`field_evidence`); runs are judged by their pairs, the file by
its runs.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Final

import numpy as np

from workers.media.field_combing import SMALLEST_LINES, BlockMap, Luma, PairCombing, own_combing, pair_combing
from workers.media.field_evidence import PairEvidence, PairKind, judge_pair
from workers.media.field_match import FieldMatcher
from workers.protocol.analysis import Figure, ScanFinding, ScanKind
from workers.protocol.media import FieldOrder

_MANY_COMBED: Final = 0.6
_FEW_COMBED: Final = 0.2
"""Shares of a run's pairs that make it interlaced, and that make it a mixture."""

_MIN_PAIRS: Final = 2
_HIGHEST_INTERLACED_RATE: Final = 31
"""Pictures per second; no format has more pairs of fields, so faster files must show it twice as often."""

_AGREEING_PAIRS: Final = 0.75
_LONG_RUN: Final = 8
_REPEATED_SHARE: Final = 0.1
_COMBED_FILM_SHARE: Final = 0.15
"""Pulldown repeats one picture in five, so at least one in ten; of woven video none was ever taken for a repetition."""

_FILM_WEIGHT: Final = 2 / 3
_SURE_PAIRS: Final = 12
_SAME_CODES: Final = 0.6
"""A block of a repeated picture changes by less than this on average …"""

_SAME_SHARE: Final = 0.12
"""… or by less than this share of what blocks of the run's moving pictures change by: coding noise."""


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
        finding = _judge_run(evidence, rate)
        found.append(_reconsider(run, finding) if finding.kind is ScanKind.MIXED else finding)
        repeats.append(_count_repeats([pair for _, pair in pairs]))
    return _combine(found, flagged), _share(repeats)


def _pairs(run: Sequence[Luma]) -> Iterable[tuple[BlockMap, PairCombing]]:
    """Each pair with the earlier picture's own combing."""
    own = own_combing(run[0])
    for earlier, later in pairwise(run):
        pair = pair_combing(earlier, later)
        yield own, pair
        own = pair.own


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


def _reconsider(run: Sequence[Luma], finding: _RunFinding) -> _RunFinding:
    """Badly coded pulldown looks like a mixture pair by pair; all its fields together tell a film."""
    if len(run) < _LONG_RUN:
        return finding
    matcher = FieldMatcher(finding.votes.most_common(1)[0][0])
    for picture in run:
        matcher.add(picture)
    matches = matcher.finish()
    repeated = len(matches.decimated) / len(run)
    is_film = repeated >= _REPEATED_SHARE and float(matches.is_combed.mean()) <= _COMBED_FILM_SHARE
    return replace(finding, kind=ScanKind.TELECINE) if is_film else finding


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
    """Pulldown with other scenes stays pulldown as long as film prevails: matching fields copes with the others."""
    moments = weights.total() - weights[ScanKind.PROGRESSIVE]
    if moments and weights[ScanKind.TELECINE] >= _FILM_WEIGHT * moments:
        return ScanKind.TELECINE
    kinds = [kind for kind, weight in weights.items() if weight]
    return kinds[0] if len(kinds) == 1 else ScanKind.MIXED


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
