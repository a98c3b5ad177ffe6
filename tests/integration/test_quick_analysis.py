"""Sampling and reading real files of every kind: what is looked at, how much of it is kept, and that it ends well."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from numpy.typing import NDArray

from workers.media.analysis import SampleRun, analyse
from workers.media.colour_names import MATRICES
from workers.media.encode import code_point
from workers.media.filters.samples import SampleReader
from workers.media.material import material
from workers.media.plan import output_colour
from workers.media.probe import examine
from workers.media.sampling import sample_frames
from workers.protocol.analysis import Analysis


def scene(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Blocks of colour that wander, with a little noise."""
    random = np.random.default_rng(number)
    small = np.random.default_rng(7).integers(40, 200, (height // 8 + 3, width // 8 + 20, 3))
    large = small.repeat(8, 0).repeat(8, 1)[:height, 2 * number % 100 :][:, :width]
    return np.clip(large + random.normal(0, 2, large.shape), 0, 255).astype(np.uint8)


def film(
    path: Path,
    codec: str,
    pixels: str,
    frames: int,
    *,
    size: tuple[int, int] = (96, 64),
    every: int = 1000,
) -> Path:
    with av.open(path, "w") as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=25))
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        stream.codec_context.gop_size = every
        for number in range(frames):
            drawn = av.VideoFrame.from_ndarray(
                scene(number, *(min(side, 640) for side in size)), format="rgb24"
            )
            picture = drawn.reformat(*size, format=pixels)
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def looked_at(path: Path) -> tuple[list[SampleRun], Analysis]:
    examination = examine(path)
    video = examination.info.main_video
    assert video is not None
    source = material(path, examination.info, video, examination.main_scan)
    reader = SampleReader(source.picture, None, matrix=code_point(MATRICES, output_colour(video).matrix))
    runs = [*reader.runs(sample_frames(path, video.index, source.scan, threads=1))]
    return runs, analyse(runs, video)


def lengths(runs: Iterable[SampleRun]) -> list[int]:
    return [len(run.pictures) for run in runs]


@pytest.mark.parametrize("frames, expected", [(1, [1]), (2, [2]), (5, [3]), (9, [7]), (14, [10, 2])])
def test_short_files_are_looked_at_as_far_as_they_go(
    tmp_path: Path, frames: int, expected: list[int]
) -> None:
    runs, found = looked_at(film(tmp_path / "short.mkv", "ffv1", "yuv420p", frames))
    assert lengths(runs) == expected
    assert found.sampled_frames >= 1
    assert (found.noise_sigma > 0) is (frames > 1)


@pytest.mark.parametrize("every", [1000, 5, 1])
def test_a_longer_file_is_looked_at_in_several_places_whatever_its_keyframes(
    tmp_path: Path, every: int
) -> None:
    runs, found = looked_at(film(tmp_path / "film.mkv", "mpeg4", "yuv420p", 120, every=every))
    assert found.sampled_frames >= 12
    long_ones = [length for length in lengths(runs) if length >= 8]
    assert len(long_ones) >= 3
    assert max(lengths(runs)) <= 10


def test_a_file_that_cannot_seek_is_looked_at_from_its_beginning(tmp_path: Path) -> None:
    runs, found = looked_at(film(tmp_path / "raw.m4v", "mpeg4", "yuv420p", 30))
    assert lengths(runs)
    assert found.sampled_frames >= 1


@pytest.mark.parametrize(
    "codec, pixels, suffix",
    [
        ("ffv1", "yuv444p12le", "mkv"),
        ("ffv1", "yuv422p10le", "mkv"),
        ("ffv1", "gray", "mkv"),
        ("ffv1", "gray12le", "mkv"),
        ("ffv1", "yuva420p", "mkv"),
        ("ffv1", "bgr0", "mkv"),
        ("png", "rgba", "mov"),
        ("rawvideo", "yuv411p", "avi"),
        ("mjpeg", "yuvj420p", "avi"),
    ],
)
def test_every_kind_of_pixel_is_read_in_the_same_codes(
    tmp_path: Path, codec: str, pixels: str, suffix: str
) -> None:
    runs, found = looked_at(film(tmp_path / f"film.{suffix}", codec, pixels, 14))
    assert lengths(runs) == [10, 2]
    assert found.noise_sigma == pytest.approx(1.5, abs=1.2)
    assert 0.3 < found.mean_level < 0.6
    assert (found.cast.confidence, found.saturation) == (0, 0) if "gray" in pixels else found.saturation > 5
    first = runs[0].pictures[0]
    assert first.strip.shape == (64, 96)
    assert first.strip.dtype == np.uint8


def test_odd_sizes_are_read_without_their_padding(tmp_path: Path) -> None:
    runs, _ = looked_at(film(tmp_path / "odd.mkv", "ffv1", "yuv420p", 4, size=(97, 65)))
    assert {picture.strip.shape for run in runs for picture in run.pictures} == {(65, 97)}


def test_a_size_that_changes_on_the_way_is_read_in_the_first_one(tmp_path: Path) -> None:
    first = film(tmp_path / "a.ts", "mpeg2video", "yuv420p", 12, every=3)
    second = film(tmp_path / "b.ts", "mpeg2video", "yuv420p", 12, size=(128, 96), every=3)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    runs, found = looked_at(joined)
    assert {picture.strip.shape for run in runs for picture in run.pictures} == {(64, 96)}
    assert found.sampled_frames >= 1


def test_what_is_kept_of_a_huge_picture_is_small(tmp_path: Path) -> None:
    runs, found = looked_at(film(tmp_path / "huge.avi", "mjpeg", "yuvj420p", 3, size=(7680, 4320)))
    assert found.sampled_frames >= 1
    kept = 0
    for picture in runs[0].pictures:
        assert picture.strip.shape == (4320, 960)
        detail = picture.detail
        if detail is not None:
            assert detail.middle.shape == (720, 1280)
            parts = (detail.middle, detail.lines, detail.columns, detail.tone)
            kept += sum(part.nbytes for part in parts)
        kept += picture.strip.nbytes + picture.small.nbytes
    assert kept < 25_000_000 * len(runs[0].pictures)
