"""Film pictures come back from pulldown bit for bit, whatever happens to its rhythm."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fixtures.woven import interlaced, moments, noisy, pulled_down, weave
from workers.media.field_match import FieldMatcher, FieldMatches
from workers.protocol.media import FieldOrder

type Luma = NDArray[np.uint8]


def matched(pictures: Sequence[Luma], *, top_first: bool = True) -> FieldMatches:
    matcher = FieldMatcher(FieldOrder.TOP_FIRST if top_first else FieldOrder.BOTTOM_FIRST)
    for picture in pictures:
        matcher.add(picture)
    return matcher.finish()


def restored(pictures: Sequence[Luma], found: FieldMatches) -> list[Luma]:
    return [
        weave(pictures[top], pictures[bottom]) for top, bottom in zip(found.top, found.bottom, strict=True)
    ]


def assert_same(one: Sequence[Luma], other: Sequence[Luma]) -> None:
    assert len(one) == len(other)
    for number, (first, second) in enumerate(zip(one, other, strict=True)):
        assert np.array_equal(first, second), f"picture {number} differs"


@pytest.mark.parametrize("top_first", [True, False])
@pytest.mark.parametrize("rhythm", [(2, 3), (3, 2), (2, 3, 3, 2), (2,)])
def test_the_film_comes_back_bit_for_bit(top_first: bool, rhythm: tuple[int, ...]) -> None:
    film = moments(16, step_px=6)
    coded, _ = pulled_down(film, top_first=top_first, rhythm=rhythm)
    found = matched(coded, top_first=top_first)
    assert_same(restored(coded, found), film)
    assert not found.is_combed.any()
    assert (np.diff(found.shown_with) >= 1).all()
    assert len(found.decimated) == len(coded) - len(film)


def test_one_picture_in_five_is_left_out_where_it_stood() -> None:
    coded, _ = pulled_down(moments(16, step_px=6), top_first=True)
    found = matched(coded)
    assert found.decimated.tolist() == [4, 9, 14, 19]
    assert found.shown_with[:5].tolist() == [0, 1, 2, 3, 5]
    assert np.abs(found.top - found.shown_with).max() <= 1
    assert np.abs(found.bottom - found.shown_with).max() <= 1


@pytest.mark.parametrize("first", range(5))
@pytest.mark.parametrize("gone", [1, 2, 3, 4])
def test_a_break_in_the_rhythm_costs_only_the_pictures_that_lost_a_field(first: int, gone: int) -> None:
    film = moments(24, step_px=6)
    coded, origin = pulled_down(film, top_first=True)
    kept = [*range(8 + first), *range(8 + first + gone, len(coded))]
    found = matched([coded[number] for number in kept])
    whole = {
        number
        for number in range(len(film))
        if any(origin[n][0] == number for n in kept) and any(origin[n][1] == number for n in kept)
    }
    pictures = restored([coded[number] for number in kept], found)
    back = {n for n, picture in enumerate(film) if any(np.array_equal(picture, made) for made in pictures)}
    assert back == whole
    # Two fields that lost their partners side by side may be shown together, but not as if they fitted.
    assert np.count_nonzero(~found.is_combed) == len(whole)


@pytest.mark.parametrize("start", range(5))
def test_a_film_may_start_anywhere_in_the_rhythm(start: int) -> None:
    film = moments(16, step_px=6)
    coded, origin = pulled_down(film, top_first=True)
    begun = {number for pair in origin[start:] for number in pair}
    pictures = restored(coded[start:], matched(coded[start:]))
    whole = [film[n] for n in sorted(begun) if n > min(begun) or origin[start] == (n, n)]
    assert_same(pictures, whole)


@pytest.mark.parametrize("sigma", [5.0, 20.0])
def test_noise_does_not_mislead(sigma: float) -> None:
    coded, origin = pulled_down(moments(16, step_px=6, size=(240, 320)), top_first=True)
    found = matched(noisy(coded, sigma))
    films = [(origin[t][0], origin[b][1]) for t, b in zip(found.top, found.bottom, strict=True)]
    assert films == [(n, n) for n in range(16)]


def test_progressive_pictures_are_all_kept_as_they_are() -> None:
    for pictures in (moments(15), noisy(moments(15), 20.0), moments(15, step_px=0.7)):
        found = matched(pictures)
        assert found.top.tolist() == found.bottom.tolist() == found.shown_with.tolist() == list(range(15))
        assert not found.is_combed.any()


def test_video_keeps_every_picture_and_is_marked() -> None:
    for top_first in (True, False):
        found = matched(interlaced(moments(24), top_first=top_first), top_first=top_first)
        assert found.top.tolist() == found.bottom.tolist() == list(range(12))
        assert found.is_combed.all()


def test_film_and_video_change_places() -> None:
    film = moments(12, step_px=6)
    coded, _ = pulled_down(film, top_first=True)
    video = interlaced(moments(20, seed=8), top_first=True)
    found = matched([*video, *coded, *video])
    marked = found.is_combed
    assert marked[:10].all()
    assert marked[-10:].all()
    assert not marked[10:-10].any()
    assert_same(restored([*video, *coded, *video], found)[10:-10], film)


def test_a_picture_that_stands_still_loses_nothing() -> None:
    still = moments(1) * 20
    assert_same(restored(still, found := matched(still)), still[: len(found.top)])
    assert len(found.top) >= 16


def test_odd_sizes_short_clips_and_unknown_orders() -> None:
    odd, _ = pulled_down(moments(8, step_px=6, size=(129, 223)), top_first=True)
    assert len(matched(odd).top) == 8
    assert len(matched([]).top) == 0
    assert matched(moments(1)).top.tolist() == [0]
    assert matched([picture[:20] for picture in moments(5)]).top.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="order"):
        FieldMatcher(FieldOrder.UNKNOWN)
