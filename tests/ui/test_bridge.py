import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from tests.ui.records import RecordedSession, record, working
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.events import BrokerHealthChanged, FileChanged, FilesAdded, FilesRemoved, Notice
from vidproc_desktop.ui.bridge import Bridge
from vidproc_desktop.ui.task_model import TaskModel
from workers.protocol.model import FileId


@pytest.fixture
def session() -> RecordedSession:
    return RecordedSession([record(number) for number in range(1, 6)])


@pytest.fixture
def bridge(session: RecordedSession, qt_loop: asyncio.AbstractEventLoop) -> Iterator[Bridge]:
    model = TaskModel()
    bridge = Bridge(model)
    bridge.setProperty("model", model)
    bridge.attach(session)
    yield bridge
    bridge.detach()


def _model(bridge: Bridge) -> TaskModel:
    model = bridge.property("model")
    assert isinstance(model, TaskModel)
    return model


def test_rows_that_are_there_are_shown_at_once(bridge: Bridge) -> None:
    assert _model(bridge).rowCount() == 5


def test_a_thousand_changes_are_one_repaint_with_the_newest_value(
    bridge: Bridge, session: RecordedSession, qtbot: QtBot
) -> None:
    announced: list[int] = []
    _model(bridge).dataChanged.connect(lambda *_: announced.append(1))
    with qtbot.waitSignal(bridge.updated):
        for percent in range(1000):
            session.events.publish(FileChanged(working(record(2), percent / 10)))
    assert announced == [1]
    row = _model(bridge).record_of(FileId("f2"))
    assert row is not None
    assert row.enhancement.progress == pytest.approx(99.9)


def test_nothing_is_repainted_while_nothing_happens(bridge: Bridge, qtbot: QtBot) -> None:
    bridge.flush()
    with qtbot.assertNotEmitted(bridge.updated), qtbot.assertNotEmitted(_model(bridge).dataChanged):
        bridge.flush()


def test_added_changed_and_removed_in_one_tick(bridge: Bridge, session: RecordedSession) -> None:
    session.events.publish(FilesAdded((record(8), record(9))))
    session.events.publish(FileChanged(working(record(9), 5)))
    session.events.publish(FilesRemoved((FileId("f8"), FileId("f1"))))
    bridge.flush()
    assert [row.file_id for row in _model(bridge).records()] == ["f2", "f3", "f4", "f5", "f9"]
    assert _model(bridge).records()[-1].enhancement.progress == pytest.approx(5)


def test_a_row_removed_and_added_again_stays(bridge: Bridge, session: RecordedSession) -> None:
    session.events.publish(FilesRemoved((FileId("f1"),)))
    session.events.publish(FilesAdded((replace(record(1), position=9, name="again.mp4"),)))
    bridge.flush()
    row = _model(bridge).record_of(FileId("f1"))
    assert row is not None
    assert row.name == "again.mp4"


def test_a_change_after_removal_does_not_bring_the_row_back(bridge: Bridge, session: RecordedSession) -> None:
    session.events.publish(FilesRemoved((FileId("f1"),)))
    bridge.flush()
    session.events.publish(FileChanged(working(record(1), 5)))
    bridge.flush()
    assert _model(bridge).record_of(FileId("f1")) is None


def test_health_and_notices_are_passed_on(bridge: Bridge, session: RecordedSession, qtbot: QtBot) -> None:
    health = BrokerHealth(BrokerState.UNREACHABLE, "RabbitMQ does not answer.", 1.0)
    with qtbot.waitSignal(bridge.health_changed) as heard:
        session.events.publish(BrokerHealthChanged(health))
    assert heard.args == [health]
    error = UserFacingError(UserErrorCode.DISK_FULL, "The disk is full.")
    with qtbot.waitSignal(bridge.failed) as told:
        session.events.publish(Notice(error))
    assert told.args == [error]


def test_wishes_become_tasks_that_are_carried_out(
    bridge: Bridge, session: RecordedSession, qtbot: QtBot
) -> None:
    bridge.cancel([FileId("f1")])
    bridge.retry([FileId("f2")])
    bridge.set_worker_count(3)
    bridge.use_broker(None)
    qtbot.waitUntil(lambda: len(session.asked) == 4)
    assert session.asked == [
        ("cancel", ("f1",)),
        ("retry", ("f2",)),
        ("set_worker_count", 3),
        ("use_broker", None),
    ]


def test_a_failed_wish_is_told_once_and_a_bug_is_told_as_such(
    bridge: Bridge, session: RecordedSession, qtbot: QtBot
) -> None:
    session.error = UserFacingError(UserErrorCode.FOLDER_NOT_WRITABLE, "The folder cannot be written.")
    with qtbot.waitSignal(bridge.failed) as told:
        bridge.cancel([FileId("f1")])
    assert told.args == [session.error]
    session.error = ValueError("bug")
    with qtbot.waitSignal(bridge.crashed) as crashed, qtbot.assertNotEmitted(bridge.failed):
        bridge.cancel([FileId("f1")])
    assert crashed.args == [session.error]


def test_files_given_before_the_core_runs_are_added_when_it_does(
    qt_loop: asyncio.AbstractEventLoop, qtbot: QtBot
) -> None:
    bridge, session = Bridge(TaskModel()), RecordedSession()
    bridge.add([Path("/v/a.mp4")])
    assert session.asked == []
    bridge.attach(session)
    qtbot.waitUntil(lambda: session.asked == [("add", (Path("/v/a.mp4"),))])
    bridge.detach()


def test_closing_cancels_what_is_under_way(
    bridge: Bridge, qtbot: QtBot, qt_loop: asyncio.AbstractEventLoop
) -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    bridge.start(forever(), name="forever")
    closing: asyncio.Task[None] = qt_loop.create_task(_let_start_then_close(bridge))
    with qtbot.assertNotEmitted(bridge.crashed):
        qtbot.waitUntil(closing.done)
    assert ended == ["cancelled"]


async def _let_start_then_close(bridge: Bridge) -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await bridge.aclose()
