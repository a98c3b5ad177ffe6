"""One suite for every broker: what the dispatcher may rely on when one enhancement goes over the wire in parts."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.benches import Bench
from tests.fixtures.part_tasks import analysis_task, assembly_task, segment_task
from tests.fixtures.worker_peers import make_source, make_task
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from workers.protocol.messages import ControlMessage, FileTask, StatusMessage
from workers.protocol.model import WorkerId
from workers.protocol.results import AnalysisResult, EnhancementResult, SegmentResult
from workers.protocol.segments import ANALYSIS, ASSEMBLY, PartName, segment_part
from workers.protocol.states import ControlAction, ErrorCode, ProcessType, Status

ENHANCEMENT = ProcessType.VIDEO_ENHANCEMENT
FIRST, SECOND, THIRD = (segment_part(number) for number in range(3))


class Film:
    """One file in parts, published part by part as the dispatcher does."""

    def __init__(self, bench: Bench, folder: Path, **orders: Any) -> None:
        output = folder / "out"
        output.mkdir(exist_ok=True)
        self.bench = bench
        self.output = output
        self.task: FileTask = make_task(make_source(folder, **orders), output)
        self.shared_out = AnalysisResult()

    async def analyse(self) -> AnalysisResult:
        await self.bench.broker.publish(analysis_task(self.task))
        final = await self.final(ANALYSIS)
        assert isinstance(final.result, AnalysisResult)
        self.shared_out = final.result
        return final.result

    async def publish(self, *numbers: int, worker_id: WorkerId | None = None, attempt: int = 1) -> None:
        for number in numbers:
            part = segment_task(self.task, self.shared_out, number, attempt=attempt)
            await self.bench.broker.publish(part, worker_id=worker_id)

    async def final(self, part: PartName, attempt: int = 1) -> StatusMessage:
        def found() -> list[StatusMessage]:
            finals = self.bench.sink.finals
            return [status for status in finals if (status.part, status.attempt) == (part, attempt)]

        await self.bench.sink.until(lambda: bool(found()))
        return found()[-1]

    def holders(self) -> dict[PartName | None, str]:
        """Which worker says that it has which part."""
        return {
            current.part: beat.worker_id
            for beat in self.bench.sink.beats.values()
            for current in beat.current
            if current.file_id == self.task.file_id
        }

    async def until_held(self, *parts: PartName) -> dict[PartName | None, str]:
        await self.bench.sink.until(lambda: set(parts) <= set(self.holders()))
        return self.holders()

    def cancel(self, part: PartName | None) -> ControlMessage:
        return ControlMessage(
            action=ControlAction.CANCEL,
            client_id=self.task.client_id,
            file_id=self.task.file_id,
            process_type=ENHANCEMENT,
            part=part,
        )

    @property
    def videos(self) -> list[str]:
        """Names of finished results."""
        return [path.name for path in self.output.glob("*.mp4")]


async def test_a_file_goes_through_all_its_parts(bench: Bench, tmp_path: Path) -> None:
    await bench.start()
    film = Film(bench, tmp_path, segments=3)
    shared_out = await film.analyse()
    assert len(shared_out.spans) == 3
    await film.publish(2, 0, 1)
    for part in (FIRST, SECOND, THIRD):
        made = await film.final(part)
        assert made.status is Status.COMPLETED
        assert isinstance(made.result, SegmentResult)
    assert film.videos == []
    await bench.broker.publish(assembly_task(film.task, shared_out))
    final = await film.final(ASSEMBLY)
    assert (final.status, final.process_type) == (Status.COMPLETED, ENHANCEMENT)
    assert isinstance(final.result, EnhancementResult)
    assert len(film.videos) == 1
    for part in (ANALYSIS, FIRST, SECOND, THIRD, ASSEMBLY):
        sequences = [status.sequence for status in bench.sink.statuses if status.part == part]
        assert len(sequences) > 1
        assert sequences == sorted(set(sequences))


async def test_parts_of_one_file_run_side_by_side(bench: Bench, tmp_path: Path) -> None:
    await bench.start(2)
    gate = tmp_path / "gate"
    waits = {"gate": str(gate), "steps": 2}
    film = Film(bench, tmp_path, parts={FIRST: waits, SECOND: waits})
    await film.analyse()
    await film.publish(0, 1)
    holders = await film.until_held(FIRST, SECOND)
    assert holders[FIRST] != holders[SECOND]
    gate.touch()
    finals = [await film.final(part) for part in (FIRST, SECOND)]
    assert [final.status for final in finals] == [Status.COMPLETED] * 2
    assert [final.worker_id for final in finals] == [holders[FIRST], holders[SECOND]]


async def test_a_part_for_one_worker_goes_to_that_one(bench: Bench, tmp_path: Path) -> None:
    await bench.start(2)
    film = Film(bench, tmp_path)
    await film.analyse()
    chosen = [WorkerId(beat.worker_id) for beat in bench.sink.idle(ENHANCEMENT)][-1]
    await film.publish(0, 1, 2, worker_id=chosen)
    assert {(await film.final(part)).worker_id for part in (FIRST, SECOND, THIRD)} == {chosen}


async def test_a_failed_part_is_told_as_its_own_and_stops_no_other(bench: Bench, tmp_path: Path) -> None:
    await bench.start()
    marker = tmp_path / "begun"
    film = Film(bench, tmp_path, parts={FIRST: {"raise": "encoder_failed", "marker": str(marker)}})
    await film.analyse()
    await film.publish(0, 1)
    failed = await film.final(FIRST)
    assert failed.error is not None
    assert (failed.status, failed.error.code) == (Status.FAILED, ErrorCode.ENCODER_FAILED)
    assert (await film.final(SECOND)).status is Status.COMPLETED
    assert len(marker.read_text().splitlines()) == 1, "only the dispatcher tries again"


async def test_a_cancel_of_a_running_part_concerns_that_part_alone(bench: Bench, tmp_path: Path) -> None:
    await bench.start(2)
    gate = tmp_path / "gate"
    waits = {"gate": str(gate), "steps": 2}
    film = Film(bench, tmp_path, parts={FIRST: waits, SECOND: waits})
    await film.analyse()
    await film.publish(0, 1)
    await film.until_held(FIRST, SECOND)
    await bench.broker.control(film.cancel(FIRST))
    assert (await film.final(FIRST)).status is Status.CANCELLED
    gate.touch()
    assert (await film.final(SECOND)).status is Status.COMPLETED


async def test_a_cancel_of_the_whole_files_task_leaves_its_parts_alone(bench: Bench, tmp_path: Path) -> None:
    await bench.start()
    gate = tmp_path / "gate"
    film = Film(bench, tmp_path, parts={FIRST: {"gate": str(gate), "steps": 2}})
    await film.analyse()
    await film.publish(0)
    await film.until_held(FIRST)
    await bench.broker.control(film.cancel(None))
    gate.touch()
    assert (await film.final(FIRST)).status is Status.COMPLETED


async def test_a_waiting_part_can_be_cancelled_and_published_again(bench: Bench, tmp_path: Path) -> None:
    await bench.start()
    gate = tmp_path / "gate"
    film = Film(bench, tmp_path, parts={FIRST: {"gate": str(gate), "steps": 2}})
    await film.analyse()
    await film.publish(0, 1, 2)
    await film.until_held(FIRST)
    await bench.broker.control(film.cancel(SECOND).model_copy(update={"attempt": 1}))
    await film.publish(1, attempt=2)
    gate.touch()
    finals = [await film.final(FIRST), await film.final(THIRD), await film.final(SECOND, attempt=2)]
    assert [final.status for final in finals] == [Status.COMPLETED] * 3
    ended = {(status.part, status.status, status.attempt) for status in bench.sink.finals}
    assert (SECOND, Status.COMPLETED, 1) not in ended


async def test_a_killed_workers_part_ends_somehow_and_the_other_goes_on(bench: Bench, tmp_path: Path) -> None:
    """It comes back by itself, or its attempt is told to have failed, by name; what is finished stays finished."""
    await bench.start(2)
    gate = tmp_path / "gate"
    waits = {"gate": str(gate), "steps": 2}
    film = Film(bench, tmp_path, parts={FIRST: waits, SECOND: waits})
    await film.analyse()
    await film.publish(0, 1)
    holders = await film.until_held(FIRST, SECOND)
    await bench.kill_worker(holders[FIRST])
    gate.touch()
    other = await film.final(SECOND)
    assert (other.status, other.worker_id) == (Status.COMPLETED, holders[SECOND])
    final = await film.final(FIRST)
    if final.status is Status.FAILED:
        assert final.error is not None
        assert final.error.code is ErrorCode.WORKER_CRASHED
        await film.publish(0, attempt=2)
        final = await film.final(FIRST, attempt=2)
    assert final.status is Status.COMPLETED
    again = segment_task(film.task, film.shared_out, 1, attempt=2)
    await bench.broker.publish(again)
    found = await film.final(SECOND, attempt=2)
    assert isinstance(found.result, SegmentResult)
    assert found.result.was_found_finished


async def test_a_stopped_broker_takes_no_responsibility_for_a_part(bench: Bench, tmp_path: Path) -> None:
    await bench.start()
    film = Film(bench, tmp_path)
    await bench.broker.aclose()
    with pytest.raises(UserFacingError) as refused:
        await bench.broker.publish(analysis_task(film.task))
    assert refused.value.code in (UserErrorCode.NO_WORKER, UserErrorCode.BROKER_UNREACHABLE)


async def test_two_attempts_of_one_part_are_told_apart(bench: Bench, tmp_path: Path) -> None:
    """A segment that takes long is tried by an idle worker too; whichever is not needed is cancelled by its number."""
    await bench.start(2)
    gate = tmp_path / "gate"
    film = Film(bench, tmp_path, parts={FIRST: {"gate": str(gate), "steps": 2}})
    await film.analyse()
    await film.publish(0)
    slow = (await film.until_held(FIRST))[FIRST]
    other = next(WorkerId(beat.worker_id) for beat in bench.sink.idle(ENHANCEMENT) if beat.worker_id != slow)
    await film.publish(0, worker_id=other, attempt=2)
    await bench.sink.until(lambda: bool(bench.sink.beats[other].current))
    await bench.broker.control(film.cancel(FIRST).model_copy(update={"attempt": 1}))
    first = await film.final(FIRST)
    assert (first.status, first.worker_id) == (Status.CANCELLED, slow)
    gate.touch()
    second = await film.final(FIRST, attempt=2)
    assert (second.status, second.worker_id) == (Status.COMPLETED, other)
