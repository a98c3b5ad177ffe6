"""Previews of real films: the very pictures of the whole run, from whatever place in the file."""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from numpy.typing import NDArray

from tests.fixtures.small_films import HEIGHT_PX, WIDTH_PX, noisy_pictures
from workers.errors import JobStoppedError, TaskFailedError
from workers.media.colour_names import MATRICES
from workers.media.decode import VideoDecoder
from workers.media.encode import code_point
from workers.media.filters.graph import FilterGraph
from workers.media.frame_map import frame_map, output_clock
from workers.media.frames import FrameWindow, repaired
from workers.media.jobs import PreviewJob, PreviewOutcome, Progress
from workers.media.material import Material, material
from workers.media.preview import preview
from workers.media.probe import examine
from workers.media.seeking import SeekableFrames
from workers.media.timestamps import FrameTime, TimestampRepair
from workers.protocol.plan import EnhancementPlan
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode

FRAMES = 60


def make_noisy_film(path: Path, codec: str = "libx264", **options: str) -> Path:
    """Moving noise with a short group of pictures and pictures that refer forwards."""
    with av.open(str(path), "w") as container:
        stream = cast(
            VideoStream, container.add_stream(codec, rate=25, options={"g": "12", "bf": "3", **options})
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        if codec != "libx264":
            stream.bit_rate = 8_000_000
        for number, luma in enumerate(noisy_pictures(FRAMES, 9.0)):
            chroma = np.full((HEIGHT_PX // 2, WIDTH_PX), 128, np.uint8)
            moved = np.roll(luma, number, axis=1)
            frame = av.VideoFrame.from_ndarray(np.concatenate([moved, chroma]), format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def source_of(path: Path) -> Material:
    examination = examine(path)
    video = examination.info.main_video
    assert video is not None
    return material(path, examination.info, video, examination.main_scan)


def job(path: Path, folder: Path, at_s: float, **changes: Any) -> PreviewJob:
    values: dict[str, Any] = {
        "stem": "p",
        "settings": EnhancementSettings(),
        "duration_s": 0.0,
        "max_side_px": 1920,
    }
    return PreviewJob(source=path, folder=folder, at_s=at_s, **{**values, **changes})


def shown(path: Path, folder: Path, at_s: float, **changes: Any) -> PreviewOutcome:
    return preview(job(path, folder, at_s, **changes), lambda _progress: None)


def pixels(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def whole_run(source: Material, plan: EnhancementPlan) -> Iterator[tuple[FrameTime, NDArray[np.uint8]]]:
    """Every filtered picture as RGB, made as in the whole run."""
    import vapoursynth as vs

    clock = output_clock(plan, source.clock)
    decoder = VideoDecoder(source.path, source.video.index)
    with FrameWindow(repaired(decoder, TimestampRepair(clock, source.nominal_s)), read_ahead=6) as window:
        matrix = code_point(MATRICES, plan.colour.matrix)
        pictures = frame_map(plan, clock.timescale, None)
        graph = FilterGraph(plan, source.picture, window, pictures, matrix=matrix, threads=0)
        rgb = vs.core.resize.Spline36(
            graph.nodes.filtered, format=vs.RGB24, matrix_in=matrix, range_in_s="limited"
        )
        for picture, _ in graph.run(graph.nodes.filtered, pictures.pictures(window.each_time())):
            frame = graph.picture(rgb, picture.number)
            yield picture.time, np.dstack([np.asarray(frame[plane]) for plane in range(3)])


@pytest.mark.parametrize(
    "codec, name",
    [
        ("libx264", "noisy.mp4"),
        ("mpeg2video", "noisy.ts"),
        ("libx265", "noisy.mkv"),
        ("libsvtav1", "noisy.mkv"),
    ],
)
def test_any_picture_is_the_one_of_the_whole_run(codec: str, name: str, tmp_path: Path) -> None:
    extra = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    film = make_noisy_film(tmp_path / name, codec, **extra)
    source = source_of(film)
    places = (40, 3, 41, 59, 0, 22, 23)
    outcomes = []
    for number in places:
        outcome = shown(film, tmp_path, number / 25 + 0.001, stem=f"p{number}")
        outcomes.append(outcome)
        assert outcome.notes == ()
    assert "denoise" in [step.kind.value for step in outcomes[0].plan.steps]
    whole = list(whole_run(source, outcomes[0].plan))
    assert len(whole) == FRAMES
    for number, outcome in zip(places, outcomes, strict=True):
        time, picture = whole[number]
        assert Fraction(outcome.at_s).limit_denominator(1000) == Fraction(time.ticks, source.clock.timescale)
        assert np.array_equal(pixels(outcome.after)[0], picture)
        assert not np.array_equal(pixels(outcome.before)[0], picture)


def test_frames_by_number_are_those_of_the_whole_file(tmp_path: Path) -> None:
    film = make_noisy_film(tmp_path / "film.mp4")
    source = source_of(film)
    with VideoDecoder(film, source.video.index) as decoder:
        whole = [frame.to_ndarray() for frame in decoder.frames()]
    times = [FrameTime(number, 1) for number in range(FRAMES)]
    frames = SeekableFrames(film, source.scan, times, threads=0, check=lambda: None)
    for number in (59, 30, 31, 7, 0, 58, 100, 12):
        found = frames.frame_or_last(number)
        assert found.number == min(number, FRAMES - 1)
        assert np.array_equal(found.picture.to_ndarray(), whole[found.number])
    frames.keep_only(20, 40)
    frames.release(30)
    assert np.array_equal(frames.frame_or_last(25).picture.to_ndarray(), whole[25])
    frames.close()


def test_a_clip_holds_the_pictures_of_its_time(tmp_path: Path) -> None:
    film = make_noisy_film(tmp_path / "film.mp4")
    outcome = shown(film, tmp_path, 1.0, duration_s=0.8, max_side_px=64)
    assert outcome.is_clip
    assert (outcome.width_px, outcome.height_px) == (64, 48)
    for clip in (outcome.before, outcome.after):
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            assert stream.time_base is not None
            times = [
                frame.pts * stream.time_base for frame in container.decode(stream) if frame.pts is not None
            ]
        assert times == [Fraction(number, 25) for number in range(20)]
    assert outcome.frames == 20


def test_a_smaller_picture_keeps_its_shape(tmp_path: Path) -> None:
    film = make_noisy_film(tmp_path / "film.mp4")
    outcome = shown(film, tmp_path, 99.0, max_side_px=32)
    assert pixels(outcome.after).shape == (1, 24, 32, 3)
    assert outcome.at_s == pytest.approx(59 / 25)


def test_a_stopped_job_does_not_spoil_the_next(tmp_path: Path) -> None:
    film = make_noisy_film(tmp_path / "film.mp4")
    calls = 0

    def stop(_progress: Progress) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise JobStoppedError

    with pytest.raises(JobStoppedError):
        preview(job(film, tmp_path, 1.0), stop)
    assert shown(film, tmp_path, 1.0).after.exists()
    calls = 0
    with pytest.raises(JobStoppedError):
        preview(job(film, tmp_path, 2.0), stop)
    assert shown(film, tmp_path, 2.0).after.exists()


def test_a_changed_file_is_looked_at_anew(tmp_path: Path) -> None:
    film = make_noisy_film(tmp_path / "film.mp4")
    first = shown(film, tmp_path, 0.0)
    film.write_bytes(make_noisy_film(tmp_path / "other.mp4", crf="45").read_bytes())
    assert shown(film, tmp_path, 0.0, stem="q").plan != first.plan


def test_what_is_no_video_is_refused_in_words_each_time(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text(json.dumps({"no": "video"}), encoding="utf-8")
    for _ in range(2):
        with pytest.raises(TaskFailedError) as caught:
            shown(text, tmp_path, 0.0)
        assert caught.value.code is ErrorCode.NOT_A_VIDEO
