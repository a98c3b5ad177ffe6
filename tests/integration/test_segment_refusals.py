"""What is better done in one task, what has to begin again, and what goes another round."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from tests.fixtures.segment_runs import FilmInParts, in_order, recorded_pictures, whole
from tests.fixtures.small_films import Picture, code_film, cut_off, make_film, noisy_pictures
from tests.fixtures.woven import moments, noisy
from workers.errors import TaskFailedError
from workers.media import gate
from workers.media.encoders.catalogue import ENCODERS
from workers.media.jobs import AnalysisOutcome, EnhancementOutcome, Progress
from workers.media.material import material
from workers.media.planning import Known, plan_run
from workers.media.probe import examine
from workers.media.quick_analysis import quick_analysis
from workers.media.segment_fitness import plan_obstacle, source_obstacle
from workers.media.tables import tables_of
from workers.protocol.report import NoteCode
from workers.protocol.segments import SegmentPlan
from workers.protocol.settings import EncoderSpeed, EnhancementSettings
from workers.protocol.states import ErrorCode
from workers.protocol.transfers import SCAN, TABLES

COUNT = 60
TIMES = [3003 * number for number in range(COUNT)]
QUICK = EnhancementSettings(encoder_speed=EncoderSpeed.ULTRAFAST)
UNTOUCHED = QUICK.model_copy(
    update={"denoise": False, "colour": False, "sharpen": False, "deband": False, "deflicker": False}
)


def grainy(count: int = COUNT) -> list[Picture]:
    return noisy(moments(count, step_px=1.5, size=(96, 128)), 6)


def film_at(path: Path, *, group: int = 10) -> Path:
    return make_film(path, grainy(), TIMES, last_duration=3003, group=group)


@pytest.fixture
def parts(tmp_path: Path) -> FilmInParts:
    return FilmInParts(film_at(tmp_path / "film.mp4"), tmp_path, QUICK)


# ------------------------------------------------------------- better done in one task


def assert_whole(outcome: AnalysisOutcome, reason: str) -> None:
    assert outcome.segment_plan is None
    assert outcome.side_files == ()
    assert reason in outcome.reason


def test_a_film_that_is_copied(parts: FilmInParts) -> None:
    parts.settings = UNTOUCHED
    assert_whole(parts.analyse(), "copied as it is")


def test_a_film_that_is_too_short(parts: FilmInParts) -> None:
    parts.segment_s = 30
    assert_whole(parts.analyse(), "too short")


def test_a_film_with_one_keyframe(tmp_path: Path) -> None:
    film = film_at(tmp_path / "film.mp4", group=250)
    assert_whole(FilmInParts(film, tmp_path, QUICK).analyse(), "cannot be entered")


def test_a_film_whose_times_are_places_in_the_file(tmp_path: Path) -> None:
    film = code_film(tmp_path / "film.avi", grainy(), "-c:v", "mpeg4", "-g", "10", "-b:v", "4M")
    assert_whole(FilmInParts(film, tmp_path, QUICK).analyse(), "AVI")


def test_a_film_without_times(tmp_path: Path) -> None:
    film = code_film(tmp_path / "film.h264", grainy(), "-c:v", "libx264", "-g", "10", "-crf", "12")
    assert_whole(FilmInParts(film, tmp_path, QUICK).analyse(), "timestamps")


def test_a_film_that_is_cut_short(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", grainy(), TIMES, last_duration=3003, group=10, faststart=True)
    cut_off(film, 0.6)
    assert FilmInParts(film, tmp_path, QUICK).analyse().segment_plan is None


def test_a_film_that_is_shown_from_its_middle(tmp_path: Path) -> None:
    whole_film = film_at(tmp_path / "whole.mp4")
    film = tmp_path / "film.mp4"
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-ss", "0.5", "-i", str(whole_film), "-c", "copy",
         str(film)],
        check=True,
        timeout=60,
    )  # fmt: skip
    assert_whole(FilmInParts(film, tmp_path, QUICK).analyse(), "timestamps")


def test_a_film_that_calls_every_picture_a_keyframe_and_cannot_be_entered_there(tmp_path: Path) -> None:
    film = code_film(tmp_path / "film.mp4", grainy(), "-c:v", "mpeg4", "-g", "60", "-bf", "0", "-b:v", "4M")
    film.write_bytes(film.read_bytes().replace(b"stss", b"free"))
    assert_whole(FilmInParts(film, tmp_path, QUICK).analyse(), "in the middle")


def test_other_reasons_are_told_apart(tmp_path: Path) -> None:
    examination = examine(film_at(tmp_path / "film.mp4"))
    video = examination.info.main_video
    assert video is not None
    source = material(tmp_path / "film.mp4", examination.info, video, examination.main_scan)
    known = Known(examination, source, quick_analysis(source, threads=1), QUICK)
    plan, _ = plan_run(known, threads=1, on_frame=lambda count: None)
    assert source_obstacle(known) is None
    assert plan_obstacle(known, plan, None) is None

    def reason(**changes: object) -> str | None:
        return source_obstacle(replace(known, source=replace(source, **changes)))  # type: ignore[arg-type]  # fields by name

    def scan_reason(**changes: object) -> str | None:
        return reason(scan=replace(source.scan, **changes))  # type: ignore[arg-type]  # fields by name

    times = "Its pictures cannot be told by their timestamps."
    assert scan_reason(is_complete=False) == times
    assert scan_reason(hidden=1) == times
    assert scan_reason(out_of_order=1) == times
    assert scan_reason(damaged=1) == times
    assert scan_reason(keyframe_pts=source.scan.keyframe_pts[1:]) == times
    assert "wmv2" in (reason(video=video.model_copy(update={"codec": "wmv2"})) or "")
    assert "edit list" in (reason(video=video.model_copy(update={"is_trimmed": True})) or "")
    damaged = examination.info.model_copy(update={"warnings": ("3 errors while reading the file.",)})
    found = source_obstacle(replace(known, examination=replace(examination, info=damaged)))
    assert "damaged" in (found or "")
    fewer = tables_of(COUNT - 1, np.zeros(0, np.int32))
    assert "as many pictures as packets" in (plan_obstacle(known, plan, fewer) or "")
    for encoder in ENCODERS.values():
        coded = plan.model_copy(
            update={"encoding": plan.encoding.model_copy(update={"encoder": encoder.name})}
        )
        assert (plan_obstacle(known, coded, None) is None) == encoder.is_software


def test_a_film_with_a_damaged_picture_is_noticed_in_its_segment_and_only_there(tmp_path: Path) -> None:
    film = film_at(tmp_path / "film.mp4")
    parts = FilmInParts(film, tmp_path, QUICK)
    plan = parts.plan()
    with recorded_pictures() as expected:
        parts.segments(plan)
    data = bytearray(film.read_bytes())
    middle = data.index(b"mdat") + 4 + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 3000] = bytes(3000)
    film.write_bytes(data)
    codes = {}
    with recorded_pictures() as found:
        for span in plan.spans:
            try:
                parts.segment(plan, span.number)
            except TaskFailedError as error:
                codes[span.number] = error.code
    assert set(codes.values()) == {ErrorCode.NOT_IN_PARTS}
    assert 0 < len(codes) < len(plan.spans)
    for span in plan.spans:
        share = in_order(expected)[span.first : span.first + span.count]
        assert (set(share) <= set(found)) or span.number in codes


# ------------------------------------------------------------- has to begin again


def refusal(work: Callable[[], object]) -> ErrorCode:
    with pytest.raises(TaskFailedError) as refused:
        work()
    return refused.value.code


def lose(path: Path) -> None:
    path.unlink()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [lose, flip])
@pytest.mark.parametrize("name", [SCAN, TABLES])
def test_side_files_that_are_missing_or_damaged(
    tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    light = [0.9, 1.1, 1.0, 0.95, 1.05, 0.92]
    pictures = [
        (picture * light[number % 6]).clip(16, 235).astype("uint8")
        for number, picture in enumerate(moments(COUNT))
    ]
    film = make_film(tmp_path / "film.mp4", pictures, TIMES, last_duration=3003, group=10)
    parts = FilmInParts(film, tmp_path, QUICK)
    plan = parts.plan()
    assert plan.plan.tables_sha256 is not None
    damage(parts.parts / name)
    assert refusal(lambda: parts.segment(plan, 1)) is ErrorCode.PARTS_MISSING
    assert refusal(lambda: parts.assemble(plan)) is ErrorCode.PARTS_MISSING


def test_another_source_under_the_same_name(parts: FilmInParts) -> None:
    plan = parts.plan()
    make_film(parts.film, noisy_pictures(COUNT, 3.0), TIMES, group=10)
    assert refusal(lambda: parts.segment(plan, 0)) is ErrorCode.PARTS_MISSING


def test_a_source_that_is_gone(parts: FilmInParts) -> None:
    plan = parts.plan()
    parts.film.unlink()
    assert refusal(lambda: parts.segment(plan, 0)) is ErrorCode.FILE_MISSING


def test_a_program_that_would_show_the_pictures_at_other_times(parts: FilmInParts) -> None:
    plan = parts.plan().model_copy(update={"times_sha256": "0" * 64})
    assert refusal(lambda: parts.segment(plan, 0)) is ErrorCode.PARTS_MISSING


@pytest.mark.parametrize("damage", [lose, flip])
def test_a_segment_that_is_missing_or_damaged(parts: FilmInParts, damage: Callable[[Path], None]) -> None:
    plan = parts.plan()
    records = parts.segments(plan)
    damage(parts.parts / records[1].file_name)
    assert refusal(lambda: parts.assemble(plan)) is ErrorCode.PARTS_MISSING


def test_a_segment_that_holds_fewer_pictures_than_it_says(parts: FilmInParts) -> None:
    plan = parts.plan()
    parts.segments(plan)
    shorter = plan.spans[1].model_copy(update={"count": plan.spans[1].count - 1})
    lying = plan.model_copy(update={"spans": (plan.spans[0], shorter, *plan.spans[2:])})
    outcome = parts.segment(lying, 1)
    outcome.video.replace(parts.parts / outcome.record.file_name)
    said = {"sha256": outcome.record.sha256, "size_bytes": outcome.record.size_bytes}
    parts.records[1] = parts.records[1].model_copy(update=said)
    assert refusal(lambda: parts.assemble(plan)) is ErrorCode.PARTS_MISSING


def test_a_segment_of_another_round(parts: FilmInParts) -> None:
    plan = parts.plan()
    parts.segments(plan)
    parts.records[2] = parts.records[2].model_copy(update={"plan_sha256": "0" * 64})
    assert refusal(lambda: parts.assemble(plan)) is ErrorCode.PARTS_MISSING


def test_segments_that_were_coded_differently_do_not_fit_together(parts: FilmInParts) -> None:
    plan = parts.plan()
    parts.segments(plan)
    parts.records[2] = parts.records[2].model_copy(update={"parameters": "00"})
    assert refusal(lambda: parts.assemble(plan)) is ErrorCode.NOT_IN_PARTS


# ------------------------------------------------------------- another round


def next_round(parts: FilmInParts, plan: SegmentPlan) -> SegmentPlan:
    outcome = parts.assemble(plan)
    assert isinstance(outcome, AnalysisOutcome)
    assert outcome.segment_plan is not None
    assert outcome.side_files == ()
    return outcome.segment_plan


def test_picture_steps_that_harm_are_left_out_in_another_round(
    parts: FilmInParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "_MAX_NEWLY_CLIPPED", -1.0)
    with recorded_pictures() as expected:
        report = whole(parts.film, tmp_path, QUICK).report
    first = parts.plan()
    parts.segments(first)
    second = next_round(parts, first)
    assert (first.round, second.round) == (0, 1)
    assert second.spans == first.spans
    with recorded_pictures() as found:
        parts.segments(second)
    assert in_order(found) == expected[COUNT:]
    outcome = parts.assemble(second)
    assert isinstance(outcome, EnhancementOutcome)
    assert outcome.report.plan == report.plan
    assert outcome.report.gate == report.gate
    notes = [
        [note for note in found.notes if note.code is NoteCode.HARM_GATE_FELL_BACK]
        for found in (outcome.report, report)
    ]
    assert notes[0] == notes[1]
    assert len(notes[0]) == 1


# ------------------------------------------------------------- stopped by who asked for it


class Stop(Exception):
    pass


def stop(progress: Progress) -> None:
    if progress.fraction > 0.2:
        raise Stop


def test_every_part_can_be_stopped(parts: FilmInParts) -> None:
    parts.on_progress = stop
    with pytest.raises(Stop):
        parts.analyse()
    parts.on_progress = lambda progress: None
    plan = parts.plan()
    parts.segments(plan)
    parts.on_progress = stop
    with pytest.raises(Stop):
        parts.segment(plan, 1)
    with pytest.raises(Stop):
        parts.assemble(plan)


def test_progress_of_a_segment_never_falls_and_ends_at_the_end(parts: FilmInParts) -> None:
    plan = parts.plan()
    seen: list[float] = []
    parts.on_progress = lambda progress: seen.append(progress.fraction)
    parts.segment(plan, 1)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
