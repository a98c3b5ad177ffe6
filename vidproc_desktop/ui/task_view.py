"""The table itself: selection, keyboard, columns that give way when the window is narrow."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QModelIndex, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QAction, QContextMenuEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView, QWidget

from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.ui.task_columns import COLUMNS, Column
from vidproc_desktop.ui.task_delegate import ROW_HEIGHT_PX, THUMBNAIL_PX, TaskDelegate
from vidproc_desktop.ui.task_model import TaskModel
from vidproc_desktop.ui.theme import Theme
from vidproc_desktop.ui.thumbnails import Thumbnails
from workers.protocol.model import FileId

_GIVE_WAY = (
    Column.RESOLUTION,
    Column.SIZE,
    Column.RATE,
    Column.DURATION,
    Column.METADATA,
    Column.TIME_LEFT,
    Column.STATUS,
)
"""Which columns go first when the table is too narrow for all; name and enhancement always stay."""

_LEAST_NAME_WIDTH_PX = 220


class TaskView(QTableView):
    """Table of files.

    Signals:
        selection_changed: the selected rows or the current row are others now.
        menu_requested: show the row menu at this global position.
    """

    selection_changed = Signal()
    menu_requested = Signal(QPoint)

    def __init__(self, model: TaskModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("task_view")
        self.setAccessibleName("Videos")
        self._task_model = model
        self._hidden_by_user: set[Column] = set()
        self._restored_id: FileId | None = None
        ratio = self.devicePixelRatioF()
        self.thumbnails = Thumbnails(QSize(THUMBNAIL_PX) * max(2.0, ratio), self)
        self._delegate = TaskDelegate(model, theme, self.thumbnails, self)
        self._set_up(model)
        theme.changed.connect(self.viewport().update)
        self.thumbnails.arrived.connect(self.viewport().update)

    def _set_up(self, model: TaskModel) -> None:
        self.setModel(model)
        self.setItemDelegate(self._delegate)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setMouseTracking(True)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        rows = self.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setMinimumSectionSize(ROW_HEIGHT_PX)
        rows.setDefaultSectionSize(ROW_HEIGHT_PX)
        self._set_up_columns()
        self.selectionModel().selectionChanged.connect(lambda *_: self.selection_changed.emit())
        self.selectionModel().currentRowChanged.connect(lambda *_: self.selection_changed.emit())
        model.modelAboutToBeReset.connect(self._remember_current)
        model.modelReset.connect(self._restore_current)
        self.entered.connect(self._hover)

    def _set_up_columns(self) -> None:
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsMovable(True)
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(56)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(Column.NAME, QHeaderView.ResizeMode.Stretch)
        for column in Column:
            self.setColumnWidth(column, COLUMNS[column].width_px)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._offer_columns)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(True)
        self.setSortingEnabled(True)

    # ---------------------------------------------------------------- selection

    def selected_records(self) -> Sequence[FileRecord]:
        """Selected rows from top to bottom."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [self._task_model.record(row) for row in rows]

    def selected_count(self) -> int:
        """How many rows are selected, without listing them."""
        spans = self.selectionModel().selection()
        return sum(spans.at(place).height() for place in range(spans.size()))

    def current_record(self) -> FileRecord | None:
        """The row with the keyboard focus, when it is selected."""
        index = self.currentIndex()
        if not index.isValid() or not self.selectionModel().isRowSelected(index.row(), QModelIndex()):
            selected = self.selected_records()
            return selected[0] if selected else None
        return self._task_model.record(index.row())

    def _remember_current(self) -> None:
        record = self.current_record()
        self._restored_id = record.file_id if record else None

    def _restore_current(self) -> None:
        row = None if self._restored_id is None else self._task_model.row_of(self._restored_id)
        if row is not None:
            self.selectRow(row)
        self.selection_changed.emit()

    # ---------------------------------------------------------------- columns

    def hidden_columns(self) -> set[Column]:
        """Columns that the user switched off."""
        return set(self._hidden_by_user)

    def hide_columns(self, columns: set[Column]) -> None:
        """Switch columns off, as the user did last time."""
        self._hidden_by_user = columns - {Column.NAME}
        self._fit_columns()

    def _offer_columns(self, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for column in list(Column)[1:]:
            action = QAction(COLUMNS[column].title, menu)
            action.setCheckable(True)
            action.setChecked(column not in self._hidden_by_user)
            action.toggled.connect(lambda on, column=column: self._toggle_column(column, shown=on))
            menu.addAction(action)
        menu.popup(self.horizontalHeader().mapToGlobal(place))

    def _toggle_column(self, column: Column, *, shown: bool) -> None:
        if shown:
            self._hidden_by_user.discard(column)
        else:
            self._hidden_by_user.add(column)
        self._fit_columns()

    def _fit_columns(self) -> None:
        shown = {column for column in Column if column not in self._hidden_by_user}
        room = self.viewport().width() - _LEAST_NAME_WIDTH_PX
        needed = sum(self._width_of(column) for column in shown - {Column.NAME})
        for column in _GIVE_WAY:
            if needed <= room:
                break
            if column in shown:
                shown.discard(column)
                needed -= self._width_of(column)
        for column in Column:
            if self.isColumnHidden(column) is (column in shown):
                self.setColumnHidden(column, column not in shown)

    def _width_of(self, column: Column) -> int:
        return self.columnWidth(column) or COLUMNS[column].width_px

    # ---------------------------------------------------------------- events

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Let columns give way, or come back."""
        super().resizeEvent(event)
        self._fit_columns()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask the window for the menu of the selected rows."""
        if event.reason() is QContextMenuEvent.Reason.Keyboard and self.currentIndex().isValid():
            place = self.visualRect(self.currentIndex()).center()
            self.menu_requested.emit(self.viewport().mapToGlobal(place))
        elif self.indexAt(event.pos()).isValid():
            self.menu_requested.emit(event.globalPos())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click below the last row clears the selection."""
        super().mousePressEvent(event)
        if (
            event.button() is Qt.MouseButton.LeftButton
            and not self.indexAt(event.position().toPoint()).isValid()
        ):
            self.clearSelection()

    def leaveEvent(self, event: QEvent) -> None:
        """No row is lit when the pointer is elsewhere."""
        super().leaveEvent(event)
        self._hover(QModelIndex())

    def _hover(self, index: QModelIndex) -> None:
        if self._delegate.hovered_row != index.row():
            self._delegate.hovered_row = index.row()
            self.viewport().update()
