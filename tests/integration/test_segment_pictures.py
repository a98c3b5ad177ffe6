"""Pictures made in segments are, bit for bit and to the tick, those of a run over the whole file."""

import tomllib
from collections.abc import Sequence
from fractions import Fraction
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.fixtures.segment_runs import FilmInParts, in_order, recorded_pictures, whole
from tests.fixtures.small_films import CLOCK, code_film, make_film, uneven_times
from tests.fixtures.textures import texture
from tests.fixtures.woven import Luma, interlaced, moments, noisy, pulled_down
from workers.media.jobs import EnhancementOutcome
from workers.media.probe import examine
from workers.protocol.plan import EnhancementPlan
from workers.protocol.settings import (
    ChainSpeed,
    DeinterlaceOutput,
    EncoderSpeed,
    EnhancementSettings,
    GrainChoice,
)

PRESETS = sorted(
    entry.name.removesuffix(".toml") for entry in resources.files("resources.presets").iterdir()
    if entry.name.endswith(".toml")
)  # fmt: skip
QUICK = EnhancementSettings(encoder_speed=EncoderSpeed.ULTRAFAST)
STEADY = QUICK.model_copy(update={"denoise": False, "colour": False, "sharpen": False, "deband": False})
COUNT = 48
EVEN = [3003 * number for number in range(COUNT)]


def preset(name: str) -> EnhancementSettings:
    text = resources.files("resources.presets").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    settings = EnhancementSettings.model_validate(tomllib.loads(text))
    return settings.model_copy(update={"encoder_speed": EncoderSpeed.ULTRAFAST})


def kinds(plan: EnhancementPlan) -> set[str]:
    return {step.kind.value for step in plan.steps}


def assert_identical(film: Path, folder: Path, settings: EnhancementSettings) -> EnhancementPlan:
    """Both ways, compared before the encoder; returns what was done at first.

    Where the harm gate sends the whole run back, it sends the segments back too, for the same reason.
    """
    with recorded_pictures() as expected:
        report = whole(film, folder, settings).report
    parts = FilmInParts(film, folder, settings)
    plan = first = parts.plan()
    assert len(plan.spans) >= 3
    for start in range(0, len(expected), plan.output_pictures):
        with recorded_pictures() as found:
            parts.segments(plan)
        assert in_order(found) == expected[start : start + plan.output_pictures]
        outcome = parts.assemble(plan)
        if isinstance(outcome, EnhancementOutcome):
            assert start + plan.output_pictures == len(expected)
            assert outcome.report.gate == report.gate
            assert outcome.report.plan == report.plan
        else:
            assert outcome.segment_plan is not None
            plan = outcome.segment_plan
    return first.plan


def film_of(pictures: Sequence[Luma], path: Path, *, times: Sequence[int] | None = None) -> Path:
    """With pictures that refer forwards, a keyframe at every tenth."""
    return make_film(path, pictures, times or EVEN[: len(pictures)], last_duration=3003, group=10)


def grainy(count: int = COUNT, sigma: float = 8.0) -> list[Luma]:
    return noisy(moments(count, step_px=1.5, size=(96, 128)), sigma)


@pytest.mark.parametrize("times", [EVEN, uneven_times(COUNT)], ids=["constant rate", "variable rate"])
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset(tmp_path: Path, name: str, times: list[int]) -> None:
    film = film_of(grainy(), tmp_path / "film.mp4", times=times)
    assert "denoise" in kinds(assert_identical(film, tmp_path, preset(name)))


@pytest.mark.parametrize(
    "speed, sigma", [(ChainSpeed.FAST, 3.0), (ChainSpeed.BALANCED, 15.0), (ChainSpeed.BEST, 3.0)]
)
def test_noise_removal(tmp_path: Path, speed: ChainSpeed, sigma: float) -> None:
    film = film_of(grainy(sigma=sigma), tmp_path / "film.mp4")
    plan = assert_identical(film, tmp_path, QUICK.model_copy(update={"speed": speed}))
    assert plan.radius >= 1


@pytest.mark.parametrize("speed", ChainSpeed)
@pytest.mark.parametrize("output", DeinterlaceOutput)
def test_deinterlacing(tmp_path: Path, output: DeinterlaceOutput, speed: ChainSpeed) -> None:
    top_first = speed is ChainSpeed.BALANCED
    pictures = interlaced(noisy(moments(80, step_px=2), 4), top_first=top_first)
    film = code_film(tmp_path / "film.mov", pictures, "-c:v", "ffv1", "-g", "10")
    settings = QUICK.model_copy(update={"deinterlace_output": output, "speed": speed})
    plan = assert_identical(film, tmp_path, settings)
    assert "deinterlace" in kinds(plan)
    assert plan.frame_map.value == ("fields" if output is DeinterlaceOutput.FIELD else "one_to_one")


def test_progressive_scenes_among_interlaced_ones(tmp_path: Path) -> None:
    pictures = interlaced(moments(60, step_px=2), top_first=True)
    still = moments(100, step_px=2, seed=9)[::2]
    mixed = [*pictures[:20], *still[:15], *pictures[20:], *still[15:30]]
    film = code_film(tmp_path / "film.mov", mixed, "-c:v", "ffv1", "-g", "10")
    assert "deinterlace" in kinds(assert_identical(film, tmp_path, QUICK))


@pytest.mark.parametrize("is_noisy", [False, True], ids=["clean", "noisy"])
def test_inverse_telecine(tmp_path: Path, is_noisy: bool) -> None:
    coded, _ = pulled_down(moments(64, step_px=6), top_first=is_noisy)
    kept = [picture for number, picture in enumerate(coded) if not 33 <= number < 36]
    pictures = noisy(kept, 4) if is_noisy else kept
    film = code_film(tmp_path / "film.mov", pictures, "-c:v", "ffv1", "-g", "10")
    plan = assert_identical(film, tmp_path, QUICK if is_noisy else STEADY)
    assert "inverse_telecine" in kinds(plan)
    assert ("denoise" in kinds(plan)) is is_noisy


def test_deflickering(tmp_path: Path) -> None:
    world = np.clip(texture(12, 128, 192), 25, 210)
    light = np.exp(np.random.default_rng(4).normal(0, 0.05, COUNT))
    pictures = [np.rint(16 + (world - 16) * gain).astype(np.uint8) for gain in light]
    film = film_of(pictures, tmp_path / "film.mp4")
    assert kinds(assert_identical(film, tmp_path, STEADY)) == {"deflicker"}


def test_stabilising(tmp_path: Path) -> None:
    world = np.clip(texture(12, 200, 300), 25, 210)
    places = np.array([40, 50]) + np.random.default_rng(4).normal(0, 1.6, (COUNT, 2))
    pictures = [
        np.rint(cv2.getRectSubPix(world, (192, 128), (float(x) + 96, float(y) + 64))).astype(np.uint8)
        for y, x in places
    ]
    film = film_of(pictures, tmp_path / "film.mp4")
    settings = STEADY.model_copy(update={"stabilise": True})
    assert "stabilise" in kinds(assert_identical(film, tmp_path, settings))


def test_renewed_grain(tmp_path: Path) -> None:
    film = film_of(grainy(), tmp_path / "film.mp4")
    plan = assert_identical(film, tmp_path, QUICK.model_copy(update={"grain": GrainChoice.RENEW}))
    assert {"denoise", "grain"} <= kinds(plan)


@pytest.mark.parametrize(
    "times, rate",
    [(EVEN, Fraction(25)), (EVEN, Fraction(60000, 1001)), (uneven_times(COUNT), Fraction(25))],
    ids=["lower", "twice", "from a variable one"],
)
def test_another_rate(tmp_path: Path, times: list[int], rate: Fraction) -> None:
    film = film_of(grainy(), tmp_path / "film.mp4", times=times)
    plan = assert_identical(film, tmp_path, QUICK.model_copy(update={"frame_rate": rate}))
    assert plan.frame_map.value == "constant_rate"


def test_another_rate_of_film_that_was_put_together(tmp_path: Path) -> None:
    coded, _ = pulled_down(moments(64, step_px=6), top_first=True)
    film = code_film(tmp_path / "film.mov", coded, "-c:v", "ffv1", "-g", "10")
    plan = assert_identical(film, tmp_path, QUICK.model_copy(update={"frame_rate": Fraction(30)}))
    assert {"inverse_telecine", "frame_rate"} <= kinds(plan)


CODINGS = {
    "H.264, open groups": ("mp4", "libx264", "-bf", "3", "-x264-params", "open-gop=1:b-pyramid=normal"),
    "H.264, open groups, in Matroska": ("mkv", "libx264", "-bf", "3", "-x264-params", "open-gop=1"),
    "H.264, open groups, in MPEG-TS": ("ts", "libx264", "-bf", "3", "-x264-params", "open-gop=1"),
    "H.264, refreshed line by line": ("mp4", "libx264", "-x264-params", "intra-refresh=1"),
    "HEVC, open groups": (
        "mp4", "libx265", "-x265-params", "log-level=error:keyint=12:min-keyint=12:open-gop=1:bframes=4"
    ),
    "MPEG-2, open groups": ("mpg", "mpeg2video", "-bf", "2", "-b:v", "6M"),
    "MPEG-2 in MPEG-TS": ("ts", "mpeg2video", "-bf", "2", "-b:v", "6M"),
    "MPEG-4": ("mp4", "mpeg4", "-bf", "2", "-b:v", "4M"),
    "VP9": ("webm", "libvpx-vp9", "-b:v", "2M", "-deadline", "realtime", "-cpu-used", "8"),
    "AV1": ("mkv", "libsvtav1", "-crf", "20", "-preset", "10"),
    "Motion JPEG": ("mov", "mjpeg", "-q:v", "3"),
}  # fmt: skip


@pytest.mark.parametrize("coding", CODINGS.values(), ids=CODINGS)
def test_every_way_of_referring_to_other_pictures(tmp_path: Path, coding: tuple[str, ...]) -> None:
    suffix, codec, *options = coding
    film = code_film(tmp_path / f"film.{suffix}", grainy(), "-c:v", codec, "-g", "12", "-crf", "12", *options)
    assert "denoise" in kinds(assert_identical(film, tmp_path, QUICK))


def test_a_file_that_calls_every_picture_a_keyframe(tmp_path: Path) -> None:
    film = code_film(tmp_path / "film.mp4", grainy(), "-c:v", "mpeg4", "-g", "2", "-bf", "0", "-b:v", "4M")
    data = film.read_bytes()
    assert b"stss" in data
    film.write_bytes(data.replace(b"stss", b"free"))
    scan = examine(film).main_scan
    assert scan.keyframe_pts == scan.pts
    assert_identical(film, tmp_path, QUICK)


def test_pictures_that_nothing_is_done_to(tmp_path: Path) -> None:
    clean = [
        np.roll(texture(3, 96, 128), number, axis=1).clip(20, 200).astype(np.uint8) for number in range(COUNT)
    ]
    film = film_of(clean, tmp_path / "film.mp4")
    settings = STEADY.model_copy(update={"remux_when_clean": False, "deflicker": False})
    assert kinds(assert_identical(film, tmp_path, settings)) == set()


def test_a_film_that_starts_late(tmp_path: Path) -> None:
    late = [ticks + 5 * CLOCK for ticks in uneven_times(COUNT)]
    film = make_film(
        tmp_path / "film.mkv", grainy(), late, last_duration=3003, group=10, sounds=[[(4.8, 6.0)]]
    )
    assert_identical(film, tmp_path, QUICK)
