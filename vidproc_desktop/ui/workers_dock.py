"""Who works on the videos: every worker with host, state, task and speed; how many run on this computer."""

from collections.abc import Callable, Sequence
from enum import IntEnum

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSignalBlocker,
    Qt,
    Signal,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDockWidget,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSpinBox,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.segment_cells import segment_count
from vidproc_desktop.domain.workers import WorkerView
from vidproc_desktop.ui.icons import IconName, icon
from vidproc_desktop.ui.segment_words import part_in_words
from vidproc_desktop.ui.theme import Theme
from vidproc_desktop.ui.words import NOTHING, PROCESS_WORDS, count_of, rate, stage_in_words, worker_in_words
from workers.protocol.messages import CurrentTask
from workers.protocol.model import FileId
from workers.protocol.states import WorkerState

MAX_LOCAL_WORKERS = 32
type FileLookup = Callable[[FileId], FileRecord | None]
type _Index = QModelIndex | QPersistentModelIndex
_NO_PARENT = QModelIndex()
_BAD_STATES = (WorkerState.DISK_FULL, WorkerState.SET_ASIDE)


class WorkerColumn(IntEnum):
    """Columns of the list."""

    HOST = 0
    STATE = 1
    DOES = 2
    TASK = 3
    RATE = 4


_TITLES = ("Computer", "State", "Does", "Now", "Frames/s")


class WorkersModel(QAbstractTableModel):
    """The list of workers. Few rows: replaced when workers come or go, refreshed in place otherwise."""

    def __init__(self, theme: Theme, find_file: FileLookup, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._find_file = find_file
        self._workers: tuple[WorkerView, ...] = ()

    def show_workers(self, workers: Sequence[WorkerView]) -> None:
        """Take the complete list."""
        new = tuple(sorted(workers, key=lambda worker: (not worker.is_ours, worker.host, worker.worker_id)))
        if [worker.worker_id for worker in new] == [worker.worker_id for worker in self._workers]:
            self._workers = new
            if new:
                self.dataChanged.emit(self.index(0, 0), self.index(len(new) - 1, len(_TITLES) - 1))
            return
        self.beginResetModel()
        self._workers = new
        self.endResetModel()

    @property
    def workers(self) -> tuple[WorkerView, ...]:
        """The list as shown."""
        return self._workers

    def rowCount(self, parent: _Index = _NO_PARENT) -> int:
        """Number of workers."""
        return 0 if parent.isValid() else len(self._workers)

    def columnCount(self, parent: _Index = _NO_PARENT) -> int:
        """Number of columns."""
        return 0 if parent.isValid() else len(_TITLES)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Titles."""
        if orientation is not Qt.Orientation.Horizontal or not 0 <= section < len(_TITLES):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """One fact."""
        if not index.isValid() or not 0 <= index.row() < len(self._workers):
            return None
        worker = self._workers[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return worker_text(worker, WorkerColumn(index.column()), self._find_file)
        if role == Qt.ItemDataRole.ToolTipRole:
            lines = [f"{worker.worker_id}, process {worker.pid}, version {worker.program_version}"]
            lines += [task_text(task, self._find_file) for task in worker.current]
            return "\n".join([*lines, worker.message] if worker.message else lines)
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == WorkerColumn.STATE:
            colours = self._theme.colours
            if worker.is_lost or worker.state in _BAD_STATES:
                return colours.failed
            return colours.accent if worker.state is WorkerState.BUSY else colours.done
        return None


def task_text(task: CurrentTask, find_file: FileLookup) -> str:
    """`clip.mov, segment 4 of 12: Enhancing 37 %`; without the name where the file is another desktop's."""
    doing = f"{stage_in_words(task.stage)} {task.progress:.0f} %"
    file = find_file(FileId(task.file_id))
    what = [] if file is None else [file.name]
    if task.part is not None:
        count = None if file is None else segment_count(file)
        what.append(part_in_words(task.part, None if count is None else count.total))
    return f"{', '.join(what)}: {doing}" if what else doing


def worker_text(worker: WorkerView, column: WorkerColumn, find_file: FileLookup) -> str:
    """What a cell says."""
    match column:
        case WorkerColumn.HOST:
            return f"{worker.host} (this computer)" if worker.is_ours else worker.host
        case WorkerColumn.STATE:
            state = worker_in_words(worker.state, is_lost=worker.is_lost)
            return f"{state}: {worker.message}" if worker.message else state
        case WorkerColumn.DOES:
            return ", ".join(PROCESS_WORDS[kind] for kind in worker.process_types)
        case WorkerColumn.TASK:
            return "; ".join(task_text(task, find_file) for task in worker.current) or NOTHING
        case WorkerColumn.RATE:
            rates = [task.frames_per_s for task in worker.current if task.frames_per_s is not None]
            return rate(sum(rates)) if rates else NOTHING


class WorkersDock(QDockWidget):
    """Dock with the list and the number of workers here.

    Signals:
        count_wanted: that many workers on this computer.
    """

    count_wanted = Signal(int)

    def __init__(self, theme: Theme, find_file: FileLookup, parent: QWidget | None = None) -> None:
        super().__init__("Workers", parent)
        self.setObjectName("workers_dock")
        features = QDockWidget.DockWidgetFeature
        self.setFeatures(features.DockWidgetClosable | features.DockWidgetMovable)
        self.model = WorkersModel(theme, find_file, self)
        self._table = QTableView()
        self._count = QSpinBox()
        self._apply = QPushButton("Apply")
        self._stop = QPushButton("Stop all here")
        self._summary = QLabel()
        self._running_count = 0
        self._set_up()
        self._set_up_title()

    def _set_up_title(self) -> None:
        title = QLabel("Workers")
        title.setProperty("heading", True)
        close = QToolButton()
        close.setIcon(icon(IconName.CLOSE))
        close.setProperty("flat", True)
        close.setToolTip("Hide (F9)")
        close.setAccessibleName("Hide workers")
        close.clicked.connect(self.close)
        bar = QFrame()
        bar.setObjectName("dock_title")
        layout = QHBoxLayout(bar)
        layout.setContentsMargins(12, 4, 6, 0)
        layout.addWidget(title)
        layout.addStretch()
        layout.addWidget(close)
        self.setTitleBarWidget(bar)

    def _set_up(self) -> None:
        table = self._table
        table.setModel(self.model)
        table.setAccessibleName("Workers")
        table.setShowGrid(False)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(30)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(WorkerColumn.TASK, QHeaderView.ResizeMode.Stretch)
        for column, width in ((WorkerColumn.HOST, 230), (WorkerColumn.STATE, 150), (WorkerColumn.DOES, 190)):
            table.setColumnWidth(column, width)
        self._count.setObjectName("worker_count")
        self._count.setRange(0, MAX_LOCAL_WORKERS)
        self._count.setAccessibleName("Enhancement workers on this computer")
        self._summary.setProperty("muted", True)
        self._count.valueChanged.connect(lambda _: self._refresh_buttons())
        self._apply.clicked.connect(lambda: self.count_wanted.emit(self._count.value()))
        self._stop.clicked.connect(self._stop_all)
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 8)
        bar.setSpacing(8)
        bar.addWidget(QLabel("Enhancement workers on this computer"))
        bar.addWidget(self._count)
        bar.addWidget(self._apply)
        bar.addWidget(self._stop)
        bar.addStretch()
        bar.addWidget(self._summary)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(table, 1)
        page.setMinimumHeight(130)
        self.setWidget(page)
        self.show_count(0)

    def show_workers(self, workers: Sequence[WorkerView]) -> None:
        """Take the complete list."""
        self.model.show_workers(workers)
        living = [worker for worker in workers if not worker.is_lost]
        busy = sum(worker.state is WorkerState.BUSY for worker in living)
        hosts = len({worker.host for worker in living})
        self._summary.setText(
            f"{count_of(len(living), 'worker')} on {count_of(hosts, 'computer')}, {busy} working"
            if living
            else "No worker is running"
        )

    def show_count(self, count: int) -> None:
        """How many are wanted here now."""
        self._running_count = count
        with QSignalBlocker(self._count):
            self._count.setValue(count)
        self._refresh_buttons()

    def _stop_all(self) -> None:
        self._count.setValue(0)
        self.count_wanted.emit(0)

    def _refresh_buttons(self) -> None:
        value = self._count.value()
        self._apply.setText("Start" if value > self._running_count else "Apply")
        self._apply.setEnabled(value != self._running_count)
        self._stop.setEnabled(self._running_count > 0)
