"""Borders, size, grain, rate and dynamic range as asked for, from a file to the finished file."""

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from workers.media.enhance import enhance
from workers.media.filters.network import is_installed
from workers.media.jobs import EnhancementJob, EnhancementOutcome
from workers.protocol.settings import (
    EncoderSpeed,
    EnhancementSettings,
    GrainChoice,
    UpscaleMethod,
    VideoCodec,
)
from workers.protocol.steps import StepKind

FAST = EnhancementSettings(encoder_speed=EncoderSpeed.ULTRAFAST, colour=False)
PICTURE = "testsrc2=size=160x120:rate=25:duration=1"


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Runs ffmpeg with arguments; the last one is the file's name."""

    def run(*arguments: str) -> Path:
        target = tmp_path / arguments[-1]
        program = imageio_ffmpeg.get_ffmpeg_exe()
        command = [program, "-hide_banner", "-loglevel", "error", "-y", *arguments[:-1], str(target)]
        subprocess.run(command, check=True, timeout=120)
        return target

    return run


def enhanced(source: Path, **changes: object) -> EnhancementOutcome:
    workspace = source.parent / "work"
    workspace.mkdir(exist_ok=True)
    settings = FAST.model_copy(update=changes)
    job = EnhancementJob("file", 1, "worker", source, workspace, "result.mp4", settings, "key", 2)
    return enhance(job, lambda progress: None)


def luma(path: Path) -> list[np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    """Of every picture, in 8-bit codes."""
    with av.open(str(path)) as container:
        return [picture.to_ndarray(format="gray").astype(np.float32) for picture in container.decode(video=0)]


def taken(outcome: EnhancementOutcome) -> set[StepKind]:
    return {step.kind for step in outcome.report.plan.steps}


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "yuv422p10le", "gray"])
def test_borders_are_cut_off_and_what_is_left_is_the_picture(make: Callable[..., Path], pixels: str) -> None:
    graph = "pad=200:180:22:30:color=black"
    source = make("-f", "lavfi", "-i", PICTURE, "-vf", graph, "-c:v", "ffv1", "-pix_fmt", pixels, "s.mkv")
    outcome = enhanced(source, crop_borders=True)
    assert StepKind.CROP in taken(outcome)
    plain = make("-f", "lavfi", "-i", PICTURE, "-c:v", "ffv1", "-pix_fmt", pixels, "plain.mkv")
    pictures = luma(outcome.output)
    assert pictures[0].shape == (120, 160)
    # Any shift would cost far more: the test picture is full of edges.
    assert float(np.abs(pictures[0] - luma(plain)[0]).mean()) < 6


def test_borders_stay_when_nobody_asked(make: Callable[..., Path]) -> None:
    graph = "pad=200:180:22:30:color=black"
    source = make("-f", "lavfi", "-i", PICTURE, "-vf", graph, "-c:v", "ffv1", "-pix_fmt", "yuv420p", "s.mkv")
    outcome = enhanced(source)
    assert StepKind.CROP not in taken(outcome)
    assert luma(outcome.output)[0].shape == (180, 200)


@pytest.mark.parametrize("method", UpscaleMethod)
@pytest.mark.parametrize(
    "pixels, size",
    [("yuv420p", "160x120"), ("yuv420p", "97x63"), ("yuv422p10le", "64x48"), ("gray", "33x35")],
)
def test_an_enlarged_picture_shows_the_same_at_the_same_place(
    make: Callable[..., Path], method: UpscaleMethod, pixels: str, size: str
) -> None:
    if method is UpscaleMethod.NETWORK and not is_installed():
        pytest.skip("the network's packages are not installed")
    drawn = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=0.2,format=yuv444p")
    source = make(*drawn, "-vf", f"scale={size},setsar=1", "-c:v", "ffv1", "-pix_fmt", pixels, "s.mkv")
    outcome = enhanced(source, upscale=2, upscale_method=method, crf=5.0)
    width, height = (2 * int(side) for side in size.split("x"))
    made = luma(outcome.output)[0]
    assert made.shape == (height, width)
    assert outcome.report.gate is None or outcome.report.gate.passed, outcome.report.gate
    # Made small again by averaging, it is the source.
    small = made.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    assert float(np.abs(small - luma(source)[0]).mean()) < 3.5


@pytest.mark.parametrize("factor", [3, 4])
def test_other_factors_are_exact_with_rotation_and_oblong_pixels(
    make: Callable[..., Path], factor: int
) -> None:
    filters = "setsar=4/3"
    source = make("-f", "lavfi", "-i", PICTURE, "-vf", filters, "-t", "0.2", "-pix_fmt", "yuv420p", "s.mp4")
    outcome = enhanced(source, upscale=factor)
    assert luma(outcome.output)[0].shape == (120 * factor, 640 * factor // 3 + 640 * factor // 3 % 2)


def test_grain_is_put_back_at_a_third(make: Callable[..., Path]) -> None:
    scene = "gradients=size=320x240:rate=25:duration=1:c0=gray:c1=0x606060:speed=0.01"
    noisy = ("-vf", "noise=alls=18:allf=t", "-c:v", "ffv1", "-pix_fmt", "yuv420p", "s.mkv")
    source = make("-f", "lavfi", "-i", scene, *noisy)
    without = enhanced(source, crf=5.0)
    clean = luma(without.output)
    renewed = enhanced(source, grain=GrainChoice.RENEW, crf=5.0)
    grainy = luma(renewed.output)
    assert StepKind.GRAIN in taken(renewed)
    assert renewed.report.gate is not None
    assert renewed.report.gate.passed
    assert without.report.analysis is not None
    wanted = without.report.analysis.noise_sigma / 3
    found = float(np.mean([(one - other).std() for one, other in zip(grainy, clean, strict=True)]))
    assert found == pytest.approx(wanted, rel=0.3)


def test_a_rate_that_was_asked_for_is_what_the_file_has(make: Callable[..., Path]) -> None:
    source = make("-f", "lavfi", "-i", PICTURE, "-pix_fmt", "yuv420p", "s.mp4")
    outcome = enhanced(source, frame_rate=Fraction(50))
    assert StepKind.FRAME_RATE in taken(outcome)
    with av.open(str(outcome.output)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 50
        assert sum(1 for _ in container.decode(stream)) == 50


@pytest.mark.parametrize("codec", [VideoCodec.HEVC, VideoCodec.AV1])
def test_high_dynamic_range_is_kept_on_request(
    make: Callable[..., Path], shared_media: Path, codec: VideoCodec
) -> None:
    original = shared_media / "reference/ref_hdr10_pq_640x360_28f.mkv"
    source = make("-i", str(original), "-vf", "crop=320:180", "-frames:v", "8", "-c:v", "ffv1", "s.mkv")
    outcome = enhanced(source, keep_hdr=True, codec=codec, denoise=False)
    assert StepKind.TONE_MAP not in taken(outcome)
    with av.open(str(outcome.output)) as container:
        stream = container.streams.video[0]
        assert stream.format.name == "yuv420p10le"
        assert (stream.codec_context.color_trc, stream.codec_context.color_primaries) == (16, 9)
    error = np.abs(luma(outcome.output)[0] - luma(source)[0]).mean()
    assert float(error) < 2


def test_high_dynamic_range_cannot_be_kept_in_h264(make: Callable[..., Path], shared_media: Path) -> None:
    original = shared_media / "reference/ref_hdr10_pq_640x360_28f.mkv"
    source = make("-i", str(original), "-vf", "crop=160:120", "-frames:v", "4", "-c:v", "ffv1", "s.mkv")
    outcome = enhanced(source, keep_hdr=True)
    assert StepKind.TONE_MAP in taken(outcome)
    with av.open(str(outcome.output)) as container:
        assert container.streams.video[0].format.name == "yuv420p"
