"""A session whose workers share no folder with it: real media work, handed over through an exchange, checked here."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fixtures.far_broker import FarBroker
from tests.fixtures.far_worker import HandedOver
from tests.fixtures.folder_exchange import FolderExchange
from tests.fixtures.small_films import make_film, noisy_pictures
from tests.fixtures.worker_peers import make_task
from tests.integration import test_local_session as local
from tests.integration.test_local_session import until, until_finished
from vidproc_desktop.broker import accepter
from vidproc_desktop.broker.accepter import LocalAccepter
from vidproc_desktop.broker.commands import Command, WorkerRole, stdio_command
from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.workers import ConnectionReport
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services import acceptance, lending
from vidproc_desktop.services.acceptance import Acceptance
from vidproc_desktop.services.events import Event, Notice
from vidproc_desktop.services.ports import Transport
from vidproc_desktop.services.session import Session, SessionOptions, SessionPorts
from vidproc_desktop.store.database import Database
from workers.protocol import transfers
from workers.protocol.messages import AcceptTask, AnyWorkTask, SegmentTask, StatusMessage
from workers.protocol.results import AnalysisResult, EnhancementResult
from workers.protocol.segments import segment_part
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ControlAction, ErrorCode, ProcessType, Status

BROKER = "amqp://elsewhere/"
ENHANCEMENT = ProcessType.VIDEO_ENHANCEMENT
PICTURES = 45


class Place:
    """Folders of one test, an exchange between them, and sessions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "out"
        self.exchange = FolderExchange()
        self.notices: list[UserFacingError] = []
        self.options = SessionOptions(
            output_directory=self.output,
            data_directory=folder / "data",
            settings=EnhancementSettings(),
            broker_url=BROKER,
            worker_count=0,
            max_size_bytes=10_000_000,
            timeout_s=60.0,
            max_attempts=3,
            segment_s=0.5,
        )
        self.film = make_film(
            folder / "film.mp4",
            noisy_pictures(PICTURES, 6),
            [3003 * number for number in range(PICTURES)],
            group=15,
        )

    def in_parts(self) -> None:
        self.options = replace(self.options, segment_from_s=1.0)

    @asynccontextmanager
    async def session(self, *names: str) -> AsyncIterator[tuple[Session, FarBroker]]:
        broker = FarBroker(self.folder / "far", self.exchange, *names)
        data = self.folder / "data"

        async def test_connection(url: str) -> ConnectionReport:
            raise AssertionError(url)

        ports = SessionPorts(
            store=Database(data / "library.sqlite3"),
            prober=local.BlindProber(),
            connect=lambda _url, _client: Transport(broker, None, is_local=False),
            test_connection=test_connection,
            broker_identity=lambda url: url,
            exchange=lambda _url, _client: self.exchange,
            accepter=LocalAccepter(stdio_command(WorkerRole.METADATA, data)),
        )
        session = Session(ports, self.options)
        session.events.subscribe(self._note)
        await session.start()
        try:
            yield session, broker
        finally:
            await session.aclose()
        assert not self.exchange.is_running

    def _note(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.notices.append(event.error)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.output.iterdir() if path.is_file())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(acceptance, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(lending, "FIRST_PAUSE_S", 0.05)
    return Place(tmp_path)


def only(session: Session) -> FileRecord:
    (file,) = session.files()
    return file


async def soon(condition: Callable[[], bool]) -> None:
    """Wait for something of which no event tells."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.02)


async def test_a_whole_file_comes_home(place: Place) -> None:
    async with place.session("far-1") as (session, broker):
        await session.add([place.film])
        file = (await until_finished(session))[0]
        assert local.statuses(file) == [Status.COMPLETED, Status.COMPLETED]
        assert file.enhancement_result is not None
        assert file.enhancement_result.output_uri == (place.output / "film.mp4").as_uri()
        assert file.metadata_result is not None
        assert file.metadata_result.summary.frame_count == PICTURES
        (task, target) = broker.published[0]
        assert task.remote is not None
        assert (task.remote.host, target) == ("here", None)
        await soon(lambda: len(place.exchange.discarded) == 2)
        assert not list(place.output.rglob("staged-*"))
    assert place.names() == [
        "film.contact.jpg",
        "film.metadata.json",
        "film.mp4",
        "film.poster.jpg",
        "film.report.json",
        "film.thumb.jpg",
    ]


async def test_a_film_in_parts_comes_home_from_two_workers(place: Place) -> None:
    place.in_parts()
    async with place.session("far-1", "far-2") as (session, broker):
        await session.add([place.film])
        file = (await until_finished(session))[0]
        assert local.statuses(file) == [Status.COMPLETED, Status.COMPLETED]
        assert isinstance(file.enhancement_result, EnhancementResult)
        assert file.enhancement_result.frames == PICTURES
        answer = file.parts[0].result
        assert isinstance(answer, AnalysisResult)
        assert len(answer.spans) == 3
        assert (answer.folder_uri or "").startswith(place.output.as_uri())
    by_part = {task.part: folder for task, folder in place.exchange.granted}
    assert by_part["analysis"] is None
    assert str(by_part["assembly"]).startswith(str(place.output / ".vidproc" / "parts-"))
    spans = {
        task.span.number: task.remote.likely_next
        for task, _ in broker.published
        if isinstance(task, SegmentTask) and task.remote is not None
    }
    assert spans == {0: answer.spans[2], 1: None, 2: None}, "two workers: the first gets every second segment"
    assert {status.worker_id for status in broker.handed_over} == {"far-1", "far-2"}
    assert "film.mp4" in place.names()


def another_video(film: Path) -> Callable[[AnyWorkTask, HandedOver], HandedOver]:
    """Segments whose video is another one."""

    def spoil(task: AnyWorkTask, made: HandedOver) -> HandedOver:
        if transfers.SEGMENT_VIDEO not in made.objects:
            return made
        return HandedOver({**made.objects, transfers.SEGMENT_VIDEO: film}, made.result)

    return spoil


async def test_a_lying_worker_is_found_out_and_paused_and_the_film_is_right(place: Place) -> None:
    place.in_parts()
    async with place.session("liar", "far-2") as (session, broker):
        broker.spoil["liar"] = another_video(place.film)
        await session.add([place.film])
        file = (await until_finished(session))[0]
        assert local.statuses(file) == [Status.COMPLETED, Status.COMPLETED]
        failed = [line for line in await session.attempts(file.file_id) if line.status is Status.FAILED]
        assert {line.worker_id for line in failed} == {"liar"}
        assert {line.error.code for line in failed if line.error} == {ErrorCode.RESULT_REJECTED}
        assert all("worker liar was not taken" in line.error.message for line in failed if line.error)
        told = [message for message in broker.controls if message.action is ControlAction.PAUSE]
        assert len(told) == len(place.notices) == len(failed) // acceptance.REJECTIONS_UNTIL_PAUSED
    assert "film.mp4" in place.names()


async def test_the_only_worker_that_lies_is_not_asked_for_ever(place: Place) -> None:
    place.options = replace(place.options, max_attempts=10)

    def spoil(task: AnyWorkTask, made: HandedOver) -> HandedOver:
        if transfers.VIDEO not in made.objects:
            return made
        return HandedOver({**made.objects, transfers.VIDEO: place.film}, made.result)

    async with place.session("liar") as (session, broker):
        broker.spoil["liar"] = spoil
        await session.add([place.film])
        file = (await until_finished(session))[0]
        assert local.statuses(file) == [Status.FAILED, Status.COMPLETED]
        assert file.enhancement.error is not None
        assert file.enhancement.error.code is ErrorCode.RESULT_REJECTED
        assert file.enhancement.error.message.startswith(
            "The result of worker liar was not taken. “report.json”"
        )
        assert file.enhancement.attempt == 2
    assert "film.mp4" not in place.names()


async def test_killed_between_publication_and_belief_it_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.in_parts()
    believe = Acceptance._believe
    interrupted: list[StatusMessage] = []

    async def interrupt(self: Acceptance, said: StatusMessage) -> None:
        if said.part not in {status.part for status in interrupted}:
            interrupted.append(said)
            raise RuntimeError("killed here")
        await believe(self, said)

    monkeypatch.setattr(Acceptance, "_believe", interrupt)
    async with place.session("far-1") as (session, broker):
        await session.add([place.film])
        file = (await until_finished(session))[0]
        assert local.statuses(file) == [Status.COMPLETED, Status.COMPLETED]
        assert broker.redeliveries == len(interrupted) == 6
        assert not [line for line in await session.attempts(file.file_id) if line.status is Status.FAILED]
    assert [name for name in place.names() if name.endswith(".mp4")] == ["film.mp4"]


async def test_an_exchange_that_is_down_for_a_while_costs_nothing_but_time(place: Place) -> None:
    place.exchange.is_down = True
    async with place.session("far-1") as (session, broker):
        await until(session, lambda: bool(place.notices))
        await session.add([place.film])
        await asyncio.sleep(0.1)
        assert broker.published == []
        place.exchange.is_down = False
        broker.holds.clear()
        await until(session, lambda: only(session).enhancement.status is Status.PROCESSING)
        broker.holds.set()
        place.exchange.is_down = True
        asked = place.exchange.asked
        await soon(lambda: place.exchange.asked >= asked + 2)
        place.exchange.is_down = False
        file = (await until_finished(session))[0]
        assert local.statuses(file) == [Status.COMPLETED, Status.COMPLETED]
        assert not [line for line in await session.attempts(file.file_id) if line.status is Status.FAILED]
    assert len(place.notices) == 1


async def test_a_cancel_in_the_middle_leaves_nothing(place: Place) -> None:
    place.in_parts()
    async with place.session("far-1") as (session, broker):
        await session.add([place.film])
        await until(session, lambda: only(session).part(segment_part(0)) is not None)
        broker.holds.clear()
        await until(
            session, lambda: any(part.status is Status.PROCESSING for part in only(session).parts[1:])
        )
        await session.cancel([only(session).file_id])
        broker.holds.set()
        handed = len(broker.handed_over)
        await soon(lambda: len(broker.handed_over) > handed)
        await soon(lambda: not list(place.output.rglob("staged-*-segment-*")))
        assert only(session).enhancement.status is Status.CANCELLED
    assert [name for name in place.names() if name.endswith(".mp4")] == []


async def test_what_two_workers_make_of_one_part_is_taken_once(place: Place) -> None:
    place.in_parts()
    async with place.session("far-1", "far-2") as (session, broker):
        broker.is_doubling = True
        await session.add([place.film])
        file = (await until_finished(session))[0]
        assert local.statuses(file) == [Status.COMPLETED, Status.COMPLETED]
        errors = [line.error for line in await session.attempts(file.file_id) if line.error is not None]
        assert {error.code for error in errors} <= {ErrorCode.TRANSFER_FAILED}
    assert [name for name in place.names() if name.endswith(".mp4")] == ["film.mp4"]


# ---------------------------------------------------------------- the kept worker


def a_request(place: Place) -> AcceptTask:
    task = make_task(place.film, place.output)
    result = EnhancementResult(
        output_uri="file:///elsewhere/a.mp4",
        report_uri="file:///elsewhere/a.json",
        poster_uri=None,
        size_bytes=1,
        frames=1,
        duration_s=None,
        was_remuxed=False,
        was_found_finished=False,
    )
    return AcceptTask(
        file_id=task.file_id,
        client_id=task.client_id,
        task=task,
        process_type=ENHANCEMENT,
        directory_uri=place.folder.as_uri(),
        sent=(),
        result=result,
    )


async def test_a_process_that_dies_twice_over_a_result_is_an_answer(place: Place) -> None:
    dying = "import sys; sys.stdin.readline(); sys.exit('last words')"
    local_accepter = LocalAccepter(Command((sys.executable, "-c", dying)))
    reply = await local_accepter.accept(a_request(place))
    assert reply.error is not None
    assert reply.error.code is ErrorCode.WORKER_CRASHED
    assert "last words" in (reply.error.detail or "")
    await local_accepter.aclose()


async def test_a_process_that_hangs_is_an_answer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepter, "LEAST_LIMIT_S", 0.3)
    hanging = LocalAccepter(Command((sys.executable, "-c", "import sys; sys.stdin.read()")))
    reply = await hanging.accept(a_request(place))
    assert reply.error is not None
    assert reply.error.code is ErrorCode.TIMEOUT
    await hanging.aclose()


async def test_a_process_that_cannot_be_started_is_tried_later(place: Place) -> None:
    missing = LocalAccepter(Command((str(place.folder / "missing"),)))
    with pytest.raises(UserFacingError) as caught:
        await missing.accept(a_request(place))
    assert caught.value.code is UserErrorCode.WORKER_WILL_NOT_START
    await missing.aclose()
