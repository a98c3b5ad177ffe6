"""What two or three neighbouring pictures say about fields. Pure; `field_scan` sums it up over a file.

Weave a picture's fields with those of the next picture, both ways. In interlaced motion one way is a field apart and
combs as little as the picture itself, the other is three fields apart and combs far more; which way says which field
comes first. In progressive motion both ways are a picture apart and comb alike, and the picture itself does not.
In pulldown some pictures are like progressive ones, and the others find a partner that does not comb at all.
Texture, noise, flashes, cuts and pans comb both ways alike: only the difference counts.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Final

import numpy as np

from workers.media.field_combing import (
    SMALLEST_LINES,
    BlockMap,
    Luma,
    PairCombing,
    combs,
    own_combing,
    pair_combing,
)

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
_PARTNERED: Final = 0.35
"""Excess of a picture's own combing over its best partner's, as a share of the worst weave's: about 0 interlaced,
0.5 in pulldown."""


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


def judge_pair(own: BlockMap, pair: PairCombing) -> PairEvidence:
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
