from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from tests.ui.conftest import Desk
from tests.ui.records import enhanced, failed, record, working
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.events import BrokerHealthChanged, Notice
from vidproc_desktop.ui.banner import Severity
from vidproc_desktop.ui.main_window import NARROW_PX
from vidproc_desktop.ui.status_line import overall
from vidproc_desktop.ui.task_columns import Column
from vidproc_desktop.ui.window_state import WindowState
from workers.protocol.model import FileId
from workers.protocol.states import Status


def _fill(desk: Desk, qtbot: QtBot) -> None:
    desk.session.put(
        enhanced(record(1, metadata=Status.COMPLETED), Path("/v/out/1.mp4")),
        working(record(2), 40),
        failed(record(3, metadata=Status.COMPLETED), "The disk is full."),
        record(4, enhancement=Status.CANCELLED, metadata=Status.CANCELLED),
        record(5),
    )
    qtbot.waitUntil(lambda: desk.model.rowCount() == 5)


def _select(desk: Desk, *rows: int) -> None:
    view = desk.window.view
    view.clearSelection()
    for row in rows:
        view.selectionModel().select(
            desk.model.index(row, 0),
            view.selectionModel().SelectionFlag.Select | view.selectionModel().SelectionFlag.Rows,
        )


def test_actions_make_sense_for_what_is_selected(desk: Desk, qtbot: QtBot) -> None:
    _fill(desk, qtbot)
    actions = desk.window.actions_
    _select(desk, 0)
    assert actions.open_result.isEnabled()
    assert not actions.retry.isEnabled()
    assert not actions.cancel.isEnabled()
    _select(desk, 1)
    assert actions.cancel.isEnabled()
    assert not actions.open_result.isEnabled()
    _select(desk, 2)
    assert actions.retry.isEnabled()
    assert actions.copy_error.isEnabled()
    desk.window.view.clearSelection()
    assert not actions.remove.isEnabled()


def test_each_action_concerns_only_the_rows_it_fits(desk: Desk, qtbot: QtBot) -> None:
    _fill(desk, qtbot)
    _select(desk, 0, 1, 2, 3, 4)
    desk.window.actions_.retry.trigger()
    desk.window.actions_.cancel.trigger()
    qtbot.waitUntil(lambda: len(desk.session.asked) == 2)
    assert desk.session.asked == [("retry", ("f3", "f4")), ("cancel", ("f2", "f5"))]


def test_delete_removes_the_selected_rows(desk: Desk, qtbot: QtBot) -> None:
    _fill(desk, qtbot)
    _select(desk, 0, 4)
    desk.window.view.setFocus()
    QTest.keyClick(desk.window.view, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: desk.model.rowCount() == 3)
    assert desk.session.asked == [("remove", ("f1", "f5"))]


def test_copying_an_error_takes_sentence_and_log(desk: Desk, qtbot: QtBot) -> None:
    _fill(desk, qtbot)
    _select(desk, 2)
    desk.window.actions_.copy_error.trigger()
    text = QGuiApplication.clipboard().text()
    assert "The disk is full." in text
    assert "line two" in text


def test_the_first_row_is_selected_and_the_pane_follows_it(desk: Desk, qtbot: QtBot) -> None:
    _fill(desk, qtbot)
    shown = desk.window.side_pane.record
    assert shown is not None
    assert shown.file_id == "f1"
    _select(desk, 1)
    desk.session.put(working(record(2), 77))
    qtbot.waitUntil(
        lambda: (now := desk.window.side_pane.record) is not None and now.enhancement.progress == 77
    )


def test_the_selection_survives_a_reset_of_many_rows(desk: Desk, qtbot: QtBot) -> None:
    desk.session.put(*(record(number) for number in range(1, 301)))
    qtbot.waitUntil(lambda: desk.model.rowCount() == 300)
    desk.window.view.selectRow(150)
    kept = desk.model.record(150).file_id
    desk.model.remove([FileId(f"f{number}") for number in range(1, 301, 2) if f"f{number}" != kept])
    current = desk.window.view.current_record()
    assert current is not None
    assert current.file_id == kept


def test_the_status_bar_says_how_the_broker_is_and_how_far_everything_is(desk: Desk, qtbot: QtBot) -> None:
    _fill(desk, qtbot)
    desk.session.events.publish(
        BrokerHealthChanged(
            BrokerHealth(BrokerState.BLOCKED, "RabbitMQ accepts nothing: its disk is full.", 1.0)
        )
    )
    line = desk.window.status_line
    assert line._health.text() == "RabbitMQ accepts nothing: its disk is full."
    qtbot.waitUntil(lambda: line._summary.text() == "3 of 5 files finished, 1 failed")
    assert desk.window.windowTitle() == "68 % – Vidproc Desktop"


def test_the_sum_counts_each_file_once() -> None:
    rows = [record(1), working(record(2), 50), failed(record(3, metadata=Status.COMPLETED), "no")]
    state = overall(rows)
    assert (state.files, state.finished, state.failed, state.working) == (3, 1, 1, 1)
    assert state.percent == pytest.approx(50.0)
    assert overall([]).in_words() == ""


def test_trouble_in_the_background_is_a_banner_with_a_hint(desk: Desk) -> None:
    error = UserFacingError(UserErrorCode.DISK_FULL, "The disk is full.", hint="Make room.")
    desk.session.events.publish(Notice(error))
    assert desk.window.banner.title == "The disk is full."
    assert desk.window.banner.text == "Make room."


def test_a_bug_offers_its_report_for_the_clipboard(desk: Desk, qtbot: QtBot) -> None:
    desk.window.tell_bug("ValueError: the report")
    banner = desk.window.banner
    assert banner.property("severity") == Severity.BUG.value
    banner._action.click()
    assert QGuiApplication.clipboard().text() == "ValueError: the report"


@pytest.mark.parametrize("width_px", [NARROW_PX - 100, 1480])
def test_the_side_pane_goes_below_in_a_narrow_window(desk: Desk, qtbot: QtBot, width_px: int) -> None:
    _fill(desk, qtbot)
    desk.window.resize(width_px, 860)
    narrow = width_px < NARROW_PX
    wanted = Qt.Orientation.Vertical if narrow else Qt.Orientation.Horizontal
    qtbot.waitUntil(lambda: desk.window._splitter.orientation() is wanted)
    view = desk.window.view
    assert view.isColumnHidden(Column.RESOLUTION) is narrow
    assert not view.isColumnHidden(Column.ENHANCEMENT)
    assert view.columnWidth(Column.NAME) >= 180


def test_columns_the_user_hid_stay_hidden_and_are_remembered(
    desk: Desk, qtbot: QtBot, tmp_path: Path
) -> None:
    _fill(desk, qtbot)
    desk.window.view.hide_columns({Column.SIZE})
    assert desk.window.view.isColumnHidden(Column.SIZE)
    desk.window.side_pane.preview.set_volume(33, muted=True)
    desk.window.save_state()
    state = WindowState(tmp_path / "window.ini")
    assert state.hidden_columns == {Column.SIZE}
    assert (state.volume, state.is_muted) == (33, True)
    assert not state.layout("geometry").isEmpty()
    assert not state.layout("columns").isEmpty()


def test_closing_asks_for_the_one_way_out_and_keeps_the_window(desk: Desk, qtbot: QtBot) -> None:
    with qtbot.waitSignal(desk.window.close_requested):
        desk.window.close()
    assert desk.window.isVisible()


def test_sorting_by_a_click_on_the_header_and_back(desk: Desk, qtbot: QtBot) -> None:
    _fill(desk, qtbot)
    header = desk.window.view.horizontalHeader()
    header.setSortIndicator(Column.SIZE, Qt.SortOrder.DescendingOrder)
    assert desk.model.record(0).file_id == "f5"
    header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
    assert desk.model.record(0).file_id == "f1"


def test_rows_with_long_names_show_the_whole_path_in_the_tooltip(desk: Desk, qtbot: QtBot) -> None:
    long = replace(record(1, "n" * 250 + ".mp4"))
    desk.session.put(long)
    qtbot.waitUntil(lambda: desk.model.rowCount() == 1)
    tip = desk.model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert tip == long.source_path
