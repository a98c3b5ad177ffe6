"""The worker program over stdio: every line a message, and nothing left when the other end is gone."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.fixtures.worker_peers import is_running, make_source, make_task, until, worker_program
from workers.protocol.codec import AnyFromWorker
from workers.protocol.messages import ControlMessage, ProbeReply, ProbeTask, StatusMessage, WorkerHeartbeat
from workers.protocol.results import EnhancementResult
from workers.protocol.states import ControlAction, ErrorCode, ProcessType, Status, WorkerState

BOTH = (ProcessType.VIDEO_ENHANCEMENT, ProcessType.METADATA_EXTRACTION)


def _is_final(message: AnyFromWorker) -> bool:
    return isinstance(message, StatusMessage) and message.status.is_final


def _arguments(tmp_path: Path, role: str = "enhance", *more: str) -> tuple[str, ...]:
    return (role, "--stdio", "--data-dir", str(tmp_path / "data"), *more)


def test_one_process_does_both_parts_of_a_file(tmp_path: Path) -> None:
    task = make_task(make_source(tmp_path, noise=20_000), tmp_path / "out", process_types=BOTH)
    with worker_program(*_arguments(tmp_path, "all")) as program:
        first = program.receive()
        assert isinstance(first, WorkerHeartbeat)
        program.send(b"not a message")
        program.send(b"x" * 3_000_000)
        program.send(task)
        finals = [program.receive_until(_is_final)[-1], program.receive_until(_is_final)[-1]]
    assert {getattr(final, "status", None) for final in finals} == {Status.COMPLETED}
    assert {getattr(final, "process_type", None) for final in finals} == set(BOTH)


def test_a_probe_is_answered_while_a_task_runs(tmp_path: Path) -> None:
    busy = make_task(
        make_source(tmp_path, hang=True), tmp_path / "out", process_types=(ProcessType.METADATA_EXTRACTION,)
    )
    source = make_task(make_source(tmp_path, "probed.mov"), tmp_path).source
    with worker_program(*_arguments(tmp_path, "all")) as program:
        program.send(busy)
        program.receive_until(lambda message: isinstance(message, StatusMessage))
        program.send(ProbeTask(file_id="p", client_id="c", source=source))
        reply = program.receive_until(lambda message: isinstance(message, ProbeReply))[-1]
        program.send(
            ProbeTask(file_id="p", client_id="c", source=source.model_copy(update={"size_bytes": 1}))
        )
        refusal = program.receive_until(lambda message: isinstance(message, ProbeReply))[-1]
    assert isinstance(reply, ProbeReply)
    assert reply.summary is not None
    assert isinstance(refusal, ProbeReply)
    assert refusal.error is not None
    assert refusal.error.code is ErrorCode.FILE_CHANGED


async def test_the_end_of_input_leaves_nothing_behind_within_two_seconds(tmp_path: Path) -> None:
    marker, grandchild = tmp_path / "marker", tmp_path / "grandchild"
    source = make_source(tmp_path, hang=True, marker=str(marker), grandchild=str(grandchild))
    with worker_program(*_arguments(tmp_path)) as program:
        program.send(make_task(source, tmp_path / "out"))
        await until(lambda: grandchild.exists() and grandchild.read_text() != "")
        family = program.family
        assert int(grandchild.read_text()) in family
        assert program.process.stdin is not None
        program.process.stdin.close()
        await until(lambda: program.process.poll() is not None and not any(map(is_running, family)), 2.0)
    assert list((tmp_path / "out").rglob("*.mp4")) == []


async def test_the_end_of_input_ends_a_worker_whose_loop_hangs(tmp_path: Path) -> None:
    with worker_program(*_arguments(tmp_path)) as program:
        program.receive_until(lambda message: getattr(message, "state", None) is WorkerState.IDLE)
        family = program.family
        assert program.process.stdout is not None
        assert program.process.stdin is not None
        os.kill(program.process.pid, signal.SIGSTOP)
        program.process.stdin.close()
        os.kill(program.process.pid, signal.SIGCONT)
        await until(lambda: program.process.poll() is not None and not any(map(is_running, family)), 5.0)


async def test_a_worker_killed_with_9_takes_its_children_along(tmp_path: Path) -> None:
    grandchild = tmp_path / "grandchild"
    source = make_source(tmp_path, hang=True, grandchild=str(grandchild))
    with worker_program(*_arguments(tmp_path)) as program:
        program.send(make_task(source, tmp_path / "out"))
        await until(lambda: grandchild.exists() and grandchild.read_text() != "")
        family = program.family
        program.process.kill()
        await until(lambda: not any(map(is_running, family)), 2.0)


def test_a_redelivered_task_finds_its_finished_output(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    notes = [
        ["source_truncated", "The film ends early."],
        ["audio_copied", "Sound was copied."],
        ["source_damaged", "Two pictures are damaged."],
        ["source_damaged", "Two pictures are damaged."],
    ]
    task = make_task(make_source(tmp_path, marker=str(marker), notes=notes), tmp_path / "out")
    results = []
    for _ in range(2):
        with worker_program(*_arguments(tmp_path)) as program:
            program.send(task)
            final = program.receive_until(_is_final)[-1]
            assert isinstance(final, StatusMessage)
            results.append(final.result)
    first, second = results
    assert isinstance(first, EnhancementResult)
    assert isinstance(second, EnhancementResult)
    assert first.warnings == ("The film ends early.", "Two pictures are damaged.")
    assert second == first.model_copy(update={"was_found_finished": True})
    assert len(marker.read_text().splitlines()) == 1


def test_a_waiting_task_is_cancelled_and_the_running_one_goes_on(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = make_task(make_source(tmp_path, gate=str(gate)), tmp_path / "out")
    second = make_task(make_source(tmp_path, "b.mov"), tmp_path / "out", file_id="file-2")
    with worker_program(*_arguments(tmp_path)) as program:
        program.send(first)
        program.send(second)
        program.send(ControlMessage(action=ControlAction.CANCEL, file_id="file-2"))
        cancelled = program.receive_until(_is_final)[-1]
        gate.touch()
        completed = program.receive_until(_is_final)[-1]
        program.send(second.model_copy(update={"attempt": 2}))
        again = program.receive_until(_is_final)[-1]
    assert isinstance(cancelled, StatusMessage)
    assert (cancelled.file_id, cancelled.status) == ("file-2", Status.CANCELLED)
    assert isinstance(completed, StatusMessage)
    assert (completed.file_id, completed.status) == ("file-1", Status.COMPLETED)
    assert isinstance(again, StatusMessage)
    assert (again.file_id, again.status) == ("file-2", Status.COMPLETED)


def test_drain_ends_the_program_when_the_last_task_is_done(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with worker_program(*_arguments(tmp_path)) as program:
        program.send(make_task(make_source(tmp_path, gate=str(gate)), tmp_path / "out"))
        program.receive_until(lambda message: isinstance(message, StatusMessage))
        program.send(ControlMessage(action=ControlAction.DRAIN))
        program.receive_until(lambda message: getattr(message, "state", None) is WorkerState.STOPPING)
        gate.touch()
        program.receive_until(_is_final)
        assert program.process.wait(20) == 0


def test_two_workers_of_one_role_have_different_ids_and_keep_them(tmp_path: Path) -> None:
    def worker_id(message: AnyFromWorker) -> str:
        assert isinstance(message, WorkerHeartbeat)
        return message.worker_id

    with worker_program(*_arguments(tmp_path)) as a, worker_program(*_arguments(tmp_path)) as b:
        ids = [worker_id(a.receive()), worker_id(b.receive())]
    assert len(set(ids)) == 2
    with worker_program(*_arguments(tmp_path)) as again:
        assert worker_id(again.receive()) in ids


def test_every_log_line_names_worker_file_task_and_attempt(tmp_path: Path) -> None:
    task = make_task(make_source(tmp_path, die="SIGKILL", noise=5), tmp_path / "out")
    with worker_program(*_arguments(tmp_path, "enhance", "--log-level", "DEBUG")) as program:
        program.send(task)
        final = program.receive_until(_is_final)[-1]
    assert isinstance(final, StatusMessage)
    log = (tmp_path / "data" / "logs" / "worker-enhance-1.log").read_text()
    marked = f"[worker={final.worker_id} file=file-1 task=video_enhancement attempt=1]"
    assert any(marked in line and "attempt failed" in line for line in log.splitlines())
    assert any(marked in line and "last words" in line for line in log.splitlines())


@pytest.mark.parametrize("url", ["http://broker/", "amqp://", "amqp://host:port/", "nonsense"])
def test_an_address_that_cannot_be_one_is_wrong_usage(tmp_path: Path, url: str) -> None:
    with worker_program("enhance", "--broker", url, "--data-dir", str(tmp_path / "data")) as program:
        assert program.process.wait(30) == 2


def test_a_task_for_another_part_is_passed_over(tmp_path: Path) -> None:
    other = make_task(
        make_source(tmp_path), tmp_path / "out", process_types=(ProcessType.METADATA_EXTRACTION,)
    )
    own = make_task(make_source(tmp_path, "own.mov"), tmp_path / "out", file_id="own")
    with worker_program(*_arguments(tmp_path)) as program:
        program.send(other)
        program.send(own)
        statuses = [m for m in program.receive_until(_is_final) if isinstance(m, StatusMessage)]
    assert {status.file_id for status in statuses} == {"own"}


def test_a_report_names_the_file_it_lies_beside(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "clip.mp4").write_bytes(b"somebody else's")
    with worker_program(*_arguments(tmp_path)) as program:
        program.send(make_task(make_source(tmp_path), out))
        program.receive_until(_is_final)
    assert (out / "clip.mp4").read_bytes() == b"somebody else's"
    assert json.loads((out / "clip (2).report.json").read_text())["output_name"] == "clip (2).mp4"
    assert (out / "clip (2).mp4").is_file()
