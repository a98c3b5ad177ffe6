"""Odd but legal inputs, made on the spot with the ffmpeg program, through the whole enhancement."""

import errno
import os
import subprocess
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from tests.integration import hostile_makers
from workers.errors import TaskFailedError
from workers.media.enhance import enhance
from workers.media.jobs import EnhancementJob, EnhancementOutcome, Progress
from workers.media.mp4_edits import read_edit_lists
from workers.protocol.report import NoteCode
from workers.protocol.settings import EncoderSpeed, EnhancementSettings
from workers.protocol.states import ErrorCode

PICTURE = "testsrc2=size=160x120:rate=25:duration=1"
SETTINGS = EnhancementSettings(encoder_speed=EncoderSpeed.ULTRAFAST)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Runs ffmpeg with arguments; the last one is the file's name."""

    def run(*arguments: str) -> Path:
        target = tmp_path / arguments[-1]
        program = imageio_ffmpeg.get_ffmpeg_exe()
        subprocess.run(
            [program, "-hide_banner", "-loglevel", "error", "-y", *arguments[:-1], str(target)],
            check=True,
            timeout=120,
        )
        return target

    return run


def enhanced(source: Path, settings: EnhancementSettings = SETTINGS) -> EnhancementOutcome:
    workspace = source.parent / "work"
    workspace.mkdir()
    job = EnhancementJob("file", 1, "worker", source, workspace, "result.mp4", settings, "key", 2)
    return enhance(job, lambda progress: None)


def codes(outcome: EnhancementOutcome) -> set[NoteCode]:
    return {note.code for note in outcome.report.notes}


def middle_colour(path: Path, number: int = 0) -> tuple[int, int, int]:
    """Y, Cb, Cr in the middle of one picture."""
    with av.open(str(path)) as container:
        for found, frame in enumerate(container.decode(container.streams.video[0])):
            if found == number:
                values = []
                for plane in frame.planes:
                    samples = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
                    values.append(int(samples[plane.height // 2, plane.width // 2]))
                return values[0], values[1], values[2]
    raise AssertionError("no such picture")


@pytest.mark.parametrize(
    "codec, pixels",
    [
        ("ffv1", "gray"),
        ("ffv1", "gray10le"),
        ("ffv1", "yuv411p"),
        ("ffv1", "yuv440p"),
        ("ffv1", "yuv422p12le"),
        ("ffv1", "yuva444p10le"),
        ("ffv1", "rgb48le"),
        ("png", "pal8"),
        ("qtrle", "argb"),
        ("v210", "yuv422p10le"),
        ("mjpeg", "yuvj444p"),
    ],
)
def test_every_arrangement_of_samples_becomes_eight_bit_420(
    make: Callable[..., Path], codec: str, pixels: str
) -> None:
    source = make("-f", "lavfi", "-i", PICTURE, "-c:v", codec, "-pix_fmt", pixels, "-frames:v", "5", "in.mov"
                  if codec in {"qtrle", "v210", "mjpeg"} else "in.mkv")  # fmt: skip
    outcome = enhanced(source)
    assert outcome.report.frames_out == 5


@pytest.mark.parametrize(
    "pixels, luma, cb, cr",
    [
        ("gbrp", 81, 90, 240),
        ("yuv444p", 81, 90, 240),
        ("yuvj420p", 81, 90, 240),
        ("yuv420p10le", 81, 90, 240),
    ],
)
def test_red_stays_red(make: Callable[..., Path], pixels: str, luma: int, cb: int, cr: int) -> None:
    """BT.601 red is (81, 90, 240) in limited range, whatever it was stored as."""
    graph = "color=red:size=64x64:rate=25:duration=0.2,format=gbrp"
    outgoing = "pc" if pixels == "yuvj420p" else "tv"
    convert = (
        "null" if pixels == "gbrp" else f"scale=out_color_matrix=bt601:out_range={outgoing},format={pixels}"
    )
    codec = "mjpeg" if pixels == "yuvj420p" else "ffv1"
    source = make("-f", "lavfi", "-i", f"{graph},{convert}", "-c:v", codec, "-q:v", "1", "in.mkv")
    found = middle_colour(enhanced(source).output)
    assert found == pytest.approx((luma, cb, cr), abs=3)


def test_a_transparent_picture_is_laid_on_black(make: Callable[..., Path]) -> None:
    graph = "color=white@0.0:size=64x64:rate=25:duration=0.2,format=yuva420p"
    source = make("-f", "lavfi", "-i", graph, "-c:v", "ffv1", "-pix_fmt", "yuva420p", "in.mkv")
    assert middle_colour(enhanced(source).output) == pytest.approx((16, 128, 128), abs=2)


def test_a_picture_that_changes_its_size_keeps_the_first_one(
    make: Callable[..., Path], tmp_path: Path
) -> None:
    parts = [
        make(
            "-f",
            "lavfi",
            "-i",
            f"testsrc2=size={size}:rate=25:duration=0.4",
            "-c:v",
            "mpeg2video",
            f"{size}.mpg",
        )
        for size in ("160x120", "320x240")
    ]
    joined = tmp_path / "joined.mpg"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    outcome = enhanced(joined)
    assert (outcome.report.plan.width_px, outcome.report.plan.height_px) == (160, 120)
    assert outcome.report.frames_out >= 19


@pytest.mark.parametrize(
    "layout, becomes", [("7.1", "7.1"), ("5.1", "5.1"), ("quad", "5.0"), ("mono", "mono")]
)
def test_sound_keeps_its_layout(make: Callable[..., Path], layout: str, becomes: str) -> None:
    sound = f"anoisesrc=d=1:a=0.1,aformat=channel_layouts={layout}"
    source = make("-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", sound,
                  "-c:v", "mpeg4", "-c:a", "flac", "-ar", "44100", "in.mkv")  # fmt: skip
    outcome = enhanced(source)
    assert NoteCode.AUDIO_ENCODED in codes(outcome)
    with av.open(str(outcome.output)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.codec_context.sample_rate) == ("aac", 48000)
        assert stream.codec_context.layout.name == becomes


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_late_sound_stays_late(make: Callable[..., Path], codec: str) -> None:
    source = make("-f", "lavfi", "-i", PICTURE, "-itsoffset", "0.3", "-f", "lavfi", "-i", "sine=d=0.6:r=48000",
                  "-c:v", "mpeg4", "-c:a", codec, "in.mkv")  # fmt: skip
    outcome = enhanced(source)
    starts = []
    for path in (source, outcome.output):
        with av.open(str(path)) as container:
            frame = next(container.decode(container.streams.audio[0]))
            starts.append(float(frame.time or 0))
    assert starts[1] == pytest.approx(starts[0], abs=0.005)
    if codec == "libopus":
        edits = read_edit_lists(outcome.output)[1]
        assert edits is not None
        assert [edit.media_time for edit in edits.edits] == [-1, 1024]


def test_sound_of_a_transport_stream_is_copied(make: Callable[..., Path]) -> None:
    source = make("-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", "sine=d=1:r=48000",
                  "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "in.ts")  # fmt: skip
    outcome = enhanced(source)
    assert {NoteCode.AUDIO_COPIED, NoteCode.START_SHIFTED} <= codes(outcome)


def test_cover_art_is_named_and_left_out(make: Callable[..., Path]) -> None:
    cover = make("-f", "lavfi", "-i", "color=blue:size=64x64", "-frames:v", "1", "cover.jpg")
    source = make("-f", "lavfi", "-i", PICTURE, "-i", str(cover), "-map", "0:v", "-map", "1:v", "-c:v:0", "mpeg4",
                  "-c:v:1", "copy", "-disposition:v:1", "attached_pic", "in.mp4")  # fmt: skip
    outcome = enhanced(source)
    assert NoteCode.VIDEO_DROPPED in codes(outcome)
    assert outcome.report.frames_out == 25


def test_tags_and_the_name_of_a_track_are_kept(make: Callable[..., Path]) -> None:
    source = make("-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", "sine=d=1", "-c:v", "mpeg4", "-c:a", "aac",
                  "-metadata", "title=Grüße", "-metadata", "artist=A",
                  "-metadata", "creation_time=2020-02-03T04:05:06Z",
                  "-metadata:s:a:0", "language=deu", "in.mkv")  # fmt: skip
    with av.open(str(enhanced(source).output)) as container:
        assert container.metadata["title"] == "Grüße"
        assert container.metadata["artist"] == "A"
        assert container.metadata["creation_time"].startswith("2020-02-03T04:05:06")
        assert container.streams.audio[0].language == "deu"


@pytest.mark.parametrize("seconds, rate", [("0.1", "25"), ("0.02", "1000"), ("0.5", "600")])
def test_very_short_and_very_fast_films_keep_every_frame(
    make: Callable[..., Path], seconds: str, rate: str
) -> None:
    graph = f"testsrc2=size=64x64:rate={rate}:duration={seconds}"
    source = make("-f", "lavfi", "-i", graph, "-c:v", "ffv1", "in.mkv")
    expected = int(Fraction(seconds) * int(rate) + Fraction(1, 2))
    assert enhanced(source).report.frames_out == expected


def test_a_file_that_is_copied_holds_the_same_packets(make: Callable[..., Path]) -> None:
    source = make(
        "-f", "lavfi", "-i", PICTURE, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "3", "in.mkv"
    )
    outcome = enhanced(source)
    assert outcome.report.plan.remux
    pictures = []
    for path in (source, outcome.output):
        with av.open(str(path)) as container:
            pictures.append([frame.to_ndarray().tobytes() for frame in container.decode(video=0)])
    assert pictures[0] == pictures[1]


def test_a_film_that_changes_its_size_is_not_copied(tmp_path: Path) -> None:
    source = hostile_makers.make("grows_h264.mkv", tmp_path)
    outcome = enhanced(source, SETTINGS.model_copy(update={"strength": 0}))
    assert not outcome.report.plan.remux
    assert NoteCode.PICTURE_CHANGES in codes(outcome)
    with av.open(str(outcome.output)) as container:
        assert {(frame.width, frame.height) for frame in container.decode(video=0)} == {(96, 64)}


def test_reordered_pictures_of_an_avi_keep_even_times(tmp_path: Path) -> None:
    source = hostile_makers.make("b_frames_h264.avi", tmp_path)
    outcome = enhanced(source)
    assert NoteCode.TIMESTAMPS_REPAIRED not in codes(outcome)
    with av.open(str(outcome.output)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert steps == pytest.approx([0.04] * 9, abs=1e-4)


def test_raising_from_progress_stops_the_job(make: Callable[..., Path]) -> None:
    source = make("-f", "lavfi", "-i", PICTURE, "-c:v", "mpeg4", "in.avi")
    workspace = source.parent / "work"
    workspace.mkdir()

    class Enough(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.frames_done > 3:
            raise Enough

    job = EnhancementJob("file", 1, "worker", source, workspace, "result.mp4", SETTINGS, "key", 2)
    with pytest.raises(Enough):
        enhance(job, stop)


def test_a_folder_that_cannot_be_written_is_told_in_words(make: Callable[..., Path]) -> None:
    source = make("-f", "lavfi", "-i", PICTURE, "-c:v", "mpeg4", "in.avi")
    workspace = source.parent / "work"
    job = EnhancementJob("file", 1, "worker", source, workspace, "result.mp4", SETTINGS, "key", 2)
    if os.geteuid() == 0:
        pytest.skip("the superuser may write anywhere")
    workspace.mkdir(mode=0o500)
    with pytest.raises(TaskFailedError) as failure:
        enhance(job, lambda progress: None)
    assert failure.value.code is ErrorCode.OUTPUT_NOT_WRITABLE


def test_a_full_disk_is_told_in_words(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    source = make("-f", "lavfi", "-i", PICTURE, "-c:v", "mpeg4", "in.avi")
    workspace = source.parent / "work"
    workspace.mkdir()
    # Linux' device that is always full stands where the result would be written.
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    (workspace / "output.mp4").symlink_to("/dev/full")
    job = EnhancementJob("file", 1, "worker", source, workspace, "result.mp4", SETTINGS, "key", 2)
    with pytest.raises(TaskFailedError) as failure:
        enhance(job, lambda progress: None)
    assert failure.value.code is ErrorCode.DISK_FULL
    assert errno.ENOSPC
