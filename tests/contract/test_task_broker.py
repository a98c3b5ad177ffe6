"""One suite for every broker: what the dispatcher may rely on, whatever carries its tasks."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.benches import Bench
from tests.fixtures.worker_peers import make_source, make_task
from vidproc_desktop.errors import UserFacingError
from workers.protocol.messages import ControlMessage, FileTask
from workers.protocol.model import WorkerId
from workers.protocol.states import ControlAction, ErrorCode, ProcessType, Status

ENHANCEMENT, METADATA = ProcessType.VIDEO_ENHANCEMENT, ProcessType.METADATA_EXTRACTION
BOTH = (ENHANCEMENT, METADATA)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def task(tmp_path: Path, output: Path, name: str = "clip", **orders: Any) -> FileTask:
    source = make_source(tmp_path, f"{name}.mov", **orders)
    found = make_task(source, output, file_id=name, process_types=BOTH)
    return found.model_copy(update={"output": found.output.model_copy(update={"stem": name})})


def videos(folder: Path) -> list[str]:
    """Names of the results that are there."""
    return [path.name for path in folder.glob("*.mp4")]


def suffixes(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir() if path.is_file()}


def cancel(file_id: str, attempt: int | None = None) -> ControlMessage:
    return ControlMessage(action=ControlAction.CANCEL, client_id="client-1", file_id=file_id, attempt=attempt)


async def test_one_publish_reaches_both_processes(bench: Bench, tmp_path: Path, output: Path) -> None:
    await bench.start()
    await bench.broker.publish(task(tmp_path, output))
    finals = await bench.sink.until_final(2)
    assert {(status.process_type, status.status) for status in finals} == {
        (ENHANCEMENT, Status.COMPLETED),
        (METADATA, Status.COMPLETED),
    }
    assert all(status.result is not None for status in finals)
    for process_type in BOTH:
        sequences = [status.sequence for status in bench.sink.statuses if status.process_type is process_type]
        assert sequences == sorted(set(sequences))
    assert suffixes(output) == {".mp4", ".json", ".jpg"}


async def test_only_what_is_wanted_is_done(bench: Bench, tmp_path: Path, output: Path) -> None:
    await bench.start()
    await bench.broker.publish(task(tmp_path, output).model_copy(update={"process_types": (METADATA,)}))
    await bench.broker.publish(task(tmp_path, output, "other"))
    finals = await bench.sink.until_final(3)
    assert {(status.file_id, status.process_type) for status in finals} == {
        ("clip", METADATA),
        ("other", METADATA),
        ("other", ENHANCEMENT),
    }


async def test_a_task_for_one_worker_goes_to_that_one(bench: Bench, tmp_path: Path, output: Path) -> None:
    await bench.start(2)
    chosen = [WorkerId(beat.worker_id) for beat in bench.sink.idle(ENHANCEMENT)][-1]
    for number in range(3):
        wanted = task(tmp_path, output, f"clip-{number}").model_copy(update={"process_types": (ENHANCEMENT,)})
        await bench.broker.publish(wanted, worker_id=chosen)
    finals = await bench.sink.until_final(3)
    assert {status.worker_id for status in finals} == {chosen}


async def test_a_failed_attempt_is_told_once_and_never_tried_again_by_the_broker(
    bench: Bench, tmp_path: Path, output: Path
) -> None:
    await bench.start()
    marker = tmp_path / "begun"
    wanted = task(tmp_path, output, **{"raise": "encoder_failed"}, marker=str(marker))
    await bench.broker.publish(wanted.model_copy(update={"process_types": (ENHANCEMENT,)}))
    await bench.broker.publish(
        task(tmp_path, output, "next").model_copy(update={"process_types": (ENHANCEMENT,)})
    )
    failed, following = await bench.sink.until_final(2)
    assert failed.error is not None
    assert (failed.status, failed.error.code, failed.attempt) == (Status.FAILED, ErrorCode.ENCODER_FAILED, 1)
    assert following.status is Status.COMPLETED
    assert len(marker.read_text().splitlines()) == 1


async def test_a_running_task_can_be_cancelled(bench: Bench, tmp_path: Path, output: Path) -> None:
    await bench.start()
    wanted = task(tmp_path, output, steps=1000, step_s=0.2)
    await bench.broker.publish(wanted.model_copy(update={"process_types": (ENHANCEMENT,)}))
    await bench.sink.until_processing("clip")
    await bench.broker.control(cancel("clip", 1))
    final = (await bench.sink.until_final())[0]
    assert final.status is Status.CANCELLED
    assert not videos(output)


async def test_a_waiting_task_can_be_cancelled_and_published_again(
    bench: Bench, tmp_path: Path, output: Path
) -> None:
    await bench.start()
    gate = tmp_path / "gate"
    first = task(tmp_path, output, "first", gate=str(gate), steps=3).model_copy(
        update={"process_types": (ENHANCEMENT,)}
    )
    second = task(tmp_path, output, "second").model_copy(update={"process_types": (ENHANCEMENT,)})
    await bench.broker.publish(first)
    await bench.broker.publish(second)
    await bench.broker.control(cancel("second", 1))
    await bench.broker.publish(second.model_copy(update={"attempt": 2}))
    gate.touch()
    await bench.sink.until(
        lambda: (
            {(s.file_id, s.status, s.attempt) for s in bench.sink.finals}
            >= {("first", Status.COMPLETED, 1), ("second", Status.COMPLETED, 2)}
        )
    )
    assert ("second", Status.COMPLETED, 1) not in {
        (s.file_id, s.status, s.attempt) for s in bench.sink.finals
    }


async def test_a_killed_workers_task_ends_somehow_and_is_done_once(
    bench: Bench, tmp_path: Path, output: Path
) -> None:
    """It comes back by itself, or its attempt is told to have failed; it is never lost, and never done twice."""
    await bench.start(2)
    gate = tmp_path / "gate"
    wanted = task(tmp_path, output, steps=2, gate=str(gate), marker=str(tmp_path / "begun")).model_copy(
        update={"process_types": (ENHANCEMENT,)}
    )
    await bench.broker.publish(wanted)
    await bench.sink.until(
        lambda: any(
            current.file_id == "clip" for beat in bench.sink.beats.values() for current in beat.current
        )
    )
    holder = next(
        beat.worker_id for beat in bench.sink.beats.values() if any(c.file_id == "clip" for c in beat.current)
    )
    await bench.kill_worker(holder)
    gate.touch()
    final = (await bench.sink.until_final())[0]
    if final.status is Status.FAILED:
        assert final.error is not None
        assert final.error.code is ErrorCode.WORKER_CRASHED
        await bench.broker.publish(wanted.model_copy(update={"attempt": 2}))
        final = (await bench.sink.until_final(2))[1]
    assert final.status is Status.COMPLETED
    assert len(videos(output)) == 1


async def test_every_worker_is_heard_of(bench: Bench, tmp_path: Path) -> None:
    await bench.start(2)
    assert len(bench.sink.idle(ENHANCEMENT)) == 2
    assert len(bench.sink.idle(METADATA)) == 1


async def test_a_stopped_broker_takes_no_responsibility(bench: Bench, tmp_path: Path, output: Path) -> None:
    await bench.start()
    await bench.broker.aclose()
    with pytest.raises(UserFacingError):
        await bench.broker.publish(task(tmp_path, output))
