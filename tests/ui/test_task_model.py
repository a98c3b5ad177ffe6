import random
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from tests.ui.records import enhanced, failed, record, summary, working
from vidproc_desktop.ui.task_columns import COLUMNS, Column
from vidproc_desktop.ui.task_model import Role, TaskModel
from vidproc_desktop.ui.words import RowState
from workers.protocol.model import FileId
from workers.protocol.states import Status


@pytest.fixture
def model() -> TaskModel:
    model = TaskModel()
    model.add([record(number) for number in range(1, 8)])
    return model


def _names(model: TaskModel) -> list[str]:
    return [str(model.index(row, Column.NAME).data()) for row in range(model.rowCount())]


def test_the_model_keeps_qts_contract(model: TaskModel, qtmodeltester: ModelTester) -> None:
    model.change([working(record(2), 30), failed(record(3), "no")])
    model.sort(Column.SIZE, Qt.SortOrder.DescendingOrder)
    model.remove([FileId("f4")])
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]  # pytest-qt ships no annotation for it


def test_every_column_has_a_title_and_says_something(model: TaskModel) -> None:
    model.change([replace(working(record(1), 40), summary=summary())])
    for column in Column:
        assert model.headerData(column, Qt.Orientation.Horizontal) == COLUMNS[column].title
        assert model.index(0, column).data()


def test_new_values_are_announced_once_over_the_rows_between(model: TaskModel, qtbot: QtBot) -> None:
    spans: list[tuple[int, int]] = []
    model.dataChanged.connect(lambda top, bottom, *_: spans.append((top.row(), bottom.row())))
    model.change([working(record(2), 10), working(record(6), 10), record(99)])
    assert spans == [(1, 5)]


def test_nothing_is_announced_when_no_row_is_known(model: TaskModel, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(model.dataChanged):
        model.change([record(99)])


def test_a_known_row_added_again_is_changed_not_doubled(model: TaskModel) -> None:
    model.add([replace(record(3), name="new name.mp4"), record(8)])
    assert model.rowCount() == 8
    assert _names(model)[2] == "new name.mp4"


def test_rows_are_found_after_removing_from_the_middle(model: TaskModel) -> None:
    model.remove([FileId("f2"), FileId("f3"), FileId("f6"), FileId("unknown")])
    assert [row.file_id for row in model.records()] == ["f1", "f4", "f5", "f7"]
    assert [model.row_of(row.file_id) for row in model.records()] == [0, 1, 2, 3]


def test_many_scattered_removals_are_one_reset(qtbot: QtBot) -> None:
    model = TaskModel()
    model.add([record(number) for number in range(400)])
    with qtbot.waitSignal(model.modelReset), qtbot.assertNotEmitted(model.rowsRemoved):
        model.remove([FileId(f"f{number}") for number in range(0, 400, 2)])
    assert [row.position for row in model.records()] == list(range(1, 400, 2))


@pytest.mark.parametrize("order", [Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder])
@pytest.mark.parametrize("column", list(Column))
def test_every_column_can_be_sorted_with_missing_facts(column: Column, order: Qt.SortOrder) -> None:
    model = TaskModel()
    rows = [
        record(1),
        replace(record(2), summary=summary(duration_s=9)),
        working(replace(record(3), summary=summary(640, 360)), 20),
        failed(record(4), "no"),
    ]
    random.Random(1).shuffle(rows)
    model.add(rows)
    model.sort(column, order)
    keys = [COLUMNS[column].sort_key(row) for row in model.records()]
    assert keys == sorted(keys, reverse=order is Qt.SortOrder.DescendingOrder)


def test_a_selection_follows_its_row_when_sorted(model: TaskModel) -> None:
    kept = QPersistentModelIndex(model.index(1, Column.STATUS))
    model.sort(Column.NAME, Qt.SortOrder.DescendingOrder)
    assert kept.row() == 5
    assert kept.column() == Column.STATUS
    assert model.record(kept.row()).file_id == "f2"


def test_sorting_by_no_column_restores_the_order_of_arrival(model: TaskModel) -> None:
    model.sort(Column.NAME, Qt.SortOrder.DescendingOrder)
    model.sort(-1)
    assert [row.position for row in model.records()] == list(range(1, 8))


def test_new_rows_go_to_their_place_in_a_sorted_table(model: TaskModel) -> None:
    model.sort(Column.NAME, Qt.SortOrder.AscendingOrder)
    model.add([record(20, "aaa.mp4")])
    assert _names(model)[0] == "aaa.mp4"


def test_a_moving_column_is_put_in_order_again_only_when_asked(model: TaskModel, qtbot: QtBot) -> None:
    model.sort(Column.ENHANCEMENT, Qt.SortOrder.DescendingOrder)
    model.change([working(record(7), 80)])
    assert model.record(0).file_id != "f7"
    model.sort_again()
    assert model.record(0).file_id == "f7"
    with qtbot.assertNotEmitted(model.layoutChanged):
        model.sort_again()


def test_own_roles(model: TaskModel) -> None:
    row = failed(
        replace(record(1), metadata=replace(record(1).metadata, status=Status.COMPLETED)), "The disk is full."
    )
    model.change([row])
    name, bar = model.index(0, Column.NAME), model.index(0, Column.ENHANCEMENT)
    assert name.data(Role.RECORD) is row
    assert name.data(Role.FILE_ID) == "f1"
    assert name.data(Role.STATE) == RowState.FAILED
    assert name.data(Role.PROGRESS) is None
    assert bar.data(Role.PROGRESS) == pytest.approx(37.0)
    assert "The disk is full." in str(name.data(Role.ERROR))
    tip = str(name.data(Qt.ItemDataRole.ToolTipRole))
    assert row.source_path in tip
    assert "The disk is full." in tip


def test_the_tooltip_tells_what_is_missing_of_a_finished_film(model: TaskModel) -> None:
    row = enhanced(record(1), Path("/x/y.mp4"))
    result = row.enhancement_result
    assert result is not None
    short = result.model_copy(update={"warnings": ("The file ends early.",)})
    model.change([replace(row, enhancement=replace(row.enhancement, result=short))])
    tip = model.index(0, Column.NAME).data(Qt.ItemDataRole.ToolTipRole)
    assert tip == f"{row.source_path}\n\nThe file ends early."


def test_a_screen_reader_hears_the_progress(model: TaskModel) -> None:
    model.change([working(record(1), 42)])
    spoken = model.index(0, Column.ENHANCEMENT).data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "Enhancement: 42 %, 42 percent"


def test_an_index_from_nowhere_has_no_data(model: TaskModel) -> None:
    assert model.data(QModelIndex()) is None
    assert model.rowCount(model.index(0, 0)) == 0
