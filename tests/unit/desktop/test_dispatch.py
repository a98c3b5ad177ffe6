from tests.unit.desktop.core import Core, kinds, settle, until
from tests.unit.desktop.values import (
    ENHANCEMENT,
    METADATA,
    failed_attempt,
    heartbeat,
    status,
)
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.events import FileChanged
from vidproc_desktop.services.ports import RemoveFiles, SaveAttempt, SaveTask
from workers.protocol.model import FileId, WorkerId
from workers.protocol.states import ErrorCode, Status, WorkerState

FILE = FileId("file-1")


# ------------------------------------------------------------ statuses


async def test_progress_is_told_and_written_without_anybody_waiting(core: Core) -> None:
    core.add()
    core.dispatch.apply(status(1, progress=1))
    assert core.dispatch.apply(status(2, progress=30)) is None
    assert core.task().progress == 30
    assert core.store.progress[-1].progress == 30
    assert isinstance(core.seen[-1], FileChanged)


async def test_a_change_of_state_is_durable_before_it_is_acknowledged(core: Core) -> None:
    core.add()
    core.store.held = []
    future = core.dispatch.apply(status(2, Status.COMPLETED))
    assert future is not None
    assert not future.done()
    assert [type(change) for change in core.store.changes] == [SaveAttempt, SaveTask]


async def test_a_repeated_final_status_waits_for_its_first_copy(core: Core) -> None:
    core.add()
    core.store.held = []
    first = core.dispatch.apply(status(2, Status.COMPLETED))
    assert core.dispatch.apply(status(2, Status.COMPLETED)) is first


async def test_statuses_of_other_clients_change_nothing(core: Core) -> None:
    core.add()
    assert core.dispatch.apply(status(2, Status.COMPLETED, client_id="somebody")) is None
    assert core.task().status is Status.PENDING
    assert core.controls == []


async def test_a_failure_is_followed_by_another_attempt_in_the_same_write(core: Core) -> None:
    core.add()
    core.pool.hear(heartbeat("worker-1"))
    core.pool.hear(heartbeat("worker-2"))
    core.dispatch.apply(status(5, Status.FAILED))
    record = core.task()
    assert (record.status, record.attempt, record.target_worker_id) == (Status.PENDING, 2, "worker-2")
    saved = core.store.changes[-1]
    assert isinstance(saved, SaveTask)
    assert saved.task == record


async def test_after_the_last_attempt_the_failure_is_final(core: Core) -> None:
    core.add()
    for attempt in (1, 2, 3):
        core.dispatch.apply(
            status(attempt * 10, Status.FAILED, attempt=attempt, code=ErrorCode.WORKER_CRASHED)
        )
    assert (core.task().status, core.task().attempt) == (Status.FAILED, 3)
    ledger = [change.attempt.attempt for change in core.store.changes if isinstance(change, SaveAttempt)]
    assert ledger == [1, 2, 3]


async def test_another_number_of_attempts_holds_from_the_next_failure_on(core: Core) -> None:
    core.add()
    core.dispatch.apply(status(1, Status.FAILED, code=ErrorCode.WORKER_CRASHED))
    assert core.task().attempt == 2
    core.dispatch.limit_attempts(2)
    core.dispatch.apply(status(2, Status.FAILED, attempt=2, code=ErrorCode.WORKER_CRASHED))
    assert (core.task().status, core.task().attempt) == (Status.FAILED, 2)


async def test_another_time_limit_holds_for_what_is_published_next(core: Core) -> None:
    core.outbox.use(core.broker)
    core.outbox.limit_time(7.5)
    core.add()
    await until(lambda: len(core.broker.published) == 1)
    assert core.broker.published[0][0].timeout_s == 7.5


async def test_failures_before_a_restart_count(core: Core) -> None:
    core.add()
    core.dispatch.remember([failed_attempt(core.task(), "a", 1), failed_attempt(core.task(), "a", 2)])
    core.dispatch.apply(status(9, Status.FAILED, attempt=3))
    assert core.task().status is Status.FAILED


async def test_what_can_never_work_is_not_tried_again(core: Core) -> None:
    core.add()
    core.dispatch.apply(status(1, Status.FAILED, code=ErrorCode.DISK_FULL))
    assert core.task().status is Status.FAILED


async def test_an_older_attempts_result_stops_the_newer_one(core: Core) -> None:
    core.add()
    core.dispatch.apply(status(1, Status.FAILED))
    core.dispatch.apply(status(2, attempt=2, progress=10))
    core.dispatch.apply(status(3, Status.COMPLETED, attempt=1))
    assert core.task().status is Status.COMPLETED
    assert core.told == [("file-1", ENHANCEMENT, 2)]


# ------------------------------------------------------------ cancel, retry, remove


async def test_cancelling_tells_the_workers_once_per_running_process(core: Core) -> None:
    core.add()
    core.dispatch.apply(status(1, progress=5))
    await core.dispatch.cancel([FILE])
    assert [task.status for task in core.catalogue.files()[0].tasks] == [Status.CANCELLED] * 2
    assert core.told == [("file-1", ENHANCEMENT, 1)]


async def test_a_worker_that_goes_on_is_told_again_but_not_with_every_status(core: Core) -> None:
    core.add()
    core.dispatch.apply(status(1))
    await core.dispatch.cancel([FILE])
    core.controls.clear()
    for sequence in range(2, 20):
        core.dispatch.apply(status(sequence))
    assert core.told == [("file-1", ENHANCEMENT, 1)]
    assert core.task().status is Status.CANCELLED


async def test_a_user_retry_is_a_new_attempt_and_is_not_stopped_by_the_old_cancel(core: Core) -> None:
    core.add()
    core.dispatch.apply(status(1))
    await core.dispatch.cancel([FILE])
    await core.dispatch.retry([core.catalogue.files()[0]])
    assert (core.task().attempt, core.task().status) == (2, Status.PENDING)
    core.dispatch.apply(status(2, Status.CANCELLED, attempt=1))
    assert core.task().status is Status.PENDING


async def test_a_removed_row_is_forgotten_and_its_work_stopped(core: Core) -> None:
    core.add()
    core.dispatch.apply(status(1))
    await core.dispatch.remove([FILE])
    assert len(core.catalogue) == 0
    assert core.store.changes[-1] == RemoveFiles((FILE,))
    assert ("file-1", ENHANCEMENT, 1) in core.told
    assert core.dispatch.apply(status(2)) is None


# ------------------------------------------------------------ publishing


async def test_a_new_file_is_published_once_for_both_processes(core: Core) -> None:
    core.outbox.use(core.broker)
    core.add()
    await until(lambda: len(core.broker.published) == 1)
    task, target = core.broker.published[0]
    assert (set(kinds(task)), task.attempt, target) == ({ENHANCEMENT, METADATA}, 1, None)
    assert core.task().is_published
    assert core.task(METADATA).is_published
    await settle()
    assert len(core.broker.published) == 1


async def test_no_more_than_twice_the_slots_are_published(core: Core) -> None:
    core.outbox.use(core.broker)
    core.add(10)
    await settle()
    assert [task.file_id for task, _ in core.broker.published] == ["file-1", "file-2"]
    core.dispatch.apply(status(1, Status.COMPLETED, file_id="file-1"))
    core.dispatch.apply(status(1, Status.COMPLETED, file_id="file-1", process_type=METADATA))
    await until(lambda: len(core.broker.published) == 3)
    core.pool.hear(heartbeat("a", slots=3))
    await until(lambda: len(core.broker.published) == 7)
    await settle()
    assert len(core.broker.published) == 7


async def test_nothing_is_published_before_it_is_durable(core: Core) -> None:
    core.store.held = []
    waiting = core.store.write()
    core.outbox.use(core.broker)
    core.add()
    await settle()
    assert core.broker.published == []
    waiting.set_result(None)
    core.store.held = None
    await until(lambda: len(core.broker.published) == 1)


async def test_what_the_broker_does_not_confirm_stays_in_the_outbox(core: Core) -> None:
    core.broker.refuse = UserFacingError(UserErrorCode.BROKER_UNREACHABLE, "down")
    core.outbox.use(core.broker)
    core.add()
    await until(lambda: core.broker.attempted > 0)
    assert not core.task().is_published
    core.broker.refuse = None
    core.outbox.nudge()
    await until(lambda: len(core.broker.published) == 1)
    assert core.task().is_published


async def test_a_retry_for_a_worker_that_left_goes_to_anybody(core: Core) -> None:
    core.outbox.use(core.broker)
    core.pool.hear(heartbeat("worker-1"))
    core.pool.hear(heartbeat("worker-2"))
    core.add()
    await until(lambda: len(core.broker.published) == 1)
    core.dispatch.apply(status(5, Status.FAILED))
    await until(lambda: len(core.broker.published) == 2)
    task, target = core.broker.published[1]
    assert (task.attempt, kinds(task), target) == (2, (ENHANCEMENT,), "worker-2")
    core.pool.gone(WorkerId("worker-2"))
    await until(lambda: len(core.broker.published) == 3)
    assert core.broker.published[2][1] is None


async def test_a_cancel_takes_a_file_out_of_the_outbox(core: Core) -> None:
    core.add(3)
    await core.dispatch.cancel([FileId("file-1"), FileId("file-2")])
    core.outbox.use(core.broker)
    await until(lambda: len(core.broker.published) == 1)
    assert core.broker.published[0][0].file_id == "file-3"


async def test_starting_over_publishes_the_unfinished_anew(core: Core) -> None:
    core.outbox.use(core.broker)
    core.add(2)
    await until(lambda: len(core.broker.published) == 2)
    core.dispatch.apply(status(5, Status.COMPLETED))
    core.dispatch.start_over(new_attempt=True)
    await until(lambda: len(core.broker.published) == 4)
    again = {(task.file_id, task.attempt, kinds(task)) for task, _ in core.broker.published[2:]}
    assert again == {("file-1", 2, (METADATA,)), ("file-2", 2, (ENHANCEMENT, METADATA))}


# ------------------------------------------------------------ workers


async def test_a_silent_worker_is_lost_after_a_minute(core: Core) -> None:
    core.pool.hear(heartbeat("a"))
    core.now += 59
    core.pool.look()
    assert core.pool.is_live(WorkerId("a"))
    core.now += 2
    core.pool.look()
    assert not core.pool.is_live(WorkerId("a"))
    core.pool.hear(heartbeat("a"))
    assert core.pool.is_live(WorkerId("a"))


async def test_a_worker_that_says_goodbye_is_gone(core: Core) -> None:
    core.pool.hear(heartbeat("a"))
    core.pool.hear(heartbeat("a", state=WorkerState.STOPPING))
    assert core.pool.views() == ()
