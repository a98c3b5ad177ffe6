"""How many pictures may wait between two threads: bounded in pixels, never too few to bridge a gap."""

from hypothesis import given
from hypothesis import strategies as st

from workers.media.pace import beside_search, waiting_pictures

SIDES = st.integers(1, 20_000)


@given(SIDES, SIDES)
def test_large_pictures_wait_in_pairs_and_never_more_than_six_at_all(width_px: int, height_px: int) -> None:
    waiting = waiting_pictures(width_px, height_px)
    assert 2 <= waiting <= 6
    assert waiting == 2 or waiting * width_px * height_px <= 4 * 1920 * 1080


def test_small_pictures_may_come_in_bursts() -> None:
    assert waiting_pictures(320, 180) == 6
    assert waiting_pictures(1920, 1080) == 4
    assert waiting_pictures(3840, 2160) == 2


def test_beside_a_search_for_motion_there_is_half_of_the_threads() -> None:
    assert [beside_search(threads) for threads in (1, 2, 3, 8)] == [1, 1, 1, 4]
    assert beside_search(0) >= 1
