"""Local mode and one file in parts: crashes, workers sent home, and cancels that nobody listens to."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.benches import LocalBench, until_idle
from tests.fixtures.part_tasks import analysis_task, segment_task
from tests.fixtures.worker_peers import make_source, make_task
from vidproc_desktop.broker import place
from workers.protocol.messages import ControlMessage, FileTask, StatusMessage
from workers.protocol.results import AnalysisResult
from workers.protocol.segments import ANALYSIS, PartName, segment_part
from workers.protocol.states import ControlAction, ErrorCode, ProcessType, Status

FIRST, SECOND, THIRD = (segment_part(number) for number in range(3))
FILE = "file-1"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[LocalBench]:
    bench = LocalBench(tmp_path, None)
    yield bench
    await bench.aclose()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that has to appear before a segment goes on."""
    return tmp_path / "gate"


def film(folder: Path, gate: Path) -> FileTask:
    """A file of three segments that wait at the gate."""
    waits: dict[str, Any] = {part: {"gate": str(gate), "steps": 2} for part in (FIRST, SECOND, THIRD)}
    output = folder / "out"
    output.mkdir(exist_ok=True)
    return make_task(make_source(folder, segments=3, parts=waits), output)


def let_through(gate: Path) -> None:
    """Open the gate."""
    gate.touch()


async def begin(bench: LocalBench, task: FileTask, *numbers: int) -> AnalysisResult:
    """Analyse, and publish segments; returns when each is held by a worker or waits behind one."""
    await bench.broker.publish(analysis_task(task))
    await bench.sink.until(lambda: any(final.part == ANALYSIS for final in bench.sink.finals))
    result = bench.sink.finals[-1].result
    assert isinstance(result, AnalysisResult)
    for number in numbers:
        await bench.broker.publish(segment_task(task, result, number))
    return result


def holders(bench: LocalBench) -> dict[PartName | None, int]:
    """Process ids of the workers by what they have."""
    return {current.part: beat.pid for beat in bench.sink.beats.values() for current in beat.current}


async def ended(bench: LocalBench, *parts: PartName) -> list[StatusMessage]:
    """The final statuses of these parts, once all are there."""

    def found() -> dict[PartName | None, StatusMessage]:
        return {final.part: final for final in bench.sink.finals}

    await bench.sink.until(lambda: set(parts) <= set(found()))
    return [found()[part] for part in parts]


@pytest.mark.no_blocking
async def test_a_dead_workers_part_is_reported_by_name_and_the_others_go_on(
    bench: LocalBench, tmp_path: Path, gate: Path
) -> None:
    await bench.start(2)
    task = film(tmp_path, gate)
    shared_out = await begin(bench, task, 0, 1)
    await bench.sink.until(lambda: {FIRST, SECOND} <= set(holders(bench)))
    os.kill(holders(bench)[FIRST], signal.SIGKILL)
    (crashed,) = await ended(bench, FIRST)
    assert crashed.error is not None
    assert (crashed.status, crashed.error.code) == (Status.FAILED, ErrorCode.WORKER_CRASHED)
    assert [final.part for final in bench.sink.finals] == [ANALYSIS, FIRST]
    await bench.broker.publish(segment_task(task, shared_out, 0, attempt=2))
    let_through(gate)
    await bench.sink.until(lambda: len(bench.sink.finals) == 4)
    assert {(final.part, final.status, final.attempt) for final in bench.sink.finals[2:]} == {
        (FIRST, Status.COMPLETED, 2),
        (SECOND, Status.COMPLETED, 1),
    }


async def test_a_worker_sent_home_hands_its_part_back(bench: LocalBench, tmp_path: Path, gate: Path) -> None:
    await bench.start(2)
    await begin(bench, film(tmp_path, gate), 0, 1, 2)
    await bench.sink.until(lambda: {FIRST, SECOND} <= set(holders(bench)))
    await bench._broker.set_count(1)
    let_through(gate)
    finals = await ended(bench, FIRST, SECOND, THIRD)
    assert [(final.status, final.attempt) for final in finals] == [(Status.COMPLETED, 1)] * 3
    assert len({final.worker_id for final in finals}) == 1


async def test_a_part_handed_back_comes_before_what_waits(
    bench: LocalBench, tmp_path: Path, gate: Path
) -> None:
    await bench.start()
    await begin(bench, film(tmp_path, gate), 0, 1)
    await bench.sink.until(lambda: FIRST in holders(bench))
    await bench._broker.set_count(0)
    await bench._broker.set_count(1)
    let_through(gate)
    await ended(bench, FIRST, SECOND)
    assert [final.part for final in bench.sink.finals] == [ANALYSIS, FIRST, SECOND]


async def test_a_worker_that_ignores_the_cancel_of_its_part_is_stopped_and_no_other_is(
    bench: LocalBench, tmp_path: Path, gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.start(2)
    await begin(bench, film(tmp_path, gate), 0, 1)
    await bench.sink.until(lambda: {FIRST, SECOND} <= set(holders(bench)))
    other = holders(bench)[SECOND]
    monkeypatch.setattr(place, "CANCEL_LIMIT_S", 0.0)
    os.kill(holders(bench)[FIRST], signal.SIGSTOP)
    await bench.broker.control(ControlMessage(action=ControlAction.CANCEL, file_id=FILE, part=FIRST))
    (final,) = await ended(bench, FIRST)
    assert final.status is Status.CANCELLED
    assert other in {beat.pid for beat in bench.sink.beats.values()}
    let_through(gate)
    assert (await ended(bench, SECOND))[0].status is Status.COMPLETED
    await until_idle(bench.sink, 2)


async def test_metadata_is_read_while_parts_are_made(bench: LocalBench, tmp_path: Path, gate: Path) -> None:
    await bench.start()
    task = film(tmp_path, gate)
    await begin(bench, task, 0)
    metadata = task.model_copy(update={"process_types": (ProcessType.METADATA_EXTRACTION,)})
    await bench.broker.publish(metadata)
    await bench.sink.until(lambda: len(bench.sink.finals) == 2)
    let_through(gate)
    await bench.sink.until(lambda: len(bench.sink.finals) == 3)
    assert {(final.process_type, final.part, final.status) for final in bench.sink.finals} == {
        (ProcessType.VIDEO_ENHANCEMENT, ANALYSIS, Status.COMPLETED),
        (ProcessType.VIDEO_ENHANCEMENT, FIRST, Status.COMPLETED),
        (ProcessType.METADATA_EXTRACTION, None, Status.COMPLETED),
    }
