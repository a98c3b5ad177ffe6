"""Odd, broken and hostile files, in a child that may die of them: a right result or a clear sentence, within limits."""

from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration import hostile_makers, hostile_run
from workers.media.announced_size import missing_bytes
from workers.media.mp4_edits import Edit, read_edit_lists, write_edits
from workers.media.probe import probe

pytestmark = pytest.mark.timeout(300)

COMPLETED: Final = {
    # name: (width and height of the result, pictures, seconds, sound tracks)
    "absurd_subtitles.mkv": ((96, 64), 50, 2.0, 0),
    "alpha_prores.mov": ((96, 64), 4, 0.16, 0),
    "alpha_qtrle.mov": ((96, 64), 4, 0.16, 0),
    "alpha_vp8.webm": ((96, 64), 10, 0.4, 0),
    "alpha_vp9.webm": ((96, 64), 4, 0.16, 0),
    "b_frames.avi": ((96, 64), 10, 0.44, 0),
    "b_frames_h264.avi": ((96, 64), 10, 0.44, 0),
    "becomes_huge.avi": ((96, 64), 10, 0.4, 0),
    "before_zero.mkv": ((96, 64), 20, 0.8, 0),
    "begins_late.mkv": ((96, 64), 10, 0.4, 1),
    "broken_tags.mkv": ((96, 64), 10, 0.4, 0),
    "broken_tags.mp4": ((96, 64), 10, 0.4, 0),
    "chapters_beyond.mkv": ((96, 64), 50, 2.0, 0),
    "chapters_beyond.mp4": ((96, 64), 50, 2.0, 0),
    "column.mkv": ((2, 2000), 4, 0.16, 0),
    "depth_h264.ts": ((96, 64), 10, 0.4, 0),
    "elementary.h264": ((96, 64), 10, 0.4, 0),
    "elementary.hevc": ((96, 64), 10, 0.4, 0),
    "elementary.m2v": ((96, 64), 10, 0.4, 0),
    "elementary.m4v": ((96, 64), 10, 0.4, 0),
    "empty_edit.mp4": ((96, 64), 10, 3.0, 1),
    "far_in_the_future.nut": ((96, 64), 10, 0.4, 0),
    "format_h264.ts": ((96, 64), 10, 0.4, 0),
    "format_mjpeg.avi": ((96, 64), 10, 0.4, 0),
    "fragments.mp4": ((96, 64), 25, 1.08, 1),
    "full_range.avi": ((96, 64), 10, 0.4, 0),
    "grey.mkv": ((96, 64), 4, 0.16, 0),
    "grey10.mkv": ((96, 64), 4, 0.16, 0),
    "grey12.mkv": ((96, 64), 4, 0.16, 0),
    "grey16.mkv": ((96, 64), 4, 0.16, 0),
    "grey_alpha.mov": ((96, 64), 4, 0.16, 0),
    "grows_h264.mkv": ((96, 64), 10, 0.4, 0),
    "grows_h264.ts": ((96, 64), 10, 0.4, 0),
    "grows_mjpeg.avi": ((96, 64), 10, 0.4, 0),
    "grows_vp9.webm": ((96, 64), 10, 0.4, 0),
    "hours_apart.mkv": ((96, 64), 6, 36000.04, 0),
    "interlaced.mpg": ((96, 64), 10, 0.4, 0),
    "line.mkv": ((4000, 2), 4, 0.16, 0),
    "live.mkv": ((96, 64), 10, 0.4, 1),
    "mono.mkv": ((96, 64), 4, 0.16, 0),
    "odd_small.mkv": ((16, 18), 4, 0.16, 0),
    "one_frame.avi": ((96, 64), 1, 0.04, 0),
    "one_frame.mp4": ((96, 64), 1, 0.04, 0),
    "one_pixel.mkv": ((2, 2), 4, 0.16, 0),
    "palette.gif": ((96, 64), 4, 0.16, 0),
    "rgb.avi": ((96, 64), 10, 0.4, 0),
    "rgb555.avi": ((96, 64), 10, 0.4, 0),
    "rgb_planar12.mkv": ((96, 64), 4, 0.16, 0),
    "rgba64.mov": ((96, 64), 4, 0.16, 0),
    "sar_huge.mkv": None,
    "sar_tiny.mkv": None,
    "shown_before_decoded.mp4": ((96, 64), 10, 0.4, 1),
    "shrinks_h264.ts": ((192, 128), 10, 0.4, 0),
    "shrinks_mjpeg.mov": ((192, 128), 10, 0.4, 0),
    "shrinks_vp9.webm": ((192, 128), 10, 0.4, 0),
    "sixteen_bit.mkv": ((96, 64), 4, 0.16, 0),
    "sixteen_channels.mov": ((96, 64), 10, 0.4, 1),
    "sound_192k.mkv": ((96, 64), 10, 0.4, 1),
    "sound_4k.mkv": ((96, 64), 10, 0.4, 1),
    "sound_65k.mkv": ((96, 64), 10, 0.4, 1),
    "sound_first.mkv": ((96, 64), 10, 6.0, 1),
    "sound_outlives.mp4": ((96, 64), 10, 8.0, 1),
    "ten_seconds_each.mkv": ((96, 64), 5, 50.0, 0),
    "thirty_tracks.mkv": ((96, 64), 10, 0.4, 30),
    "thousand_fps.mkv": ((96, 64), 50, 0.05, 0),
    "turned_and_wide.mp4": ((64, 128), 5, 0.2, 0),
    "twelve_bit.mkv": ((96, 64), 4, 0.16, 0),
    "twelve_bit_444.mkv": ((96, 64), 4, 0.16, 0),
    "two_pixels.mkv": ((2, 2), 4, 0.16, 0),
    "wide_16k.mkv": ((16384, 64), 2, 0.4, 0),
    "wraps_around.ts": ((96, 64), 50, 2.0, 1),
    "xyz.mov": ((96, 64), 4, 0.16, 0),
    "yuv410.mkv": ((96, 64), 4, 0.16, 0),
}
"""None: every file comes out whole, but its aspect is not worth a row."""

REFUSED: Final = {
    "claims_16384.avi": "dimensions_out_of_range",
    "claims_65535.avi": "dimensions_out_of_range",
    "claims_8192.avi": "no_frames",
    "flat_16k.mkv": "not_a_video",
    "nothing.avi": "no_frames",
    "nothing.mkv": "no_frames",
    "nothing.mp4": "no_video_stream",
}

TOLD: Final = {
    "absurd_subtitles.mkv": "beyond_the_end",
    "chapters_beyond.mkv": "beyond_the_end",
    "chapters_beyond.mp4": "beyond_the_end",
    "depth_h264.ts": "picture_changes",
    "elementary.h264": "timestamps_repaired",
    "format_mjpeg.avi": "picture_changes",
    "grows_h264.mkv": "picture_changes",
    "grows_vp9.webm": "picture_changes",
    "shrinks_mjpeg.mov": "picture_changes",
    "sixteen_channels.mov": "audio_mixed_down",
    "hours_apart.mkv": "variable_rate_kept",
    "begins_late.mkv": "start_shifted",
    "far_in_the_future.nut": "start_shifted",
    "twelve_bit.mkv": "bit_depth_reduced",
}
"""A note that must be in the report."""

LARGE: Final = "eight_k.mp4"
"""Run in benchmarks: it takes a quarter of a minute."""

SMALL_MEMORY_MIB: Final = 600
"""The limit for 1080 lines; these pictures are far smaller."""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("odd")
    names = [name for name in (*hostile_makers.BY_PROGRAM, *hostile_makers.BY_HAND) if name != LARGE]
    return hostile_run.outcomes([hostile_makers.make(name, folder) for name in names], folder)


def test_every_maker_has_its_row() -> None:
    assert {*COMPLETED, *REFUSED, LARGE} == {*hostile_makers.BY_PROGRAM, *hostile_makers.BY_HAND}


@pytest.mark.parametrize("name", [*COMPLETED, *REFUSED])
def test_no_odd_file_crashes_hangs_or_fails_its_checks(name: str, odd: dict[str, dict[str, Any]]) -> None:
    assert list(hostile_run.faults(name, odd[name])) == []
    assert odd[name]["enhance"]["peak_mib"] < SMALL_MEMORY_MIB


@pytest.mark.parametrize("name", COMPLETED)
def test_odd_files_come_out_whole(name: str, odd: dict[str, dict[str, Any]]) -> None:
    result = odd[name]
    enhanced, expected = result["enhance"], COMPLETED[name]
    assert enhanced["frames_out"] == enhanced["frames_in"] == result["probe"]["frames"]
    assert result["probe"]["thumbnail"]
    assert result["metadata"]["samples"] > 0
    assert enhanced["poster"]
    if expected is not None:
        size, frames, seconds, sounds = expected
        assert (tuple(enhanced["size"]), enhanced["frames_out"], enhanced["audio"]) == (size, frames, sounds)
        assert enhanced["duration_s"] == pytest.approx(seconds, abs=0.05)
    if name in TOLD:
        assert TOLD[name] in enhanced["notes"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_in_a_sentence(name: str, odd: dict[str, dict[str, Any]]) -> None:
    enhanced = odd[name]["enhance"]
    assert enhanced["refused"] == REFUSED[name]
    assert enhanced["message"].endswith(".")
    assert name in enhanced["message"]


def test_texts_and_chapters_behind_the_end_are_left_out(odd: dict[str, dict[str, Any]]) -> None:
    assert odd["absurd_subtitles.mkv"]["enhance"]["subtitles"] == 1
    assert odd["chapters_beyond.mkv"]["enhance"]["chapters"] == 2
    assert odd["chapters_beyond.mp4"]["enhance"]["chapters"] == 2


def test_flipped_bits_and_files_cut_anywhere(tmp_path: Path) -> None:
    """Sixty seeds over four containers, and twenty places to end at. `hostile_run` as a program is the long version."""
    files = hostile_run.damaged_files(tmp_path, range(60)) + hostile_run.cut_files(
        tmp_path, all_of_each=False
    )
    found = hostile_run.outcomes(files, tmp_path)
    assert len(found) == len(files) == 80
    assert [fault for name, result in found.items() for fault in hostile_run.faults(name, result)] == []
    assert [loss for name, result in found.items() for loss in hostile_run.losses(name, result, 50)] == []
    assert sum("frames_out" in result["enhance"] for result in found.values()) > 40


def test_a_trimmed_film_is_not_called_truncated(tmp_path: Path) -> None:
    whole = hostile_makers.by_program(hostile_makers.WHOLE["whole.mp4"], tmp_path)
    edits = read_edit_lists(whole)[0]
    assert edits is not None
    write_edits(whole, edits, (Edit(edits.edits[0].duration // 2, edits.edits[0].media_time),))
    video = probe(whole).main_video
    assert video is not None
    assert video.declared_frame_count == 50
    assert video.is_trimmed
    result = hostile_run.outcomes([whole], tmp_path)["whole.mp4"]
    assert list(hostile_run.faults("whole.mp4", result)) == []
    assert 25 <= result["enhance"]["frames_out"] < 30
    assert "source_truncated" not in result["enhance"]["notes"]


@pytest.mark.parametrize("name", hostile_makers.WHOLE)
def test_a_container_knows_how_much_of_it_is_missing(name: str, tmp_path: Path) -> None:
    whole = hostile_makers.by_program(hostile_makers.WHOLE[name], tmp_path)
    formats = {"mp4": "mov,mp4", "mkv": "matroska,webm", "ts": "mpegts", "avi": "avi"}
    format_name = formats[whole.suffix[1:]]
    assert missing_bytes(whole, format_name) == 0
    data = whole.read_bytes()
    whole.write_bytes(data[:-100])
    # A transport stream only shows that its last packet is not whole.
    assert missing_bytes(whole, format_name) == 100
