"""Where a film is cut: every picture in one segment, at keyframes, about as long as wanted, the same every time."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workers.media.frame_map import ConstantRate, Fields, FilmPicture, FrameMap, OneToOne, Recipe, Telecine
from workers.media.segment_planning import OutputTimeline, plan_spans
from workers.media.timestamps import FrameTime
from workers.protocol.segments import MAX_SEGMENTS, SegmentSpan

TICKS_PER_S = 1000
STEPS = st.lists(st.integers(1, 3000), min_size=1, max_size=120)
LENGTHS = st.floats(0.01, 100)


def times_of(steps: Sequence[int], start: int = 0) -> list[FrameTime]:
    times = []
    for step in steps:
        times.append(FrameTime(start, step))
        start += step
    return times


def film_of(count: int) -> Telecine:
    """Film pictures A B C D over source pictures AA AB BC CC DD."""
    film = []
    for first in range(0, count + 5, 5):
        for top, bottom, shown in ((0, 0, 0), (2, 1, 1), (3, 3, 3), (4, 4, 4)):
            if first + max(top, bottom) < count:
                film.append(FilmPicture(Recipe(first + top, first + bottom), first + shown))
    return Telecine(tuple(film) or (FilmPicture(Recipe(0, 0), 0),), count)


def timeline_of(frame_map: FrameMap, times: Sequence[FrameTime]) -> OutputTimeline:
    pictures = list(frame_map.pictures(times))
    return OutputTimeline(
        [min(picture.sources) for picture in pictures],
        [picture.time.ticks / TICKS_PER_S for picture in pictures],
        pictures[-1].time.end / TICKS_PER_S,
    )


def even(count: int, step_s: float = 1.0) -> OutputTimeline:
    return OutputTimeline(range(count), [number * step_s for number in range(count)], count * step_s)


def firsts(spans: Sequence[SegmentSpan]) -> list[int]:
    return [span.first for span in spans]


def assert_whole(spans: Sequence[SegmentSpan], timeline: OutputTimeline) -> None:
    assert spans
    assert [span.number for span in spans] == list(range(len(spans)))
    assert spans[0].first == 0
    assert all(earlier.first + earlier.count == later.first for earlier, later in pairwise(spans))
    assert spans[-1].first + spans[-1].count == len(timeline.starts_s)


@given(
    STEPS,
    st.sampled_from(["one to one", "fields", "telecine", "constant rate", "telecine at a constant rate"]),
    st.integers(1, 12),
    st.sets(st.integers(0, 119)),
    LENGTHS,
)
def test_whatever_the_map_every_picture_is_in_one_span(
    steps: list[int], name: str, group: int, cuts: set[int], segment_s: float
) -> None:
    times = times_of(steps)
    film = film_of(len(times))
    maps: dict[str, FrameMap] = {
        "one to one": OneToOne(),
        "fields": Fields(),
        "telecine": film,
        "constant rate": ConstantRate(OneToOne(), Fraction(25), TICKS_PER_S),
        "telecine at a constant rate": ConstantRate(film, Fraction(25), TICKS_PER_S),
    }
    timeline = timeline_of(maps[name], times)
    keyframes = range(0, len(times), group)
    spans = plan_spans(timeline, keyframes, cuts, segment_s)
    assert_whole(spans, timeline)
    assert spans == plan_spans(timeline, keyframes, cuts, segment_s)
    for span in spans[1:]:
        # Nothing from here on is made of a picture before the keyframe that it begins at.
        needed = min(timeline.first_sources[span.first :])
        assert any(timeline.first_sources[span.first - 1] < keyframe <= needed for keyframe in keyframes)


@given(st.lists(st.integers(1, 400), min_size=2, max_size=300), st.floats(0.1, 60))
@example([267, 267, 267], 0.1)
def test_spans_are_neither_tiny_nor_endless_where_keyframes_allow(steps: list[int], segment_s: float) -> None:
    times = times_of(steps)
    spans = plan_spans(timeline_of(OneToOne(), times), range(len(times)), (), segment_s)
    longest_step_s = max(steps) / TICKS_PER_S
    if len(spans) > 1:
        assert all(span.duration_s >= segment_s * 2 / 3 - 1e-6 for span in spans)
        assert all(span.count >= 2 for span in spans)
    for span in spans:
        # The last one takes in what would have been too short by itself, be it a single picture.
        assert span.duration_s <= segment_s * 8 / 3 + 3 * longest_step_s + 1e-6


def test_without_anything_else_to_go_by_segments_are_as_long_as_wanted() -> None:
    assert firsts(plan_spans(even(120), range(120), (), 30)) == [0, 30, 60, 90]


def test_a_segment_begins_only_at_a_keyframe() -> None:
    assert firsts(plan_spans(even(120), [0, 11, 28, 55, 71, 90], (), 30)) == [0, 28, 55, 90]


def test_a_change_of_scene_is_preferred_to_a_keyframe_that_lies_better() -> None:
    keyframes = [0, 24, 30, 60, 90]
    assert firsts(plan_spans(even(120), keyframes, {24}, 30))[:2] == [0, 24]
    assert firsts(plan_spans(even(120), keyframes, (), 30))[:2] == [0, 30]


def test_a_change_of_scene_far_off_is_not() -> None:
    assert firsts(plan_spans(even(120), [0, 30, 55, 90], {55}, 30))[:2] == [0, 30]


def test_where_keyframes_are_rare_segments_are_long() -> None:
    assert firsts(plan_spans(even(400), [0, 150, 300], (), 30)) == [0, 150, 300]


@pytest.mark.parametrize("count", [1, 2, 25])
def test_a_short_film_is_one_segment(count: int) -> None:
    (span,) = plan_spans(even(count), range(count), (), 30)
    assert (span.first, span.count, span.start_s, span.duration_s) == (0, count, 0, count)


def test_a_film_with_one_keyframe_is_one_segment() -> None:
    assert len(plan_spans(even(5000), [0], (), 30)) == 1


def test_the_last_segment_is_not_tiny() -> None:
    assert firsts(plan_spans(even(65), range(65), (), 30)) == [0, 30]
    assert firsts(plan_spans(even(75), range(75), (), 30)) == [0, 30, 55]


def test_however_long_a_film_is_there_are_not_too_many_segments() -> None:
    spans = plan_spans(even(20_000), range(20_000), (), 0.5)
    assert 2 <= len(spans) <= MAX_SEGMENTS


def test_starts_and_lengths_are_on_the_outputs_clock() -> None:
    timeline = timeline_of(OneToOne(), times_of([500] * 40, start=2500))
    spans = plan_spans(timeline, range(0, 40, 4), (), 6)
    assert [span.start_s for span in spans] == [2.5, 8.5, 14.5, 18.5]
    assert [span.duration_s for span in spans] == [6, 6, 4, 4]
