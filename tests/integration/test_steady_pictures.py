"""Films that flicker or shake become steady, through the whole of an enhancement; the full analysis on real films."""

import hashlib
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fixtures.small_films import make_film
from tests.fixtures.textures import texture
from workers.media.enhance import enhance
from workers.media.full_analysis import full_analysis
from workers.media.jobs import EnhancementJob, EnhancementOutcome
from workers.media.material import Material, material
from workers.media.plan import plan_enhancement
from workers.media.probe import examine
from workers.media.quick_analysis import quick_analysis
from workers.media.tables import FrameTables, TablesError, load_tables
from workers.protocol.plan import EnhancementPlan
from workers.protocol.settings import EncoderSpeed, EnhancementSettings
from workers.protocol.steps import DeflickerStep, PlanStep, StabiliseStep

COUNT = 60
TIMES = [3600 * number for number in range(COUNT)]
SETTINGS = EnhancementSettings(
    encoder_speed=EncoderSpeed.VERYFAST,
    denoise=False,
    colour=False,
    sharpen=False,
    deband=False,
    dehalo=False,
)
WORLD = np.clip(texture(12, 200, 300), 25, 210)
DEFLICKER = DeflickerStep(amount=1, reason="test")
STABILISE = StabiliseStep(zoom=1.1, reason="test")

type Luma = NDArray[np.uint8]


def flickering() -> list[Luma]:
    light = np.exp(np.random.default_rng(4).normal(0, 0.05, COUNT))
    return [np.rint(16 + (WORLD[20:148, 20:212] - 16) * gain).astype(np.uint8) for gain in light]


def shaking() -> list[Luma]:
    places = np.array([40, 50]) + np.random.default_rng(4).normal(0, 1.6, (COUNT, 2))
    return [
        np.rint(cv2.getRectSubPix(WORLD, (192, 128), (float(x) + 96, float(y) + 64))).astype(np.uint8)
        for y, x in places
    ]


def enhanced(source: Path, settings: EnhancementSettings) -> EnhancementOutcome:
    workspace = source.with_suffix(".work")
    workspace.mkdir()
    job = EnhancementJob("file-1", 1, "worker", source, workspace, "film.mp4", settings, "key", 2)
    return enhance(job, lambda progress: None)


def lumas(path: Path) -> list[NDArray[np.float64]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray").astype(np.float64) for frame in container.decode(video=0)]


def prepared(path: Path, *steps: PlanStep) -> tuple[Material, EnhancementPlan]:
    examination = examine(path)
    video = examination.info.main_video
    assert video is not None
    source = material(path, examination.info, video, examination.main_scan)
    plan = plan_enhancement(examination.info, quick_analysis(source, threads=2), SETTINGS)
    return source, plan.model_copy(update={"steps": steps})


def tables(path: Path, *steps: PlanStep) -> FrameTables:
    source, plan = prepared(path, *steps)
    return full_analysis(source, plan, threads=2, on_frame=lambda count: None)


def test_a_flickering_film_becomes_steady(tmp_path: Path) -> None:
    source = make_film(tmp_path / "flicker.mp4", flickering(), TIMES, last_duration=3600)
    outcome = enhanced(source, SETTINGS)
    plan = outcome.report.plan
    assert [step.kind.value for step in plan.steps] == ["deflicker"]
    assert plan.tables_sha256 is not None
    assert outcome.report.gate is not None
    assert outcome.report.gate.passed
    before, after = ([luma.mean() for luma in lumas(path)] for path in (source, outcome.output))
    assert len(after) == COUNT
    assert np.abs(np.diff(after)).mean() < 0.2 * np.abs(np.diff(before)).mean()


def test_a_shaking_film_becomes_steady_when_asked(tmp_path: Path) -> None:
    source = make_film(tmp_path / "shake.mp4", shaking(), TIMES, last_duration=3600)
    settings = SETTINGS.model_copy(update={"stabilise": True})
    outcome = enhanced(source, settings)
    plan = outcome.report.plan
    (step,) = plan.steps
    assert isinstance(step, StabiliseStep)
    assert 1 < step.zoom <= 1 / 0.92 + 1e-3
    window = cv2.createHanningWindow((192, 128), cv2.CV_64F)
    moved = []
    for path in (source, outcome.output):
        pictures = lumas(path)
        steps = [cv2.phaseCorrelate(*pair, window)[0] for pair in pairwise(pictures)]
        moved.append(float(np.sqrt((np.diff(steps, axis=0) ** 2).mean())))
    assert moved[1] < 0.3 * moved[0]


def test_steady_films_are_left_alone(tmp_path: Path) -> None:
    still = [np.rint(WORLD[20:148, 20 + number : 212 + number]).astype(np.uint8) for number in range(COUNT)]
    source = make_film(tmp_path / "pan.mp4", still, TIMES, last_duration=3600)
    found = tables(source, DEFLICKER, STABILISE)
    assert (found.gain == 1).all()
    assert found.zoom.max() < 1.02


def test_tables_are_the_same_every_time_and_survive_their_file(tmp_path: Path) -> None:
    source = make_film(tmp_path / "shake.mp4", shaking(), TIMES, last_duration=3600)
    first, second = (tables(source, DEFLICKER, STABILISE) for _ in range(2))
    path = tmp_path / "tables.bin"
    digest = first.save(path)
    assert second.sha256 == digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_tables(path, digest).to_bytes() == first.to_bytes()
    assert not list(tmp_path.glob("*.part"))
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    with pytest.raises(TablesError, match="not the file"):
        load_tables(path, digest)


def test_progress_is_told_and_can_end_it(tmp_path: Path) -> None:
    source, plan = prepared(make_film(tmp_path / "film.mp4", shaking(), TIMES), DEFLICKER)
    counts: list[int] = []

    def on_frame(count: int) -> None:
        counts.append(count)
        if count == 7:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        full_analysis(source, plan, threads=2, on_frame=on_frame)
    assert counts == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    "name, cuts",
    [
        ("torchcodec/nasa_13013.mp4", [202]),
        ("derived/telecine_23_sintel_480i_anamorphic.mpg", [57]),
        ("derived/multi_audio_subs_chapters.mkv", []),
        ("moviepy/chaplin.mp4", []),
        ("androidx/avi_sample.avi", []),
        ("androidx/mkv_bbb_642x642_768kbps_30fps_vp9.webm", [6]),
        ("androidx/mp4_hdr10-av1.mp4", []),
        ("derived/odd_853x481_yuv444p.mp4", []),
        ("reference/ref_sintel_640x272_48f.mkv", [46]),
    ],
)
def test_cuts_of_real_films_and_no_flicker(shared_media: Path, name: str, cuts: list[int]) -> None:
    found = tables(shared_media / name, DEFLICKER)
    assert found.cuts.tolist() == cuts
    assert (found.gain == 1).all()


def test_a_resting_camera_rests_whatever_moves_in_front_of_it(shared_media: Path) -> None:
    found = tables(shared_media / "torchcodec/nasa_13013.mp4", STABILISE)
    assert not found.correction.any()


@pytest.mark.parametrize(
    "name, count",
    [
        ("derived/bitflip_200_nasa.mp4", 119),
        ("derived/truncated_60pct_faststart_nasa.mp4", 202),
        ("derived/one_frame.mp4", 1),
        ("androidx/mp4_sample_with_invalid_nalu.mp4", 29),
    ],
)
def test_damaged_films_are_counted_as_the_production_counts_them(
    shared_media: Path, name: str, count: int
) -> None:
    found = tables(shared_media / name, DEFLICKER, STABILISE)
    assert found.frame_count == len(found.gain) == len(found.zoom) == count
