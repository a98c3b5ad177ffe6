"""A job's thread limit holds in every library, and the next job's again: a child does one after the other."""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import vapoursynth as vs

from tests.integration.test_preview_media import make_noisy_film
from workers.media.jobs import PreviewJob
from workers.protocol.settings import EnhancementSettings
from workers.runtime.media_jobs import run


@pytest.mark.parametrize("limits", [(1, 0), (0, 1)])
def test_each_job_has_its_own_limit(limits: tuple[int, int], tmp_path: Path) -> None:
    film = make_noisy_film(tmp_path / "film.mp4")
    for number, threads in enumerate(limits):
        settings = EnhancementSettings(strength=1.0 + number / 10)  # another plan: the filters are made anew
        run(
            PreviewJob(film, tmp_path, f"p{number}", settings, 1.0, 0.0, 128, threads), lambda _progress: None
        )
        assert vs.core.num_threads == (threads or os.cpu_count())
        assert cv2.getNumThreads() == (threads or os.cpu_count())


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    cv2.setNumThreads(-1)
    vs.core.num_threads = os.cpu_count() or 1
