"""The main window: puts the parts together and turns clicks, keys and drops into wishes for the bridge."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QMainWindow,
    QMessageBox,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from vidproc_desktop import __version__
from vidproc_desktop.domain.workers import WorkerView
from vidproc_desktop.ui.banner import Banner, Severity
from vidproc_desktop.ui.bridge import Bridge
from vidproc_desktop.ui.drop_area import DropOverlay, Dropped, EmptyState, read_mime
from vidproc_desktop.ui.file_choosing import choose_files, choose_folder
from vidproc_desktop.ui.icons import IconName, icon
from vidproc_desktop.ui.preferences import Preferences
from vidproc_desktop.ui.row_commands import RowCommands
from vidproc_desktop.ui.settings_dialog import SettingsDialog
from vidproc_desktop.ui.side_pane import SidePane
from vidproc_desktop.ui.status_line import StatusLine, overall
from vidproc_desktop.ui.task_model import TaskModel
from vidproc_desktop.ui.task_view import TaskView
from vidproc_desktop.ui.theme import Theme
from vidproc_desktop.ui.window_actions import (
    bind_to,
    fill_menu_bar,
    make_actions,
    make_tool_bar,
    row_menu,
)
from vidproc_desktop.ui.window_state import WindowState
from vidproc_desktop.ui.words import count_of
from vidproc_desktop.ui.workers_dock import WorkersDock
from workers.protocol.settings import EnhancementSettings

NARROW_PX = 760
"""Below this width the side pane goes below the table."""
_ICONS_ONLY_PX = 1120
_SUMMARY_EVERY_MS = 500
"""Counts over all rows are made no more often than this: 10,000 rows take a few milliseconds."""
_MANY_SELECTED = 200
"""With more rows selected their actions are looked at with the counts, not with every change."""


class MainWindow(QMainWindow):
    """The window of the program.

    Signals:
        close_requested: the user wants to quit; the window stays until the core has stopped.
        preferences_chosen: `Preferences` that the user agreed to.
    """

    close_requested = Signal()
    preferences_chosen = Signal(object)

    def __init__(
        self,
        bridge: Bridge,
        model: TaskModel,
        *,
        theme: Theme,
        state: WindowState,
        preferences: Preferences,
        presets: Mapping[str, EnhancementSettings],
    ) -> None:
        super().__init__()
        self.setObjectName("main_window")
        self.setWindowTitle("Vidproc Desktop")
        self.setWindowIcon(icon(IconName.APP))
        self.setAcceptDrops(True)
        self._bridge = bridge
        self._model = model
        self._theme = theme
        self._state = state
        self._preferences = preferences
        self._presets = presets
        self._may_close = False
        self._dialog: SettingsDialog | None = None
        self.actions_ = make_actions(self)
        self.view = TaskView(model, theme)
        self.empty = EmptyState(theme)
        self.banner = Banner(theme)
        self.side_pane = SidePane(theme)
        self.status_line = StatusLine(theme)
        self.workers_dock = WorkersDock(theme, model.record_of, self)
        self._side_action = QAction("Side pane", self)
        self._stack = QStackedWidget()
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._overlay = DropOverlay(theme, self)
        self._commands = RowCommands(self.view, bridge, self.status_line)
        self._summary_timer = QTimer(self)
        self._summary_timer.setSingleShot(True)
        self._summary_timer.setInterval(_SUMMARY_EVERY_MS)
        self._lay_out()
        self._connect_actions()
        self._connect_bridge()
        self._restore()
        self._refresh()

    # ---------------------------------------------------------------- set-up

    def _lay_out(self) -> None:
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._banner_room = QWidget()
        room = QVBoxLayout(self._banner_room)
        room.setContentsMargins(10, 10, 10, 10)
        room.addWidget(self.banner)
        self.banner.shown_changed.connect(self._banner_room.setVisible)
        self._banner_room.setVisible(False)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.view)
        column.addWidget(self._banner_room)
        column.addWidget(self._stack, 1)
        left.setMinimumWidth(300)
        self._splitter.addWidget(left)
        self._splitter.addWidget(self.side_pane)
        self._splitter.setStretchFactor(0, 3)
        self._splitter.setStretchFactor(1, 1)
        self._splitter.setChildrenCollapsible(False)
        self.setCentralWidget(self._splitter)
        self.setStatusBar(self.status_line)
        self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self.workers_dock)
        self.workers_dock.hide()
        workers = self.workers_dock.toggleViewAction()
        workers.setIcon(icon(IconName.WORKERS))
        workers.setToolTip("Show who works on the videos (F9)")
        workers.setShortcut("F9")
        self._tool_bar = make_tool_bar(self, self.actions_, workers)
        side = self._side_action
        side.setCheckable(True)
        side.setChecked(True)
        side.setShortcut("F8")
        side.toggled.connect(self._arrange)
        fill_menu_bar(self, self.actions_, [side, workers])
        bind_to(self.view, self.actions_)

    def _connect_actions(self) -> None:
        actions = self.actions_
        actions.add_files.triggered.connect(self._choose_files)
        actions.add_folder.triggered.connect(self._choose_folder)
        actions.paste.triggered.connect(self._paste)
        actions.play.triggered.connect(self._play)
        self._commands.bind(actions)
        actions.settings.triggered.connect(self.open_settings)
        actions.quit.triggered.connect(self.close)
        actions.about.triggered.connect(self._tell_about)
        self.empty.files_wanted.connect(self._choose_files)
        self.empty.folder_wanted.connect(self._choose_folder)
        self.view.selection_changed.connect(self._on_selection)
        self.view.menu_requested.connect(self._offer_row_menu)
        self.view.activated.connect(lambda _index: self._play())
        self.workers_dock.count_wanted.connect(self._set_worker_count)

    def _connect_bridge(self) -> None:
        bridge = self._bridge
        bridge.updated.connect(self._on_updated)
        bridge.workers_changed.connect(self._on_workers)
        bridge.health_changed.connect(self.status_line.show_health)
        bridge.intake_finished.connect(self.banner.show_report)
        bridge.intake_finished.connect(lambda _report: self.status_line.clearMessage())
        bridge.failed.connect(self.banner.show_error)
        self._summary_timer.timeout.connect(self._refresh_summary)

    def _restore(self) -> None:
        screen = self.screen().availableGeometry()
        self.resize(min(1480, screen.width() - 40), min(860, screen.height() - 60))
        self.restoreGeometry(self._state.layout("geometry"))
        self.restoreState(self._state.layout("docks"))
        self._splitter.setSizes([1075, 405])
        self._splitter.restoreState(self._state.layout("splitter"))
        self.view.horizontalHeader().restoreState(self._state.layout("columns"))
        self.view.hide_columns(self._state.hidden_columns)
        self.side_pane.preview.set_volume(self._state.volume, muted=self._state.is_muted)

    def save_state(self) -> None:
        """Keep geometry, columns and volume for the next run."""
        state = self._state
        state.save_layout("geometry", self.saveGeometry())
        state.save_layout("docks", self.saveState())
        state.save_layout("splitter", self._splitter.saveState())
        state.save_layout("columns", self.view.horizontalHeader().saveState())
        state.hidden_columns = self.view.hidden_columns()
        state.volume = self.side_pane.preview.volume
        state.is_muted = self.side_pane.preview.is_muted
        state.flush()

    # ---------------------------------------------------------------- life

    def close_for_good(self) -> None:
        """Let go of files and threads and close; the core has stopped."""
        self._may_close = True
        self.side_pane.close_files()
        self.view.thumbnails.close()
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask for the one shut-down; the window hides at once and is closed when the core has stopped."""
        if self._may_close:
            event.accept()
            return
        event.ignore()
        self.close_requested.emit()

    def tell_bug(self, report: str) -> None:
        """Say once that something is broken, and offer the report for the clipboard."""
        self.banner.tell(
            Severity.BUG,
            "Something went wrong. The program goes on.",
            "The report helps to mend it. It holds no passwords.",
            action=("Copy report", lambda: QGuiApplication.clipboard().setText(report)),
        )

    # ---------------------------------------------------------------- adding

    def take(self, dropped: Dropped) -> None:
        """Files and folders from a drop, the clipboard or the command line."""
        if dropped.strange:
            names = "\n".join(dropped.strange[:5])
            self.banner.tell(Severity.WARNING, "Only files and folders on this computer can be added", names)
        if dropped.paths:
            self.add(dropped.paths)

    def add(self, paths: Sequence[Path]) -> None:
        """Hand files and folders to the core, with what the user chose."""
        self.status_line.say(f"Looking at {count_of(len(paths), 'file or folder', 'files and folders')}…")
        self._bridge.add(
            paths,
            settings=self._preferences.settings,
            output_directory=Path(self._preferences.output_directory),
        )

    def _choose_files(self) -> None:
        choose_files(self, self.add)

    def _choose_folder(self) -> None:
        choose_folder(self, lambda folder: self.add([folder]))

    def _paste(self) -> None:
        self.take(read_mime(QGuiApplication.clipboard().mimeData()))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take what holds files."""
        if event.mimeData().hasUrls() or event.mimeData().hasText():
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._overlay.cover()

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:
        """The files went elsewhere."""
        self._overlay.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        """Hand over the paths; nothing else happens here."""
        self._overlay.hide()
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self.take(read_mime(event.mimeData()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give way in a narrow window."""
        super().resizeEvent(event)
        width = self.width()
        narrow = width < NARROW_PX
        wanted = Qt.Orientation.Vertical if narrow else Qt.Orientation.Horizontal
        if self._splitter.orientation() is not wanted:
            self._splitter.setOrientation(wanted)
            self._splitter.setSizes([300, 300] if narrow else [1075, 405])
        beside = Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        style = beside if width >= _ICONS_ONLY_PX else Qt.ToolButtonStyle.ToolButtonIconOnly
        if self._tool_bar.toolButtonStyle() is not style:
            self._tool_bar.setToolButtonStyle(style)

    # ---------------------------------------------------------------- rows

    def _on_selection(self) -> None:
        self.side_pane.show_record(self.view.current_record())
        self._refresh_actions()

    def _on_updated(self) -> None:
        self._arrange()
        shown = self.side_pane.record
        current = None if shown is None else self._model.record_of(shown.file_id)
        if current is not shown:
            self.side_pane.show_record(current)
        elif shown is None and self._model.rowCount() and not self.view.selectionModel().hasSelection():
            self.view.selectRow(0)
        if self.view.selected_count() <= _MANY_SELECTED:
            self._refresh_actions()
        if not self._summary_timer.isActive():
            self._summary_timer.start()

    def _arrange(self) -> None:
        has_rows = self._model.rowCount() > 0
        self._stack.setCurrentWidget(self.view if has_rows else self.empty)
        self.side_pane.setVisible(has_rows and self._side_action.isChecked())

    def _refresh(self) -> None:
        self._on_updated()
        self._refresh_summary()

    def _refresh_summary(self) -> None:
        state = overall(self._model.records())
        self.status_line.show_overall(state)
        title = "Vidproc Desktop"
        self.setWindowTitle(f"{state.percent:.0f} % – {title}" if state.unfinished else title)
        self._refresh_actions(any_finished=state.finished > 0)

    def _refresh_actions(self, *, any_finished: bool | None = None) -> None:
        if any_finished is None:
            any_finished = self.actions_.clear_finished.isEnabled()
        self.actions_.enable(self.view.selected_records(), any_finished=any_finished)

    def _offer_row_menu(self, place: QPoint) -> None:
        row_menu(self, self.actions_).popup(place)

    def _play(self) -> None:
        self._side_action.setChecked(True)
        self.side_pane.tabs.setCurrentWidget(self.side_pane.preview)
        self.side_pane.preview.toggle()

    # ---------------------------------------------------------------- workers and settings

    def _on_workers(self, workers: Sequence[WorkerView]) -> None:
        self.workers_dock.show_workers(workers)
        self._model.show_workers(workers)
        if self._bridge.session is not None:
            self.workers_dock.show_count(self._bridge.session.worker_count())

    def _set_worker_count(self, count: int) -> None:
        self._preferences = replace(self._preferences, worker_count=count)
        self.preferences_chosen.emit(self._preferences)

    def open_settings(self) -> None:
        """Show the settings dialog, once."""
        if self._dialog is not None:
            self._dialog.raise_()
            self._dialog.activateWindow()
            return
        dialog = SettingsDialog(self._preferences, self._presets, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.chosen.connect(self._take_preferences)
        dialog.test_wanted.connect(self._bridge.test_connection)
        self._bridge.connection_tested.connect(dialog.show_answer)
        dialog.finished.connect(self._forget_dialog)
        self._dialog = dialog
        dialog.open()

    @property
    def settings_dialog(self) -> SettingsDialog | None:
        """The settings dialog while it is open."""
        return self._dialog

    def _forget_dialog(self) -> None:
        if self._dialog is not None:
            self._bridge.connection_tested.disconnect(self._dialog.show_answer)
            self._dialog = None

    def _take_preferences(self, preferences: Preferences) -> None:
        self._preferences = preferences
        self._theme.choose(preferences.appearance)
        self._state.appearance = preferences.appearance
        self.preferences_chosen.emit(preferences)

    def _tell_about(self) -> None:
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("About Vidproc Desktop")
        box.setIconPixmap(icon(IconName.APP).pixmap(64, 64))
        box.setText(f"<b>Vidproc Desktop {__version__}</b>")
        box.setInformativeText("Drop a video, get a better one. Originals are never changed.")
        box.open()
