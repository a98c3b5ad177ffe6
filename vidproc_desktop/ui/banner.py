"""One dismissible strip above the table: refused files, trouble in the world, a bug. Never a dialog in the way."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import PurePath

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from vidproc_desktop.domain.library import IntakeReport, Refusal
from vidproc_desktop.errors import UserFacingError
from vidproc_desktop.ui.icons import IconName, icon, paint_icon
from vidproc_desktop.ui.theme import Theme
from vidproc_desktop.ui.words import count_of

_NAMES_SHOWN = 3
_REASONS_SHOWN = 4


class Severity(StrEnum):
    """How bad; decides the colour."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    BUG = "bug"


def refusals_in_words(report: IntakeReport) -> tuple[str, str]:
    """Title and text for the refused files of one drop: same reasons together. Empty title: nothing to say."""
    lines = _refused_lines(report.refused)
    if report.already_there:
        count = count_of(len(report.already_there), "file is", "files are")
        lines.append(f"{count} in the list already.")
    if not lines:
        return "", ""
    if not report.refused:
        return lines[0], ""
    return f"{count_of(len(report.refused), 'file')} could not be added", "\n".join(lines)


def _refused_lines(refused: Sequence[Refusal]) -> list[str]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for refusal in refused:
        name = PurePath(refusal.path).name or refusal.path
        # The name stands before the reason; without it the same reasons of several files go together.
        groups[refusal.reason.replace(f"“{name}”", "this file")].append(name)
    lines = []
    for reason, names in list(groups.items())[:_REASONS_SHOWN]:
        shown = ", ".join(names[:_NAMES_SHOWN])
        more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
        lines.append(f"{shown}{more}: {reason[:1].lower()}{reason[1:]}")
    if len(groups) > _REASONS_SHOWN:
        lines.append(f"… and {len(groups) - _REASONS_SHOWN} other reasons.")
    return lines


class _Sign(QWidget):
    """The icon in the colour of the severity."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.severity = Severity.WARNING
        self.setFixedSize(22, 22)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Warning triangle, or the film for information."""
        colours = self._theme.colours
        colour = {Severity.INFO: colours.accent, Severity.WARNING: colours.warning}.get(
            self.severity, colours.failed
        )
        name = IconName.FILM if self.severity is Severity.INFO else IconName.WARNING
        painter = QPainter(self)
        paint_icon(painter, name, QRect(0, 0, 22, 22), colour)
        painter.end()


class Banner(QFrame):
    """Shows one message at a time; a new one takes the place of the old one.

    Signals:
        shown_changed: the banner came or went.
    """

    shown_changed = Signal(bool)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self._sign = _Sign(theme)
        self._title = QLabel()
        self._text = QLabel()
        self._action = QPushButton()
        self._close = QToolButton()
        self._act: Callable[[], None] | None = None
        self._set_up()
        theme.changed.connect(self._sign.update)
        self.hide()

    def _set_up(self) -> None:
        self._title.setProperty("heading", True)
        self._text.setProperty("muted", True)
        for label in (self._title, self._text):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._close.setIcon(icon(IconName.CLOSE))
        self._close.setProperty("flat", True)
        self._close.setToolTip("Dismiss")
        self._close.setAccessibleName("Dismiss message")
        self._close.clicked.connect(self.dismiss)
        self._action.clicked.connect(self._run_action)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self._title)
        words.addWidget(self._text)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 9, 8, 9)
        layout.setSpacing(10)
        layout.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(words, 1)
        layout.addWidget(self._action, 0, Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)

    @property
    def title(self) -> str:
        """The headline shown now."""
        return self._title.text()

    @property
    def text(self) -> str:
        """The lines below the headline."""
        return self._text.text()

    def show_report(self, report: IntakeReport) -> None:
        """Refused files of one drop, once, grouped by reason."""
        title, text = refusals_in_words(report)
        if title:
            self.tell(Severity.WARNING if report.refused else Severity.INFO, title, text)

    def show_error(self, error: UserFacingError) -> None:
        """Something outside the program failed."""
        text = "\n".join(part for part in (error.hint, error.detail) if part)
        self.tell(Severity.ERROR, error.title, text)

    def tell(
        self,
        severity: Severity,
        title: str,
        text: str = "",
        *,
        action: tuple[str, Callable[[], None]] | None = None,
    ) -> None:
        """Show a message, with at most one button."""
        self._sign.severity = severity
        self.setProperty("severity", severity.value)
        self.style().unpolish(self)
        self.style().polish(self)
        self._title.setText(title)
        self._text.setText(text)
        self._text.setVisible(bool(text))
        self._act = action[1] if action else None
        self._action.setText(action[0] if action else "")
        self._action.setVisible(action is not None)
        self._sign.update()
        self.show()
        self.shown_changed.emit(True)

    def dismiss(self) -> None:
        """Take the message away."""
        self.hide()
        self.shown_changed.emit(False)

    def _run_action(self) -> None:
        if self._act is not None:
            self._act()
