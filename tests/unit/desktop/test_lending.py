"""Every published task carries fresh addresses where an exchange is in use, and none where there is none."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.desktop.core import settle
from tests.unit.desktop.lent import DOWN, Lent, until
from tests.unit.desktop.values import ENHANCEMENT, METADATA, heartbeat, long_file, shares
from vidproc_desktop.domain.aggregate import with_record
from vidproc_desktop.domain.parts import after_end
from vidproc_desktop.services import lending, outbox
from workers.protocol.messages import SegmentTask
from workers.protocol.model import FileId
from workers.protocol.results import AnalysisResult
from workers.protocol.states import Status
from workers.protocol.transfers import ReadGrant

FILE = FileId("file-1")


@pytest.fixture
async def lent(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lent]:
    monkeypatch.setattr(lending, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(outbox, "FIRST_PAUSE_S", 0.01)
    lent = Lent()
    running = asyncio.create_task(lent.outbox.run())
    yield lent
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await lent.aclose()


async def test_a_task_is_published_with_addresses_made_for_its_attempt(lent: Lent) -> None:
    await lent.open()
    lent.outbox.use(lent.broker)
    lent.add()
    await until(lambda: bool(lent.broker.published))
    ((task, _),) = lent.broker.published
    assert task.remote is not None
    assert task.remote.source_url == "http://here/source"
    ((asked, folder),) = lent.exchange.granted
    assert (asked.remote, asked.attempt, folder) == (None, 1, None)


async def test_without_an_exchange_it_has_none(lent: Lent) -> None:
    lent.lending.open(None)
    lent.lending.when_ready(lambda: lent.outbox.use(lent.broker))
    lent.add()
    await until(lambda: bool(lent.broker.published))
    assert lent.broker.published[0][0].remote is None


async def test_segments_say_what_their_worker_will_probably_be_given_next(lent: Lent) -> None:
    await lent.open()
    for name in ("far-3", "far-4"):
        lent.pool.hear(heartbeat(name))
    answer = add_shared_out(lent)
    lent.outbox.use(lent.broker)
    await until(lambda: len(lent.broker.published) == 7)
    segments = [task for task, _ in lent.broker.published if isinstance(task, SegmentTask)]
    following = [task.remote.likely_next for task in segments if task.remote is not None]
    assert following == [answer.spans[4], answer.spans[5], None, None, None, None], "with four slots"
    folders = {folder for task, folder in lent.exchange.granted if isinstance(task, SegmentTask)}
    assert folders == {Path("/out/.vidproc/parts x")}


async def test_parts_that_were_taken_away_do_not_stop_the_publishing(lent: Lent) -> None:
    await lent.open()
    lent.exchange.has_lost_parts = True
    add_shared_out(lent)
    lent.outbox.use(lent.broker)
    await until(lambda: any(isinstance(task, SegmentTask) for task, _ in lent.broker.published))
    assert {folder for _, folder in lent.exchange.granted} == {None}


def add_shared_out(lent: Lent) -> AnalysisResult:
    """A film of six segments that wait."""
    file = long_file()
    answer = shares(30.0, 30.0, 30.0, 30.0, 30.0, 30.0)
    done = replace(
        file.parts[0],
        status=Status.COMPLETED,
        is_published=True,
        result=answer.model_copy(update={"folder_uri": "file:///out/.vidproc/parts%20x"}),
    )
    assert isinstance(done.result, AnalysisResult)
    lent.catalogue.add([after_end(with_record(file, done), done, 3).file])
    return answer


async def test_an_exchange_that_is_down_makes_publishing_wait(lent: Lent) -> None:
    await lent.open()
    lent.exchange.refuse = DOWN
    lent.outbox.use(lent.broker)
    lent.add()
    await asyncio.sleep(0.05)
    assert lent.broker.published == []
    assert lent.task().is_in_outbox
    lent.exchange.refuse = None
    await until(lambda: bool(lent.broker.published))


async def test_one_that_does_not_start_is_told_once_and_tried_again(lent: Lent) -> None:
    lent.exchange.refuse = DOWN
    lent.lending.open(lent.exchange)
    lent.lending.when_ready(lambda: lent.outbox.use(lent.broker))
    lent.add()
    await until(lambda: lent.exchange.starts > 2)
    assert (lent.notices, lent.broker.published) == ([DOWN], [])
    lent.exchange.refuse = None
    await until(lambda: bool(lent.broker.published))


async def test_closed_while_it_starts_it_is_closed_all_the_same(lent: Lent) -> None:
    lent.exchange.refuse = DOWN
    lent.lending.open(lent.exchange)
    called: list[None] = []
    lent.lending.when_ready(lambda: called.append(None))
    await until(lambda: lent.exchange.starts > 0)
    await lent.lending.aclose()
    lent.exchange.refuse = None
    await settle()
    assert lent.exchange.is_closed
    assert (called, lent.lending.exchange) == ([], None)


async def test_what_is_cancelled_while_its_addresses_are_made_is_not_published(lent: Lent) -> None:
    await lent.open()
    lent.exchange.gate = asyncio.Event()
    lent.outbox.use(lent.broker)
    lent.add()
    await until(lambda: bool(lent.exchange.granted))
    await lent.dispatch.cancel([FILE])
    lent.exchange.gate.set()
    await until(lambda: len(lent.exchange.discarded) == 2)
    await settle()
    assert lent.broker.published == []
    assert {entry[1] for entry in lent.exchange.discarded} == {ENHANCEMENT, METADATA}


async def test_addresses_that_no_message_can_hold_are_left_out(lent: Lent) -> None:
    """Whoever shares the folders can do the task all the same."""
    await lent.open()
    lent.exchange.reads = tuple(
        ReadGrant(name=f"segment-{number:05}.json", url="http://here/" + "x" * 400, size_bytes=1)
        for number in range(3000)
    )
    lent.outbox.use(lent.broker)
    lent.add()
    await until(lambda: bool(lent.broker.published))
    assert lent.broker.published[0][0].remote is None


async def test_of_a_file_that_is_finished_nothing_stays_with_the_exchange(lent: Lent) -> None:
    lent.catalogue.watch(lent.lending.look_at)
    await lent.open()
    lent.outbox.use(lent.broker)
    lent.add()
    await until(lambda: bool(lent.broker.published))
    file = lent.catalogue.get(FILE)
    assert file is not None
    half = with_record(file, replace(file.metadata, status=Status.COMPLETED))
    lent.catalogue.put(half)
    await settle()
    assert lent.exchange.forgotten == []
    lent.catalogue.put(with_record(half, replace(half.enhancement, status=Status.FAILED)))
    await until(lambda: lent.exchange.forgotten == [FILE])
    lent.catalogue.put(file)
    await settle()
    assert lent.exchange.forgotten == [FILE]
