"""The last look at a finished file finds every way in which it is not what was promised."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.fixtures.small_films import (
    CLOCK,
    HEIGHT_PX,
    WIDTH_PX,
    cut_off,
    declare_turned,
    make_film,
    noisy_pictures,
    uneven_times,
)
from workers.media.timestamps import FrameTime
from workers.media.verify import AudioPromise, Promise, verify
from workers.protocol.plan import OutputColour

COUNT = 20
TICKS = uneven_times(COUNT)
LAST = 4000
TIMES = tuple(
    FrameTime(at, following - at) for at, following in zip(TICKS, [*TICKS[1:], TICKS[-1] + LAST], strict=True)
)
KEPT = Promise(
    times=TIMES,
    time_base=Fraction(1, CLOCK),
    width_px=WIDTH_PX,
    height_px=HEIGHT_PX,
    colour=OutputColour(primaries="smpte170m", transfer="smpte170m", matrix="smpte170m", is_assumed=True),
    audio=(AudioPromise(Fraction(0), None),),
    subtitles=0,
    chapters=1,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(
        tmp_path_factory.mktemp("finished") / "film.mp4",
        noisy_pictures(COUNT, 3.0),
        TICKS,
        sounds=[[(0.0, 0.8)]],
        chapters=[(0, 800, "All")],
        last_duration=LAST,
        faststart=True,
        colour=6,
    )


def failed_checks(path: Path, promise: Promise) -> set[str]:
    return {check.name for check in verify(path, promise, threads=1, on_frame=lambda done: None).failures}


def test_a_file_that_is_as_promised_passes(finished: Path) -> None:
    assert failed_checks(finished, KEPT) == set()


def later(times: tuple[FrameTime, ...], number: int) -> tuple[FrameTime, ...]:
    """One picture a single tick later."""
    return tuple(replace(time, ticks=time.ticks + (place == number)) for place, time in enumerate(times))


@pytest.mark.parametrize(
    "promise, check",
    [
        (replace(KEPT, times=later(TIMES, 7)), "frame_map"),
        (replace(KEPT, times=TIMES[:-1]), "frame_map"),
        (replace(KEPT, times=(*TIMES, FrameTime(TIMES[-1].end, 3000))), "frame_map"),
        (replace(KEPT, times=(*TIMES[:-1], replace(TIMES[-1], duration=LAST + 1))), "frame_map"),
        (replace(KEPT, audio=()), "streams"),
        (replace(KEPT, chapters=2), "streams"),
        (replace(KEPT, subtitles=1), "streams"),
        (replace(KEPT, audio=(AudioPromise(Fraction(1, 2), None),)), "audio"),
        (replace(KEPT, audio=(AudioPromise(Fraction(0), Fraction(3)),)), "audio"),
        (replace(KEPT, width_px=HEIGHT_PX, height_px=WIDTH_PX), "geometry"),
        (replace(KEPT, colour=KEPT.colour.model_copy(update={"matrix": "bt709"})), "colour_tags"),
    ],
)
def test_a_broken_promise_is_found(finished: Path, promise: Promise, check: str) -> None:
    assert check in failed_checks(finished, promise)


def test_an_index_at_the_end_is_found(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", noisy_pictures(COUNT, 3.0), TICKS, last_duration=LAST)
    assert "fast_start" in failed_checks(path, KEPT)


def test_a_picture_that_players_would_turn_is_found(finished: Path, tmp_path: Path) -> None:
    turned = tmp_path / "film.mp4"
    turned.write_bytes(finished.read_bytes())
    declare_turned(turned, (0, 1, -1, 0))
    assert "geometry" in failed_checks(turned, KEPT)


def test_a_file_that_stops_in_the_middle_is_found(finished: Path, tmp_path: Path) -> None:
    half = tmp_path / "film.mp4"
    half.write_bytes(finished.read_bytes())
    cut_off(half, 0.6)
    assert "frame_map" in failed_checks(half, KEPT)


def test_a_damaged_picture_is_found(finished: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "film.mp4"
    data = bytearray(finished.read_bytes())
    start = data.index(b"mdat") + len(data) // 3
    data[start : start + 400] = bytes(400)
    damaged.write_bytes(data)
    assert failed_checks(damaged, KEPT) & {"decodes_to_the_end", "frame_map"}
