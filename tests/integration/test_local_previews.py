"""Previews from the desktop's side: a worker of their own, one event for the newest request, nothing left behind."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.benches import stdio_commands
from tests.fixtures.worker_peers import LIMIT_S, make_source, make_task
from tests.integration.test_local_session import BlindProber
from vidproc_desktop.broker.commands import Command
from vidproc_desktop.broker.previewer import LocalPreviewer
from vidproc_desktop.domain.workers import ConnectionReport
from vidproc_desktop.services.events import Event, EventHub, PreviewShown
from vidproc_desktop.services.ports import BrokerSink, Transport
from vidproc_desktop.services.previews import Previews, PreviewWish
from vidproc_desktop.services.session import Session, SessionOptions, SessionPorts
from vidproc_desktop.store.database import Database
from workers.protocol.messages import AnyWorkTask, ControlMessage, PreviewReply
from workers.protocol.model import FileId, WorkerId
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode


class Shown:
    """The previews that were told of."""

    def __init__(self, events: EventHub) -> None:
        self.replies: list[PreviewReply] = []
        self._news = asyncio.Event()
        events.subscribe(self._take)

    def _take(self, event: Event) -> None:
        if isinstance(event, PreviewShown):
            self.replies.append(event.reply)
            self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._news.clear()
                await self._news.wait()


def wish(source: Path, at_s: float = 0.0) -> PreviewWish:
    return PreviewWish("file", make_task(source, source.parent).source, EnhancementSettings(), at_s)


def previews(tmp_path: Path, command: Command | None = None) -> tuple[Previews, Shown, Path]:
    events, folder = EventHub(), tmp_path / "previews"
    worker = LocalPreviewer(command or stdio_commands(tmp_path / "data").metadata)
    return Previews(worker, events, folder), Shown(events), folder


@pytest.mark.no_blocking
async def test_only_the_newest_is_shown_and_old_pictures_go(tmp_path: Path) -> None:
    service, shown, folder = previews(tmp_path)
    folder.mkdir()
    (folder / "left-by-a-crash.png").touch()
    await service.start()
    source = make_source(tmp_path)
    numbers = [service.request(wish(source, at_s=number), "client") for number in range(5)]
    assert numbers == [1, 2, 3, 4, 5]
    await shown.until(lambda: bool(shown.replies))
    assert [reply.request for reply in shown.replies] == [5]
    pictures = shown.replies[0].pictures
    assert pictures is not None
    assert pictures.at_s == 4.0
    for expected in range(6, 21):
        service.request(wish(source), "client")
        await shown.until(lambda: shown.replies[-1].request == expected)  # noqa: B023  # called within this turn only
    await service.aclose()
    assert not folder.exists()


async def test_at_most_a_dozen_replies_are_kept_on_disk(tmp_path: Path) -> None:
    service, shown, folder = previews(tmp_path)
    await service.start()
    source = make_source(tmp_path)
    for expected in range(1, 16):
        service.request(wish(source), "client")
        await shown.until(lambda: bool(shown.replies) and shown.replies[-1].request == expected)  # noqa: B023  # called within this turn only
    names = {path.name for path in folder.iterdir()}
    assert "preview-15-after.png" in names
    assert len(names) <= 26  # the oldest of 13 may be about to go
    await service.aclose()


async def test_a_worker_that_dies_is_told_and_the_next_request_gets_another(tmp_path: Path) -> None:
    flag = tmp_path / "died"
    dying = f"import pathlib, sys; sys.stdin.readline(); pathlib.Path({str(flag)!r}).touch(); sys.exit('last words')"
    service, shown, _ = previews(tmp_path, Command((sys.executable, "-c", dying)))
    await service.start()
    source = make_source(tmp_path)
    for request in (1, 2):
        flag.unlink(missing_ok=True)
        service.request(wish(source), "client")
        await shown.until(lambda: len(shown.replies) == request)  # noqa: B023  # called within this turn only
        error = shown.replies[-1].error
        assert error is not None
        assert error.code is ErrorCode.WORKER_CRASHED
        assert "last words" in (error.detail or "")
        assert flag.exists()
    await service.aclose()


async def test_closing_while_one_runs_leaves_nothing(tmp_path: Path) -> None:
    service, shown, folder = previews(tmp_path)
    await service.start()
    service.request(wish(make_source(tmp_path, hang=True)), "client")
    await asyncio.sleep(0)
    await service.aclose()
    assert shown.replies == []
    assert not folder.exists()


class QuietBroker:
    """Takes nothing and says nothing."""

    async def start(self, sink: BrokerSink) -> None:
        pass

    async def aclose(self) -> None:
        pass

    async def publish(self, task: AnyWorkTask, *, worker_id: WorkerId | None = None) -> None:
        pass

    async def control(self, message: ControlMessage) -> None:
        pass


async def test_a_session_shows_a_row_in_any_mode(tmp_path: Path) -> None:
    async def test_connection(url: str) -> ConnectionReport:
        raise AssertionError(url)

    videos = tmp_path / "videos"
    videos.mkdir()
    source = make_source(videos)
    ports = SessionPorts(
        store=Database(tmp_path / "library.sqlite3"),
        prober=BlindProber(),
        connect=lambda _url, _client: Transport(QuietBroker(), None, is_local=False),
        test_connection=test_connection,
        broker_identity=lambda url: url,
        previewer=LocalPreviewer(stdio_commands(tmp_path / "data").metadata),
    )
    options = SessionOptions(
        output_directory=tmp_path / "out",
        data_directory=tmp_path / "data",
        settings=EnhancementSettings(),
        broker_url="amqp://nowhere",
        worker_count=0,
        max_size_bytes=10_000_000,
        timeout_s=60.0,
        max_attempts=3,
    )
    session = Session(ports, options)
    await session.start()
    shown = Shown(session.events)
    added = (await session.add([source])).added
    assert session.request_preview(FileId("nobody"), 0.0) is None
    stronger = EnhancementSettings(strength=1.5)
    number = session.request_preview(added[0], 2.5, settings=stronger)
    await shown.until(lambda: bool(shown.replies))
    reply = shown.replies[0]
    assert (reply.request, reply.file_id) == (number, added[0])
    assert reply.pictures is not None
    assert reply.pictures.plan.settings == stronger
    await session.aclose()
