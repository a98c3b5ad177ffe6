from array import array
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from workers.media.packet_scan import PacketScan
from workers.media.sampled_frames import affordable_pictures, affordable_targets, choose_targets


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


def scan(pictures: int, every: int, bytes_each: int = 1000) -> PacketScan:
    return PacketScan(
        stream_index=0,
        time_base=Fraction(1, 25),
        pts=array("q", range(pictures)),
        keyframe_pts=array("q", range(0, pictures, every)),
        count=pictures,
        hidden=0,
        without_timestamp=0,
        out_of_order=0,
        damaged=0,
        size_bytes=pictures * bytes_each,
        end=pictures,
        last_duration=1,
        is_variable=False,
    )


def decoded(targets: list[int], every: int) -> int:
    """Pictures that have to be decoded to reach the targets one after the other."""
    total, position = 0, -1
    for target in targets:
        start = max(position + 1, target // every * every)
        total += target - start + 1
        position = target
    return total


def test_small_films_are_sampled_as_wanted() -> None:
    found = scan(250, 250)
    assert affordable_targets(found, 24, 640 * 360) == choose_targets(found.pts, found.keyframe_pts, 24)


def test_large_films_with_many_keyframes_are_sampled_at_keyframes() -> None:
    targets = affordable_targets(scan(3000, 25), 24, 1920 * 1080)
    assert len(targets) == 8
    assert all(target % 25 == 0 for target in targets)
    assert targets[0] < 300
    assert targets[-1] > 2600


def test_heavy_packets_count_too() -> None:
    assert affordable_pictures(scan(100, 1, 600_000), 1920 * 1080) < affordable_pictures(
        scan(100, 1), 1920 * 1080
    )


@given(
    pictures=st.integers(min_value=1, max_value=3000),
    every=st.integers(min_value=1, max_value=3000),
    picture_px=st.integers(min_value=1, max_value=1 << 27),
    bytes_each=st.integers(min_value=0, max_value=1 << 20),
)
def test_no_size_and_no_distance_of_keyframes_breaks_the_budget(
    pictures: int, every: int, picture_px: int, bytes_each: int
) -> None:
    found = scan(pictures, every, bytes_each)
    targets = affordable_targets(found, 24, picture_px)
    assert targets
    assert decoded(targets, every) <= affordable_pictures(found, picture_px)
