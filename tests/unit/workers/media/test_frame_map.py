"""Which output picture is made of which source pictures, and when it is shown."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.media.frame_map import (
    ConstantRate,
    Fields,
    FilmPicture,
    FrameMap,
    OneToOne,
    OutputPicture,
    Recipe,
    Telecine,
    frame_map,
    kind_of,
    output_clock,
    output_rate,
)
from workers.media.timestamps import FrameTime, track_clock
from workers.protocol.media import FieldOrder
from workers.protocol.plan import EnhancementPlan, FrameMapKind, OutputColour
from workers.protocol.settings import DeinterlaceOutput, EnhancementSettings
from workers.protocol.steps import DeinterlaceStep, FrameRateStep, InverseTelecineStep, PlanStep

STEPS = st.lists(st.integers(1, 5000), min_size=1, max_size=60)


def times_of(steps: Sequence[int], start: int = 0) -> list[FrameTime]:
    times = []
    for step in steps:
        times.append(FrameTime(start, step))
        start += step
    return times


def plan_of(*steps: PlanStep) -> EnhancementPlan:
    return EnhancementPlan(
        settings=EnhancementSettings(),
        steps=steps,
        skipped=(),
        width_px=16,
        height_px=16,
        colour=OutputColour(primaries="bt709", transfer="bt709", matrix="bt709", is_assumed=False),
        remux=False,
        remux_reason="",
    )


def pulled_down(cycles: int) -> Telecine:
    """Film pictures A B C D over source pictures AA AB BC CC DD: B is woven from two."""
    film = []
    for first in range(0, 5 * cycles, 5):
        film += [
            FilmPicture(Recipe(first, first), first),
            FilmPicture(Recipe(first + 2, first + 1), first + 1),
            FilmPicture(Recipe(first + 3, first + 3), first + 3),
            FilmPicture(Recipe(first + 4, first + 4), first + 4),
        ]
    return Telecine(tuple(film), 5 * cycles)


def assert_without_gaps(found: Sequence[OutputPicture], times: Sequence[FrameTime]) -> None:
    assert found[0].time.ticks == times[0].ticks
    assert found[-1].time.end == times[-1].end
    assert all(earlier.time.end == later.time.ticks for earlier, later in pairwise(found))


@given(STEPS)
def test_without_a_step_every_picture_keeps_its_time(steps: list[int]) -> None:
    times = times_of(steps)
    found = list(OneToOne().pictures(times))
    assert [picture.time for picture in found] == times
    assert [picture.number for picture in found] == list(range(len(times)))


@given(STEPS)
def test_fields_come_twice_as_often_and_leave_no_gap(steps: list[int]) -> None:
    times = times_of([2 * step for step in steps])
    found = list(Fields().pictures(times))
    assert [picture.number for picture in found] == list(range(2 * len(times)))
    assert [picture.time.ticks for picture in found[::2]] == [time.ticks for time in times]
    assert_without_gaps(found, times)
    assert all(picture.time.duration == times[picture.number // 2].duration // 2 for picture in found)


@given(st.integers(1, 12), st.integers(1, 3003))
def test_film_comes_back_evenly(cycles: int, quarter: int) -> None:
    times = times_of([4 * quarter] * (5 * cycles))
    found = list(pulled_down(cycles).pictures(times))
    assert len(found) == 4 * cycles
    assert {picture.time.duration for picture in found} == {5 * quarter}
    assert found[1].sources == (1, 2)
    assert_without_gaps(found, times)


def test_pictures_that_were_not_pulled_down_keep_their_own_times() -> None:
    whole = tuple(FilmPicture(Recipe(number, number), number) for number in range(5))
    film = Telecine(whole + tuple(FilmPicture(Recipe(n, n), n) for n in (5, 6, 8, 9)), 10)
    times = times_of([3, 5, 4, 4, 4, 4, 4, 4, 4, 4])
    found = list(film.pictures(times))
    assert [picture.time for picture in found[:5]] == times[:5]
    assert [picture.time.duration for picture in found[5:]] == [5] * 4
    assert_without_gaps(found, times)


def test_a_last_cycle_cut_short_is_shared_out_too() -> None:
    found = list(pulled_down(2).pictures(times_of([4] * 7)))
    assert [picture.time.ticks for picture in found] == [0, 5, 10, 15, 20, 24]
    assert found[-1].time.end == 28


@given(STEPS, st.fractions(min_value=1, max_value=240, max_denominator=1001), st.integers(0, 10_000))
def test_a_constant_rate_is_even_and_shows_what_the_source_shows(
    steps: list[int], rate: Fraction, start: int
) -> None:
    timescale = 1000 * rate.numerator
    times = times_of([step * rate.numerator for step in steps], start)
    found = list(ConstantRate(OneToOne(), rate, timescale).pictures(times))
    step = timescale / rate
    assert [picture.time.ticks for picture in found] == [start + step * n for n in range(len(found))]
    for picture in found:
        middle = picture.time.ticks + step / 2
        shown = times[picture.number]
        assert shown.ticks <= middle < shown.end or len(found) == 1
    length = times[-1].end - start
    assert len(found) == max(1, -(-(length - step / 2) // step))


def inverse() -> InverseTelecineStep:
    return InverseTelecineStep(field_order=FieldOrder.TOP_FIRST, reason="")


def bob() -> DeinterlaceStep:
    return DeinterlaceStep(field_order=FieldOrder.TOP_FIRST, output=DeinterlaceOutput.FIELD, reason="")


@pytest.mark.parametrize(
    "steps, kind, rate, factor",
    [
        ((), FrameMapKind.ONE_TO_ONE, Fraction(30000, 1001), 1),
        ((bob(),), FrameMapKind.FIELDS, Fraction(60000, 1001), 2),
        ((inverse(),), FrameMapKind.TELECINE, Fraction(24000, 1001), 4),
        ((bob(), FrameRateStep(rate=Fraction(50), reason="")), FrameMapKind.CONSTANT_RATE, Fraction(50), 2),
    ],
)
def test_the_steps_of_a_plan_decide(
    steps: tuple[PlanStep, ...], kind: FrameMapKind, rate: Fraction, factor: int
) -> None:
    plan = plan_of(*steps)
    clock = track_clock(Fraction(1, 90_000), Fraction(0), Fraction(1))
    assert kind_of(plan.steps) is kind
    assert output_rate(plan, Fraction(30000, 1001)) == rate
    assert output_clock(plan, clock).timescale == 90_000 * factor


def test_new_times_are_whole_ticks_of_the_output() -> None:
    plan = plan_of(FrameRateStep(rate=Fraction(24000, 1001), reason=""))
    clock = output_clock(plan, track_clock(Fraction(1, 1000), Fraction(5, 3), Fraction(1)))
    assert (Fraction(clock.timescale) / Fraction(24000, 1001)).denominator == 1
    assert clock.origin_s == Fraction(1666, 1000)


def test_undoing_telecine_needs_its_table() -> None:
    with pytest.raises(ValueError, match="table"):
        frame_map(plan_of(inverse()), 90_000, None)


@pytest.mark.parametrize("maps", [OneToOne(), Fields(), pulled_down(3)])
def test_nothing_is_released_that_a_later_picture_needs(maps: FrameMap) -> None:
    found = list(maps.pictures(times_of([4] * 15)))
    for earlier, later in pairwise(found):
        assert maps.oldest_source(earlier.number) <= min(later.sources)
    assert maps.expected_count(15) == len(found)
