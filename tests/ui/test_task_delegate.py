from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QStyle, QStyleOptionViewItem, QWidget
from pytestqt.qtbot import QtBot

from tests.ui.records import failed, record, working
from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.ui.task_columns import Column
from vidproc_desktop.ui.task_delegate import ROW_HEIGHT_PX, TaskDelegate
from vidproc_desktop.ui.task_model import TaskModel
from vidproc_desktop.ui.theme import Appearance, Theme
from vidproc_desktop.ui.thumbnails import Thumbnails
from workers.protocol.states import Status

_WIDTH_PX = 120
_BAR = range(10, 110)


class _Painted:
    def __init__(self, theme: Theme, qtbot: QtBot) -> None:
        self.model = TaskModel()
        self.theme = theme
        self.thumbnails = Thumbnails(QSize(144, 84))
        self.delegate = TaskDelegate(self.model, theme, self.thumbnails)
        self.widget = QWidget()
        qtbot.addWidget(self.widget)

    def cell(self, row: FileRecord, column: Column, *, selected: bool = False) -> QImage:
        self.model.add([row])
        self.model.change([row])
        image = QImage(_WIDTH_PX, ROW_HEIGHT_PX, QImage.Format.Format_RGB32)
        image.fill(self.theme.shades.base)
        option = QStyleOptionViewItem()
        option.initFrom(self.widget)
        option.rect = QRect(0, 0, _WIDTH_PX, ROW_HEIGHT_PX)
        if selected:
            option.state |= QStyle.StateFlag.State_Selected
        painter = QPainter(image)
        index = self.model.index(self.model.row_of(row.file_id) or 0, column)
        self.delegate.paint(painter, option, index)
        painter.end()
        return image

    def filled(self, image: QImage, colour: QColor) -> int:
        """How many pixels of the fullest row of pixels have the colour."""
        counts = [
            sum(image.pixelColor(x, y) == colour for x in range(_WIDTH_PX)) for y in range(ROW_HEIGHT_PX - 2)
        ]
        return max(counts)


@pytest.fixture
def painted(theme: Theme, qtbot: QtBot) -> Iterator[_Painted]:
    painted = _Painted(theme, qtbot)
    yield painted
    painted.thumbnails.close()


@pytest.mark.parametrize("percent", [0, 25, 50, 100])
def test_the_bar_is_as_long_as_the_progress(painted: _Painted, percent: int) -> None:
    image = painted.cell(working(record(1), percent), Column.ENHANCEMENT)
    assert painted.filled(image, painted.theme.colours.accent) == pytest.approx(
        len(_BAR) * percent / 100, abs=3
    )


def test_each_process_has_its_own_bar(painted: _Painted) -> None:
    row = working(replace(record(1), metadata=replace(record(1).metadata, status=Status.COMPLETED)), 50)
    accent, done = painted.theme.colours.accent, painted.theme.colours.done
    assert painted.filled(painted.cell(row, Column.METADATA), done) > 90
    assert painted.filled(painted.cell(row, Column.METADATA), accent) == 0
    assert painted.filled(painted.cell(row, Column.ENHANCEMENT), accent) > 40


def test_a_failed_bar_keeps_its_length_and_turns_red(painted: _Painted) -> None:
    image = painted.cell(failed(record(1), "no"), Column.ENHANCEMENT)
    assert painted.filled(image, painted.theme.colours.failed) == pytest.approx(37, abs=4)


def test_a_done_bar_is_full_whatever_the_last_progress_was(painted: _Painted) -> None:
    row = record(1, enhancement=Status.COMPLETED, progress=98.0)
    image = painted.cell(row, Column.ENHANCEMENT)
    assert painted.filled(image, painted.theme.colours.done) > 95


def test_a_selected_row_is_lit_and_marked(painted: _Painted) -> None:
    image = painted.cell(record(1), Column.NAME, selected=True)
    assert image.pixelColor(1, 10) == painted.theme.colours.accent
    assert image.pixelColor(_WIDTH_PX - 2, 3) == QColor(painted.theme.shades.selection)


@pytest.mark.parametrize("column", list(Column))
def test_every_cell_paints_in_both_schemes(painted: _Painted, column: Column) -> None:
    row = working(failed(record(1), "no"), 30)
    light = painted.cell(row, column)
    painted.theme.choose(Appearance.DARK)
    dark = painted.cell(row, column)
    painted.theme.choose(Appearance.LIGHT)
    assert light != dark


def test_all_rows_have_one_height(painted: _Painted) -> None:
    painted.model.add([record(1)])
    heights = {
        painted.delegate.sizeHint(QStyleOptionViewItem(), painted.model.index(0, column)).height()
        for column in Column
    }
    assert heights == {ROW_HEIGHT_PX}


def test_right_to_left_bars_grow_from_the_right(painted: _Painted) -> None:
    row = working(record(1), 50)
    painted.model.add([row])
    image = QImage(_WIDTH_PX, ROW_HEIGHT_PX, QImage.Format.Format_RGB32)
    image.fill(painted.theme.shades.base)
    option = QStyleOptionViewItem()
    option.initFrom(painted.widget)
    option.rect = QRect(0, 0, _WIDTH_PX, ROW_HEIGHT_PX)
    option.direction = Qt.LayoutDirection.RightToLeft
    painter = QPainter(image)
    painted.delegate.paint_bar(painter, option, row.enhancement, row)
    painter.end()
    accent = painted.theme.colours.accent
    columns = [
        x for x in range(_WIDTH_PX) if any(image.pixelColor(x, y) == accent for y in range(ROW_HEIGHT_PX))
    ]
    assert min(columns) > _WIDTH_PX / 2 - 5
