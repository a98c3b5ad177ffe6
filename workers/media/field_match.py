"""Which fields belong to the same film picture, told by the pictures alone. Pure: arrays in, a table out.

Fields are put in the order in which they were shown. Pulldown makes two or three neighbouring fields of each film
picture: woven with one another they do not comb, and the third of three repeats the first. So the fields are cut into
groups of two or three with the least combing inside the groups and the least change where a repetition is claimed,
over the whole file at once. The usual rhythm 2, 3, 2, 3 decides only where nothing moves. A break in the rhythm, an
edit or a scene of another kind costs what it costs and is found where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.media.field_combing import (
    SMALLEST_LINES,
    BlockMap,
    Luma,
    excess_over_texture,
    field_change,
    field_texture,
    sticks_out,
    woven_combing,
)
from workers.media.field_groups import FieldGroup, cut_into_groups
from workers.protocol.media import FieldOrder

_FLOOR_CODES: Final = 1.0
_FLOOR_SHARE: Final = 0.25
"""What a block may comb above its best weave and count as noise: this many codes and this share of it."""

_LITTLE: Final = 8.0
"""Sum over blocks, in codes, of combing or change that is too little to be sure of."""

_NEIGHBOURS: Final = 2
"""Fields on each side within which a group of three always ends."""

_FILM_EVENNESS: Final = 0.03
_VIDEO_EVENNESS: Final = 0.1
"""The least combing nearby as a share of the most: 0–0.02 on film, coded badly, too, and 0.1–0.9 on video."""

_MISMATCHED: Final = 0.25
"""Two fields that comb this much of what others nearby do show two moments; below, the combing is what coding with
the wrong neighbours left behind: 0.06 at most."""


@dataclass(frozen=True, slots=True)
class FieldMatches:
    """The film's pictures, arrays of one length, in order.

    Attributes:
        top: source picture that gives the lines 0, 2, 4 …, int64.
        bottom: source picture that gives the lines 1, 3, 5 …, int64.
        is_combed: the two were not taken at the same time, and nothing fits better, bool.
        shown_with: source picture whose time it takes, int64, strictly ascending.
        source_count: source pictures that were looked at.
    """

    top: NDArray[np.int64]
    bottom: NDArray[np.int64]
    is_combed: NDArray[np.bool_]
    shown_with: NDArray[np.int64]
    source_count: int

    @property
    def decimated(self) -> NDArray[np.int64]:
        """Source pictures that no film picture stands at: they only repeated."""
        return np.setdiff1d(np.arange(self.source_count), self.shown_with)


class FieldMatcher:
    """Takes a file's pictures one by one and keeps a few numbers of each.

    Args:
        field_order: which field is shown first.

    Raises:
        ValueError: the order is not one of the two.
    """

    def __init__(self, field_order: FieldOrder) -> None:
        if field_order not in {FieldOrder.TOP_FIRST, FieldOrder.BOTTOM_FIRST}:
            raise ValueError(f"fields can only be matched when their order is known, not {field_order}")
        self._top_first = field_order is FieldOrder.TOP_FIRST
        self._count = 0
        self._latest = _Latest([], [], [])
        self._combing: list[float] = []
        self._change: list[float] = []
        self._sticking: list[float] = []
        self._sticks_out: list[bool] = []

    def add(self, luma: Luma) -> None:
        """The next picture.

        Args:
            luma: 8-bit code values, shape (height, width), the same for all; the full height, because fields are
                lines. Pictures of fewer than 32 lines are not looked into.
        """
        self._count += 1
        if luma.shape[0] < SMALLEST_LINES:
            return
        lines = luma.shape[0] // 2
        top, bottom = luma[: 2 * lines : 2], luma[1 : 2 * lines : 2]
        fields = [(top, True), (bottom, False)]
        for field, is_top in fields if self._top_first else fields[::-1]:
            self._add_field(np.ascontiguousarray(field), is_top=is_top)

    def finish(self) -> FieldMatches:
        """The table for all pictures so far."""
        latest = self._latest
        if not latest.weaves:
            return _one_to_one(self._count)
        combing = [*self._combing, _combing(latest.weaves, -1)]
        inside = _mismatch(combing, self._sticking)
        groups = [group for group in cut_into_groups(inside, _relative(self._change)) if group.size > 1]
        pictures = [_film_picture(group, top_first=self._top_first) for group in groups]
        table = np.array(pictures, np.int64)
        strong = _shows_two_moments(self._sticking)
        is_combed = [self._sticks_out[group.pair] and bool(strong[group.pair]) for group in groups]
        return FieldMatches(table[:, 0], table[:, 1], np.array(is_combed), table[:, 2], self._count)

    def _add_field(self, field: Luma, *, is_top: bool) -> None:
        """Everything that the field settles about itself and those before it, in sums; maps are let go."""
        fields, textures, weaves = self._latest.fields, self._latest.textures, self._latest.weaves
        fields.append(field)
        textures.append(field_texture(field))
        if len(fields) == 1:
            return
        weaves.append(woven_combing(field, fields[-2]) if is_top else woven_combing(fields[-2], field))
        texture = np.maximum(textures[-1], textures[-2])
        self._sticks_out.append(sticks_out(weaves[-1], texture))
        self._sticking.append(float(excess_over_texture(weaves[-1], texture).sum()))
        if len(fields) == 2:
            return
        self._combing.append(_combing(weaves, -2))
        self._change.append(_changing(field_change(fields[-3], field), np.minimum(weaves[-1], weaves[-2])))
        del fields[0], textures[0], weaves[:-2]


@dataclass(frozen=True, slots=True)
class _Latest:
    """What is still needed of the latest fields: themselves, their texture, and how neighbours weave."""

    fields: list[Luma]
    textures: list[BlockMap]
    weaves: list[BlockMap]


def _combing(weaves: Sequence[BlockMap], which: int) -> float:
    """Sum over blocks of what a weave combs more than the best of it and its neighbours."""
    best = np.minimum.reduce([*weaves])
    excess = weaves[which] - best * (1 + _FLOOR_SHARE) - _FLOOR_CODES
    return float(np.maximum(excess, 0).sum())


def _changing(change: BlockMap, weave: BlockMap) -> float:
    """Sum over blocks of the change of a field that is more than noise, which a clean weave shows as combing."""
    return float(np.maximum(change - weave * (1 + _FLOOR_SHARE) - _FLOOR_CODES, 0).sum())


def _mismatch(combing: Sequence[float], sticking: Sequence[float]) -> list[float]:
    """How little each field fits the next one, 0–1.

    Among film pictures some weave nearby is clean, and the others are measured against it. Where every weave nearby
    combs it is video, and none fits better than another.

    Args:
        combing: of each field with the next one, above the best of its neighbours.
        sticking: the same above what texture explains.
    """
    found = _windows(sticking)
    evenness = found.min(axis=1) / (found.max(axis=1) + _LITTLE)
    video = np.clip((evenness - _FILM_EVENNESS) / (_VIDEO_EVENNESS - _FILM_EVENNESS), 0, 1)
    mismatch: list[float] = np.maximum(np.array(_relative(combing)) * (1 - video), video).tolist()
    return mismatch


def _shows_two_moments(sticking: Sequence[float]) -> NDArray[np.bool_]:
    """Whether fields comb like others before them or after them: a cut beside video combs more than all of it."""
    around = _windows(sticking)
    before, after = around[:, :_NEIGHBOURS].max(axis=1), around[:, -_NEIGHBOURS:].max(axis=1)
    return np.asarray(np.array(sticking) > _MISMATCHED * np.minimum(before, after), np.bool_)


def _relative(sums: Sequence[float]) -> list[float]:
    """Each as a share of the largest around it, 0–1; about 0 where all are little."""
    if not sums:
        return []
    shares: list[float] = (np.array(sums) / (_windows(sums).max(axis=1) + _LITTLE)).tolist()
    return shares


def _windows(sums: Sequence[float]) -> NDArray[np.float64]:
    """Each with its neighbours, shape (count, neighbours); at the ends the last one repeats."""
    padded = np.pad(np.array(sums, np.float64), _NEIGHBOURS, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1)


def _film_picture(group: FieldGroup, *, top_first: bool) -> tuple[int, int, int]:
    """Source of the top field, of the bottom field, and of the time."""
    numbers = (group.pair // 2, (group.pair + 1) // 2)
    first_is_top = (group.pair % 2 == 0) == top_first
    top, bottom = numbers if first_is_top else numbers[::-1]
    return top, bottom, group.start // 2


def _one_to_one(count: int) -> FieldMatches:
    numbers = np.arange(count, dtype=np.int64)
    return FieldMatches(numbers, numbers, np.zeros(count, np.bool_), numbers, count)
