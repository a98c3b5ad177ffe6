"""Geometry, columns, volume and look of the window between two runs."""

from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings

from vidproc_desktop.ui.task_columns import Column
from vidproc_desktop.ui.theme import Appearance

_LAYOUT_VERSION = 1
"""Raised when columns or docks change so that an old layout no longer fits."""


class WindowState:
    """A small file in the data folder."""

    def __init__(self, path: Path) -> None:
        self._settings = QSettings(str(path), QSettings.Format.IniFormat)
        self._is_current = self._settings.value("layout_version", _LAYOUT_VERSION, int) == _LAYOUT_VERSION

    def layout(self, name: str) -> QByteArray:
        """A saved layout blob, empty when there is none that fits."""
        value = self._settings.value(f"layout/{name}") if self._is_current else None
        return value if isinstance(value, QByteArray) else QByteArray()

    def save_layout(self, name: str, blob: QByteArray) -> None:
        """Keep a layout blob."""
        self._settings.setValue(f"layout/{name}", blob)

    @property
    def hidden_columns(self) -> set[Column]:
        """Columns that the user switched off."""
        text = str(self._settings.value("hidden_columns", ""))
        return {Column(int(part)) for part in text.split() if part.isdigit() and int(part) < len(Column)}

    @hidden_columns.setter
    def hidden_columns(self, columns: set[Column]) -> None:
        self._settings.setValue("hidden_columns", " ".join(str(int(column)) for column in sorted(columns)))

    @property
    def volume(self) -> int:
        """Loudness in percent."""
        return min(100, max(0, _integer(self._settings.value("volume"), 80)))

    @volume.setter
    def volume(self, percent: int) -> None:
        self._settings.setValue("volume", percent)

    @property
    def is_muted(self) -> bool:
        """True when the preview was silenced."""
        return str(self._settings.value("muted", "false")).lower() == "true"

    @is_muted.setter
    def is_muted(self, muted: bool) -> None:
        self._settings.setValue("muted", muted)

    @property
    def appearance(self) -> Appearance:
        """Light, dark, or like the system."""
        text = str(self._settings.value("appearance", Appearance.SYSTEM.value))
        return Appearance(text) if text in set(Appearance) else Appearance.SYSTEM

    @appearance.setter
    def appearance(self, appearance: Appearance) -> None:
        self._settings.setValue("appearance", appearance.value)

    @property
    def strength(self) -> float | None:
        """Strength of the enhancement; None: as the preset has it."""
        text = str(self._settings.value("strength_percent", ""))
        return min(200, int(text)) / 100 if text.isdigit() else None

    @strength.setter
    def strength(self, strength: float) -> None:
        self._settings.setValue("strength_percent", round(strength * 100))

    def flush(self) -> None:
        """Write to disk."""
        self._settings.setValue("layout_version", _LAYOUT_VERSION)
        self._settings.sync()


def _integer(value: object, fallback: int) -> int:
    text = str(value)
    return int(text) if text.isdigit() else fallback
