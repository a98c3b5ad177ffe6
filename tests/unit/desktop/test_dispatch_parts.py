"""Enhancements in parts through the dispatcher and its outbox, over a store and a broker in memory."""

import pytest

from tests.unit.desktop.core import Core, kinds, settle, until
from tests.unit.desktop.values import (
    CLIENT,
    ENHANCEMENT,
    METADATA,
    RESULT,
    failed_attempt,
    file_record,
    heartbeat,
    long_file,
    part_status,
    shares,
    status,
)
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.events import FileChanged
from vidproc_desktop.services.ports import SaveAttempt, SaveFiles, SaveTask
from workers.protocol.messages import AnalysisTask, AssemblyTask, SegmentTask
from workers.protocol.model import FileId, WorkerId
from workers.protocol.segments import ANALYSIS, ASSEMBLY, segment_part
from workers.protocol.states import ErrorCode, Status

FILE = FileId("file-1")
A, B, C = (segment_part(number) for number in range(3))
COMPLETED = Status.COMPLETED


def share_out(core: Core, *durations_s: float) -> None:
    """One file whose analysis is done."""
    core.catalogue.add([long_file()])
    core.dispatch.apply(part_status(ANALYSIS, 1, COMPLETED, result=shares(*(durations_s or (30.0, 30.0)))))


async def publish_all(core: Core, count: int, *, slots: int = 20) -> None:
    core.pool.hear(heartbeat("a", slots=slots))
    core.outbox.use(core.broker)
    await until(lambda: len(core.broker.published) == count)
    await settle()
    assert len(core.broker.published) == count


# ------------------------------------------------------------ the way of a file


async def test_a_long_file_goes_through_all_parts(core: Core) -> None:
    core.catalogue.add([long_file()])
    await publish_all(core, 2)
    metadata, analysis = (task for task, _ in core.broker.published)
    assert kinds(metadata) == (METADATA,)
    assert isinstance(analysis, AnalysisTask)
    assert analysis.segment_s == 30
    answer = shares(20.0, 40.0)
    core.dispatch.apply(part_status(ANALYSIS, 1, COMPLETED, result=answer))
    await until(lambda: len(core.broker.published) == 4)
    long, short = (task for task, _ in core.broker.published[2:])
    assert isinstance(long, SegmentTask)
    assert isinstance(short, SegmentTask)
    assert (long.part, long.span, long.plan_sha256) == (B, answer.spans[1], answer.plan_sha256)
    assert short.span == answer.spans[0]
    for part in (B, A):
        core.dispatch.apply(part_status(part, 2, COMPLETED))
    await until(lambda: len(core.broker.published) == 5)
    assembly = core.broker.published[4][0]
    assert isinstance(assembly, AssemblyTask)
    assert assembly.plan_sha256 == answer.plan_sha256
    core.dispatch.apply(part_status(ASSEMBLY, 3, COMPLETED))
    assert core.file.enhancement_result == RESULT
    assert core.controls == []


async def test_a_file_that_is_better_done_whole_is_published_as_one_task(core: Core) -> None:
    core.catalogue.add([long_file()])
    await publish_all(core, 2)
    core.dispatch.apply(part_status(ANALYSIS, 1, COMPLETED, result=shares()))
    await until(lambda: len(core.broker.published) == 3)
    assert kinds(core.broker.published[2][0]) == (ENHANCEMENT,)
    core.dispatch.apply(status(1, COMPLETED))
    assert core.file.enhancement_result == RESULT


async def test_progress_of_a_part_is_the_rows_and_is_written_for_both(core: Core) -> None:
    share_out(core)
    core.dispatch.apply(part_status(A, 1))
    core.store.changes.clear()
    assert core.dispatch.apply(part_status(A, 2, progress=50)) is None
    assert core.store.changes == []
    assert core.store.progress == [core.file.part(A), core.file.enhancement]
    assert core.file.enhancement.progress == pytest.approx(4 + 23)
    assert core.seen[-1] == FileChanged(core.file)


async def test_what_follows_from_a_result_is_written_with_it(core: Core) -> None:
    core.catalogue.add([long_file()])
    core.store.held = []
    future = core.dispatch.apply(part_status(ANALYSIS, 1, COMPLETED))
    assert future is not None
    assert not future.done()
    ledger, saved = core.store.changes
    assert isinstance(ledger, SaveAttempt)
    assert (ledger.attempt.part, ledger.attempt.status) == (ANALYSIS, COMPLETED)
    assert saved == SaveFiles((core.file,))
    core.store.changes.clear()
    core.dispatch.apply(part_status(A, 1, COMPLETED))
    core.dispatch.apply(part_status(B, 1, COMPLETED))
    written = [change.task.part for change in core.store.changes if isinstance(change, SaveTask)]
    assert written == [A, None, B, ASSEMBLY, None]


async def test_a_repeated_result_that_has_led_to_other_parts_waits_for_its_first_copy(core: Core) -> None:
    share_out(core)
    core.dispatch.apply(part_status(A, 1, COMPLETED))
    core.dispatch.apply(part_status(B, 1, COMPLETED))
    core.store.held = []
    answer = part_status(ASSEMBLY, 1, COMPLETED, result=shares(30.0, of_round=1))
    first = core.dispatch.apply(answer)
    assert first is not None
    assert core.file.assembly is None
    assert core.dispatch.apply(answer) is first


# ------------------------------------------------------------ failures


async def test_a_failed_part_is_tried_again_elsewhere_before_everything_else(core: Core) -> None:
    share_out(core, 30.0, 40.0, 50.0)
    core.pool.hear(heartbeat("worker-1"))
    core.pool.hear(heartbeat("worker-2"))
    core.dispatch.apply(part_status(B, 5, Status.FAILED))
    again = core.file.part(B)
    assert again is not None
    assert (again.attempt, again.target_worker_id, again.is_in_outbox) == (2, "worker-2", True)
    assert core.file.enhancement.status is Status.PROCESSING
    core.outbox.use(core.broker)
    await until(lambda: len(core.broker.published) == 4)
    parts = [task.part for task, _ in core.broker.published if task.part is not None]
    assert parts == [B, C, A]
    assert core.broker.published[0][1] == "worker-2"


async def test_each_part_has_its_own_attempts(core: Core) -> None:
    share_out(core)
    for part in (A, B):
        for attempt in (1, 2):
            core.dispatch.apply(part_status(part, attempt, Status.FAILED, attempt=attempt))
    assert [part.attempt for part in core.file.parts] == [1, 3, 3]
    assert not core.file.enhancement.is_settled
    core.dispatch.apply(part_status(A, 3, Status.FAILED, attempt=3))
    assert core.file.enhancement.status is Status.FAILED


async def test_failures_of_parts_before_a_restart_count(core: Core) -> None:
    share_out(core)
    record = core.file.parts[1]
    core.dispatch.remember([failed_attempt(record, "a", 1), failed_attempt(record, "a", 2)])
    core.dispatch.apply(part_status(A, 9, Status.FAILED, attempt=3))
    assert core.file.enhancement.status is Status.FAILED


async def test_when_a_part_gives_up_the_others_are_stopped(core: Core) -> None:
    share_out(core, 30.0, 30.0, 30.0)
    await publish_all(core, 4)
    core.dispatch.apply(part_status(A, 1, COMPLETED))
    core.dispatch.apply(part_status(C, 5, Status.FAILED, code=ErrorCode.DISK_FULL))
    assert core.told_parts == [(B, 1)]
    assert core.file.enhancement.status is Status.FAILED
    assert core.file.enhancement.error is not None
    written = {change.task.part for change in core.store.changes[-4:] if isinstance(change, SaveTask)}
    assert written == {B, C, None}
    await settle()
    assert len(core.broker.published) == 4


async def test_parts_that_are_missing_are_made_anew(core: Core) -> None:
    share_out(core)
    await publish_all(core, 3)
    core.dispatch.apply(part_status(A, 5, Status.FAILED, code=ErrorCode.PARTS_MISSING))
    assert core.told_parts == [(B, 1)]
    await until(lambda: len(core.broker.published) == 4)
    assert core.order[-1] == ("file-1", ANALYSIS, 2)
    core.dispatch.apply(part_status(ANALYSIS, 1, COMPLETED, attempt=2))
    await until(lambda: len(core.broker.published) == 6)
    assert [attempt for _, _, attempt in core.order[-2:]] == [2, 2]
    # The worker that still makes the old one is told to stop, and what it says is not taken for the new one's.
    core.controls.clear()
    core.dispatch.apply(part_status(B, 7, progress=80))
    core.dispatch.apply(part_status(B, 8, COMPLETED))
    assert core.told_parts == [(B, 1)]
    assert core.file.parts[2].status is Status.PENDING


async def test_words_about_parts_that_do_not_exist_change_nothing(core: Core) -> None:
    core.add()
    core.dispatch.apply(part_status(A, 1))
    core.dispatch.apply(part_status(A, 2, COMPLETED))
    assert core.file == file_record(position=1)
    assert core.told_parts == [(A, 1)]
    core.dispatch.apply(part_status(A, 1, client_id="somebody"))
    assert len(core.controls) == 1


# ------------------------------------------------------------ cancel, retry, remove, start over


async def test_a_cancel_names_every_part_that_is_published(core: Core) -> None:
    share_out(core, 30.0, 40.0, 50.0)
    await publish_all(core, 3, slots=1)
    core.dispatch.apply(part_status(C, 1, progress=10))
    core.store.changes.clear()
    await core.dispatch.cancel([FILE])
    assert core.told_parts == [(B, 1), (C, 1), (None, 1)]
    assert all(message.client_id == CLIENT for message in core.controls)
    ledger = [change.attempt.part for change in core.store.changes if isinstance(change, SaveAttempt)]
    assert ledger == [B, C, None]
    assert core.file.is_finished
    core.controls.clear()
    for sequence in range(2, 9):
        core.dispatch.apply(part_status(C, sequence, progress=20))
    assert core.told_parts == [(C, 1)]
    await core.dispatch.cancel([FILE])
    assert len(core.controls) == 1


async def test_a_retry_publishes_only_what_is_not_finished(core: Core) -> None:
    share_out(core)
    core.dispatch.apply(part_status(A, 1, COMPLETED))
    await core.dispatch.cancel([FILE])
    await core.dispatch.retry([core.file])
    assert core.store.changes[-1] == SaveFiles((core.file,))
    await publish_all(core, 2)
    assert core.order == [("file-1", "file", 2), ("file-1", B, 2)]


async def test_a_removed_file_takes_its_parts_along(core: Core) -> None:
    share_out(core, 30.0, 40.0, 50.0)
    core.catalogue.add([long_file("file-2", position=2)])
    await publish_all(core, 3, slots=1)
    await core.dispatch.remove([FILE])
    assert core.told_parts == [(B, 1), (C, 1), (None, 1)]
    await until(lambda: len(core.broker.published) == 5)
    assert [file_id for file_id, _, _ in core.order[3:]] == ["file-2", "file-2"]


async def test_starting_over_publishes_unfinished_parts_anew(core: Core) -> None:
    share_out(core)
    await publish_all(core, 3)
    core.dispatch.apply(part_status(A, 1, COMPLETED))
    core.dispatch.start_over(new_attempt=True)
    await until(lambda: len(core.broker.published) == 5)
    assert core.order[3:] == [("file-1", "file", 2), ("file-1", B, 2)]


async def test_a_part_for_a_worker_that_left_goes_to_anybody(core: Core) -> None:
    share_out(core)
    core.pool.hear(heartbeat("worker-1"))
    core.pool.hear(heartbeat("worker-2"))
    core.dispatch.apply(part_status(B, 5, Status.FAILED))
    await publish_all(core, 3)
    assert core.broker.published[0][1] == "worker-2"
    core.pool.gone(WorkerId("worker-2"))
    await until(lambda: len(core.broker.published) == 4)
    assert (core.order[3], core.broker.published[3][1]) == (("file-1", B, 2), None)


# ------------------------------------------------------------ order and number


async def test_assemblies_come_first_then_files_as_they_arrived_the_longest_segment_first(core: Core) -> None:
    for position in (1, 2):
        name = f"file-{position}"
        core.catalogue.add([long_file(name, position=position)])
        answer = shares(20.0, 40.0, 30.0)
        core.dispatch.apply(part_status(ANALYSIS, 1, COMPLETED, file_id=name, result=answer))
    core.catalogue.add([file_record("file-3", position=3)])
    for part in (A, B, C):
        core.dispatch.apply(part_status(part, 1, COMPLETED, file_id="file-2"))
    await publish_all(core, 7)
    assert core.order == [
        ("file-2", ASSEMBLY, 1),
        ("file-1", "file", 1),
        ("file-1", B, 1),
        ("file-1", C, 1),
        ("file-1", A, 1),
        ("file-2", "file", 1),
        ("file-3", "file", 1),
    ]


async def test_every_published_part_counts(core: Core) -> None:
    share_out(core, *[30.0] * 9)
    core.pool.hear(heartbeat("a", slots=2))
    core.outbox.use(core.broker)
    await until(lambda: len(core.broker.published) == 5)
    await settle()
    assert core.order[1:] == [("file-1", segment_part(number), 1) for number in range(4)]
    for number in (2, 3):
        core.dispatch.apply(part_status(segment_part(number), 1, COMPLETED))
    await until(lambda: len(core.broker.published) == 7)
    core.dispatch.apply(part_status(A, 1, Status.FAILED, code=ErrorCode.NOT_IN_PARTS))
    await until(lambda: len(core.broker.published) == 8)
    assert core.order[-1] == ("file-1", "file", 1)
    core.catalogue.add(file_record(f"file-{n}", position=n) for n in (2, 3, 4, 5, 6))
    await until(lambda: len(core.broker.published) == 11)
    await settle()
    assert len(core.broker.published) == 11


async def test_a_part_that_the_broker_does_not_take_stays_in_the_outbox(core: Core) -> None:
    share_out(core)
    core.broker.refuse = UserFacingError(UserErrorCode.BROKER_UNREACHABLE, "down")
    core.outbox.use(core.broker)
    await until(lambda: core.broker.attempted > 0)
    core.broker.refuse = None
    core.outbox.nudge()
    await until(lambda: len(core.broker.published) == 3)
    assert all(part.is_published for part in core.file.parts)
