"""The task loop with real children and a delivery that tells how it ended."""

import asyncio
from pathlib import Path

import pytest

from tests.fixtures.consumer_bench import consumer_bench
from tests.fixtures.worker_peers import TestDelivery, make_source, make_task, until
from workers.protocol.messages import ControlMessage
from workers.protocol.states import ControlAction, ErrorCode, ProcessType, Stage, Status, WorkerState
from workers.runtime import consumer as consumer_module
from workers.runtime.journal import AttemptKey

ENHANCEMENT = ProcessType.VIDEO_ENHANCEMENT


async def test_the_final_status_is_safe_before_the_acknowledgement(tmp_path: Path) -> None:
    async with consumer_bench(tmp_path) as bench:
        await bench.run(make_task(make_source(tmp_path), tmp_path / "out"))
    assert bench.sink.events == ["final completed", "ack"]
    assert bench.sink.statuses[0].stage is Stage.PROBING
    assert bench.sink.finals[0].progress == 100


@pytest.mark.parametrize("order", ["encoder_failed", "no_frames", "full"])
async def test_a_failed_attempt_is_reported_and_acknowledged_never_requeued(
    tmp_path: Path, order: str
) -> None:
    async with consumer_bench(tmp_path) as bench:
        delivery = await bench.run(make_task(make_source(tmp_path, **{"raise": order}), tmp_path / "out"))
    assert delivery.endings == ["ack"]
    assert bench.sink.events == ["final failed", "ack"]
    error = bench.sink.finals[0].error
    assert error is not None
    assert error.log_tail


@pytest.mark.expects_errors
async def test_a_source_that_changes_while_it_is_worked_on_yields_nothing(tmp_path: Path) -> None:
    async with consumer_bench(tmp_path) as bench:
        await bench.run(make_task(make_source(tmp_path, change_source=True), tmp_path / "out"))
    error = bench.sink.finals[0].error
    assert error is not None
    assert error.code is ErrorCode.FILE_CHANGED
    assert list((tmp_path / "out").iterdir()) == []


async def test_unreadable_messages_are_rejected_without_requeueing(tmp_path: Path) -> None:
    async with consumer_bench(tmp_path) as bench:
        delivery = TestDelivery(b"rubbish", bench.sink)
        await bench.consumer.process_message(delivery)
    assert delivery.endings == ["reject False"]


async def test_the_same_attempt_delivered_twice_is_worked_on_once(tmp_path: Path) -> None:
    marker, gate = tmp_path / "marker", tmp_path / "gate"
    task = make_task(make_source(tmp_path, marker=str(marker), gate=str(gate)), tmp_path / "out")
    async with consumer_bench(tmp_path) as bench:
        both = [asyncio.create_task(bench.run(task)), asyncio.create_task(bench.run(task, redelivered=True))]
        await until(marker.exists)
        gate.touch()
        endings = [delivery.endings for delivery in await asyncio.gather(*both)]
    assert endings == [["ack"], ["ack"]]
    assert len(bench.sink.finals) == 1
    assert len(marker.read_text().splitlines()) == 1


async def test_a_redelivered_failure_is_answered_from_memory(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    task = make_task(make_source(tmp_path, die="exit", marker=str(marker)), tmp_path / "out")
    async with consumer_bench(tmp_path) as bench:
        await bench.run(task)
        again = await bench.run(task, redelivered=True)
    assert again.endings == ["ack"]
    first, second = bench.sink.finals
    assert second.sequence > first.sequence
    assert second.model_copy(update={"sequence": 0}) == first.model_copy(update={"sequence": 0})
    assert len(marker.read_text().splitlines()) == 1


async def test_an_attempt_that_ended_the_worker_too_often_is_given_up(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    task = make_task(make_source(tmp_path, marker=str(marker)), tmp_path / "out")
    async with consumer_bench(tmp_path, max_processing_attempts=2) as bench:
        for _ in range(2):
            bench.journal.begin(AttemptKey.of(task, ENHANCEMENT))
        await bench.run(task, redelivered=True)
    error = bench.sink.finals[0].error
    assert error is not None
    assert error.code is ErrorCode.WORKER_CRASHED
    assert not marker.exists()


async def test_three_different_files_set_the_worker_aside_and_it_gives_tasks_back(tmp_path: Path) -> None:
    async with consumer_bench(tmp_path) as bench:
        for number in range(3):
            bad = make_source(tmp_path, f"{number}.mov", die="exit")
            await bench.run(make_task(bad, tmp_path / "out", file_id=f"bad-{number}"))
        await bench.wait_state(WorkerState.SET_ASIDE)
        assert "worker crashed" in (bench.sink.heartbeats[-1].message or "")
        good = make_task(make_source(tmp_path), tmp_path / "out", file_id="good")
        assert (await bench.run(good)).endings == ["nack True"]
        assert not bench.feed.takes_shared
        bench.consumer.handle_control(ControlMessage(action=ControlAction.RELEASE))
        await until(lambda: bench.feed.takes_shared)
        assert (await bench.run(good)).endings == ["ack"]


@pytest.mark.parametrize(
    "order", ["not_a_video", "no_frames", "dimensions_out_of_range", "output_not_writable"]
)
async def test_bad_files_do_not_count_against_the_worker(tmp_path: Path, order: str) -> None:
    async with consumer_bench(tmp_path) as bench:
        for number in range(4):
            bad = make_source(tmp_path, f"{number}.mov", **{"raise": order})
            await bench.run(make_task(bad, tmp_path / "out", file_id=f"bad-{number}"))
        assert bench.consumer.state is WorkerState.IDLE


async def test_a_worker_without_the_shared_folder_does_not_fail_everybodys_files(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    task = make_task(source, tmp_path / "out")
    gone = task.source.model_copy(update={"uri": "file:///no/such/share/clip.mov"})
    async with consumer_bench(tmp_path) as bench:
        for number in range(3):
            await bench.run(task.model_copy(update={"file_id": f"f-{number}", "source": gone}))
        assert bench.consumer.state is WorkerState.SET_ASIDE


async def test_a_full_disk_stops_the_worker_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = {"is_there": False}
    monkeypatch.setattr(consumer_module, "has_room", lambda folder, floor: room["is_there"])
    async with consumer_bench(tmp_path) as bench:
        await bench.run(make_task(make_source(tmp_path, "full.mov", **{"raise": "full"}), tmp_path / "out"))
        await bench.wait_state(WorkerState.DISK_FULL)
        good = make_task(make_source(tmp_path), tmp_path / "out", file_id="good")
        assert (await bench.run(good)).endings == ["nack True"]
        room["is_there"] = True
        await bench.wait_state(WorkerState.IDLE)
        assert (await bench.run(good)).endings == ["ack"]


async def test_pause_and_resume(tmp_path: Path) -> None:
    async with consumer_bench(tmp_path) as bench:
        bench.consumer.handle_control(ControlMessage(action=ControlAction.PAUSE, worker_id="somebody-else"))
        await bench.wait_state(WorkerState.IDLE)
        bench.consumer.handle_control(ControlMessage(action=ControlAction.PAUSE))
        await bench.wait_state(WorkerState.PAUSED)
        assert (await bench.run(make_task(make_source(tmp_path), tmp_path / "out"))).endings == ["nack True"]
        bench.consumer.handle_control(ControlMessage(action=ControlAction.RESUME))
        await bench.wait_state(WorkerState.IDLE)


async def test_an_own_task_keeps_shared_ones_away(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    own = make_task(make_source(tmp_path, gate=str(gate)), tmp_path / "out")
    shared = make_task(make_source(tmp_path, "b.mov"), tmp_path / "out", file_id="shared")
    async with consumer_bench(tmp_path) as bench:
        running = asyncio.create_task(bench.run(own, key="worker.me"))
        await bench.wait_state(WorkerState.BUSY)
        assert (await bench.run(shared)).endings == ["nack True"]
        assert bench.feed.told[-1] == (False, True)
        gate.touch()
        assert (await running).endings == ["ack"]
        await until(lambda: bench.feed.takes_shared)


async def test_a_cancelled_task_is_killed_reported_and_leaves_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    task = make_task(make_source(tmp_path, hang=True, marker=str(marker)), tmp_path / "out")
    async with consumer_bench(tmp_path) as bench:
        running = asyncio.create_task(bench.run(task))
        await until(marker.exists)
        cancel = ControlMessage(action=ControlAction.CANCEL, client_id="client-1", file_id="file-1")
        bench.consumer.handle_control(cancel.model_copy(update={"client_id": "somebody-else"}))
        bench.consumer.handle_control(cancel)
        assert (await running).endings == ["ack"]
        retried = task.model_copy(update={"attempt": 2})
        waiting = asyncio.create_task(bench.run(retried))
        await until(lambda: len(marker.read_text().splitlines()) == 2)
        bench.consumer.handle_control(cancel)
        await waiting
    assert [final.status for final in bench.sink.finals] == [Status.CANCELLED, Status.CANCELLED]
    assert list((tmp_path / "out").iterdir()) == []


async def test_stopping_in_the_middle_gives_the_task_back(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    task = make_task(make_source(tmp_path, hang=True, marker=str(marker)), tmp_path / "out")
    async with consumer_bench(tmp_path) as bench:
        delivery = TestDelivery(task, bench.sink)
        bench.consumer.accept(delivery)
        await until(marker.exists)
    assert delivery.endings == ["nack True"]
    assert bench.sink.finals == []
    assert bench.sink.heartbeats[-1].state is WorkerState.STOPPING
    assert list((tmp_path / "out").iterdir()) == []


async def test_the_time_limit_is_the_stricter_of_task_and_worker(tmp_path: Path) -> None:
    hanging = make_source(tmp_path, hang=True)
    async with consumer_bench(tmp_path, processing_timeout_s=0.5) as bench:
        await bench.run(make_task(hanging, tmp_path / "out", timeout_s=600))
    async with consumer_bench(tmp_path) as other:
        await other.run(make_task(hanging, tmp_path / "out", timeout_s=0.5))
    for sink in (bench.sink, other.sink):
        error = sink.finals[0].error
        assert error is not None
        assert error.code is ErrorCode.TIMEOUT


async def test_the_heartbeat_tells_what_is_done_and_how_fast(tmp_path: Path) -> None:
    task = make_task(make_source(tmp_path, steps=8, step_s=0.15), tmp_path / "out")
    async with consumer_bench(tmp_path) as bench:
        running = asyncio.create_task(bench.run(task))
        await bench.wait_state(WorkerState.BUSY)
        await running
    current = next(beat.current[0] for beat in bench.sink.heartbeats if beat.current)
    assert current.file_id == "file-1"
    assert any(status.frames_per_s for status in bench.sink.statuses)
    assert any(status.remaining_s for status in bench.sink.statuses)
