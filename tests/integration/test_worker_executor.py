"""The killable child: real processes, real signals."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.worker_peers import JOBS, is_running, make_source, until
from workers.errors import TaskFailedError
from workers.media.jobs import EnhancementJob, EnhancementOutcome
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, Stage
from workers.runtime.executor import Executor, ExecutorOptions, JobFailedError
from workers.runtime.progress import Measured

LIMIT_S = 60.0


@asynccontextmanager
async def _executor(memory_limit_bytes: int | None = None) -> AsyncIterator[Executor]:
    executor = Executor(ExecutorOptions("test", ("enhance",), JOBS, memory_limit_bytes))
    await executor.start()
    try:
        yield executor
    finally:
        await executor.aclose()


def _job(folder: Path, name: str = "clip.mov", **orders: Any) -> EnhancementJob:
    source = make_source(folder, name, **orders)
    workspace = folder / f"workspace-{len(list(folder.iterdir()))}"
    workspace.mkdir()
    return EnhancementJob("file", 1, "worker", source, workspace, "clip.mp4", EnhancementSettings(), "key", 0)


async def test_a_child_is_warm_before_the_first_job_and_does_several(tmp_path: Path) -> None:
    async with _executor() as executor:
        assert await executor.wait_warm()
        first_pid = executor.child_pid
        for number in range(3):
            outcome = await executor.run(_job(tmp_path, f"{number}.mov"), timeout_s=LIMIT_S)
            assert isinstance(outcome, EnhancementOutcome)
            assert outcome.output.is_file()
        assert executor.child_pid == first_pid


async def test_noise_of_libraries_spoils_no_message(tmp_path: Path) -> None:
    async with _executor() as executor:
        outcome = await executor.run(_job(tmp_path, noise=300_000), timeout_s=LIMIT_S)
    assert isinstance(outcome, EnhancementOutcome)


async def test_names_of_any_bytes_reach_the_child(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xf0\x9f\x8e\xac \n%41.mov")
    async with _executor() as executor:
        outcome = await executor.run(_job(tmp_path, name), timeout_s=LIMIT_S)
    assert isinstance(outcome, EnhancementOutcome)


@pytest.mark.parametrize(
    "death, word", [("SIGSEGV", "SIGSEGV"), ("SIGKILL", "SIGKILL"), ("exit", "exit code 7")]
)
async def test_a_crash_is_named_and_the_next_job_finds_a_fresh_child(
    tmp_path: Path, death: str, word: str
) -> None:
    async with _executor() as executor:
        with pytest.raises(JobFailedError) as failure:
            await executor.run(_job(tmp_path, die=death, noise=10), timeout_s=LIMIT_S)
        assert failure.value.code is ErrorCode.WORKER_CRASHED
        assert word in failure.value.message
        assert "last words" in failure.value.log_tail
        outcome = await executor.run(_job(tmp_path, "good.mov"), timeout_s=LIMIT_S)
        assert isinstance(outcome, EnhancementOutcome)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("death", ["SIGSEGV", "SIGABRT"])
async def test_a_crash_leaves_the_place_it_happened_in_the_log(tmp_path: Path, death: str) -> None:
    async with _executor() as executor:
        with pytest.raises(JobFailedError) as failure:
            await executor.run(_job(tmp_path, die=death), timeout_s=LIMIT_S)
    tail = "\n".join(failure.value.log_tail)
    assert "Fatal Python error" in tail
    assert "in _misbehave" in tail


async def test_a_child_killed_while_idle_is_replaced(tmp_path: Path) -> None:
    async with _executor() as executor:
        assert await executor.wait_warm()
        first_pid = executor.child_pid
        assert first_pid is not None
        os.kill(first_pid, signal.SIGKILL)
        await until(lambda: executor.child_pid not in (None, first_pid))
        assert isinstance(await executor.run(_job(tmp_path), timeout_s=LIMIT_S), EnhancementOutcome)


async def test_the_time_limit_kills_the_child_and_what_it_started(tmp_path: Path) -> None:
    grandchild = tmp_path / "grandchild"
    async with _executor() as executor:
        assert await executor.wait_warm()
        first_pid = executor.child_pid
        assert first_pid is not None
        with pytest.raises(JobFailedError) as failure:
            await executor.run(_job(tmp_path, hang=True, grandchild=str(grandchild)), timeout_s=1.0)
        assert failure.value.code is ErrorCode.TIMEOUT
        assert not is_running(first_pid)
        await until(lambda: not is_running(int(grandchild.read_text())))


async def test_cancelling_kills_the_child_and_what_it_started(tmp_path: Path) -> None:
    grandchild, marker = tmp_path / "grandchild", tmp_path / "marker"
    async with _executor() as executor:
        job = _job(tmp_path, hang=True, grandchild=str(grandchild), marker=str(marker))
        running = asyncio.create_task(executor.run(job, timeout_s=LIMIT_S))
        await until(lambda: grandchild.exists() and grandchild.read_text() != "")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not is_running(int(marker.read_text()))
        await until(lambda: not is_running(int(grandchild.read_text())))


@pytest.mark.skipif(sys.platform == "win32", reason="a job object does this on Windows")
async def test_what_a_child_started_dies_with_a_child_killed_from_outside(tmp_path: Path) -> None:
    grandchild = tmp_path / "grandchild"
    async with _executor() as executor:
        with pytest.raises(JobFailedError):
            await executor.run(_job(tmp_path, grandchild=str(grandchild), die="SIGKILL"), timeout_s=LIMIT_S)
        await until(lambda: not is_running(int(grandchild.read_text())))


async def test_too_much_memory_ends_the_job_not_the_worker(tmp_path: Path) -> None:
    async with _executor(memory_limit_bytes=300_000_000) as executor:
        with pytest.raises(JobFailedError) as failure:
            await executor.run(_job(tmp_path, grab_bytes=450_000_000), timeout_s=LIMIT_S)
        assert failure.value.code is ErrorCode.OUT_OF_MEMORY
        assert "300.0 MB" in failure.value.message
        assert isinstance(
            await executor.run(_job(tmp_path, "good.mov"), timeout_s=LIMIT_S), EnhancementOutcome
        )


@pytest.mark.parametrize(
    "order, code",
    [
        ("no_frames", ErrorCode.NO_FRAMES),
        ("bug", ErrorCode.INTERNAL),
        ("memory", ErrorCode.OUT_OF_MEMORY),
        ("full", ErrorCode.DISK_FULL),
    ],
)
async def test_what_a_job_raises_gets_its_code(tmp_path: Path, order: str, code: ErrorCode) -> None:
    async with _executor() as executor:
        with pytest.raises(TaskFailedError) as failure:
            await executor.run(_job(tmp_path, **{"raise": order}), timeout_s=LIMIT_S)
        first_pid = executor.child_pid
        assert failure.value.code is code
        assert failure.value.to_wire().log_tail
        await executor.run(_job(tmp_path, "good.mov"), timeout_s=LIMIT_S)
        assert executor.child_pid == first_pid


async def test_progress_arrives_with_every_stage(tmp_path: Path) -> None:
    seen: list[Measured] = []
    async with _executor() as executor:
        await executor.run(_job(tmp_path, steps=5), timeout_s=LIMIT_S, on_progress=seen.append)
    stages = list(dict.fromkeys(measured.stage for measured in seen))
    assert stages == [Stage.ENHANCING, Stage.VERIFYING]
    assert [measured.percent for measured in seen] == sorted(measured.percent for measured in seen)


async def test_a_child_that_cannot_load_its_libraries_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER_JOBS_BROKEN", "1")
    async with _executor() as executor:
        assert not await executor.wait_warm()
        with pytest.raises(JobFailedError) as failure:
            await executor.run(_job(tmp_path), timeout_s=LIMIT_S)
    assert failure.value.detail is not None
    assert "a library is missing" in failure.value.detail


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's scale for memory victims is Linux' own")
async def test_the_child_not_the_worker_is_the_kernels_memory_victim(tmp_path: Path) -> None:
    async with _executor() as executor:
        assert await executor.wait_warm()
        assert _oom_score(str(executor.child_pid)) > _oom_score("self")


def _oom_score(pid: str) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii"))
