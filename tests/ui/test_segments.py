"""A file in parts in the table and in the workers' list: cells, ticks, and who holds what in words."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QStyleOptionViewItem, QWidget
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from tests.ui.records import DONE, Segment, in_parts, part_task, record, working
from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.segment_cells import (
    CellState,
    SegmentCount,
    durations_of,
    ready_segments,
    result_duration_s,
    segment_count,
)
from vidproc_desktop.domain.workers import WorkerView
from vidproc_desktop.ui import words
from vidproc_desktop.ui.segment_layout import (
    MIN_CELL_PX,
    MIN_TICK_PX,
    cell_edges,
    segment_strip,
    tick_step,
)
from vidproc_desktop.ui.segment_words import MAX_LINES, part_in_words, part_lines
from vidproc_desktop.ui.task_columns import Column
from vidproc_desktop.ui.task_delegate import ROW_HEIGHT_PX, TaskDelegate
from vidproc_desktop.ui.task_model import TaskModel
from vidproc_desktop.ui.theme import Appearance, Theme
from vidproc_desktop.ui.thumbnails import Thumbnails
from vidproc_desktop.ui.workers_dock import WorkersDock
from workers.protocol.messages import CurrentTask
from workers.protocol.model import FileId, WorkerId
from workers.protocol.segments import ANALYSIS, ASSEMBLY, PartName, segment_part
from workers.protocol.states import ProcessType, Stage, Status, WorkerState

_WIDTH_PX = 140
_BAR = range(10, 130)
RUNNING = Segment(Status.PROCESSING, 50.0, "worker-a")
FAILED = Segment(Status.FAILED, 40.0, "worker-b", "The encoder gave up.")
WAITING = Segment()


# ------------------------------------------------------------ what there is to tell


def test_counts_and_ready_segments_end_at_the_first_unfinished_one() -> None:
    row = in_parts(record(1), DONE, DONE, RUNNING, DONE)
    assert segment_count(row) == SegmentCount(3, 4)
    assert [segment.start_s for segment in ready_segments(row)] == [0.0, 30.0]
    assert result_duration_s(row) == 120.0


def test_a_file_in_one_piece_has_no_segments() -> None:
    assert segment_count(record(1)) is None
    assert ready_segments(record(1)) == ()
    assert result_duration_s(record(1)) is None
    assert segment_strip(record(1), 100) is None


def test_without_the_analysis_all_segments_count_alike() -> None:
    row = in_parts(record(1), DONE, RUNNING)
    assert durations_of(replace(row, parts=row.parts[1:])) == (1.0, 1.0)
    assert ready_segments(replace(row, parts=row.parts[1:])) == ()


# ------------------------------------------------------------ layout


@given(
    st.lists(st.floats(min_value=0.0, max_value=120.0), min_size=1, max_size=60),
    st.integers(min_value=1, max_value=600),
)
def test_cells_fill_the_bar_without_gaps_and_are_never_too_narrow(
    durations: list[float], width_px: int
) -> None:
    edges = cell_edges(durations, width_px)
    if len(durations) * MIN_CELL_PX > width_px:
        assert edges is None
        return
    assert edges is not None
    assert (edges[0], edges[-1]) == (0, width_px)
    assert min(right - left for left, right in pairwise(edges)) >= MIN_CELL_PX


def test_a_cell_is_as_wide_as_its_segment_is_long() -> None:
    assert cell_edges([20, 40, 60], 120) == (0, 20, 60, 120)
    assert cell_edges([30, 30, 30, 0.5], 93) == (0, 30, 60, 90, 93)


@given(st.integers(min_value=1, max_value=5000), st.integers(min_value=20, max_value=600))
def test_ticks_keep_their_distance(count: int, width_px: int) -> None:
    step = tick_step(count, width_px)
    assert str(step).strip("0") in {"1", "2", "5"}
    assert step * width_px / count >= MIN_TICK_PX
    assert step == 1 or step / 2.5 * width_px / count < MIN_TICK_PX


def test_too_many_segments_become_ticks_with_a_mark_for_each_failed_one() -> None:
    segments = [DONE] * 100 + [FAILED] + [WAITING] * 99
    strip = segment_strip(in_parts(record(1), *segments), 100)
    assert strip is not None
    assert strip.cells == ()
    assert strip.count == SegmentCount(100, 200)
    assert strip.ticks_px == (10, 20, 30, 40, 50, 60, 70, 80, 90)
    assert strip.failed_px == (50,)


def test_cells_carry_state_and_progress() -> None:
    strip = segment_strip(in_parts(record(1), DONE, RUNNING, FAILED, WAITING), 80)
    assert strip is not None
    assert [(cell.state, cell.share) for cell in strip.cells] == [
        (CellState.DONE, 1.0),
        (CellState.RUNNING, 0.5),
        (CellState.FAILED, 0.4),
        (CellState.WAITING, 0.0),
    ]


# ------------------------------------------------------------ painting


class _Table:
    def __init__(self, theme: Theme, qtbot: QtBot) -> None:
        self.model = TaskModel()
        self.theme = theme
        self.thumbnails = Thumbnails(QSize(144, 84))
        self.delegate = TaskDelegate(self.model, theme, self.thumbnails)
        self.widget = QWidget()
        qtbot.addWidget(self.widget)

    def bar(
        self, row: FileRecord, *, direction: Qt.LayoutDirection = Qt.LayoutDirection.LeftToRight
    ) -> QImage:
        self.model.add([row])
        self.model.change([row])
        image = QImage(_WIDTH_PX, ROW_HEIGHT_PX, QImage.Format.Format_RGB32)
        image.fill(self.theme.shades.base)
        option = QStyleOptionViewItem()
        option.initFrom(self.widget)
        option.direction = direction
        option.rect = QRect(0, 0, _WIDTH_PX, ROW_HEIGHT_PX)
        painter = QPainter(image)
        self.delegate.paint(painter, option, self.model.index(0, Column.ENHANCEMENT))
        painter.end()
        return image

    def column(self, image: QImage, x: int) -> list[QColor]:
        """The bar's pixels at one place from top to bottom, what is only background left out."""
        base = QColor(self.theme.shades.base)
        top = ROW_HEIGHT_PX // 2 + 2  # below the words
        colours = [image.pixelColor(x, y) for y in range(top, ROW_HEIGHT_PX - 1)]
        return [colour for colour in colours if colour != base]


@pytest.fixture
def table(theme: Theme, qtbot: QtBot) -> Iterator[_Table]:
    table = _Table(theme, qtbot)
    yield table
    table.thumbnails.close()


@pytest.mark.parametrize("appearance", [Appearance.LIGHT, Appearance.DARK])
def test_the_four_states_differ_in_height_and_not_only_in_colour(
    table: _Table, appearance: Appearance
) -> None:
    table.theme.choose(appearance)
    image = table.bar(in_parts(record(1), DONE, RUNNING, FAILED, WAITING))
    heights = [len(table.column(image, _BAR.start + 30 * place + 5)) for place in range(4)]
    table.theme.choose(Appearance.LIGHT)
    assert heights == [10, 6, 8, 2]


def test_a_running_cell_is_filled_by_its_own_progress(table: _Table) -> None:
    image = table.bar(in_parts(record(1), WAITING, RUNNING, WAITING, WAITING))
    accent = table.theme.colours.accent
    filled = [x for x in _BAR if accent in table.column(image, x)]
    assert filled == list(range(_BAR.start + 30, _BAR.start + 30 + len(filled)))
    assert len(filled) == pytest.approx(29 / 2, abs=1)


def test_cells_are_told_apart_by_a_thin_separator(table: _Table) -> None:
    image = table.bar(in_parts(record(1), DONE, DONE, DONE, DONE))
    empty = [x for x in _BAR if not table.column(image, x)]
    assert empty == [_BAR.start + 29, _BAR.start + 59, _BAR.start + 89, _BAR.start + 119]


def test_cells_run_from_the_right_where_the_script_does(table: _Table) -> None:
    row = in_parts(record(1), DONE, WAITING, WAITING, WAITING)
    image = table.bar(row, direction=Qt.LayoutDirection.RightToLeft)
    done = [x for x in _BAR if table.theme.colours.done in table.column(image, x)]
    assert done == list(range(_BAR.stop - 29, _BAR.stop))


def test_narrow_cells_become_a_plain_bar_with_ticks_and_marks(table: _Table) -> None:
    image = table.bar(in_parts(record(1), *[DONE] * 105, FAILED, *[WAITING] * 94))
    accent, colours = table.theme.colours.accent, table.theme.colours
    filled = [x for x in _BAR if accent in table.column(image, x)]
    assert len(filled) == pytest.approx(63, abs=4)
    assert any(colours.failed in table.column(image, x) for x in (72, 73, 74))
    ticks = [x for x in _BAR if colours.muted in table.column(image, x)]
    assert len(ticks) == 9


def test_a_finished_file_has_one_plain_full_bar(table: _Table) -> None:
    row = in_parts(record(1), DONE, DONE)
    done = replace(row, enhancement=replace(row.enhancement, status=Status.COMPLETED))
    image = table.bar(done)
    assert all(table.theme.colours.done in table.column(image, x) for x in _BAR[3:-3])


def test_segments_are_laid_out_again_only_when_they_changed(
    table: _Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def count(row: FileRecord, width_px: int) -> object:
        made.append(width_px)
        return segment_strip(row, width_px)

    monkeypatch.setattr("vidproc_desktop.ui.task_delegate.segment_strip", count)
    row = in_parts(record(1), DONE, RUNNING)
    for _ in range(3):
        table.bar(row)
    table.bar(replace(row, metadata=replace(row.metadata, progress=5.0)))
    assert made == [120]
    table.bar(in_parts(record(1), DONE, DONE))
    assert made == [120, 120]


# ------------------------------------------------------------ words


def test_the_number_stays_in_front_of_the_segments() -> None:
    assert words.enhancement_in_words(in_parts(record(1), DONE, RUNNING)) == "75 % · 1/2"
    assert words.enhancement_in_words(working(record(1), 40)) == "40 %"


@pytest.mark.parametrize(
    "stage, expected",
    [
        (Stage.ASSEMBLING, "Putting together"),
        (Stage.ENHANCING, "Enhancing"),
        (Stage.WAITING, "Waiting for a worker"),
    ],
)
def test_the_stage_of_a_file_in_parts_is_told(stage: Stage, expected: str) -> None:
    assert words.status_in_words(in_parts(record(1), DONE, DONE, stage=stage)) == expected


@pytest.mark.parametrize(
    "part, total, expected",
    [
        (segment_part(3), 12, "segment 4 of 12"),
        (segment_part(0), None, "segment 1"),
        (ANALYSIS, 12, "analysis"),
        (ASSEMBLY, None, "assembly"),
    ],
)
def test_parts_are_counted_from_one(part: PartName, total: int | None, expected: str) -> None:
    assert part_in_words(part, total) == expected


def test_the_lines_tell_who_holds_which_and_what_failed_why() -> None:
    again = Segment(Status.PENDING, message="The worker was lost.")
    row = in_parts(record(1), DONE, FAILED, RUNNING, replace(RUNNING, worker="worker-c"), again)
    hosts = {WorkerId("worker-a"): "studio", WorkerId("worker-b"): "node"}
    assert part_lines(row, hosts) == (
        "1 of 5 segments finished",
        "Segment 2 of 5 failed on worker-b on node: The encoder gave up.",
        "Segment 5 of 5 is tried again (attempt 1): The worker was lost.",
        "Segment 3 of 5: worker-a on studio, 50 %",
        "Segment 4 of 5: worker-c, 50 %",
    )


def test_the_analysis_and_the_assembly_are_told_too() -> None:
    base = record(1)
    analysing = replace(working(base, 1), parts=(part_task(base, ANALYSIS, Status.PROCESSING, 30.0),))
    assert part_lines(analysing, {}) == ("Analysis: a worker, 30 %",)
    assembling = in_parts(base, DONE, assembly=Status.PROCESSING)
    assert part_lines(assembling, {}) == ("1 of 1 segment finished", "Assembly: a worker, 20 %")


def test_more_lines_than_a_tooltip_holds_are_counted() -> None:
    lines = part_lines(in_parts(record(1), *[RUNNING] * 40), {})
    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == "and 29 more parts"


def test_the_row_tells_its_parts_in_tooltip_and_to_a_screen_reader(qtmodeltester: ModelTester) -> None:
    model = TaskModel()
    model.add([in_parts(record(1), DONE, RUNNING)])
    model.show_workers([_worker("worker-a")])
    tip = str(model.index(0, Column.NAME).data(Qt.ItemDataRole.ToolTipRole))
    assert tip.endswith("1 of 2 segments finished\nSegment 2 of 2: worker-a on studio, 50 %")
    bar = model.index(0, Column.ENHANCEMENT)
    assert bar.data() == "75 % · 1/2"
    spoken = bar.data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == (
        "Enhancement: 75 %, 75 percent. 1 of 2 segments finished. Segment 2 of 2: worker-a on studio, 50 %"
    )
    assert "segment" not in str(model.index(0, Column.METADATA).data(Qt.ItemDataRole.AccessibleTextRole))
    qtmodeltester.check(model)  # type: ignore[no-untyped-call]  # pytest-qt ships no annotation for it


# ------------------------------------------------------------ workers


def _worker(worker_id: str, *current: CurrentTask) -> WorkerView:
    return WorkerView(
        worker_id=WorkerId(worker_id),
        host="studio",
        pid=7,
        is_ours=True,
        process_types=(ProcessType.VIDEO_ENHANCEMENT,),
        state=WorkerState.BUSY if current else WorkerState.IDLE,
        is_lost=False,
        slots=1,
        current=current,
        message=None,
        last_seen_at=0.0,
        program_version="0.1.0",
    )


def _current(file_id: str, part: PartName | None) -> CurrentTask:
    return CurrentTask(
        file_id=file_id, client_id="c", process_type=ProcessType.VIDEO_ENHANCEMENT, part=part, attempt=1,
        stage=Stage.ENHANCING, progress=37,
    )  # fmt: skip


@pytest.mark.parametrize(
    "file_id, part, expected",
    [
        ("f1", segment_part(1), "clip.mov, segment 2 of 3: Enhancing 37 %"),
        ("f1", ANALYSIS, "clip.mov, analysis: Enhancing 37 %"),
        ("f1", None, "clip.mov: Enhancing 37 %"),
        ("strange", segment_part(1), "segment 2: Enhancing 37 %"),
        ("strange", None, "Enhancing 37 %"),
    ],
)
def test_a_worker_says_which_part_of_which_file_it_has(
    theme: Theme, qtbot: QtBot, file_id: str, part: PartName | None, expected: str
) -> None:
    files = {FileId("f1"): in_parts(record(1, "clip.mov"), DONE, RUNNING, WAITING)}
    dock = WorkersDock(theme, files.get)
    qtbot.addWidget(dock)
    dock.show_workers([_worker("w", _current(file_id, part))])
    assert dock.model.index(0, 3).data() == expected
    assert expected in str(dock.model.index(0, 3).data(Qt.ItemDataRole.ToolTipRole))
