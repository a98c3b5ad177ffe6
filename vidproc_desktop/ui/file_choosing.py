"""Asks for files or a folder without stopping the window: the dialogs are opened, never executed."""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QWidget

_VIDEO_FILTER = (
    "Videos (*.mp4 *.m4v *.mov *.mkv *.webm *.avi *.mpg *.mpeg *.ts *.m2ts *.mts *.wmv *.flv *.ogv *.3gp *.vob *.mxf"
    " *.ps *.divx *.asf);;All files (*)"
)


def choose_files(parent: QWidget, take: Callable[[Sequence[Path]], None]) -> None:
    """Ask for videos."""
    dialog = QFileDialog(parent, "Add videos")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
    dialog.setNameFilter(_VIDEO_FILTER)
    dialog.filesSelected.connect(lambda names: take([Path(name) for name in names]))
    dialog.open()


def choose_folder(
    parent: QWidget, take: Callable[[Path], None], *, title: str = "Add a folder of videos", begin: str = ""
) -> None:
    """Ask for a folder."""
    dialog = QFileDialog(parent, title, begin)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    dialog.fileSelected.connect(lambda name: take(Path(name)))
    dialog.open()
