"""Fields from a file to the finished file: every moment a picture, every film picture once, at its own time."""

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fixtures.woven import interlaced, moments, pulled_down
from workers.media.enhance import enhance
from workers.media.jobs import EnhancementJob, EnhancementOutcome
from workers.protocol.media import FieldOrder
from workers.protocol.plan import FrameMapKind
from workers.protocol.settings import ChainSpeed, DeinterlaceOutput, EncoderSpeed, EnhancementSettings
from workers.protocol.steps import DeinterlaceStep, InverseTelecineStep

type Luma = NDArray[np.uint8]

SETTINGS = EnhancementSettings(
    encoder_speed=EncoderSpeed.ULTRAFAST, crf=4, colour=False, sharpen=False, denoise=False
)
PERIOD = Fraction(1001, 30000)


def enhanced(pictures: Sequence[Luma], folder: Path, **changes: object) -> EnhancementOutcome:
    height, width = pictures[0].shape
    grey = np.full((height // 2 * 2, width // 2), 128, np.uint8).tobytes()
    source = folder / "source.mov"
    subprocess.run(
        [
            imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y",
            "-f", "rawvideo", "-s", f"{width}x{height}", "-pix_fmt", "yuv420p", "-r", "30000/1001", "-i", "-",
            "-c:v", "ffv1", "-g", "10", "-video_track_timescale", "30000", str(source),
        ],
        input=b"".join(picture.tobytes() + grey[: width * height // 2] for picture in pictures),
        check=True,
        timeout=60,
    )  # fmt: skip
    workspace = folder / "work"
    workspace.mkdir()
    settings = SETTINGS.model_copy(update=changes)
    job = EnhancementJob("file", 1, "worker", source, workspace, "result.mp4", settings, "key", 2)
    return enhance(job, lambda progress: None)


def shown(path: Path) -> list[tuple[Fraction, Luma]]:
    """When and what."""
    found = []
    with av.open(str(path)) as container:
        for picture in container.decode(video=0):
            assert picture.pts is not None
            assert picture.time_base is not None
            plane = picture.planes[0]
            rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            found.append((picture.pts * picture.time_base, rows[:, : plane.width].copy()))
    return found


def nearest(picture: Luma, among: Sequence[Luma]) -> int:
    return int(np.argmin([np.abs(picture.astype(float) - other).mean() for other in among]))


@pytest.mark.parametrize("speed", [ChainSpeed.FAST, ChainSpeed.BALANCED])
@pytest.mark.parametrize("top_first", [True, False])
def test_by_fields_every_moment_becomes_a_picture_of_its_own(
    tmp_path: Path, speed: ChainSpeed, top_first: bool
) -> None:
    truth = moments(40, step_px=2)
    outcome = enhanced(
        interlaced(truth, top_first=top_first),
        tmp_path,
        speed=speed,
        deinterlace_output=DeinterlaceOutput.FIELD,
    )
    step = next(step for step in outcome.report.plan.steps if isinstance(step, DeinterlaceStep))
    assert step.field_order is (FieldOrder.TOP_FIRST if top_first else FieldOrder.BOTTOM_FIRST)
    made = shown(outcome.output)
    assert len(made) == 40
    for number, (time, picture) in enumerate(made):
        assert abs(time - number * PERIOD / 2) < Fraction(1, 10_000)
        assert nearest(picture, truth) == number


def test_by_frames_every_picture_stays_one(tmp_path: Path) -> None:
    truth = moments(40, step_px=2)
    outcome = enhanced(interlaced(truth, top_first=True), tmp_path)
    made = shown(outcome.output)
    assert [nearest(picture, truth) for _, picture in made] == list(range(0, 40, 2))
    assert [time for time, _ in made] == [number * PERIOD for number in range(20)]


@pytest.mark.parametrize("top_first", [True, False])
def test_film_comes_out_with_its_own_pictures_and_rate(tmp_path: Path, top_first: bool) -> None:
    film = moments(32, step_px=6)
    coded, _ = pulled_down(film, top_first=top_first)
    outcome = enhanced(coded, tmp_path)
    assert any(isinstance(step, InverseTelecineStep) for step in outcome.report.plan.steps)
    assert outcome.report.plan.frame_map is FrameMapKind.TELECINE
    made = shown(outcome.output)
    assert [nearest(picture, film) for _, picture in made] == list(range(32))
    for number, (time, _) in enumerate(made):
        assert abs(time - number * PERIOD * 5 / 4) < Fraction(1, 10_000)


def test_a_break_in_the_rhythm_moves_no_picture_by_more_than_one_of_the_sources(tmp_path: Path) -> None:
    film = moments(40, step_px=6)
    coded, origin = pulled_down(film, top_first=True)
    kept = [*range(17), *range(20, len(coded))]
    made = shown(enhanced([coded[number] for number in kept], tmp_path).output)
    numbers = [nearest(picture, film) for _, picture in made]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 37
    for (time, _), number in zip(made, numbers, strict=True):
        stands = [place for place, n in enumerate(kept) if number in origin[n]]
        assert (min(stands) - 1) * PERIOD <= time <= (max(stands) + 1) * PERIOD
