"""Colours of the window: a dark and a light palette that follow the system, status colours, and the style sheet.

Everything painted by hand takes its colours from the application's palette or from `StatusColours`; both change
live. The contrast of every text colour on every background here is at least 4.5 : 1 (WCAG 2.1, 1.4.3).
"""

from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from vidproc_desktop.ui.words import RowState

_TRACK_ALPHA = 64
"""The empty part of a bar is seen on plain and on selected rows alike."""


class Appearance(StrEnum):
    """What the user chose."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Shades:
    """One colour scheme, as `#rrggbb`."""

    window: str
    base: str
    raised: str
    line: str
    text: str
    muted: str
    disabled: str
    accent: str
    on_accent: str
    selection: str
    done: str
    failed: str
    waiting: str
    warning: str
    stage: str
    """Behind moving pictures."""


DARK = Shades(
    window="#1c1e22",
    base="#16181b",
    raised="#2a2d33",
    line="#383c44",
    text="#e9ebee",
    muted="#a3a9b3",
    disabled="#6b717b",
    accent="#8ea2ff",
    on_accent="#10131f",
    selection="#2b3357",
    done="#57c785",
    failed="#ff8b85",
    waiting="#a3a9b3",
    warning="#f2b95c",
    stage="#0b0c0e",
)

LIGHT = Shades(
    window="#f3f4f6",
    base="#ffffff",
    raised="#ffffff",
    line="#d5d9e0",
    text="#1b1e24",
    muted="#596170",
    disabled="#9aa1ad",
    accent="#3f51d6",
    on_accent="#ffffff",
    selection="#dfe4ff",
    done="#16753f",
    failed="#bf2330",
    waiting="#596170",
    warning="#8a5a00",
    stage="#17191d",
)


@dataclass(frozen=True, slots=True)
class StatusColours:
    """Colours that carry a meaning, beside the palette."""

    accent: QColor
    done: QColor
    failed: QColor
    waiting: QColor
    warning: QColor
    line: QColor
    track: QColor
    muted: QColor
    stage: QColor

    def of(self, state: RowState) -> QColor:
        """Colour of a row's status."""
        match state:
            case RowState.WORKING:
                return self.accent
            case RowState.WAITING | RowState.CANCELLED:
                return self.waiting
            case RowState.FAILED:
                return self.failed
            case RowState.DONE:
                return self.done


def status_colours(shades: Shades) -> StatusColours:
    """Status colours of one scheme."""
    track = QColor(shades.muted)
    track.setAlpha(_TRACK_ALPHA)
    return StatusColours(
        accent=QColor(shades.accent),
        done=QColor(shades.done),
        failed=QColor(shades.failed),
        waiting=QColor(shades.waiting),
        warning=QColor(shades.warning),
        line=QColor(shades.line),
        track=track,
        muted=QColor(shades.muted),
        stage=QColor(shades.stage),
    )


def palette_of(shades: Shades) -> QPalette:
    """A complete palette for the Fusion style."""
    palette = QPalette()
    role = QPalette.ColorRole
    table = {
        role.Window: shades.window,
        role.WindowText: shades.text,
        role.Base: shades.base,
        role.AlternateBase: shades.window,
        role.Text: shades.text,
        role.Button: shades.raised,
        role.ButtonText: shades.text,
        role.BrightText: shades.failed,
        role.ToolTipBase: shades.raised,
        role.ToolTipText: shades.text,
        role.PlaceholderText: shades.muted,
        role.Highlight: shades.selection,
        role.HighlightedText: shades.text,
        role.Accent: shades.accent,
        role.Link: shades.accent,
        role.LinkVisited: shades.accent,
        role.Light: shades.raised,
        role.Midlight: shades.line,
        role.Mid: shades.line,
        role.Dark: shades.muted,
        role.Shadow: "#000000",
    }
    for key, value in table.items():
        palette.setColor(key, QColor(value))
    for key in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText, role.ToolTipText):
        palette.setColor(QPalette.ColorGroup.Disabled, key, QColor(shades.disabled))
    palette.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(shades.line))
    return palette


def style_sheet(shades: Shades) -> str:
    """The style sheet with this scheme's colours in place of its `@names`."""
    text = (files("resources") / "qss" / "window.qss").read_text(encoding="utf-8")
    for name in sorted(Shades.__dataclass_fields__, key=len, reverse=True):
        text = text.replace(f"@{name}", str(getattr(shades, name)))
    return text


class Theme(QObject):
    """Keeps the application in the scheme that the user or the system wants.

    Signals:
        changed: colours are different now; what paints by hand repaints.
    """

    changed = Signal()

    def __init__(self, application: QApplication, appearance: Appearance = Appearance.SYSTEM) -> None:
        super().__init__(application)
        self._application = application
        self._appearance = appearance
        self._shades = LIGHT
        self._colours = status_colours(LIGHT)

    def start(self) -> None:
        """Take the style, apply the scheme and follow the system from now on."""
        self._application.setStyle("Fusion")
        self._application.styleHints().colorSchemeChanged.connect(self._apply)
        self._apply()

    @property
    def colours(self) -> StatusColours:
        """Colours with a meaning, as they are now."""
        return self._colours

    @property
    def shades(self) -> Shades:
        """The whole scheme, as it is now."""
        return self._shades

    @property
    def appearance(self) -> Appearance:
        """What the user chose."""
        return self._appearance

    @property
    def is_dark(self) -> bool:
        """True while the dark scheme is on."""
        return self._shades is DARK

    def choose(self, appearance: Appearance) -> None:
        """Follow the system, or stay light or dark."""
        self._appearance = appearance
        self._apply()

    def _apply(self) -> None:
        wanted = self._appearance
        if wanted is Appearance.SYSTEM:
            is_dark = self._application.styleHints().colorScheme() is Qt.ColorScheme.Dark
        else:
            is_dark = wanted is Appearance.DARK
        self._shades = DARK if is_dark else LIGHT
        self._colours = status_colours(self._shades)
        self._application.setPalette(palette_of(self._shades))
        self._application.setStyleSheet(style_sheet(self._shades))
        self.changed.emit()
