"""What workers elsewhere hand over is believed only after it was checked and published here, and never lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.desktop.core import settle
from tests.unit.desktop.lent import DOWN, FAR, SENT, TERMS, Lent, handed_over, rejection, until
from tests.unit.desktop.values import (
    ENHANCEMENT,
    METADATA,
    RESULT,
    file_record,
    long_file,
    part_status,
    shares,
    status,
)
from vidproc_desktop.domain.tasks import Retry
from vidproc_desktop.errors import UserErrorCode
from vidproc_desktop.services import acceptance
from vidproc_desktop.services.task_messages import task_message
from workers.protocol.messages import SegmentTask
from workers.protocol.model import FileId, WorkerId
from workers.protocol.results import TaskError
from workers.protocol.segments import ANALYSIS, segment_part
from workers.protocol.states import ControlAction, ErrorCode, Status

FILE = FileId("file-1")
FIRST = segment_part(0)


@pytest.fixture
async def lent(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lent]:
    monkeypatch.setattr(acceptance, "FIRST_PAUSE_S", 0.01)
    lent = Lent()
    lent.add(2)
    await lent.open()
    yield lent
    await lent.aclose()


def published(lent: Lent, file_id: str = "file-1") -> None:
    """The broker has been given the file."""
    file = lent.catalogue.get(FileId(file_id))
    assert file is not None
    for task in file.tasks:
        file = file.with_task(replace(task, is_published=True))
    lent.catalogue.put(file)


# ---------------------------------------------------------------- what is taken over


async def test_the_result_is_the_one_that_was_published_here(lent: Lent) -> None:
    await lent.acceptance.take(handed_over())
    assert lent.task().status is Status.COMPLETED
    assert lent.task().result == RESULT
    (asked,) = lent.accepter.asked
    assert (asked.sent, asked.result, asked.process_type) == (SENT, FAR, ENHANCEMENT)
    assert asked.directory_uri == "file:///out/.vidproc/staged"
    assert (asked.task.file_id, asked.task.attempt, asked.task.remote) == (FILE, 1, None)
    await settle()
    assert lent.exchange.discarded == [(FILE, ENHANCEMENT, None, 1)]


async def test_it_is_acknowledged_only_when_it_is_durable(lent: Lent) -> None:
    lent.store.held = []
    taking = lent.take(handed_over())
    await until(lambda: bool(lent.store.held))
    await settle()
    assert not taking.done()
    assert lent.store.held is not None
    lent.store.held[-1].set_result(None)
    await taking


async def test_a_part_is_taken_over_by_its_own_task(lent: Lent) -> None:
    lent.catalogue.add([long_file("long", position=3)])
    file = "long"
    await lent.acceptance.take(part_status(ANALYSIS, 5, Status.COMPLETED, file_id=file))
    sent = part_status(FIRST, 5, Status.COMPLETED, file_id=file, sent=SENT)
    lent.accepter.error = rejection()
    await lent.acceptance.take(sent)
    (asked,) = lent.accepter.asked
    assert isinstance(asked.task, SegmentTask)
    assert asked.task.span == shares(30.0, 30.0).spans[0]
    row = lent.catalogue.get(FileId(file))
    assert row is not None
    part = row.part(FIRST)
    assert part is not None
    assert (part.status, part.attempt) == (Status.PENDING, 2)


async def test_said_twice_it_is_taken_over_once(lent: Lent) -> None:
    await lent.acceptance.take(handed_over())
    await lent.acceptance.take(handed_over())
    assert len(lent.accepter.asked) == 1
    assert lent.task().result == RESULT


async def test_after_a_crash_in_between_what_was_published_is_found(lent: Lent) -> None:
    """The objects are gone with the reply that nobody heard."""
    lent.exchange.is_lost = True
    await lent.acceptance.take(handed_over())
    (asked,) = lent.accepter.asked
    assert (asked.sent, asked.directory_uri) == ((), "file:///out")
    assert lent.task().result == RESULT


async def test_a_few_are_taken_over_at_a_time_and_those_of_one_task_in_turn(lent: Lent) -> None:
    lent.catalogue.add(file_record(f"more-{n}", position=10 + n) for n in range(6))
    lent.accepter.gate = asyncio.Event()
    taking = [lent.take(handed_over(file_id=f"more-{n}")) for n in range(6)]
    taking += [
        lent.take(handed_over(attempt, file_id="more-0", worker_id=f"far-{attempt}")) for attempt in (1, 2)
    ]
    await until(lambda: lent.accepter.at_once == acceptance.AT_A_TIME)
    await settle()
    assert lent.accepter.most_at_once == acceptance.AT_A_TIME
    lent.accepter.gate.set()
    await asyncio.gather(*taking)
    assert lent.accepter.most_at_once == acceptance.AT_A_TIME
    assert sorted(asked.file_id for asked in lent.accepter.asked) == [f"more-{n}" for n in range(6)]
    assert lent.acceptance._turns == {}


# ---------------------------------------------------------------- what is rejected


async def test_a_rejected_result_is_a_failed_attempt_that_names_the_worker(lent: Lent) -> None:
    published(lent)
    lent.accepter.error = rejection()
    await lent.acceptance.take(handed_over())
    record = lent.task()
    assert (record.status, record.attempt, record.target_worker_id) == (Status.PENDING, 2, "far-2")
    assert record.error is not None
    assert record.error.code is ErrorCode.RESULT_REJECTED
    assert record.error.message == (
        "The result of worker far-1 was not taken. The video has 9 pictures instead of 10."
    )
    await settle()
    assert lent.exchange.discarded == [(FILE, ENHANCEMENT, None, 1)]


async def test_what_is_not_the_workers_fault_keeps_its_code_and_words(lent: Lent) -> None:
    lent.accepter.error = TaskError(code=ErrorCode.FILE_CHANGED, message="It was changed.")
    await lent.acceptance.take(handed_over())
    record = lent.task()
    assert (record.status, record.error) == (Status.FAILED, lent.accepter.error)


async def test_what_was_never_handed_over_is_a_failed_attempt(lent: Lent) -> None:
    published(lent)
    lent.exchange.is_lost, lent.accepter.knows = True, None
    await lent.acceptance.take(handed_over())
    record = lent.task()
    assert (record.status, record.attempt) == (Status.PENDING, 2)
    assert record.error is not None
    assert record.error.code is ErrorCode.RESULT_REJECTED
    assert "“video.mp4” was not handed over." in record.error.message


async def test_a_result_that_is_nowhere_here_is_not_believed(lent: Lent, tmp_path: Path) -> None:
    published(lent)
    await lent.acceptance.take(handed_over(sent=()))
    assert lent.task().status is Status.PENDING
    error = lent.task().error
    assert error is not None
    assert error.message == (
        "The result of worker far-1 was not taken. It said that it was done, but its result is not on this computer."
    )
    there = {"output_uri": (tmp_path / "a.mp4").as_uri(), "report_uri": (tmp_path / "a.json").as_uri()}
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.json").touch()
    shared = RESULT.model_copy(update=there)
    await lent.acceptance.take(handed_over(2, sent=(), result=shared))
    assert lent.task().result == shared
    assert lent.accepter.asked == []


async def test_a_plan_that_is_nowhere_here_is_not_believed(lent: Lent, tmp_path: Path) -> None:
    lent.catalogue.add([long_file("long", position=3)])
    answer = shares(30.0, 30.0)
    for attempt, folder, wanted in ((1, tmp_path / "away", Status.PENDING), (2, tmp_path, Status.COMPLETED)):
        result = answer.model_copy(update={"folder_uri": folder.as_uri()})
        said = part_status(ANALYSIS, 5, Status.COMPLETED, file_id="long", attempt=attempt, result=result)
        await lent.acceptance.take(said)
        row = lent.catalogue.get(FileId("long"))
        assert row is not None
        assert row.parts[0].status is wanted


async def test_what_is_done_by_a_worker_that_shares_the_folders_is_lent_to_nobody_any_more(
    lent: Lent,
) -> None:
    file = lent.file
    task = task_message(TERMS, file, file.tasks)
    lent_task = await lent.lending.with_addresses(task, file, None)
    assert lent_task.remote is not None
    key = (FILE, ENHANCEMENT, None)
    assert lent.lending.task_of(key, 1) == task
    await lent.lending.aclose()
    lent.lending.open(lent.exchange)
    nowhere = {"output_uri": Path(__file__).as_uri(), "report_uri": Path(__file__).as_uri()}
    await lent.acceptance.take(handed_over(sent=(), result=RESULT.model_copy(update=nowhere)))
    await settle()
    assert lent.task().status is Status.COMPLETED
    assert lent.lending.task_of(key, 1) is None
    assert lent.exchange.discarded == [(FILE, ENHANCEMENT, None, 1)]


async def test_without_an_exchange_results_are_believed_as_ever(lent: Lent) -> None:
    await lent.lending.aclose()
    await lent.acceptance.take(handed_over(sent=()))
    assert lent.task().result == FAR


async def test_without_an_exchange_what_was_handed_over_cannot_be_reached(lent: Lent) -> None:
    await lent.lending.aclose()
    await lent.acceptance.take(handed_over())
    error = lent.task().error
    assert error is not None
    assert error.code is ErrorCode.TRANSFER_FAILED


async def test_after_three_rejected_results_in_a_row_a_worker_is_paused(lent: Lent) -> None:
    async def hand_over(number: int, *, is_true: bool = False) -> None:
        lent.catalogue.add([file_record(f"more-{number}", position=10 + number)])
        lent.accepter.error = None if is_true else rejection()
        await lent.acceptance.take(handed_over(file_id=f"more-{number}"))

    for number in range(2):
        await hand_over(number)
    await hand_over(2, is_true=True)
    for number in range(3, 5):
        await hand_over(number)
    assert (lent.told_workers, lent.notices) == ([], [])
    await hand_over(5)
    (told,), (notice,) = lent.told_workers, lent.notices
    assert (told.action, told.worker_id) == (ControlAction.PAUSE, "far-1")
    assert notice.code is UserErrorCode.RESULTS_REJECTED
    assert "far-1" in notice.title


async def test_one_rejected_result_that_is_said_three_times_counts_once(lent: Lent) -> None:
    lent.accepter.error = rejection()
    for _ in range(acceptance.REJECTIONS_UNTIL_PAUSED):
        await lent.acceptance.take(handed_over())
    assert len(lent.accepter.asked) == acceptance.REJECTIONS_UNTIL_PAUSED
    assert (lent.told_workers, lent.task().attempt) == ([], 2)


# ---------------------------------------------------------------- what nobody wants any more


async def test_what_was_cancelled_is_discarded_and_never_taken_over(lent: Lent) -> None:
    published(lent)
    await lent.dispatch.cancel([FILE])
    await settle()
    assert (FILE, ENHANCEMENT, None, 1) in lent.exchange.discarded
    assert (FILE, METADATA, None, 1) in lent.exchange.discarded
    await lent.acceptance.take(handed_over())
    assert lent.task().status is Status.CANCELLED
    assert lent.accepter.asked == []
    assert lent.exchange.received_for == []


async def test_a_cancel_in_the_middle_stays_one(lent: Lent) -> None:
    published(lent)
    lent.accepter.gate = asyncio.Event()
    taking = lent.take(handed_over())
    await until(lambda: lent.accepter.at_once == 1)
    await lent.dispatch.cancel([FILE])
    lent.accepter.gate.set()
    await taking
    assert lent.task().status is Status.CANCELLED


async def test_a_removed_file_is_discarded(lent: Lent) -> None:
    published(lent)
    await lent.dispatch.remove([FILE])
    await settle()
    assert (FILE, ENHANCEMENT, None, 1) in lent.exchange.discarded
    await lent.acceptance.take(handed_over())
    assert lent.accepter.asked == []


async def test_the_first_valid_result_of_two_attempts_counts(lent: Lent) -> None:
    """Not the one of the newer attempt, and not the one that comes first and is none."""
    await lent.acceptance.take(status(1, worker_id="far-1"))
    lent.accepter.error = rejection()
    await lent.acceptance.take(handed_over(1))
    lent.accepter.error = None
    lent.accepter.gate = asyncio.Event()
    older, newer = lent.take(handed_over(1, sequence=10)), lent.take(handed_over(2, worker_id="far-2"))
    await until(lambda: lent.accepter.at_once == 1)
    await settle()
    assert lent.accepter.at_once == 1
    lent.accepter.gate.set()
    await asyncio.gather(older, newer)
    assert lent.task().status is Status.COMPLETED
    assert lent.task().worker_id == "far-1"
    assert [asked.task.attempt for asked in lent.accepter.asked] == [1, 1]
    await settle()
    assert lent.exchange.discarded[-1] == (FILE, ENHANCEMENT, None, 2)


async def test_what_a_failed_attempt_has_handed_over_stays_until_the_task_has_failed_for_good(
    lent: Lent,
) -> None:
    published(lent)
    await lent.acceptance.take(status(5, Status.FAILED))
    await settle()
    assert lent.exchange.discarded == []
    await lent.acceptance.take(handed_over(worker_id="far-2"))
    assert lent.task().status is Status.COMPLETED, "somebody else had been given the same attempt, and did it"
    await lent.acceptance.take(status(5, Status.FAILED, file_id="file-2", code=ErrorCode.FILE_CHANGED))
    await settle()
    assert lent.exchange.discarded == [(FILE, ENHANCEMENT, None, 1), ("file-2", ENHANCEMENT, None, 1)]


async def test_a_failed_attempt_leaves_what_another_one_beside_it_hands_over(lent: Lent) -> None:
    lent.catalogue.add([long_file("long", position=3)])
    await lent.acceptance.take(part_status(ANALYSIS, 5, Status.COMPLETED, file_id="long"))
    await lent.acceptance.take(part_status(FIRST, 1, file_id="long", worker_id="far-1"))
    row = lent.catalogue.get(FileId("long"))
    assert row is not None
    record = row.part(FIRST)
    assert record is not None
    lent.dispatch.try_beside(record, Retry(WorkerId("far-2"), 2, gentle=False))
    await settle()
    lent.exchange.discarded.clear()
    lent.accepter.error = rejection()
    await lent.acceptance.take(
        part_status(FIRST, 2, Status.COMPLETED, file_id="long", attempt=2, worker_id="far-2", sent=SENT)
    )
    await settle()
    assert lent.exchange.discarded == []


# ---------------------------------------------------------------- what has to wait


async def test_a_result_waits_for_the_exchange_and_keeps_nobody_waiting(lent: Lent) -> None:
    lent.exchange.refuse = DOWN
    taking = lent.take(handed_over())
    await until(lambda: len(lent.exchange.received_for) > 2)
    await lent.acceptance.take(status(2, file_id="file-2", progress=40))
    assert lent.task(file_id="file-2").progress == 40
    assert not taking.done()
    lent.exchange.refuse = None
    await taking
    assert lent.task().result == RESULT


async def test_a_result_waits_for_a_process_that_cannot_be_started(lent: Lent) -> None:
    lent.accepter.refuse = DOWN
    taking = lent.take(handed_over())
    await until(lambda: len(lent.accepter.asked) > 1)
    lent.accepter.refuse = None
    await taking
    assert lent.task().result == RESULT


async def test_a_cancel_ends_the_waiting(lent: Lent) -> None:
    published(lent)
    lent.exchange.refuse = DOWN
    taking = lent.take(handed_over())
    await until(lambda: bool(lent.exchange.received_for))
    await lent.dispatch.cancel([FILE])
    await taking
    assert lent.task().status is Status.CANCELLED
    assert lent.accepter.asked == []


async def test_many_that_wait_do_not_take_the_turns_of_others(lent: Lent) -> None:
    lent.catalogue.add(file_record(f"more-{n}", position=10 + n) for n in range(5))
    lent.accepter.refuse = DOWN
    taking = [lent.take(handed_over(file_id=f"more-{n}")) for n in range(5)]
    await until(lambda: {asked.file_id for asked in lent.accepter.asked} == {f"more-{n}" for n in range(5)})
    lent.accepter.refuse = None
    await asyncio.gather(*taking)
