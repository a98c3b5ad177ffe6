"""Local mode's worker processes: hostile workers, crashes, hangs, and nothing left behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tests.contract.benches import Hearing, LocalBench, stdio_commands, until_idle, worker_command
from tests.fixtures.worker_peers import is_running, make_source, make_task, until
from vidproc_desktop.broker import place
from vidproc_desktop.broker.commands import Command
from vidproc_desktop.broker.local import LocalBroker, LocalCommands
from vidproc_desktop.broker.prober import LocalProber
from vidproc_desktop.domain.workers import BrokerState
from workers.protocol.messages import ControlMessage
from workers.protocol.states import ControlAction, ErrorCode, ProcessType, Status

ENHANCEMENT = ProcessType.VIDEO_ENHANCEMENT


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[LocalBench]:
    bench = LocalBench(tmp_path, None)
    yield bench
    await bench.aclose()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def script(text: str) -> Command:
    """A program that stands in for a worker."""
    return Command((sys.executable, "-c", text))


@pytest.mark.no_blocking
async def test_a_dead_worker_is_replaced_and_its_task_reported(
    bench: LocalBench, tmp_path: Path, output: Path
) -> None:
    await bench.start()
    source = make_source(tmp_path, gate=str(tmp_path / "never"))
    await bench.broker.publish(make_task(source, output))
    await bench.sink.until(lambda: any(beat.current for beat in bench.sink.beats.values()))
    holder = next(beat for beat in bench.sink.beats.values() if beat.current)
    os.kill(holder.pid, signal.SIGKILL)
    final = (await bench.sink.until_final())[0]
    assert final.error is not None
    assert (final.status, final.error.code) == (Status.FAILED, ErrorCode.WORKER_CRASHED)
    assert final.error.detail == "ended by SIGKILL"
    assert bench.sink.gone == [holder.worker_id]
    await until_idle(bench.sink, 1)
    assert holder.pid not in {beat.pid for beat in bench.sink.beats.values()}


async def test_fewer_workers_hand_their_task_back(bench: LocalBench, tmp_path: Path, output: Path) -> None:
    await bench.start(2)
    gate = tmp_path / "gate"
    for name in ("a", "b"):
        source = make_source(tmp_path, f"{name}.mov", gate=str(gate))
        await bench.broker.publish(make_task(source, output, file_id=name))
    await bench.sink.until(lambda: sum(len(beat.current) for beat in bench.sink.beats.values()) == 2)
    await bench._broker.set_count(1)
    assert len(bench._broker.pids) == 2
    gate.touch()
    finals = await bench.sink.until_final(2)
    assert [(status.status, status.attempt) for status in finals] == [(Status.COMPLETED, 1)] * 2


async def test_no_process_is_left_after_the_end(bench: LocalBench, tmp_path: Path, output: Path) -> None:
    others = {child.pid for child in psutil.Process().children(recursive=True)}
    await bench.start(2)
    source = make_source(tmp_path, hang=True, grandchild=str(tmp_path / "pid"))
    await bench.broker.publish(make_task(source, output))
    await until(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
    family = {child.pid for child in psutil.Process().children(recursive=True)} - others
    assert len(family) >= 3
    await bench.broker.aclose()
    await until(lambda: not any(is_running(pid) for pid in family))
    assert not is_running(int((tmp_path / "pid").read_text()))


async def test_a_worker_that_ignores_a_cancel_is_stopped(
    bench: LocalBench, tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "CANCEL_LIMIT_S", 0.0)
    await bench.start()
    source = make_source(tmp_path, gate=str(tmp_path / "never"))
    await bench.broker.publish(make_task(source, output))
    await bench.sink.until(lambda: any(beat.current for beat in bench.sink.beats.values()))
    holder = next(beat for beat in bench.sink.beats.values() if beat.current)
    os.kill(holder.pid, signal.SIGSTOP)
    await bench.broker.control(ControlMessage(action=ControlAction.CANCEL, file_id="file-1"))
    final = (await bench.sink.until_final())[0]
    assert final.status is Status.CANCELLED
    await until_idle(bench.sink, 1)


async def test_a_worker_that_says_nothing_is_replaced(
    bench: LocalBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.start()
    victim = bench.sink.idle(ENHANCEMENT)[0]
    os.kill(victim.pid, signal.SIGSTOP)
    monkeypatch.setattr(place, "SILENT_LIMIT_S", 7.0)
    await bench.sink.until(lambda: victim.worker_id in bench.sink.gone)
    monkeypatch.setattr(place, "SILENT_LIMIT_S", 60.0)
    await until_idle(bench.sink, 1)


async def test_a_worker_set_aside_begins_anew_and_nothing_waits_for_ever(
    bench: LocalBench, tmp_path: Path, output: Path
) -> None:
    await bench.start()
    bad = [make_source(tmp_path, f"bad{n}.mov", **{"raise": "encoder_failed"}) for n in range(3)]
    good = [make_source(tmp_path, f"good{n}.mov") for n in range(2)]
    for source in (*bad, *good):
        await bench.broker.publish(make_task(source, output, file_id=source.stem))
    finals = await bench.sink.until_final(5)
    assert [(status.file_id, status.status, status.attempt) for status in finals] == [
        *((source.stem, Status.FAILED, 1) for source in bad),
        *((source.stem, Status.COMPLETED, 1) for source in good),
    ]


async def test_workers_without_their_libraries_are_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER_JOBS_BROKEN", "1")
    sink = Hearing()
    broker = LocalBroker(stdio_commands(tmp_path / "data"))
    await broker.start(sink)
    await sink.until(lambda: sink.healths[-1].state is BrokerState.NO_WORKER)
    assert "libraries cannot be loaded" in sink.healths[-1].message
    await broker.aclose()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("print('not a message', flush=True); input()", id="text"),
        pytest.param(
            "import sys; sys.stdout.write('x' * 2_000_000); sys.stdout.flush(); input()", id="endless line"
        ),
        pytest.param(
            "import sys; sys.stdout.buffer.write(b'\\xff\\x00\\n'); sys.stdout.flush(); input()", id="bytes"
        ),
        pytest.param("raise SystemExit('no library here')", id="does not start"),
    ],
)
async def test_a_program_that_is_no_worker_is_told_in_words(tmp_path: Path, text: str) -> None:
    sink = Hearing()
    good = stdio_commands(tmp_path / "data")
    broker = LocalBroker(LocalCommands(script(text), good.metadata))
    await broker.start(sink)
    await sink.until(lambda: sink.healths[-1].state is BrokerState.NO_WORKER)
    assert "do not start" in sink.healths[-1].message
    await broker.aclose()
    assert sink.healths[-1].state is BrokerState.STOPPED


async def test_a_program_that_does_not_exist_is_told_in_words(tmp_path: Path) -> None:
    sink = Hearing()
    nothing = Command((str(tmp_path / "nothing"),))
    broker = LocalBroker(LocalCommands(nothing, nothing))
    await broker.start(sink)
    await sink.until(lambda: sink.healths[-1].state is BrokerState.NO_WORKER)
    await broker.aclose()


async def test_descriptors_of_ours_do_not_reach_the_workers(bench: LocalBench, tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as secret:
        await bench.start()
        for beat in bench.sink.beats.values():
            assert secret.name not in opened_files(beat.pid)


def opened_files(pid: int) -> set[str]:
    return {str(link.resolve()) for link in Path(f"/proc/{pid}/fd").iterdir()}


_APP: str = """
import asyncio, json, sys
from pathlib import Path
from tests.contract.benches import Hearing, stdio_commands
from tests.fixtures.worker_peers import make_task
from vidproc_desktop.broker.local import LocalBroker
async def main():
    folder = Path(sys.argv[1])
    broker = LocalBroker(stdio_commands(folder / "data"), count=2)
    sink = Hearing()
    await broker.start(sink)
    await broker.publish(make_task(folder / "clip.mov", folder / "out"))
    await sink.until(lambda: any(beat.current for beat in sink.beats.values()))
    print(json.dumps([beat.pid for beat in sink.beats.values()]), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def test_a_killed_app_leaves_nothing_running_and_no_file_under_a_final_name(
    tmp_path: Path, output: Path
) -> None:
    make_source(tmp_path, hang=True, grandchild=str(tmp_path / "pid"))
    app = subprocess.Popen(
        [sys.executable, "-c", _APP, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert app.stdout is not None
    assert len(json.loads(app.stdout.readline())) >= 1
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        threading.Event().wait(0.02)
    family = psutil.Process(app.pid).children(recursive=True)
    assert len(family) >= 4
    app.kill()
    app.wait()
    app.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=2.0)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert not list(output.glob("*.mp4"))


# ------------------------------------------------------------ probing


@pytest.fixture
async def prober(tmp_path: Path) -> AsyncIterator[LocalProber]:
    prober = LocalProber(stdio_commands(tmp_path / "data").metadata)
    await prober.start()
    yield prober
    await prober.aclose()


@pytest.mark.no_blocking
async def test_probes_are_answered_side_by_side(prober: LocalProber, tmp_path: Path) -> None:
    sources = [make_source(tmp_path, f"{number}.mov") for number in range(6)]
    replies = await asyncio.gather(*(prober.probe(source, None) for source in sources))
    assert all(reply.summary is not None and reply.error is None for reply in replies)


async def test_a_crash_of_the_job_is_an_answer_and_the_next_file_is_fine(
    prober: LocalProber, tmp_path: Path
) -> None:
    bad = await prober.probe(make_source(tmp_path, "bad.mov", die="SIGSEGV"), None)
    assert bad.error is not None
    assert bad.summary is None
    good = await prober.probe(make_source(tmp_path, "good.mov"), None)
    assert good.error is None


async def test_a_crash_of_the_whole_worker_is_an_answer_too(tmp_path: Path) -> None:
    prober = LocalProber(script("import sys; sys.stdin.readline(); sys.exit('the last words')"))
    reply = await prober.probe(make_source(tmp_path), None)
    assert reply.error is not None
    assert reply.error.code is ErrorCode.WORKER_CRASHED
    assert "the last words" in (reply.error.detail or "")
    await prober.aclose()


async def test_a_vanished_file_is_an_answer(prober: LocalProber, tmp_path: Path) -> None:
    reply = await prober.probe(tmp_path / "nothing.mov", None)
    assert reply.error is not None
    assert reply.error.code is ErrorCode.FILE_MISSING


async def test_an_abandoned_probe_does_not_hold_up_the_next(tmp_path: Path) -> None:
    prober = LocalProber(stdio_commands(tmp_path / "data").metadata, lanes=1)
    asking = asyncio.create_task(prober.probe(make_source(tmp_path, "slow.mov", hang=True), None))
    await asyncio.sleep(0.5)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await prober.probe(make_source(tmp_path, "good.mov"), None)).error is None
    await prober.aclose()


def test_the_command_of_a_frozen_program(monkeypatch: pytest.MonkeyPatch) -> None:
    from vidproc_desktop.broker.commands import WorkerRole, stdio_command

    monkeypatch.setattr(sys, "frozen", True, raising=False)
    command = stdio_command(WorkerRole.ENHANCE, Path("/data"))
    assert command.arguments == (sys.executable, "worker", "enhance", "--stdio", "--data-dir", "/data")
    assert worker_command("enhance").arguments[0] == sys.executable
