import re
from itertools import product

import pytest
from PySide6.QtCore import QRect, QSize
from PySide6.QtGui import QColor, QImage, QPainter, QPalette
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from vidproc_desktop.ui.crash_report import BugReporter, report_text, without_credentials
from vidproc_desktop.ui.icons import IconName, icon, paint_icon, render
from vidproc_desktop.ui.theme import DARK, LIGHT, Appearance, Shades, Theme, style_sheet

_TEXTS = ("text", "muted", "accent", "done", "failed", "waiting", "warning")
_GROUNDS = ("window", "base", "raised", "selection")


def _luminance(name: str) -> float:
    """Relative luminance after WCAG 2.1."""
    colour = QColor(name)
    parts = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (colour.redF(), colour.greenF(), colour.blueF())
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def _contrast(first: str, second: str) -> float:
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("shades", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_can_be_read_on_every_ground(shades: Shades) -> None:
    weak = {
        (text, ground): round(contrast, 2)
        for text, ground in product(_TEXTS, _GROUNDS)
        if (contrast := _contrast(getattr(shades, text), getattr(shades, ground))) < 4.5
    }
    assert weak == {}
    assert _contrast(shades.on_accent, shades.accent) >= 4.5


@pytest.mark.parametrize("shades", [LIGHT, DARK], ids=["light", "dark"])
def test_the_style_sheet_names_no_colour_that_is_not_there(shades: Shades) -> None:
    sheet = style_sheet(shades)
    assert re.findall(r"@\w+", sheet) == []
    assert shades.accent in sheet


def test_choosing_an_appearance_repaints_everything(theme: Theme, qapp: QApplication, qtbot: QtBot) -> None:
    with qtbot.waitSignal(theme.changed):
        theme.choose(Appearance.DARK)
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(DARK.window)
    assert theme.is_dark
    theme.choose(Appearance.LIGHT)
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(LIGHT.window)


@pytest.mark.parametrize("name", list(IconName))
def test_every_icon_draws_something_in_the_given_colour(name: IconName, qapp: QApplication) -> None:
    image = render(name, QSize(48, 48), QColor("#ff0000"))
    opaque = [
        image.pixelColor(x, y) for x in range(48) for y in range(48) if image.pixelColor(x, y).alpha() > 250
    ]
    assert len(opaque) > 40
    if name is not IconName.APP:
        assert {colour.name() for colour in opaque} == {"#ff0000"}


def test_icons_follow_the_palette(theme: Theme) -> None:
    shown = icon(IconName.ADD)
    light = shown.pixmap(24, 24).toImage()
    theme.choose(Appearance.DARK)
    dark = shown.pixmap(24, 24).toImage()
    theme.choose(Appearance.LIGHT)
    assert light.pixelColor(12, 12).name() == QColor(LIGHT.text).name()
    assert dark.pixelColor(12, 12).name() == QColor(DARK.text).name()


def test_icons_are_sharp_at_twice_the_size(qapp: QApplication) -> None:
    pixmap = icon(IconName.ADD).pixmap(QSize(24, 24), 2.0)
    assert pixmap.size() == QSize(48, 48)
    image = QImage(96, 96, QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(2.0)
    image.fill(0)
    painter = QPainter(image)
    paint_icon(painter, IconName.ADD, QRect(0, 0, 48, 48), QColor("#000000"))
    painter.end()
    assert image.pixelColor(48, 20).alpha() > 250


def test_reports_hold_no_credentials() -> None:
    try:
        raise ValueError("cannot reach amqp://anna:secret@studio:5672/")
    except ValueError as error:
        text = report_text(error)
    assert "secret" not in text
    assert "anna" not in text
    assert "ValueError" in text
    assert without_credentials("http://host/path") == "http://host/path"


@pytest.mark.expects_errors
def test_only_the_first_bug_is_told(qtbot: QtBot) -> None:
    reporter = BugReporter()
    told: list[str] = []
    reporter.found.connect(told.append)
    reporter.report(ValueError("first"))
    reporter.report(ValueError("second"))
    assert len(told) == 1
    assert "first" in told[0]
