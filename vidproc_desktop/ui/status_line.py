"""The status bar: how the broker is, how far everything is, and short passing words."""

from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QProgressBar, QStatusBar, QWidget

from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState
from vidproc_desktop.ui.theme import Theme
from vidproc_desktop.ui.words import count_of
from workers.protocol.states import Status

_PASSING_MS = 6000


@dataclass(frozen=True, slots=True)
class Overall:
    """How far all files are."""

    files: int
    finished: int
    failed: int
    working: int
    percent: float

    @property
    def unfinished(self) -> int:
        """Files that still have work before them."""
        return self.files - self.finished

    def in_words(self) -> str:
        """For the status bar."""
        if not self.files:
            return ""
        if not self.unfinished:
            words = f"{count_of(self.files, 'file')}, all finished"
        else:
            words = f"{self.finished:,} of {count_of(self.files, 'file')} finished"
        return f"{words}, {self.failed:,} failed" if self.failed else words


def overall(records: Iterable[FileRecord]) -> Overall:
    """Sum up all rows."""
    files = finished = failed = working = 0
    percent = 0.0
    is_working, is_failed = Status.PROCESSING, Status.FAILED
    for record in records:
        files += 1
        enhancement, metadata = record.enhancement, record.metadata
        first, second = enhancement.status, metadata.status
        if first is is_working or second is is_working:
            working += 1
            percent += enhancement.progress if enhancement.is_wanted else metadata.progress
        elif record.is_finished:
            finished += 1
            percent += 100
        if first is is_failed or second is is_failed:
            failed += 1
    return Overall(files, finished, failed, working, percent / files if files else 0.0)


class _Dot(QWidget):
    """A coloured dot."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.state = BrokerState.STARTING
        self.setFixedSize(18, 14)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Green when ready, red when it cannot work, amber in between."""
        colours = self._theme.colours
        colour = {
            BrokerState.READY: colours.done,
            BrokerState.UNREACHABLE: colours.failed,
            BrokerState.STOPPED: colours.waiting,
        }.get(self.state, colours.warning)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawEllipse(QRectF(7, 3, 8, 8))
        painter.end()


class StatusLine(QStatusBar):
    """The window's status bar."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dot = _Dot(theme)
        self._health = QLabel("Starting…")
        self._summary = QLabel()
        self._bar = QProgressBar()
        self._health.setObjectName("health")
        self._summary.setObjectName("summary")
        self._bar.setAccessibleName("Progress of all files")
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(140)
        self._bar.setRange(0, 1000)
        self._bar.hide()
        self.setSizeGripEnabled(False)
        self.setContentsMargins(0, 2, 10, 2)
        self.addWidget(self._dot)
        self.addWidget(self._health, 1)
        self.addPermanentWidget(self._summary)
        self.addPermanentWidget(self._bar)
        theme.changed.connect(self._dot.update)

    def show_health(self, health: BrokerHealth) -> None:
        """How the broker is, in its own words."""
        self._dot.state = health.state
        self._dot.update()
        self._health.setText(health.message)
        self._health.setToolTip(health.message)

    def show_overall(self, state: Overall) -> None:
        """How far everything is."""
        self._summary.setText(state.in_words())
        self._bar.setVisible(state.unfinished > 0)
        self._bar.setValue(round(state.percent * 10))
        self._bar.setToolTip(f"{state.percent:.0f} % of everything")

    def say(self, words: str) -> None:
        """Show passing words."""
        self.showMessage(words, _PASSING_MS)
