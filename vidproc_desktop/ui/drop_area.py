"""What lies where the table will be, what covers the window while files hover, and what a drop or paste means."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QMimeData, QRect, Qt, QUrl, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from vidproc_desktop.ui.icons import IconName, icon, paint_icon
from vidproc_desktop.ui.theme import Theme

_PICTURE_PX = 72


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a drop or paste held."""

    paths: tuple[Path, ...] = ()
    strange: tuple[str, ...] = ()
    """Entries that are no local files (web addresses, say)."""


def read_mime(data: QMimeData) -> Dropped:
    """Files and folders in a drop or on the clipboard: URLs, or one path or `file:` URL a line."""
    if data.hasUrls():
        return _sort_urls(data.urls())
    if not data.hasText():
        return Dropped()
    lines = [line.strip().strip('"') for line in data.text().splitlines()]
    return _sort_urls([_as_url(line) for line in lines if line])


def _as_url(line: str) -> QUrl:
    if line.startswith("file:") or "://" in line:
        return QUrl(line)
    return QUrl.fromLocalFile(str(Path(line).expanduser()))


def _sort_urls(urls: Sequence[QUrl]) -> Dropped:
    paths: dict[Path, None] = {}
    strange: list[str] = []
    for url in urls:
        path = Path(url.toLocalFile()) if url.isLocalFile() else None
        if path is not None and path.is_absolute():
            paths[path] = None
        else:
            strange.append(url.toDisplayString())
    return Dropped(tuple(paths), tuple(strange))


class EmptyState(QWidget):
    """Shown while there are no files.

    Signals:
        files_wanted, folder_wanted: the two buttons.
    """

    files_wanted = Signal()
    folder_wanted = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("empty_state")
        self._theme = theme
        self._title = QLabel("Drop videos here")
        self._text = QLabel(
            "Files or whole folders. Each becomes a checked, browser-ready MP4;\n"
            "your originals are never touched."
        )
        self._files = QPushButton(icon(IconName.ADD, QPalette.ColorRole.Base), " Choose files…")
        self._folder = QPushButton(icon(IconName.FOLDER), " Choose a folder…")
        self._set_up()
        theme.changed.connect(self.update)

    def _set_up(self) -> None:
        font = self._title.font()
        font.setPointSizeF(font.pointSizeF() * 1.8)
        font.setWeight(font.Weight.DemiBold)
        self._title.setFont(font)
        self._text.setProperty("muted", True)
        self._files.setProperty("primary", True)
        self._files.clicked.connect(self.files_wanted)
        self._folder.clicked.connect(self.folder_wanted)
        for label in (self._title, self._text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.setSpacing(10)
        buttons.addStretch()
        buttons.addWidget(self._files)
        buttons.addWidget(self._folder)
        buttons.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(40, 40, 40, 40)
        layout.setSpacing(10)
        layout.addStretch(1)
        layout.addSpacing(_PICTURE_PX + 14)
        layout.addWidget(self._title)
        layout.addWidget(self._text)
        layout.addSpacing(12)
        layout.addLayout(buttons)
        layout.addStretch(1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A dashed frame and the picture above the words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = self._theme.colours
        painter.fillRect(self.rect(), self.palette().color(QPalette.ColorRole.Base))
        _paint_frame(painter, self.rect().adjusted(20, 20, -20, -20), colours.line)
        place = QRect(0, 0, _PICTURE_PX, _PICTURE_PX)
        place.moveCenter(self._title.geometry().center())
        place.moveBottom(self._title.geometry().top() - 14)
        paint_icon(painter, IconName.DROP, place, colours.accent)
        painter.end()


class DropOverlay(QWidget):
    """Covers the window while files hover over it; takes no events itself."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("drop_overlay")
        self._theme = theme
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def cover(self) -> None:
        """Lie over the whole parent."""
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
        self.raise_()
        self.show()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A veil, a dashed frame, an icon and words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        veil = self.palette().color(QPalette.ColorRole.Window)
        veil.setAlpha(252)
        painter.fillRect(self.rect(), veil)
        accent = self._theme.colours.accent
        frame = self.rect().adjusted(16, 16, -16, -16)
        wash = QColor(accent)
        wash.setAlpha(28)
        _paint_frame(painter, frame, accent, wash)
        place = QRect(0, 0, _PICTURE_PX, _PICTURE_PX)
        place.moveCenter(frame.center())
        place.translate(0, -28)
        paint_icon(painter, IconName.DROP, place, accent)
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 1.6)
        font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        words = QRect(frame.x(), place.bottom() + 14, frame.width(), 40)
        painter.drawText(words, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, "Drop to add")
        painter.end()


def _paint_frame(painter: QPainter, rect: QRect, colour: QColor, fill: QColor | None = None) -> None:
    pen = QPen(colour, 2)
    pen.setDashPattern([5, 4])
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush if fill is None else fill)
    painter.drawRoundedRect(rect, 14, 14)
