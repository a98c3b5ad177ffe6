from hypothesis import given
from hypothesis import strategies as st

from workers.media.sampled_frames import choose_targets


def test_keyframes_are_taken_where_there_are_some() -> None:
    assert choose_targets(range(100), [0, 20, 45, 70, 90], 4) == [20, 45, 70, 90]


def test_the_middle_is_taken_where_there_is_no_keyframe() -> None:
    assert choose_targets(range(100), [0], 4) == [0, 37, 62, 87]


@given(
    pts=st.lists(st.integers(min_value=-1000, max_value=10**9), min_size=0, max_size=300, unique=True).map(
        sorted
    ),
    count=st.integers(min_value=1, max_value=30),
    every=st.integers(min_value=1, max_value=60),
)
def test_targets_ascend_exist_and_spread(pts: list[int], count: int, every: int) -> None:
    targets = choose_targets(pts, pts[::every], count)
    assert targets == sorted(set(targets))
    assert set(targets) <= set(pts)
    assert len(targets) == min(count, len(pts))
