from dataclasses import dataclass

import pytest

from tests.unit.desktop.core import Core, settle, until
from tests.unit.desktop.test_parts import COMPLETED, A, B, shared, take
from tests.unit.desktop.values import heartbeat, long_file, part_status, shares, worker
from vidproc_desktop.domain.backups import SILENT_S, backup
from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.tasks import Retry
from vidproc_desktop.services.backups import LOOK_EVERY_S, Backups
from workers.protocol.messages import CurrentTask
from workers.protocol.model import WorkerId
from workers.protocol.results import SegmentResult
from workers.protocol.segments import ANALYSIS
from workers.protocol.states import ErrorCode, Stage, Status, WorkerState

C = "segment-00002"
MADE = SegmentResult(video_uri="file:///a.mp4", pictures=300, size_bytes=1, seconds=30.0)
"""Ten pictures a second: a segment of thirty seconds takes as long."""
BUSY = worker("slow", host="there", state=WorkerState.BUSY)
IDLE = worker("idle", host="here")


def last_segments(remaining_s: float | None = 300.0, *, attempt: int = 1) -> FileRecord:
    """One is finished, and of two that run the slow worker's will take five minutes."""
    return take(
        shared(30, 30, 30),
        part_status(A, 1, COMPLETED, result=MADE),
        part_status(B, 1, worker_id="other", remaining_s=2.0),
        part_status(C, 1, worker_id="slow", remaining_s=remaining_s, progress=10, attempt=attempt),
    )


def test_the_slowest_of_the_last_segments_is_tried_by_the_idle_worker_too() -> None:
    file = last_segments()
    found = backup(file, [BUSY, IDLE], {}, 3)
    assert found == (file.part(C), Retry(WorkerId("idle"), 2, gentle=False))


@pytest.mark.parametrize(
    "idle",
    [
        worker("idle", host="there"),
        worker("slow", host="here"),
        worker("idle", state=WorkerState.PAUSED),
        worker("idle", is_lost=True),
        worker("idle", process_types=()),
    ],
)
def test_it_goes_to_nobody_who_cannot_help(idle: object) -> None:
    assert backup(last_segments(), [BUSY, idle], {}, 3) is None  # type: ignore[list-item]  # parametrised


def test_a_worker_that_has_something_is_not_idle() -> None:
    current = CurrentTask(
        file_id="f",
        client_id="c",
        process_type=IDLE.process_types[0],
        attempt=1,
        stage=Stage.ENHANCING,
        progress=1,
    )
    assert backup(last_segments(), [BUSY, worker("idle", current=(current,))], {}, 3) is None


@pytest.mark.parametrize("remaining_s", [None, 0.0, 20.0, 44.0])
def test_what_will_soon_be_done_is_left_alone(remaining_s: float | None) -> None:
    assert backup(last_segments(remaining_s), [BUSY, IDLE], {}, 3) is None


def test_a_segment_that_hangs_may_go_to_the_same_machine() -> None:
    neighbour = worker("idle", host="there")
    assert backup(last_segments(5.0), [BUSY, neighbour], {C: SILENT_S}, 3) is None
    found = backup(last_segments(5.0), [BUSY, neighbour], {C: SILENT_S + 1}, 3)
    assert found is not None
    assert found[0].part == C


def test_as_long_as_a_segment_waits_and_before_anything_is_known_nothing_is_doubled() -> None:
    waiting = take(shared(30, 30, 30), part_status(A, 1, COMPLETED, result=MADE), part_status(C, 1))
    unknown = take(shared(30), part_status(A, 1, worker_id="slow", remaining_s=1000.0))
    for file in (waiting, unknown, long_file(), shared()):
        assert backup(file, [BUSY, IDLE], {A: 1e6, C: 1e6}, 3) is None


def test_a_third_attempt_must_be_left() -> None:
    assert backup(last_segments(), [BUSY, IDLE], {}, 2) is None
    assert backup(last_segments(attempt=2), [BUSY, IDLE], {}, 3) is None


# ------------------------------------------------------------ through the dispatcher


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def clock(core: Core) -> Clock:
    """One film whose last segment a slow worker has; another worker is idle."""
    clock = Clock()
    Backups(core.catalogue, core.pool, outbox=core.outbox, dispatch=core.dispatch, clock=clock)
    core.catalogue.add([long_file()])
    core.dispatch.apply(part_status(ANALYSIS, 1, COMPLETED, result=shares(30.0, 30.0)))
    core.pool.hear(heartbeat("slow", host="there", state=WorkerState.BUSY))
    core.outbox.use(core.broker)
    await until(lambda: len(core.broker.published) == 3)
    core.dispatch.apply(part_status(A, 1, COMPLETED, result=MADE))
    core.dispatch.apply(part_status(B, 1, worker_id="slow", remaining_s=300.0, progress=20))
    clock.now += LOOK_EVERY_S
    core.pool.hear(heartbeat("idle", host="here"))
    await until(lambda: len(core.broker.published) == 4)
    assert (core.order[3], core.broker.published[3][1]) == (("file-1", B, 2), "idle")
    return clock


async def test_when_the_second_attempt_is_first_the_first_is_cancelled(core: Core, clock: Clock) -> None:
    progress = core.file.enhancement.progress
    core.dispatch.apply(part_status(B, 1, attempt=2, worker_id="idle"))
    core.dispatch.apply(part_status(B, 2, worker_id="slow", progress=30))
    assert core.file.enhancement.progress == progress
    assert core.controls == []
    core.dispatch.apply(part_status(B, 2, COMPLETED, attempt=2, worker_id="idle"))
    assert core.told_parts == [(B, 2)]
    assert core.file.assembly is not None


async def test_when_the_first_attempt_is_first_after_all_the_second_is_cancelled(
    core: Core, clock: Clock
) -> None:
    core.dispatch.apply(part_status(B, 9, COMPLETED, worker_id="slow"))
    assert (B, 2) in core.told_parts
    assert core.file.assembly is not None
    core.dispatch.apply(part_status(B, 1, COMPLETED, attempt=2, worker_id="idle"))
    assert core.file.parts[2].attempt == 1


async def test_a_failure_of_either_loses_nothing(core: Core, clock: Clock) -> None:
    core.dispatch.apply(part_status(B, 9, Status.FAILED, worker_id="slow", code=ErrorCode.TIMEOUT))
    assert (core.file.parts[2].attempt, core.file.parts[2].status) == (2, Status.PENDING)
    core.dispatch.apply(part_status(B, 1, Status.FAILED, attempt=2, worker_id="idle"))
    assert (core.file.parts[2].attempt, core.file.parts[2].status) == (3, Status.PENDING)
    core.dispatch.apply(part_status(B, 1, COMPLETED, attempt=3))
    assert core.file.assembly is not None


async def test_it_is_done_once_and_not_for_a_removed_film(core: Core, clock: Clock) -> None:
    core.dispatch.apply(part_status(B, 1, attempt=2, worker_id="idle", remaining_s=900.0))
    clock.now += 100
    core.pool.hear(heartbeat("third", host="elsewhere"))
    await settle()
    assert len(core.broker.published) == 4
    await core.dispatch.remove([core.file.file_id])
    clock.now += 100
    core.pool.hear(heartbeat("third", host="elsewhere"))
    await settle()
    assert len(core.broker.published) == 4
