"""Percent, speed and time left from raw progress and a clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.media.jobs import Progress
from workers.protocol.states import Stage
from workers.runtime.progress import Measured, ProgressMeter


def test_a_steady_job_gets_a_steady_speed_and_a_falling_rest() -> None:
    meter = ProgressMeter()
    measured = Measured(Stage.WAITING, 0.0)
    for second in range(11):
        measured = meter.observe(Progress(Stage.ENHANCING, second / 20, 25 * second, 500), float(second))
    assert measured.percent == pytest.approx(50)
    assert measured.frames_per_s == pytest.approx(25)
    assert measured.remaining_s == pytest.approx(10)


def test_a_change_of_speed_is_followed_smoothly() -> None:
    meter = ProgressMeter()
    frames = 0
    measured = Measured(Stage.WAITING, 0.0)
    for second in range(10):
        frames += 10 if second < 5 else 50
        measured = meter.observe(Progress(Stage.ENHANCING, 0.1, frames), float(second))
    assert measured.frames_per_s is not None
    assert 30 < measured.frames_per_s < 50


def test_a_new_stage_begins_with_a_new_speed() -> None:
    meter = ProgressMeter()
    for second in range(4):
        meter.observe(Progress(Stage.ENHANCING, second / 10, 25 * second), float(second))
    assert meter.observe(Progress(Stage.VERIFYING, 0.5, 1), 4.0).frames_per_s is None


@given(st.lists(st.tuples(st.floats(-1, 2), st.integers(0, 1000), st.floats(0, 3)), min_size=1, max_size=30))
def test_the_percentage_stays_in_bounds_and_never_falls(readings: list[tuple[float, int, float]]) -> None:
    meter, now_s, last = ProgressMeter(), 0.0, 0.0
    for fraction, frames, step_s in readings:
        now_s += step_s
        measured = meter.observe(Progress(Stage.ENHANCING, fraction, frames), now_s)
        assert last <= measured.percent <= 100
        assert measured.remaining_s is None or measured.remaining_s >= 0
        last = measured.percent
