from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.desktop.values import (
    ENHANCEMENT,
    METADATA,
    RESULT,
    failed_attempt,
    file_record,
    status,
    worker,
)
from vidproc_desktop.domain.library import AttemptRecord, TaskRecord
from vidproc_desktop.domain.tasks import (
    GiveUp,
    Nothing,
    Retry,
    cancelled,
    is_progress_only,
    new_task,
    next_step,
    reduce,
    rejected,
    retried,
    retried_by_user,
    started_over,
)
from workers.protocol.messages import StatusMessage
from workers.protocol.model import FileId, WorkerId
from workers.protocol.results import TaskError
from workers.protocol.states import ErrorCode, Stage, Status, WorkerState

NEW = new_task(FileId("file-1"), ENHANCEMENT)


def apply(record: TaskRecord, *statuses: StatusMessage) -> TaskRecord:
    for message in statuses:
        record = reduce(record, message)
    return record


@st.composite
def histories(draw: st.DrawFn) -> list[StatusMessage]:
    """What workers send for one task: rising progress within an attempt, one final status, at most one success."""
    messages: list[StatusMessage] = []
    attempts = draw(st.integers(1, 3))
    for attempt in range(1, attempts + 1):
        steps = draw(st.lists(st.integers(0, 100), max_size=5))
        sequence = attempt * 1000
        for percent in sorted(steps):
            sequence += 1
            messages.append(status(sequence, progress=percent, attempt=attempt, stage=Stage.ENHANCING))
        is_last = attempt == attempts
        end = draw(st.sampled_from([None, *Status])) if is_last else Status.FAILED
        if end is not None:
            messages.append(status(sequence + 1, end, attempt=attempt, progress=max(steps) if steps else 0))
    return messages


@given(histories(), st.data())
def test_order_and_repetition_change_nothing(history: list[StatusMessage], data: st.DataObject) -> None:
    repeated = history + (data.draw(st.lists(st.sampled_from(history), max_size=8)) if history else [])
    shuffled = data.draw(st.permutations(repeated))
    assert apply(NEW, *shuffled) == apply(NEW, *history)


@given(histories(), st.data())
def test_progress_never_falls_within_an_attempt(history: list[StatusMessage], data: st.DataObject) -> None:
    record = NEW
    for message in data.draw(st.permutations(history)):
        after = reduce(record, message)
        assert after.attempt != record.attempt or after.progress >= record.progress
        record = after


@given(histories(), st.data())
def test_a_result_stays_whatever_follows(history: list[StatusMessage], data: st.DataObject) -> None:
    done = reduce(NEW, status(5000, Status.COMPLETED, attempt=2))
    assert apply(done, *data.draw(st.permutations(history))) is done


def test_a_status_fills_the_record() -> None:
    message = status(
        7,
        progress=40,
        stage=Stage.ENHANCING,
        frames_done=4,
        frames_total=10,
        frames_per_s=2.5,
        remaining_s=3.0,
    )
    record = reduce(replace(NEW, gentle=True, target_worker_id=WorkerId("worker-1")), message)
    assert record == TaskRecord(
        FileId("file-1"),
        ENHANCEMENT,
        status=Status.PROCESSING,
        stage=Stage.ENHANCING,
        progress=40,
        sequence=7,
        is_published=True,
        worker_id=WorkerId("worker-1"),
        target_worker_id=WorkerId("worker-1"),
        gentle=True,
        frames_done=4,
        frames_total=10,
        frames_per_s=2.5,
        remaining_s=3.0,
    )


def test_stale_and_repeated_statuses_return_the_very_record() -> None:
    record = apply(NEW, status(5, progress=50))
    assert reduce(record, status(5, progress=50)) is record
    assert reduce(record, status(4, progress=20)) is record
    assert reduce(record, status(9, Status.FAILED, attempt=1)).status is Status.FAILED


def test_final_states_stick_within_an_attempt() -> None:
    failed = apply(NEW, status(5, Status.FAILED))
    assert reduce(failed, status(9, progress=0)).status is Status.FAILED
    assert reduce(failed, status(9, Status.FAILED, code=ErrorCode.TIMEOUT)).error == failed.error


def test_completed_is_always_a_hundred_percent() -> None:
    assert reduce(NEW, status(1, Status.COMPLETED, progress=97)).progress == 100


def test_an_older_attempts_result_wins_over_a_waiting_retry() -> None:
    waiting = retried(apply(NEW, status(5, Status.FAILED)), Retry(None, 2, gentle=True))
    record = reduce(waiting, status(6, Status.COMPLETED, attempt=1))
    assert (record.status, record.attempt, record.result) == (Status.COMPLETED, 1, RESULT)


def test_a_late_failure_of_an_older_attempt_is_ignored() -> None:
    running = apply(retried(NEW, Retry(None, 2, gentle=False)), status(50, attempt=2, progress=10))
    assert reduce(running, status(60, Status.FAILED, attempt=1)) is running


def test_what_the_user_cancelled_stays_cancelled_unless_it_was_finished() -> None:
    record = cancelled(apply(NEW, status(5, progress=50)))
    assert record.status is Status.CANCELLED
    assert apply(record, status(6, progress=60), status(7, Status.FAILED)).status is Status.CANCELLED
    assert reduce(record, status(8, Status.COMPLETED)).status is Status.COMPLETED


def test_a_finished_record_cannot_be_cancelled() -> None:
    done = reduce(NEW, status(1, Status.COMPLETED))
    assert cancelled(done) is done


def test_a_user_retry_starts_a_new_round() -> None:
    record = retried_by_user(apply(NEW, status(5, Status.FAILED, attempt=3)))
    assert (record.attempt, record.first_attempt, record.status) == (4, 4, Status.PENDING)
    assert (record.sequence, record.progress, record.error, record.is_in_outbox) == (-1, 0, None, True)
    running = apply(NEW, status(5))
    assert retried_by_user(running) is running


def test_the_next_attempt_keeps_the_reason_of_the_last() -> None:
    failed = apply(NEW, status(5, Status.FAILED))
    assert retried(failed, Retry(WorkerId("b"), 2, gentle=True)).error == failed.error


def test_starting_over_forgets_the_sequence_and_keeps_what_is_final() -> None:
    running = apply(NEW, status(5, progress=50))
    again = started_over(running, new_attempt=False)
    assert (again.attempt, again.sequence, again.progress, again.is_in_outbox) == (1, -1, 0, True)
    assert started_over(running, new_attempt=True).attempt == 2
    done = reduce(NEW, status(1, Status.COMPLETED))
    assert started_over(done, new_attempt=True) is done


def test_only_progress_may_be_forgotten() -> None:
    pending = replace(NEW, is_published=True)
    running = apply(pending, status(1))
    assert not is_progress_only(pending, running)
    assert is_progress_only(running, apply(running, status(2, progress=9)))
    assert not is_progress_only(running, apply(running, status(3, Status.FAILED)))


# ------------------------------------------------------------ after a failure


def failed(attempt: int = 1, code: ErrorCode = ErrorCode.INTERNAL, *, by: str = "a") -> TaskRecord:
    start = replace(NEW, attempt=attempt)
    return reduce(start, status(9, Status.FAILED, attempt=attempt, code=code, worker_id=by))


def test_nothing_follows_what_has_not_failed() -> None:
    assert next_step(file_record(), NEW, (), (worker(),), 3) == Nothing()


def test_a_live_worker_that_has_not_failed_it_is_next() -> None:
    record = failed()
    ledger = [failed_attempt(record, "a", 1)]
    step = next_step(file_record(), record, ledger, (worker("a"), worker("b")), 3)
    assert step == Retry(WorkerId("b"), 2, gentle=False)


@pytest.mark.parametrize(
    "other",
    [
        worker("b", is_lost=True),
        worker("b", state=WorkerState.SET_ASIDE),
        worker("b", state=WorkerState.DISK_FULL),
        worker("b", state=WorkerState.STOPPING),
        worker("b", process_types=(METADATA,)),
    ],
)
def test_a_worker_that_takes_no_tasks_is_not_chosen(other: object) -> None:
    record = failed()
    step = next_step(file_record(), record, [failed_attempt(record, "a", 1)], (worker("a"), other), 3)  # type: ignore[arg-type]  # parametrised
    assert step == Retry(WorkerId("a"), 2, gentle=True)


def test_alone_the_same_worker_tries_gently() -> None:
    record = failed()
    step = next_step(file_record(), record, [failed_attempt(record, "a", 1)], (worker("a"),), 3)
    assert step == Retry(WorkerId("a"), 2, gentle=True)


def test_with_nobody_there_whoever_comes_first_may_have_it() -> None:
    record = failed()
    assert next_step(file_record(), record, [failed_attempt(record, "a", 1)], (), 3) == Retry(
        None, 2, gentle=True
    )


def test_some_failures_are_final_at_once() -> None:
    record = failed(code=ErrorCode.NOT_A_VIDEO)
    step = next_step(file_record(), record, [failed_attempt(record, "a", 1)], (worker("b"),), 3)
    assert isinstance(step, GiveUp)


def test_a_file_that_kills_every_worker_ends_with_its_ledger() -> None:
    record = failed(3, ErrorCode.WORKER_CRASHED)
    ledger = [failed_attempt(record, "a", attempt) for attempt in (1, 2, 3)]
    assert isinstance(next_step(file_record(), record, ledger, (worker("b"),), 3), GiveUp)
    assert isinstance(next_step(file_record(), record, ledger[:2], (worker("b"),), 3), Retry)


def test_a_user_retry_has_its_own_budget() -> None:
    record = replace(failed(4), first_attempt=4)
    ledger = [failed_attempt(record, "a", attempt) for attempt in (1, 2, 3, 4)]
    assert isinstance(next_step(file_record(), record, ledger, (worker("b"),), 3), Retry)


def rejected_attempt(record: TaskRecord, worker_id: str, attempt: int) -> AttemptRecord:
    error = TaskError(code=ErrorCode.RESULT_REJECTED, message="It was another film.")
    return replace(failed_attempt(record, worker_id, attempt), error=error)


def test_a_worker_whose_results_were_rejected_twice_is_not_given_the_task_again() -> None:
    record = replace(NEW, status=Status.FAILED, attempt=3, worker_id=WorkerId("b"))
    ledger = [
        rejected_attempt(record, "a", 1),
        rejected_attempt(record, "a", 2),
        rejected_attempt(record, "b", 3),
    ]
    workers = (worker("a"), worker("b"))
    assert next_step(file_record(), record, ledger, workers, 9) == Retry(WorkerId("b"), 4, gentle=True)
    assert isinstance(next_step(file_record(), record, ledger[:2], (worker("a"),), 9), GiveUp)
    assert isinstance(next_step(file_record(), record, ledger[:1], (worker("a"),), 9), Retry)
    third = replace(record, worker_id=WorkerId("a"))
    assert next_step(file_record(), third, ledger, workers, 9) == Retry(WorkerId("b"), 4, gentle=True)


def test_a_rejected_result_is_a_failure_that_names_its_worker() -> None:
    done = status(5, Status.COMPLETED, worker_id="studio-2")
    found = rejected(done, TaskError(code=ErrorCode.RESULT_REJECTED, message="It was another film."))
    assert (found.status, found.result, found.sequence) == (Status.FAILED, None, 5)
    assert found.error is not None
    assert found.error.message == "The result of worker studio-2 was not taken. It was another film."
    full = TaskError(code=ErrorCode.DISK_FULL, message="The disk is full.")
    assert rejected(done, full).error == full
