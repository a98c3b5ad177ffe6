"""A whole session over real worker programs, with the tests' media jobs: dropped, killed, cancelled, restarted."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.benches import stdio_commands, worker_command
from tests.fixtures.worker_peers import LIMIT_S, make_source
from vidproc_desktop.broker.local import LocalBroker
from vidproc_desktop.broker.prober import LocalProber
from vidproc_desktop.broker.rabbitmq import RabbitMQBroker
from vidproc_desktop.broker.rabbitmq.worker_processes import BrokerWorkers
from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.workers import BrokerState, ConnectionReport
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.events import Event, FilesAdded, IntakeFinished
from vidproc_desktop.services.ports import Transport
from vidproc_desktop.services.session import Session, SessionOptions, SessionPorts
from vidproc_desktop.store.database import Database
from workers.protocol.messages import ProbeReply
from workers.protocol.results import MediaSummary
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, ProcessType, Status

SUMMARY = MediaSummary(
    width_px=64,
    height_px=48,
    duration_s=4.0,
    frame_count=100,
    frames_per_s=25.0,
    video_codec="test",
    audio_tracks=0,
    format_name="test",
)
ENHANCEMENT = ProcessType.VIDEO_ENHANCEMENT
_TIED_WORKER = (
    "import functools, sys, workers.__main__ as program; from vidproc_desktop.__main__ import main; "
    "program.main = functools.partial(program.main, jobs='tests.fixtures.worker_jobs'); "
    "sys.exit(main(['worker', *sys.argv[2:]]))"
)
"""What the product starts for a broker, with the tests' jobs."""
pytestmark = pytest.mark.no_blocking


class BlindProber:
    """Takes every file: the tests' instructions would hold up a probe as they hold up the job."""

    async def start(self) -> None:
        return None

    async def aclose(self) -> None:
        return None

    async def probe(self, path: Path, thumbnail: Path | None) -> ProbeReply:
        return ProbeReply(file_id="probe", client_id="probe", summary=SUMMARY)


class Place:
    """Folders of one test, and sessions in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.videos = folder / "videos"
        self.output = folder / "out"
        self.videos.mkdir()
        self.looks = False
        """Whether dropped files are probed."""
        self.options = SessionOptions(
            output_directory=self.output,
            data_directory=folder / "data",
            settings=EnhancementSettings(),
            broker_url=None,
            worker_count=1,
            max_size_bytes=10_000_000,
            timeout_s=60.0,
            max_attempts=3,
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        data = self.folder / "data"

        def connect(url: str | None, client_id: str) -> Transport:
            if url is None:
                local = LocalBroker(stdio_commands(data), count=self.options.worker_count)
                return Transport(local, local, is_local=True)
            workers = BrokerWorkers(
                url,
                data_dir=data,
                environment=worker_command().environment,
                program=(sys.executable, "-c", _TIED_WORKER, "worker-program"),
            )
            return Transport(RabbitMQBroker(url, client_id=client_id), workers, is_local=False)

        async def test_connection(url: str) -> ConnectionReport:
            raise AssertionError(url)

        ports = SessionPorts(
            store=Database(data / "library.sqlite3"),
            prober=(
                LocalProber(stdio_commands(data).metadata, max_size_bytes=self.options.max_size_bytes)
                if self.looks
                else BlindProber()
            ),
            connect=connect,
            test_connection=test_connection,
            broker_identity=lambda url: url,
        )
        session = Session(ports, self.options)
        await session.start()
        try:
            yield session
        finally:
            await session.aclose()

    def results(self) -> list[str]:
        return sorted(path.name for path in self.output.glob("*.mp4"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


async def until(session: Session, condition: Callable[[], bool]) -> None:
    """Wait until it holds; it is looked at after every event."""
    news = asyncio.Event()
    unsubscribe = session.events.subscribe(lambda _: news.set())
    try:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                news.clear()
                await news.wait()
    finally:
        unsubscribe()


async def until_finished(session: Session) -> list[FileRecord]:
    await until(session, lambda: all(file.is_finished for file in session.files()))
    return list(session.files())


async def until_attempt(session: Session, attempt: int) -> None:
    await until(session, lambda: session.files()[0].enhancement.attempt == attempt)


def statuses(file: FileRecord) -> list[Status]:
    return [task.status for task in file.tasks]


async def busy_pid(session: Session) -> int:
    """Process of the worker that enhances right now."""

    def busy() -> list[int]:
        return [
            worker.pid
            for worker in session.workers()
            if any(current.process_type is ENHANCEMENT for current in worker.current)
        ]

    await until(session, lambda: bool(busy()))
    return busy()[0]


# ------------------------------------------------------------ the way of a file


async def test_files_are_done_and_still_there_after_a_restart(place: Place) -> None:
    sources = [make_source(place.videos, f"{name}.mov") for name in ("a", "b", "c")]
    place.looks = True
    async with place.session() as session:
        report = await session.add(sources)
        assert len(report.added) == 3
        files = await until_finished(session)
        assert [file.name for file in files] == ["a.mov", "b.mov", "c.mov"]
        assert all(statuses(file) == [Status.COMPLETED, Status.COMPLETED] for file in files)
        assert all(file.enhancement_result and file.metadata_result and file.summary for file in files)
        ledger = await session.attempts(files[0].file_id)
        assert {(line.attempt, line.status) for line in ledger} == {(1, Status.COMPLETED)}
    assert place.results() == ["a.mp4", "b.mp4", "c.mp4"]
    async with place.session() as session:
        assert list(session.files()) == files


async def test_unfinished_files_go_on_after_a_restart(place: Place) -> None:
    gate = place.folder / "gate"
    async with place.session() as session:
        await session.add([make_source(place.videos, gate=str(gate)), make_source(place.videos, "b.mov")])
        await busy_pid(session)
    assert place.results() == []
    gate.touch()
    async with place.session() as session:
        files = await until_finished(session)
        assert [file.enhancement.attempt for file in files] == [1, 1]
    assert place.results() == ["b.mp4", "clip.mp4"]


async def test_a_worker_killed_in_the_middle_costs_an_attempt_and_the_file_is_done_once(place: Place) -> None:
    gate = place.folder / "gate"
    async with place.session() as session:
        await session.add([make_source(place.videos, gate=str(gate))])
        os.kill(await busy_pid(session), signal.SIGKILL)
        await until(session, lambda: session.files()[0].enhancement.attempt == 2)
        gate.touch()
        file = (await until_finished(session))[0]
        assert statuses(file) == [Status.COMPLETED, Status.COMPLETED]
        assert file.enhancement.gentle
        ledger = [line for line in await session.attempts(file.file_id) if line.process_type is ENHANCEMENT]
        assert [(line.attempt, line.status) for line in ledger] == [(1, Status.FAILED), (2, Status.COMPLETED)]
        assert ledger[0].error is not None
        assert ledger[0].error.code is ErrorCode.WORKER_CRASHED
    assert place.results() == ["clip.mp4"]


async def test_what_waits_behind_a_killed_workers_task_is_not_lost(place: Place) -> None:
    gate = place.folder / "gate"
    async with place.session() as session:
        await session.add([make_source(place.videos, gate=str(gate)), make_source(place.videos, "next.mov")])
        await until(session, lambda: all(file.enhancement.is_published for file in session.files()))
        os.kill(await busy_pid(session), signal.SIGKILL)
        await until_attempt(session, 2)
        gate.touch()
        files = await until_finished(session)
        assert [file.enhancement.attempt for file in files] == [2, 1]
    assert place.results() == ["clip.mp4", "next.mp4"]


async def test_a_file_that_kills_its_worker_every_time_is_given_up(place: Place) -> None:
    gate = place.folder / "gate"
    async with place.session() as session:
        await session.add([make_source(place.videos, gate=str(gate))])
        for attempt in (1, 2, 3):
            await until_attempt(session, attempt)
            os.kill(await busy_pid(session), signal.SIGKILL)
        await until(session, lambda: session.files()[0].enhancement.status is Status.FAILED)
        gate.touch()  # the metadata waits for it too
        file = (await until_finished(session))[0]
        assert statuses(file) == [Status.FAILED, Status.COMPLETED]
        assert file.enhancement.error is not None
        assert file.enhancement.error.code is ErrorCode.WORKER_CRASHED
        await session.add([make_source(place.videos, "next.mov")])
        assert statuses((await until_finished(session))[1]) == [Status.COMPLETED, Status.COMPLETED]


async def test_a_job_that_fails_is_tried_three_times_and_the_others_are_done(place: Place) -> None:
    marker = place.folder / "begun"
    orders = {"raise": "encoder_failed", "marker": str(marker)}
    async with place.session() as session:
        await session.add(
            [make_source(place.videos, "bad.mov", **orders), make_source(place.videos, "good.mov")]
        )
        bad, good = await until_finished(session)
        assert (statuses(bad), statuses(good)) == ([Status.FAILED] * 2, [Status.COMPLETED] * 2)
        ledger = await session.attempts(bad.file_id)
        assert [line.attempt for line in ledger if line.process_type is ENHANCEMENT] == [1, 2, 3]
        assert [line.gentle for line in ledger if line.process_type is ENHANCEMENT] == [False, True, True]
    assert lines(marker) == 6


# ------------------------------------------------------------ what the user does


async def test_cancel_and_retry(place: Place) -> None:
    gate = place.folder / "gate"
    async with place.session() as session:
        await session.add([make_source(place.videos, gate=str(gate))])
        await busy_pid(session)
        file_id = session.files()[0].file_id
        await session.cancel([file_id])
        assert session.files()[0].enhancement.status is Status.CANCELLED
        await until(session, lambda: not any(worker.current for worker in session.workers()))
        gate.touch()
        await session.retry([file_id])
        file = (await until_finished(session))[0]
        assert (file.enhancement.status, file.enhancement.attempt) == (Status.COMPLETED, 2)
    assert place.results() == ["clip.mp4"]


async def test_rows_can_be_removed_in_the_middle(place: Place) -> None:
    async with place.session() as session:
        await session.add([make_source(place.videos, gate=str(place.folder / "never"))])
        await busy_pid(session)
        await session.remove([session.files()[0].file_id])
        assert session.files() == ()
        await until(session, lambda: not any(worker.current for worker in session.workers()))
        await session.add([make_source(place.videos, "b.mov")])
        await until_finished(session)
        await session.clear_finished()
        assert session.files() == ()
    async with place.session() as session:
        assert session.files() == ()
    assert place.results() == ["b.mp4"]


async def test_only_metadata_can_be_asked_for(place: Place) -> None:
    async with place.session() as session:
        await session.add([make_source(place.videos)], process_types=(ProcessType.METADATA_EXTRACTION,))
        file = (await until_finished(session))[0]
        assert file.metadata.status is Status.COMPLETED
        assert not file.enhancement.is_wanted
    assert place.results() == []


# ------------------------------------------------------------ intake


async def test_a_drop_is_taken_in_order_and_refused_in_words(place: Place) -> None:
    season = place.videos / "season"
    season.mkdir()
    for name in ("episode 10.mkv", "episode 2.mkv", "Episode 1.mkv"):
        make_source(season, name)
    (season / "notes.txt").write_text("{}")
    (season / ".hidden.mkv").write_text("{}")
    empty = place.videos / "empty.mp4"
    empty.touch()
    large = place.videos / "large.mp4"
    with large.open("wb") as file:
        file.truncate(20_000_000)
    gone = place.videos / "gone.mp4"
    pipe = place.videos / "pipe.mp4"
    os.mkfifo(pipe)
    seen: list[Event] = []
    place.looks = True
    async with place.session() as session:
        session.events.subscribe(seen.append)
        report = await session.add([empty, season, large, gone, pipe])
        assert [file.name for file in session.files()] == ["Episode 1.mkv", "episode 2.mkv", "episode 10.mkv"]
        assert [refusal.code for refusal in report.refused] == [
            ErrorCode.FILE_EMPTY,
            ErrorCode.FILE_TOO_LARGE,
            ErrorCode.FILE_MISSING,
            ErrorCode.NOT_A_VIDEO,
        ]
        assert all(refusal.reason.endswith(".") for refusal in report.refused)
        assert [event.report for event in seen if isinstance(event, IntakeFinished)] == [report]
        added = [file.file_id for event in seen if isinstance(event, FilesAdded) for file in event.files]
        assert tuple(added) == report.added


async def test_what_is_there_already_is_said_and_what_changed_is_new(place: Place) -> None:
    source = make_source(place.videos)
    link = place.videos / "link.mov"
    link.symlink_to(source)
    async with place.session() as session:
        await session.add([source, source, link])
        assert len(session.files()) == 1
        again = await session.add([source])
        assert (again.added, again.already_there) == ((), (str(source),))
        make_source(place.videos, steps=1)
        assert len((await session.add([source])).added) == 1
        files = await until_finished(session)
        assert [file.stem for file in files] == ["clip", "clip (2)"]


async def test_results_never_share_a_name(place: Place) -> None:
    sources = []
    for folder in ("a", "b", "c"):
        (place.videos / folder).mkdir()
        sources.append(make_source(place.videos / folder, "Clip.mov" if folder == "c" else "clip.mov"))
    place.output.mkdir()
    (place.output / "clip (2).mp4").write_text("somebody's own file")
    async with place.session() as session:
        await session.add(sources)
        files = await until_finished(session)
    assert [file.stem for file in files] == ["clip", "clip (3)", "Clip (4)"]
    assert (place.output / "clip (2).mp4").read_text() == "somebody's own file"


async def test_difficult_names_are_ordinary(place: Place) -> None:
    names = [
        "ünïcode 日本 👩🏽.mov",
        "x" * 251 + ".mov",
        "é" * 125 + ".mkv",
        " spaces .mov",
        "100%.mov",
        "a#b?c.mov",
    ]
    sources = [make_source(place.videos, name) for name in names]
    bytes_name = os.fsdecode(b"not-utf8-\xff.mov")
    sources.append(make_source(place.videos, bytes_name))
    place.looks = True
    async with place.session() as session:
        report = await session.add(sources)
        assert report.refused == ()
        files = await until_finished(session)
        assert [statuses(file)[0] for file in files] == [Status.COMPLETED] * len(names) + [Status.COMPLETED]
    assert len(place.results()) == len(sources)


async def test_an_output_folder_that_cannot_be_written_is_said_before_anything_is_done(place: Place) -> None:
    place.output.write_text("a file is in the way")
    async with place.session() as session:
        with pytest.raises(UserFacingError) as caught:
            await session.add([make_source(place.videos)])
        assert caught.value.code is UserErrorCode.FOLDER_NOT_WRITABLE
        assert session.files() == ()
        await session.add([make_source(place.videos)], output_directory=place.folder / "elsewhere")
        await until_finished(session)
    assert (place.folder / "elsewhere" / "clip.mp4").is_file()


async def test_a_source_that_vanishes_after_the_drop_fails_in_words(place: Place) -> None:
    place.options = replace(place.options, worker_count=0)
    async with place.session() as session:
        await session.add([make_source(place.videos)])
        shutil.rmtree(place.videos)
        await session.set_worker_count(1)
        file = (await until_finished(session))[0]
        assert file.enhancement.error is not None
        assert file.enhancement.error.code is ErrorCode.FILE_MISSING
        assert file.enhancement.attempt == 1


# ------------------------------------------------------------ brokers


async def test_unfinished_files_move_to_a_broker_and_back(place: Place, broker_vhost: str) -> None:
    place.options = replace(place.options, worker_count=1)
    gate = place.folder / "gate"
    async with place.session() as session:
        await session.add([make_source(place.videos, gate=str(gate))])
        await busy_pid(session)
        await session.use_broker(broker_vhost)
        await until(session, lambda: session.health().state is BrokerState.READY)
        await busy_pid(session)
        assert session.files()[0].enhancement.attempt == 1
        await session.use_broker(None)
        await busy_pid(session)
        assert session.files()[0].enhancement.attempt == 2
        gate.touch()
        assert statuses((await until_finished(session))[0]) == [Status.COMPLETED, Status.COMPLETED]
    assert place.results() == ["clip.mp4"]


async def test_a_url_that_is_none_changes_nothing(place: Place) -> None:
    async with place.session() as session:
        with pytest.raises(UserFacingError) as caught:
            await session.use_broker("http://example")
        assert caught.value.code is UserErrorCode.BROKER_URL_INVALID
        await session.add([make_source(place.videos)])
        await until_finished(session)
