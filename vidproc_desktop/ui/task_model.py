"""The table's model: one row per file of the library, in order of arrival or sorted.

It holds values and announces changes; it fetches nothing and decides nothing. Sorting is done here and not in a
`QSortFilterProxyModel`: with 10,000 rows the proxy asks `data()` some 270,000 times for one sort (about a second),
while a list sorted by key takes a few milliseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.workers import WorkerView
from vidproc_desktop.ui import words
from vidproc_desktop.ui.segment_words import part_lines
from vidproc_desktop.ui.task_columns import COLUMNS, Column
from workers.protocol.model import FileId, WorkerId
from workers.protocol.states import ProcessType

type AnyIndex = QModelIndex | QPersistentModelIndex

_NO_PARENT = QModelIndex()
_MAX_REMOVED_RUNS = 50
"""Above this many separate runs one reset is cheaper for the view than a signal for each run."""


class Role(IntEnum):
    """Data that the delegate, the tests and assistive tools ask for beside what Qt defines."""

    RECORD = Qt.ItemDataRole.UserRole + 1
    """The whole `FileRecord`."""
    FILE_ID = Qt.ItemDataRole.UserRole + 2
    STATE = Qt.ItemDataRole.UserRole + 3
    """`RowState` of the row."""
    PROGRESS = Qt.ItemDataRole.UserRole + 4
    """Percent of this column's process; None in columns without a bar."""
    ERROR = Qt.ItemDataRole.UserRole + 5
    """Errors in words, empty when there are none."""


class TaskModel(QAbstractTableModel):
    """Rows of the library. All calls on the GUI thread."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._records: list[FileRecord] = []
        self._row_of: dict[FileId, int] = {}
        self._hosts: Mapping[WorkerId, str] = {}
        self._sort_column: Column | None = None
        self._sort_order = Qt.SortOrder.AscendingOrder
        self._order_is_stale = False

    # ---------------------------------------------------------------- Qt's questions

    def rowCount(self, parent: AnyIndex = _NO_PARENT) -> int:
        """Number of files."""
        return 0 if parent.isValid() else len(self._records)

    def columnCount(self, parent: AnyIndex = _NO_PARENT) -> int:
        """Number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """One fact of one cell; None for roles that are not used."""
        row = index.row()
        if not index.isValid() or not 0 <= row < len(self._records):
            return None
        record = self._records[row]
        spec = COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return spec.display(record)
            case Qt.ItemDataRole.ToolTipRole:
                return self._tooltip(record)
            case Qt.ItemDataRole.TextAlignmentRole:
                side = Qt.AlignmentFlag.AlignRight if spec.is_right_aligned else Qt.AlignmentFlag.AlignLeft
                return side | Qt.AlignmentFlag.AlignVCenter
            case Qt.ItemDataRole.AccessibleTextRole:
                return self._accessible_text(record, Column(index.column()))
            case _:
                return self._own_role(record, role, index.column())

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> object:
        """Titles of the columns."""
        if orientation is not Qt.Orientation.Horizontal or not 0 <= section < len(COLUMNS):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            right = COLUMNS[section].is_right_aligned
            side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; a column below zero restores the order of arrival."""
        self._sort_column = Column(column) if 0 <= column < len(COLUMNS) else None
        self._sort_order = order
        self._reorder()

    # ---------------------------------------------------------------- what happened

    def add(self, records: Sequence[FileRecord]) -> None:
        """Append rows; known ones get their new value instead."""
        new = [record for record in records if record.file_id not in self._row_of]
        known = [record for record in records if record.file_id in self._row_of]
        if new:
            first = len(self._records)
            self.beginInsertRows(_NO_PARENT, first, first + len(new) - 1)
            self._records.extend(new)
            self._row_of.update((record.file_id, first + place) for place, record in enumerate(new))
            self.endInsertRows()
            if self._sort_column is not None:
                self._reorder()
        if known:
            self.change(known)

    def change(self, records: Iterable[FileRecord]) -> None:
        """Put new values in place and announce them with one `dataChanged` over the rows between."""
        low, high = len(self._records), -1
        for record in records:
            row = self._row_of.get(record.file_id)
            if row is None:
                continue
            self._records[row] = record
            low, high = min(low, row), max(high, row)
        if high < 0:
            return
        if self._sort_column is not None and COLUMNS[self._sort_column].is_volatile:
            self._order_is_stale = True
        self.dataChanged.emit(self.index(low, 0), self.index(high, len(COLUMNS) - 1))

    def remove(self, file_ids: Iterable[FileId]) -> None:
        """Take rows away; unknown ids are ignored."""
        rows = sorted(self._row_of[file_id] for file_id in set(file_ids) if file_id in self._row_of)
        runs = _runs(rows)
        if len(runs) > _MAX_REMOVED_RUNS:
            gone = set(rows)
            self.beginResetModel()
            self._records = [record for row, record in enumerate(self._records) if row not in gone]
            self._index_rows()
            self.endResetModel()
            return
        for first, last in reversed(runs):
            self.beginRemoveRows(_NO_PARENT, first, last)
            del self._records[first : last + 1]
            self._index_rows()
            self.endRemoveRows()

    def sort_again(self) -> None:
        """Bring rows whose values moved on back into order, when the order depends on such values."""
        if self._order_is_stale:
            self._reorder()

    def show_workers(self, workers: Iterable[WorkerView]) -> None:
        """Know on which computer each worker runs, for the words about segments."""
        self._hosts = {worker.worker_id: worker.host for worker in workers}

    # ---------------------------------------------------------------- looking things up

    def record(self, row: int) -> FileRecord:
        """The record of a row."""
        return self._records[row]

    def record_of(self, file_id: FileId) -> FileRecord | None:
        """The record of a file."""
        row = self._row_of.get(file_id)
        return None if row is None else self._records[row]

    def row_of(self, file_id: FileId) -> int | None:
        """Where a file stands now."""
        return self._row_of.get(file_id)

    def records(self) -> Sequence[FileRecord]:
        """All rows from top to bottom. Not to be kept: it changes."""
        return self._records

    # ---------------------------------------------------------------- inside

    def _own_role(self, record: FileRecord, role: int, column: int) -> object:
        if role == Role.RECORD:
            return record
        if role == Role.FILE_ID:
            return record.file_id
        if role == Role.STATE:
            return words.row_state(record)
        if role == Role.PROGRESS:
            process_type = COLUMNS[column].process_type
            return None if process_type is None else record.task(process_type).progress
        if role == Role.ERROR:
            return words.error_in_words(record)
        return None

    def _tooltip(self, record: FileRecord) -> str:
        parts = "\n".join(part_lines(record, self._hosts))
        more = (words.error_in_words(record), words.remarks_in_words(record), parts)
        return "\n\n".join(part for part in (record.source_path, *more) if part)

    def _accessible_text(self, record: FileRecord, column: Column) -> str:
        """What a screen reader says for a cell; for the enhancement also who holds which part."""
        text = accessible_text(record, column)
        if COLUMNS[column].process_type is not ProcessType.VIDEO_ENHANCEMENT:
            return text
        return ". ".join((text, *part_lines(record, self._hosts)))

    def _index_rows(self) -> None:
        self._row_of = {record.file_id: row for row, record in enumerate(self._records)}

    def _reorder(self) -> None:
        self._order_is_stale = False
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        ids = [self._records[index.row()].file_id for index in before]
        self._records.sort(key=lambda record: record.position)
        if self._sort_column is not None:
            key = COLUMNS[self._sort_column].sort_key
            descending = self._sort_order is Qt.SortOrder.DescendingOrder
            self._records.sort(key=key, reverse=descending)
        self._index_rows()
        after = [
            self.index(self._row_of[file_id], index.column())
            for file_id, index in zip(ids, before, strict=True)
        ]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()


def accessible_text(record: FileRecord, column: Column) -> str:
    """What a screen reader says for a cell."""
    spec = COLUMNS[column]
    if spec.process_type is None:
        return f"{spec.title}: {spec.display(record) or words.NOTHING}"
    task = record.task(spec.process_type)
    return f"{spec.title}: {words.bar_words(task)}, {task.progress:.0f} percent"


def _runs(rows: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for row in rows:
        if runs and runs[-1][1] == row - 1:
            runs[-1] = (runs[-1][0], row)
        else:
            runs.append((row, row))
    return runs
