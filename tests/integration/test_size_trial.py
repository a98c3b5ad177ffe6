"""The predicted size of a result against what the whole run really makes."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from tests.fixtures.small_films import make_film, noisy_pictures
from workers.media.enhance import enhance
from workers.media.jobs import EnhancementJob, PreviewJob
from workers.media.preview import preview
from workers.protocol.settings import EnhancementSettings

FRAMES = 120
CLOCK = 90_000
SETTINGS = EnhancementSettings(remux_when_clean=False)


def film(folder: Path, sigma: float, sounds: Sequence[Sequence[tuple[float, float]]] = ()) -> Path:
    ticks = [round(Fraction(CLOCK, 25) * number) for number in range(FRAMES)]
    return make_film(
        folder / "film.mp4", noisy_pictures(FRAMES, sigma), ticks, sounds=[list(sound) for sound in sounds]
    )


def predicted(path: Path, folder: Path, settings: EnhancementSettings) -> int:
    folder.mkdir()
    outcome = preview(
        PreviewJob(path, folder, "p", settings, 0.0, 0.0, 128, wants_size=True), lambda _progress: None
    )
    assert outcome.plan.predicted_size_bytes is not None
    return outcome.plan.predicted_size_bytes


def made(path: Path, folder: Path, settings: EnhancementSettings) -> int:
    folder.mkdir()
    job = EnhancementJob("f", 1, "w", path, folder, "out.mp4", settings, "k")
    return enhance(job, lambda _progress: None).output.stat().st_size


@pytest.mark.parametrize("sigma", [2.0, 12.0])
def test_the_size_is_about_what_the_whole_run_makes(tmp_path: Path, sigma: float) -> None:
    path = film(tmp_path, sigma, sounds=[[(0.0, 4.8)]])
    expected = predicted(path, tmp_path / "preview", SETTINGS)
    real = made(path, tmp_path / "whole", SETTINGS)
    assert 0.7 * real < expected < 1.4 * real


def test_a_copied_film_stays_as_large_as_it_is(tmp_path: Path) -> None:
    path = film(tmp_path, 0.3)
    untouched = EnhancementSettings(strength=0)
    assert predicted(path, tmp_path / "preview", untouched) == path.stat().st_size


def test_no_size_is_predicted_unasked(tmp_path: Path) -> None:
    path = film(tmp_path, 2.0)
    outcome = preview(PreviewJob(path, tmp_path, "p", SETTINGS, 0.0, 0.0, 128), lambda _progress: None)
    assert outcome.plan.predicted_size_bytes is None
