"""Preview tasks at a worker's door: answered in a child of their own, the newest wins, nothing else is disturbed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.worker_peers import is_running, make_config, make_source, make_task, until, worker_program
from workers.protocol.messages import PreviewReply, PreviewTask, StatusMessage
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, ProcessType
from workers.runtime.executor import Executor, ExecutorOptions
from workers.runtime.previewing import Previewer

JOBS = "tests.fixtures.worker_jobs"


def make_preview(file: Path, folder: Path, request: int, **changes: Any) -> PreviewTask:
    values: dict[str, Any] = {
        "file_id": "file",
        "client_id": "client",
        "request": request,
        "source": make_task(file, folder).source,
        "settings": EnhancementSettings(),
        "at_s": 1.5,
        "directory_uri": folder.as_uri(),
    }
    return PreviewTask(**{**values, **changes})


def make_executor() -> Executor:
    return Executor(ExecutorOptions("test#preview", ("preview",), JOBS, stop_limit_s=30.0))


@pytest.fixture
async def previewer(tmp_path: Path) -> AsyncIterator[Previewer]:
    previewer = Previewer(make_executor, make_config(tmp_path))
    yield previewer
    await previewer.aclose()


def _pid(reply: PreviewReply) -> int:
    """Of the process that made the pictures."""
    assert reply.pictures is not None
    uri = reply.pictures.after_uri
    return int(Path(uri.removeprefix("file://")).read_text().split()[0])


async def test_the_newest_request_wins_and_the_child_stays(previewer: Previewer, tmp_path: Path) -> None:
    quick = make_source(tmp_path, "quick.mov")
    first = await previewer.show(make_preview(quick, tmp_path, 1))
    marker = tmp_path / "marker"
    endless = make_source(tmp_path, "endless.mov", steps=100_000, step_s=0.01, marker=str(marker))
    running = asyncio.create_task(previewer.show(make_preview(endless, tmp_path, 2)))
    await until(marker.exists)
    waiting = asyncio.create_task(previewer.show(make_preview(endless, tmp_path, 3)))
    await asyncio.sleep(0)
    last = await previewer.show(make_preview(quick, tmp_path, 4))
    assert (await running).was_dropped
    assert (await waiting).was_dropped
    assert last.request == 4
    assert _pid(last) == _pid(first)


async def test_an_older_request_that_comes_late_is_dropped(previewer: Previewer, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    gate = tmp_path / "gate"
    slow = make_source(tmp_path, "slow.mov", marker=str(marker), gate=str(gate))
    running = asyncio.create_task(previewer.show(make_preview(slow, tmp_path, 7)))
    await until(marker.exists)
    late = await previewer.show(make_preview(slow, tmp_path, 6))
    gate.touch()
    assert late.was_dropped
    assert (await running).pictures is not None


async def test_clients_do_not_drop_each_other(previewer: Previewer, tmp_path: Path) -> None:
    source = make_source(tmp_path)
    replies = await asyncio.gather(
        *(
            previewer.show(make_preview(source, tmp_path, number, client_id=f"client{number}"))
            for number in (1, 2)
        )
    )
    assert [reply.pictures is not None for reply in replies] == [True, True]


async def test_a_job_that_does_not_stop_is_killed_with_its_child(tmp_path: Path) -> None:
    def impatient() -> Executor:
        return Executor(ExecutorOptions("test#preview", ("preview",), JOBS, stop_limit_s=0.05))

    previewer = Previewer(impatient, make_config(tmp_path))
    marker = tmp_path / "marker"
    stuck = asyncio.create_task(
        previewer.show(
            make_preview(make_source(tmp_path, "stuck.mov", hang=True, marker=str(marker)), tmp_path, 1)
        )
    )
    await until(lambda: marker.exists() and marker.read_text() != "")
    reply = await previewer.show(make_preview(make_source(tmp_path, "good.mov"), tmp_path, 2))
    assert (await stuck).was_dropped
    assert reply.pictures is not None
    assert not is_running(int(marker.read_text()))
    await previewer.aclose()


async def test_what_is_wrong_comes_back_in_words(previewer: Previewer, tmp_path: Path) -> None:
    async def code(file: Path, request: int, **changes: Any) -> ErrorCode | None:
        reply = await previewer.show(make_preview(file, tmp_path, request, **changes))
        return None if reply.error is None else reply.error.code

    source = make_source(tmp_path)
    changed = make_task(source, tmp_path).source.model_copy(update={"size_bytes": 1})
    assert await code(source, 1, source=changed) is ErrorCode.FILE_CHANGED
    missing = (tmp_path / "nowhere").as_uri()
    assert await code(source, 2, directory_uri=missing) is ErrorCode.OUTPUT_NOT_WRITABLE
    assert await code(make_source(tmp_path, "dies.mov", die="SIGKILL"), 3) is ErrorCode.WORKER_CRASHED
    assert await code(make_source(tmp_path, "none.mov", **{"raise": "no_frames"}), 4) is ErrorCode.NO_FRAMES
    assert await code(source, 5) is None


async def test_the_child_goes_when_nobody_asks_any_more(tmp_path: Path) -> None:
    previewer = Previewer(make_executor, make_config(tmp_path), idle_limit_s=0.05)
    source = make_source(tmp_path)
    pid = _pid(await previewer.show(make_preview(source, tmp_path, 1)))
    await until(lambda: not previewer.child_pids and not is_running(pid))
    again = _pid(await previewer.show(make_preview(source, tmp_path, 2)))
    assert again != pid
    await previewer.aclose()
    assert not is_running(again)


async def test_a_preview_is_answered_while_a_task_runs_and_nothing_is_left(tmp_path: Path) -> None:
    busy = make_task(
        make_source(tmp_path, hang=True), tmp_path / "out", process_types=(ProcessType.METADATA_EXTRACTION,)
    )
    preview = make_preview(make_source(tmp_path, "seen.mov"), tmp_path, 1)
    with worker_program("metadata", "--stdio", "--data-dir", str(tmp_path / "data")) as program:
        program.send(busy)
        program.receive_until(lambda message: isinstance(message, StatusMessage))
        program.send(preview)
        reply = program.receive_until(lambda message: isinstance(message, PreviewReply))[-1]
        family = program.family
        assert isinstance(reply, PreviewReply)
        assert _pid(reply) in family
    await until(lambda: not any(map(is_running, family)))
