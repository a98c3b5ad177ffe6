"""An enhancement in parts with the real media jobs behind a worker: through to the end, over a killed child."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tests.fixtures.part_tasks import analysis_task, assembly_task, segment_task
from tests.fixtures.small_films import make_film, noisy_pictures
from tests.fixtures.worker_peers import make_config, make_task
from workers.errors import TaskFailedError
from workers.protocol.results import AnalysisResult, EnhancementResult, SegmentResult
from workers.protocol.states import ErrorCode, Stage
from workers.runtime.attempts import WorkOptions
from workers.runtime.executor import MEDIA_JOBS, Executor, ExecutorOptions
from workers.runtime.progress import Measured
from workers.runtime.work import EnhancementWork

PICTURES = 240


@pytest.fixture
async def executor() -> AsyncIterator[Executor]:
    made = Executor(ExecutorOptions("media", ("enhance",), MEDIA_JOBS))
    await made.start()
    try:
        yield made
    finally:
        await made.aclose()


async def test_a_film_is_enhanced_in_parts_over_a_killed_child(executor: Executor, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    ticks = [number * 3003 for number in range(PICTURES)]
    make_film(film, noisy_pictures(PICTURES, 6.0), ticks, group=30, sounds=[[(0.0, 7.0)]])
    task = make_task(film, tmp_path / "out", timeout_s=240)
    work = EnhancementWork(WorkOptions(make_config(tmp_path), "worker"))

    def quiet(measured: Measured) -> None:
        return

    def kill(measured: Measured) -> None:
        pid = executor.child_pid
        if measured.stage is Stage.ENHANCING and pid is not None and psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)

    parts = await work.run(analysis_task(task, segment_s=2.0), executor, quiet)
    assert isinstance(parts, AnalysisResult)
    assert sum(span.count for span in parts.spans) == PICTURES
    assert len(parts.spans) > 2
    for number in range(len(parts.spans)):
        if number == 1:
            with pytest.raises(TaskFailedError) as failure:
                await work.run(segment_task(task, parts, number), executor, kill)
            assert failure.value.code is ErrorCode.WORKER_CRASHED
        made = await work.run(segment_task(task, parts, number, attempt=2), executor, quiet)
        assert isinstance(made, SegmentResult)
        assert made.pictures == parts.spans[number].count
        assert not made.was_found_finished
    again = await work.run(segment_task(task, parts, 0), executor, quiet)
    assert isinstance(again, SegmentResult)
    assert again.was_found_finished
    whole = await work.run(assembly_task(task, parts), executor, quiet)
    assert isinstance(whole, EnhancementResult)
    assert whole.frames == PICTURES
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["clip.mp4", "clip.poster.jpg", "clip.report.json"]
