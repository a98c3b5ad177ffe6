"""The window's actions: names, icons, shortcuts, and when each makes sense for the selected rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence, QPalette
from PySide6.QtWidgets import QMainWindow, QMenu, QToolBar, QToolButton, QWidget

from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.ui.icons import IconName, icon
from vidproc_desktop.ui.words import RowState, error_in_words, row_state
from workers.protocol.states import Status


@dataclass(frozen=True, slots=True)
class Actions:
    """Every action of the window."""

    add_files: QAction
    add_folder: QAction
    paste: QAction
    play: QAction
    open_result: QAction
    show_in_folder: QAction
    retry: QAction
    cancel: QAction
    remove: QAction
    clear_finished: QAction
    copy_error: QAction
    select_all: QAction
    settings: QAction
    quit: QAction
    about: QAction

    def enable(self, selected: Sequence[FileRecord], *, any_finished: bool) -> None:
        """Grey what makes no sense now."""
        self.play.setEnabled(bool(selected))
        self.open_result.setEnabled(any(record.enhancement_result for record in selected))
        self.show_in_folder.setEnabled(bool(selected))
        self.retry.setEnabled(any(can_retry(record) for record in selected))
        self.cancel.setEnabled(any(not record.is_finished for record in selected))
        self.remove.setEnabled(bool(selected))
        self.copy_error.setEnabled(any(error_in_words(record) for record in selected))
        self.clear_finished.setEnabled(any_finished)


def can_retry(record: FileRecord) -> bool:
    """True when a process failed or was cancelled and nothing of the file is under way."""
    if row_state(record) is RowState.WORKING:
        return False
    return any(task.status in (Status.FAILED, Status.CANCELLED) for task in record.tasks)


def make_actions(owner: QMainWindow) -> Actions:
    """Create the actions; the window connects them."""

    def action(text: str, name: IconName | None, tip: str, *keys: QKeySequence) -> QAction:
        made = QAction(text, owner)
        if name is not None:
            made.setIcon(icon(name))
        made.setShortcuts(list(keys))
        shortcut = f" ({keys[0].toString(QKeySequence.SequenceFormat.NativeText)})" if keys else ""
        made.setToolTip(f"{tip}{shortcut}")
        made.setStatusTip("")
        return made

    key, standard = QKeySequence, QKeySequence.StandardKey
    return Actions(
        add_files=action("Open files…", IconName.ADD, "Add videos", key(standard.Open)),
        add_folder=action(
            "Open folder…", IconName.FOLDER, "Add every video of a folder", key("Ctrl+Shift+O")
        ),
        paste=action("Paste", None, "Add copied files or paths", key(standard.Paste)),
        play=action("Play", IconName.PLAY, "Play in the preview", key(Qt.Key.Key_Space)),
        open_result=action("Open result", IconName.OPEN, "Open with the system's player", key("Ctrl+Return")),
        show_in_folder=action(
            "Show in folder", IconName.FOLDER, "Show the result in its folder", key("Ctrl+E")
        ),
        retry=action("Retry", IconName.RETRY, "Try failed or cancelled files again", key("Ctrl+R")),
        cancel=action("Cancel", IconName.CANCEL, "Stop the selected files", key(Qt.Key.Key_Escape)),
        remove=action("Remove", IconName.REMOVE, "Take off the list; files stay", key(standard.Delete)),
        clear_finished=action("Clear finished", IconName.CLEAR, "Take finished files off the list"),
        copy_error=action("Copy error", IconName.COPY, "Copy what went wrong", key(standard.Copy)),
        select_all=action("Select all", None, "Select every file", key(standard.SelectAll)),
        settings=action("Settings…", IconName.SETTINGS, "Settings", key("Ctrl+,")),
        quit=action("Quit", None, "Quit", key(standard.Quit)),
        about=action("About Vidproc Desktop", None, "About"),
    )


def bind_to(view: QWidget, actions: Actions) -> None:
    """Keys that mean something else in other widgets work only in the table."""
    for action in (
        actions.play,
        actions.cancel,
        actions.remove,
        actions.copy_error,
        actions.select_all,
        actions.open_result,
    ):
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        view.addAction(action)


def row_menu(parent: QWidget, actions: Actions) -> QMenu:
    """The context menu of the selected rows."""
    menu = QMenu(parent)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    for group in (
        (actions.play, actions.open_result, actions.show_in_folder),
        (actions.retry, actions.cancel, actions.copy_error),
        (actions.remove,),
    ):
        menu.addActions(list(group))
        menu.addSeparator()
    return menu


def fill_menu_bar(window: QMainWindow, actions: Actions, views: Sequence[QAction]) -> None:
    """File, Video, View, Help."""
    bar = window.menuBar()
    file = bar.addMenu("&File")
    file.addActions([actions.add_files, actions.add_folder, actions.paste])
    file.addSeparator()
    file.addAction(actions.settings)
    file.addSeparator()
    file.addAction(actions.quit)
    video = bar.addMenu("&Video")
    video.addActions([actions.play, actions.open_result, actions.show_in_folder])
    video.addSeparator()
    video.addActions([actions.retry, actions.cancel, actions.copy_error])
    video.addSeparator()
    video.addActions([actions.select_all, actions.remove, actions.clear_finished])
    view = bar.addMenu("V&iew")
    view.addActions(list(views))
    bar.addMenu("&Help").addAction(actions.about)


def make_tool_bar(window: QMainWindow, actions: Actions, workers: QAction) -> QToolBar:
    """The tool bar; its first button offers files and folders."""
    bar = QToolBar("Tools")
    bar.setObjectName("tool_bar")
    bar.setMovable(False)
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    add = QToolButton()
    add.setObjectName("add")
    add.setText("Add")
    add.setAccessibleName("Add videos")
    add.setIcon(icon(IconName.ADD, QPalette.ColorRole.Base))
    add.setToolTip("Add videos")
    add.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    add.setToolButtonStyle(bar.toolButtonStyle())
    bar.toolButtonStyleChanged.connect(add.setToolButtonStyle)
    menu = QMenu(add)
    menu.addActions([actions.add_files, actions.add_folder])
    add.setMenu(menu)
    bar.addWidget(add)
    bar.addSeparator()
    bar.addActions([actions.retry, actions.cancel, actions.remove, actions.clear_finished])
    bar.addSeparator()
    bar.addActions([actions.open_result, actions.show_in_folder])
    space = QWidget()
    space.setSizePolicy(bar.sizePolicy().Policy.Expanding, bar.sizePolicy().Policy.Preferred)
    bar.addWidget(space)
    bar.addActions([workers, actions.settings])
    window.addToolBar(bar)
    return bar
