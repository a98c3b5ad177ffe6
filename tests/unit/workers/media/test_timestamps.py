import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.media.timestamps import (
    FrameTime,
    RepairCounts,
    SourceTime,
    TimestampRepair,
    is_variable,
    track_clock,
)

MS = Fraction(1, 1000)
FORTY_MS = Fraction(1, 25)


def repaired(
    pts: list[int | None], *, duration: int = 40, start_s: Fraction = Fraction(0)
) -> tuple[list[FrameTime], RepairCounts]:
    repair = TimestampRepair(track_clock(MS, start_s, Fraction(10)), FORTY_MS)
    times = list(repair.times(SourceTime(value, duration) for value in pts))
    return times, repair.counts


def test_sound_timestamps_stay_what_they_are() -> None:
    times, counts = repaired([0, 33, 67, 100, 350])
    assert [time.ticks for time in times] == [0, 33, 67, 100, 350]
    assert [time.duration for time in times] == [33, 34, 33, 250, 40]
    assert counts.total == 0


def test_the_start_of_the_file_becomes_zero() -> None:
    times, counts = repaired([5000, 5040], start_s=Fraction(5))
    assert [time.ticks for time in times] == [0, 40]
    assert counts.total == 0


def test_a_missing_timestamp_is_placed_halfway() -> None:
    times, counts = repaired([0, None, 80])
    assert [time.ticks for time in times] == [0, 40, 80]
    assert counts.missing == 1


def test_one_timestamp_far_ahead_moves_nothing_else() -> None:
    times, counts = repaired([0, 40, 9000, 120, 160])
    assert [time.ticks for time in times] == [0, 40, 80, 120, 160]
    assert counts.not_increasing == 1


def test_a_doubled_timestamp_moves_nothing_else() -> None:
    times, counts = repaired([0, 40, 40, 120])
    assert [time.ticks for time in times] == [0, 40, 80, 120]
    assert counts.not_increasing == 1


def test_a_file_without_any_timestamp_runs_at_its_rate() -> None:
    times, counts = repaired([None, None, None])
    assert [time.ticks for time in times] == [0, 40, 80]
    assert counts.missing == 3


@pytest.mark.parametrize("declared, lasts", [(40, 40), (500, 500), (1, 33), (0, 33)])
def test_the_last_frame_keeps_its_time_unless_nobody_would_see_it(declared: int, lasts: int) -> None:
    times, _ = repaired([0, 33], duration=declared)
    assert times[-1] == FrameTime(33, lasts)


def test_a_single_frame_has_a_time() -> None:
    times, _ = repaired([7], duration=0, start_s=Fraction(7, 1000))
    assert times == [FrameTime(0, 40)]


@given(st.lists(st.one_of(st.none(), st.integers(-(10**6), 10**6)), min_size=1, max_size=60))
def test_times_always_ascend_without_a_hole(pts: list[int | None]) -> None:
    times, _ = repaired(pts)
    assert len(times) == len(pts)
    assert times[0].ticks >= 0
    assert all(earlier.end == later.ticks for earlier, later in itertools.pairwise(times))
    assert all(time.duration > 0 for time in times)


@given(
    st.sampled_from(
        [Fraction(1, 90000), Fraction(1001, 24000), Fraction(1, 1_000_000_000), Fraction(3, 125)]
    ),
    st.integers(0, 10**9),
)
def test_every_tick_of_the_source_is_a_whole_tick_of_the_track(time_base: Fraction, pts: int) -> None:
    clock = track_clock(time_base, Fraction(0), Fraction(1))
    assert clock.is_exact
    assert clock.ticks(pts) * clock.time_base == pts * time_base


def test_a_gap_too_long_for_the_container_costs_precision_and_is_known() -> None:
    clock = track_clock(Fraction(1, 1_000_000_000), Fraction(0), Fraction(3))
    assert clock.timescale == 1_000_000
    assert not clock.is_exact


def test_nothing_starts_before_the_origin() -> None:
    clock = track_clock(Fraction(1, 25), Fraction(1, 30), Fraction(1))
    assert clock.origin == 0
    assert clock.origin_s <= Fraction(1, 30)


def test_an_even_rate_in_milliseconds_is_not_variable() -> None:
    ticks = [round(number * Fraction(1000, 30)) for number in range(100)]
    assert not is_variable([FrameTime(value, 33) for value in ticks], 1)


def test_a_pause_is_variable() -> None:
    assert is_variable([FrameTime(value, 40) for value in (0, 40, 80, 200, 240)], 1)
