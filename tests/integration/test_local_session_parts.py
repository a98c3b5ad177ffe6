"""A whole session over real worker programs with the tests' media jobs: long files, done in parts."""

import os
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fixtures.worker_peers import make_source
from tests.integration import test_local_session as whole
from tests.integration.test_local_session import Place, busy_pid, until, until_finished
from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.services.session import Session
from workers.protocol.segments import ANALYSIS, ASSEMBLY, segment_part
from workers.protocol.states import ErrorCode, ProcessType, Status

pytestmark = pytest.mark.no_blocking

FIRST, SECOND, THIRD = (segment_part(number) for number in range(3))
ALL = (ANALYSIS, FIRST, SECOND, THIRD, ASSEMBLY)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(whole, "SUMMARY", whole.SUMMARY.model_copy(update={"duration_s": 600.0}))
    place = Place(tmp_path)
    place.options = replace(place.options, segment_from_s=90.0)
    return place


def only(session: Session) -> FileRecord:
    (file,) = session.files()
    return file


def begun(marker: Path) -> Counter[str]:
    """How often each part was begun; the metadata and whole enhancements have no name."""
    words = [line.split() for line in marker.read_text().splitlines()]
    return Counter(found[1] if len(found) > 1 else "" for found in words)


def parts_left(place: Place) -> list[Path]:
    return list(place.output.glob(".vidproc/parts-*"))


def holders(session: Session) -> dict[str, str]:
    """Which worker has which part."""
    return {
        current.part: worker.worker_id
        for worker in session.workers()
        for current in worker.current
        if current.part is not None
    }


@asynccontextmanager
async def held_at_the_second(place: Place, **orders: object) -> AsyncIterator[tuple[Session, Path]]:
    """A session with one film whose second segment is begun and waits for a gate."""
    gate, marker = place.folder / "gate", place.folder / "begun"
    async with place.session() as session:
        await session.add(
            [make_source(place.videos, marker=str(marker), parts={SECOND: {"gate": str(gate), **orders}})]
        )
        await until(session, lambda: SECOND in holders(session))
        yield session, gate


async def test_a_long_file_is_done_in_parts_and_nothing_is_left_of_them(place: Place) -> None:
    marker = place.folder / "begun"
    async with place.session() as session:
        await session.add([make_source(place.videos, marker=str(marker))])
        file = (await until_finished(session))[0]
        assert whole.statuses(file) == [Status.COMPLETED, Status.COMPLETED]
        assert [part.part for part in file.parts] == list(ALL)
        ledger = await session.attempts(file.file_id)
        assert {(line.part, line.status) for line in ledger} == {
            (part, Status.COMPLETED) for part in (None, *ALL)
        }
    assert place.results() == ["clip.mp4"]
    assert begun(marker) == Counter({"": 1, **dict.fromkeys(ALL, 1)})
    assert parts_left(place) == []


async def test_the_assembly_may_ask_for_another_round(place: Place) -> None:
    marker = place.folder / "begun"
    async with place.session() as session:
        await session.add([make_source(place.videos, marker=str(marker), rounds=1)])
        file = (await until_finished(session))[0]
        assert whole.statuses(file) == [Status.COMPLETED, Status.COMPLETED]
    assert begun(marker) == Counter({"": 1, ANALYSIS: 1, FIRST: 2, SECOND: 2, THIRD: 2, ASSEMBLY: 2})
    assert place.results() == ["clip.mp4"]


async def test_what_is_better_done_whole_is(place: Place) -> None:
    async with place.session() as session:
        await session.add([make_source(place.videos, whole="It is one scene.")])
        file = (await until_finished(session))[0]
        assert (whole.statuses(file), file.parts) == ([Status.COMPLETED, Status.COMPLETED], ())
    assert place.results() == ["clip.mp4"]


async def test_a_killed_worker_costs_one_part_one_attempt(place: Place) -> None:
    async with held_at_the_second(place) as (session, gate):
        os.kill(await busy_pid(session), signal.SIGKILL)
        await until(session, lambda: only(session).parts[2].attempt == 2)
        gate.touch()
        file = (await until_finished(session))[0]
        assert [part.attempt for part in file.parts] == [1, 1, 2, 1, 1]
        assert file.enhancement_result is not None


async def test_a_restart_goes_on_where_it_was(place: Place) -> None:
    async with held_at_the_second(place) as (session, gate):
        await until(session, lambda: only(session).parts[1].status is Status.COMPLETED)
    assert place.results() == []
    gate.touch()
    async with place.session() as session:
        file = (await until_finished(session))[0]
        assert file.enhancement_result is not None
    marks = begun(place.folder / "begun")
    assert (marks[ANALYSIS], marks[FIRST], marks[ASSEMBLY]) == (1, 1, 1)
    assert parts_left(place) == []


async def test_a_cancelled_film_goes_on_where_it_was(place: Place) -> None:
    async with held_at_the_second(place) as (session, gate):
        await session.cancel([only(session).file_id])
        await until(session, lambda: not any(worker.current for worker in session.workers()))
        gate.touch()
        await session.retry([only(session).file_id])
        file = (await until_finished(session))[0]
        assert file.enhancement_result is not None
    marks = begun(place.folder / "begun")
    assert (marks[ANALYSIS], marks[FIRST], marks[ASSEMBLY]) == (1, 1, 1)


async def test_parts_that_somebody_deleted_are_made_again(place: Place) -> None:
    async with held_at_the_second(place) as (session, gate):
        for folder in parts_left(place):
            shutil.rmtree(folder)
        gate.touch()
        file = (await until_finished(session))[0]
        assert file.enhancement_result is not None
    assert place.results() == ["clip.mp4"]
    marks = begun(place.folder / "begun")
    assert marks[ANALYSIS] == 2


async def test_a_part_that_cannot_be_done_fails_the_file(place: Place) -> None:
    async with held_at_the_second(place, **{"raise": "encoder_failed"}) as (session, gate):
        gate.touch()
        file = (await until_finished(session))[0]
        assert file.enhancement.status is Status.FAILED
        assert file.enhancement.error is not None
        assert file.enhancement.error.code is ErrorCode.ENCODER_FAILED
        ledger = [line for line in await session.attempts(file.file_id) if line.status is Status.FAILED]
        assert [(line.part, line.attempt) for line in ledger] == [(SECOND, 1), (SECOND, 2), (SECOND, 3)]
    assert place.results() == []


async def test_a_film_moves_to_a_broker_and_back_with_its_finished_parts(
    place: Place, broker_vhost: str
) -> None:
    async with held_at_the_second(place) as (session, gate):
        await session.use_broker(broker_vhost)
        await until(session, lambda: SECOND in holders(session))
        await session.use_broker(None)
        await until(session, lambda: SECOND in holders(session))
        gate.touch()
        file = (await until_finished(session))[0]
        assert file.enhancement_result is not None
        assert [part.attempt for part in file.parts[:2]] == [1, 1]
        assert file.parts[2].attempt == 2
    assert place.results() == ["clip.mp4"]
    marks = begun(place.folder / "begun")
    assert (marks[ANALYSIS], marks[FIRST], marks[ASSEMBLY]) == (1, 1, 1)


async def test_a_film_is_shared_by_the_workers_of_a_broker(place: Place, broker_vhost: str) -> None:
    place.options = replace(place.options, worker_count=2, broker_url=broker_vhost)
    gate = place.folder / "gate"
    orders = {"gate": str(gate)}
    async with place.session() as session:
        parts = dict.fromkeys((FIRST, SECOND, THIRD), orders)
        only_enhanced = (ProcessType.VIDEO_ENHANCEMENT,)
        await session.add([make_source(place.videos, parts=parts)], process_types=only_enhanced)
        await until(session, lambda: len(set(holders(session).values())) == 2)
        gate.touch()
        file = (await until_finished(session))[0]
        assert file.enhancement_result is not None
        assert len({part.worker_id for part in file.parts[1:4]}) == 2
    assert place.results() == ["clip.mp4"]
