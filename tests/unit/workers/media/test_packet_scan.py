from array import array
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.media.packet_scan import PacketScan, is_unevenly_spaced


def scan(pts: list[int], *, time_base: Fraction = Fraction(1, 1000), last_duration: int = 0) -> PacketScan:
    ticks = array("q", pts)
    return PacketScan(
        stream_index=0,
        time_base=time_base,
        pts=ticks,
        keyframe_pts=ticks[:1],
        count=len(pts),
        hidden=0,
        without_timestamp=0,
        out_of_order=0,
        damaged=0,
        size_bytes=1000,
        end=(pts[-1] + last_duration) if pts else None,
        last_duration=last_duration,
        is_variable=is_unevenly_spaced(ticks),
    )


@given(
    rate=st.sampled_from(
        [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(240)]
    ),
    ticks_per_s=st.sampled_from([1000, 15360, 90000, 1_000_000_000]),
    count=st.integers(min_value=1, max_value=300),
    start=st.integers(min_value=-(10**6), max_value=10**12),
)
def test_an_even_rate_rounded_to_the_time_base_is_constant(
    rate: Fraction, ticks_per_s: int, count: int, start: int
) -> None:
    assert not is_unevenly_spaced(array("q", [start + round(ticks_per_s / rate * n) for n in range(count)]))


@given(
    count=st.integers(min_value=3, max_value=200),
    step=st.integers(min_value=1, max_value=5000),
    data=st.data(),
)
def test_a_missing_picture_is_variable_in_every_time_base(count: int, step: int, data: st.DataObject) -> None:
    gap = data.draw(st.integers(min_value=1, max_value=count - 2))
    pts = [n * step + (step if n >= gap else 0) for n in range(count)]
    if count > 3:  # of two steps alone nobody can say which one is the gap
        assert is_unevenly_spaced(array("q", pts))


@pytest.mark.parametrize(
    "pts, variable",
    [
        pytest.param([0, 3002, 6005, 9009], False, id="one tick of jitter"),
        pytest.param([0, 1445, 2943, 4495], True, id="phone camera"),
        pytest.param([0, 33, 33, 67], True, id="repeated timestamp"),
        pytest.param([0, 1, 2, 5, 6, 7], True, id="gap where a tick is a picture"),
        pytest.param([0, 2, 3, 5, 7, 8, 10], False, id="600 a second in milliseconds"),
        pytest.param([7], False, id="one picture"),
        pytest.param([], False, id="nothing"),
    ],
)
def test_spacing(pts: list[int], variable: bool) -> None:
    assert is_unevenly_spaced(array("q", pts)) is variable


def test_span_ends_with_the_last_picture() -> None:
    assert scan([0, 40, 80], last_duration=40).span_s == Fraction(120, 1000)
    assert scan([0, 40, 80]).span_s == Fraction(120, 1000)
    assert scan([5], last_duration=40).span_s == Fraction(40, 1000)
    assert scan([]).span_s is None


def test_measured_rate_counts_steps_not_pictures() -> None:
    assert scan([0, 40, 80, 120]).measured_rate == 25
    assert scan([0]).measured_rate is None
