"""A session that ends in every phase of an enhancement in parts, and goes on at the next start where it was."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.desktop.values import RESULT, heartbeat, part_status, shares, summary
from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.workers import ConnectionReport
from vidproc_desktop.services.intake import BOTH
from vidproc_desktop.services.ports import BrokerSink, Transport
from vidproc_desktop.services.session import Session, SessionOptions, SessionPorts
from vidproc_desktop.store.database import Database
from workers.protocol.messages import AnalysisTask, AnyWorkTask, ControlMessage, FileTask, ProbeReply
from workers.protocol.model import WorkerId
from workers.protocol.segments import ANALYSIS, ASSEMBLY, PartName, segment_part
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, ProcessType, Status

pytestmark = pytest.mark.no_blocking

PHASES = (ANALYSIS, segment_part(2), segment_part(1), segment_part(0), ASSEMBLY)
"""In the order in which one worker does them: the longest segment first."""
ANSWER = shares(20.0, 30.0, 40.0)
BROKER_URL = "amqp://broker/"


class Prober:
    """Finds five minutes of film in everything."""

    async def start(self) -> None:
        return None

    async def aclose(self) -> None:
        return None

    async def probe(self, path: Path, thumbnail: Path | None) -> ProbeReply:
        return ProbeReply(file_id="probe", client_id="probe", summary=summary(300.0))


@dataclass
class Cluster:
    """A broker whose queue lives on while the program is closed, with one worker that does what the test says."""

    queue: asyncio.Queue[AnyWorkTask] = field(default_factory=asyncio.Queue)
    done: list[tuple[PartName, int]] = field(default_factory=list)
    sink: BrokerSink | None = None
    client_id: str = ""

    async def start(self, sink: BrokerSink) -> None:
        self.sink = sink
        sink.on_heartbeat(heartbeat())

    async def aclose(self) -> None:
        self.sink = None

    async def publish(self, task: AnyWorkTask, *, worker_id: WorkerId | None = None) -> None:
        self.client_id = task.client_id
        if not isinstance(task, FileTask):
            self.queue.put_nowait(task)

    async def control(self, message: ControlMessage) -> None:
        return None

    async def take(self) -> AnyWorkTask:
        async with asyncio.timeout(10):
            return await self.queue.get()

    async def say(self, task: AnyWorkTask, state: Status, **changes: object) -> None:
        assert task.part is not None
        assert self.sink is not None
        sequence = 1 if state is Status.PROCESSING else 9
        fields = {"file_id": task.file_id, "client_id": task.client_id, "attempt": task.attempt}
        if task.part == ANALYSIS and state is Status.COMPLETED:
            fields["result"] = ANSWER
        await self.sink.on_status(part_status(task.part, sequence, state, **{**fields, **changes}))
        if state is Status.COMPLETED:
            self.done.append((task.part, task.attempt))


@dataclass
class Place:
    """Folders of one test, its cluster, and sessions."""

    folder: Path
    url: str | None
    cluster: Cluster = field(default_factory=Cluster)
    segment_from_s: float = 90.0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        if self.url is None:
            self.cluster.queue = asyncio.Queue()  # a local broker's queues die with the program

        async def test_connection(url: str) -> ConnectionReport:
            raise AssertionError(url)

        ports = SessionPorts(
            store=Database(self.folder / "data" / "library.sqlite3"),
            prober=Prober(),
            connect=lambda url, _: Transport(self.cluster, None, is_local=url is None),
            test_connection=test_connection,
            broker_identity=lambda url: url,
        )
        options = SessionOptions(
            output_directory=self.folder / "out",
            data_directory=self.folder / "data",
            settings=EnhancementSettings(),
            broker_url=self.url,
            worker_count=0,
            max_size_bytes=10_000_000,
            timeout_s=60.0,
            max_attempts=3,
            segment_from_s=self.segment_from_s,
            segment_s=20.0,
        )
        session = Session(ports, options)
        await session.start()
        try:
            yield session
        finally:
            await session.aclose()

    async def add(self, session: Session, *process_types: ProcessType) -> None:
        source = self.folder / "film.mov"
        await asyncio.to_thread(source.write_bytes, b"film")
        report = await session.add([source], process_types=process_types or BOTH)
        assert len(report.added) == 1

    async def work(self, session: Session, until: PartName | None) -> AnyWorkTask | None:
        """Do every part until the one that is named; that one is only begun."""
        while session.files()[0].enhancement.status is not Status.COMPLETED:
            task = await self.cluster.take()
            await self.cluster.say(task, Status.PROCESSING, progress=50)
            if task.part == until:
                return task
            await self.cluster.say(task, Status.COMPLETED)
        return None


@pytest.fixture(params=[None, BROKER_URL], ids=["local", "broker"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    return Place(tmp_path, request.param)


def only(session: Session) -> FileRecord:
    (file,) = session.files()
    return file


@pytest.mark.parametrize("phase", PHASES)
async def test_what_is_finished_stays_and_the_rest_is_done_once(place: Place, phase: PartName) -> None:
    finished = PHASES[: PHASES.index(phase)]
    async with place.session() as session:
        await place.add(session)
        begun = await place.work(session, phase)
    assert begun is not None
    assert [part for part, _ in place.cluster.done] == list(finished)
    async with place.session() as session:
        file = only(session)
        assert {part.part for part in file.parts if part.status is Status.COMPLETED} == set(finished)
        if place.url is not None:
            # The worker did not notice: it ends what it had begun.
            await place.cluster.say(begun, Status.COMPLETED)
        await place.work(session, None)
        assert only(session).enhancement_result == RESULT
    assert [part for part, _ in place.cluster.done] == list(PHASES)
    async with place.session() as session:
        assert only(session).enhancement_result == RESULT


async def test_between_two_parts_too(place: Place) -> None:
    for _ in PHASES:
        async with place.session() as session:
            if not session.files():
                await place.add(session)
            task = await place.cluster.take()
            await place.cluster.say(task, Status.COMPLETED)
    assert [part for part, _ in place.cluster.done] == list(PHASES)
    async with place.session() as session:
        assert only(session).enhancement_result == RESULT


async def test_a_failure_before_the_end_counts_after_it(place: Place) -> None:
    async with place.session() as session:
        await place.add(session)
        task = await place.work(session, segment_part(1))
        assert task is not None
        await place.cluster.say(task, Status.FAILED, code=ErrorCode.TIMEOUT)
        assert only(session).parts[2].attempt == 2
    async with place.session() as session:
        for attempt in (2, 3):
            task = await place.cluster.take()
            while task.part != segment_part(1) or task.attempt != attempt:
                task = await place.cluster.take()
            await place.cluster.say(task, Status.FAILED, code=ErrorCode.TIMEOUT)
        file = only(session)
        assert file.enhancement.status is Status.FAILED
        ledger = [line for line in await session.attempts(file.file_id) if line.status is Status.FAILED]
        assert [(line.part, line.attempt) for line in ledger] == [(segment_part(1), n) for n in (1, 2, 3)]
        await session.retry([file.file_id])
        await place.work(session, None)
        assert only(session).enhancement_result == RESULT
    assert sorted(part for part, _ in place.cluster.done) == sorted(PHASES)


async def test_what_the_user_cancelled_goes_on_where_it_was(place: Place) -> None:
    async with place.session() as session:
        await place.add(session)
        await place.work(session, segment_part(1))
        await session.cancel([only(session).file_id])
    async with place.session() as session:
        file = only(session)
        assert file.enhancement.status is Status.CANCELLED
        place.cluster.queue = asyncio.Queue()
        await session.retry([file.file_id])
        assert only(session).enhancement.progress == pytest.approx(4 + 92 * 40 / 90)
        await place.work(session, None)
    assert [part for part, _ in place.cluster.done] == list(PHASES)


async def test_another_broker_gets_only_what_is_not_finished(tmp_path: Path) -> None:
    place = Place(tmp_path, BROKER_URL)
    async with place.session() as session:
        await place.add(session)
        begun = await place.work(session, segment_part(1))
        assert begun is not None
        place.cluster.queue = asyncio.Queue()
        await session.use_broker("amqp://another/")
        assert only(session).parts[2].attempt == 2
        # The old one's worker has not heard of it; how its attempt ends is not taken for how the new one does.
        await place.cluster.say(begun, Status.FAILED, code=ErrorCode.TIMEOUT)
        assert only(session).parts[2].status is Status.PENDING
        await place.work(session, None)
        assert only(session).enhancement_result == RESULT
    assert place.cluster.done[2] == (segment_part(1), 2)


@pytest.mark.parametrize("from_s, in_parts", [(0.0, False), (300.0, True), (300.5, False)])
async def test_the_setting_decides_from_which_duration_on(
    tmp_path: Path, from_s: float, in_parts: bool
) -> None:
    place = Place(tmp_path, None, segment_from_s=from_s)
    async with place.session() as session:
        await place.add(session)
        assert [part.part for part in only(session).parts] == ([ANALYSIS] if in_parts else [])


async def test_metadata_alone_is_no_enhancement_in_parts(tmp_path: Path) -> None:
    place = Place(tmp_path, None)
    async with place.session() as session:
        await place.add(session, ProcessType.METADATA_EXTRACTION)
        assert only(session).parts == ()
        assert not only(session).enhancement.is_wanted


async def test_the_length_of_segments_is_told_to_the_analysis(tmp_path: Path) -> None:
    place = Place(tmp_path, None)
    async with place.session() as session:
        await place.add(session)
        task = await place.cluster.take()
        assert isinstance(task, AnalysisTask)
        assert task.segment_s == 20
