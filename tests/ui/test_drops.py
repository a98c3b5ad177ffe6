from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from tests.ui.conftest import Desk
from vidproc_desktop.ui.drop_area import DropOverlay, EmptyState, read_mime


def _urls(*names: str) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl(name) if "://" in name else QUrl.fromLocalFile(name) for name in names])
    return data


def _text(text: str) -> QMimeData:
    data = QMimeData()
    data.setText(text)
    return data


def test_local_urls_become_paths_each_once() -> None:
    dropped = read_mime(_urls("/v/a b.mp4", "/v/Ünï 100%.mov", "/v/a b.mp4"))
    assert dropped.paths == (Path("/v/a b.mp4"), Path("/v/Ünï 100%.mov"))
    assert dropped.strange == ()


def test_web_addresses_are_named_not_taken() -> None:
    dropped = read_mime(_urls("https://example.org/film.mp4", "/v/a.mp4"))
    assert dropped.paths == (Path("/v/a.mp4"),)
    assert dropped.strange == ("https://example.org/film.mp4",)


@pytest.mark.parametrize(
    "text,paths",
    [
        ("/v/a.mp4\n/v/b.mp4\n", ["/v/a.mp4", "/v/b.mp4"]),
        ("file:///v/a%20b.mp4", ["/v/a b.mp4"]),
        ('"/v/a b.mp4"', ["/v/a b.mp4"]),
        ("", []),
        ("relative.mp4", []),
    ],
)
def test_text_holds_a_path_or_url_a_line(text: str, paths: list[str]) -> None:
    assert read_mime(_text(text)).paths == tuple(Path(path) for path in paths)


def test_nothing_useful_is_nothing() -> None:
    assert read_mime(QMimeData()).paths == ()


def _drop(target: QWidget, data: QMimeData) -> None:
    actions, buttons = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    none = Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(target, QDragEnterEvent(QPointF(20, 20), actions, data, buttons, none))
    QApplication.sendEvent(target, QDropEvent(QPointF(20, 20), actions, data, buttons, none))


def test_a_drop_on_the_window_is_handed_to_the_core(desk: Desk, qtbot: QtBot) -> None:
    _drop(desk.window, _urls("/v/a.mp4", "/v/folder"))
    qtbot.waitUntil(lambda: desk.session.asked == [("add", (Path("/v/a.mp4"), Path("/v/folder")))])
    qtbot.waitUntil(lambda: desk.model.rowCount() == 2)


def test_no_part_of_the_window_takes_a_drop_for_itself(desk: Desk, qtbot: QtBot) -> None:
    desk.window.side_pane.tabs.setCurrentIndex(1)
    greedy = [
        widget.objectName() or type(widget).__name__
        for widget in desk.window.findChildren(QWidget)
        if widget.acceptDrops() and not widget.isWindow()
    ]
    assert greedy == []


def test_the_veil_covers_the_window_while_files_hover(desk: Desk) -> None:
    overlay = desk.window.findChild(DropOverlay, "drop_overlay")
    assert overlay is not None
    none = Qt.KeyboardModifier.NoModifier
    data = _urls("/v/a.mp4")
    entering = QDragEnterEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, none)
    QApplication.sendEvent(desk.window, entering)
    assert entering.isAccepted()
    assert overlay.isVisible()
    assert overlay.size() == desk.window.size()
    QApplication.sendEvent(desk.window, QDragLeaveEvent())
    assert not overlay.isVisible()


def test_a_web_address_is_refused_in_words(desk: Desk) -> None:
    _drop(desk.window, _urls("https://example.org/film.mp4"))
    assert "on this computer" in desk.window.banner.title
    assert "example.org" in desk.window.banner.text
    assert desk.session.asked == []


def test_refused_files_are_one_banner_grouped_by_reason(desk: Desk, qtbot: QtBot) -> None:
    _drop(desk.window, _urls("/v/a.mp4", "/v/notes.txt", "/v/more.txt"))
    qtbot.waitUntil(desk.window.banner.isVisible)
    assert desk.window.banner.title == "2 files could not be added"
    assert desk.window.banner.text == "notes.txt, more.txt: this is not a video"
    desk.window.banner.dismiss()
    assert not desk.window.banner.isVisible()


def test_pasting_adds_copied_files(desk: Desk, qtbot: QtBot) -> None:
    QGuiApplication.clipboard().setMimeData(_urls("/v/copied.mp4"))
    desk.window.actions_.paste.trigger()
    qtbot.waitUntil(lambda: desk.session.asked == [("add", (Path("/v/copied.mp4"),))])


def test_the_empty_state_gives_way_to_the_table_and_comes_back(desk: Desk, qtbot: QtBot) -> None:
    assert desk.window.empty.isVisible()
    assert not desk.window.side_pane.isVisible()
    desk.window.add([Path("/v/a.mp4")])
    qtbot.waitUntil(desk.window.view.isVisible)
    assert desk.window.side_pane.isVisible()
    desk.window.view.selectAll()
    desk.window.actions_.remove.trigger()
    qtbot.waitUntil(desk.window.empty.isVisible)


def test_the_empty_state_says_what_to_do(theme: object, qtbot: QtBot, desk: Desk) -> None:
    empty = EmptyState(desk.theme)
    qtbot.addWidget(empty)
    with qtbot.waitSignal(empty.files_wanted):
        empty._files.click()
    with qtbot.waitSignal(empty.folder_wanted):
        empty._folder.click()
    assert empty._title.text() == "Drop videos here"
