"""Icons drawn from SVG in the palette's text colour: sharp at every scale, right in dark and light, live."""

from enum import StrEnum
from functools import lru_cache
from importlib.resources import files

from PySide6.QtCore import QByteArray, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QIconEngine, QImage, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer


class IconName(StrEnum):
    """Every icon; the value is the file's name in resources/icons."""

    ADD = "add"
    AFTER = "after"
    APP = "app"
    BEFORE = "before"
    CANCEL = "cancel"
    CHECK = "check"
    CLEAR = "clear"
    CLOSE = "close"
    COPY = "copy"
    DROP = "drop"
    FILM = "film"
    FOLDER = "folder"
    MUTED = "muted"
    OPEN = "open"
    PAUSE = "pause"
    PLAY = "play"
    REMOVE = "remove"
    RETRY = "retry"
    SETTINGS = "settings"
    SPLIT = "split"
    VOLUME = "volume"
    WARNING = "warning"
    WORKERS = "workers"


@lru_cache(maxsize=len(IconName))
def _svg(name: IconName) -> bytes:
    return (files("resources") / "icons" / f"{name.value}.svg").read_bytes()


def render(name: IconName, size_px: QSize, colour: QColor) -> QImage:
    """The icon's shape in one colour, in device pixels, premultiplied ARGB."""
    return QImage(_rendered(name, size_px.width(), size_px.height(), colour.rgba()))


@lru_cache(maxsize=512)
def _rendered(name: IconName, width_px: int, height_px: int, argb: int) -> QImage:
    size_px, colour = QSize(width_px, height_px), QColor.fromRgba(argb)
    image = QImage(size_px, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(_svg(name))).render(painter, QRectF(0, 0, size_px.width(), size_px.height()))
    if name is not IconName.APP:
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
        painter.fillRect(image.rect(), colour)
    painter.end()
    return image


class _TintedEngine(QIconEngine):
    """Paints one SVG in the colour that the palette has at that moment."""

    def __init__(self, name: IconName, role: QPalette.ColorRole) -> None:
        super().__init__()
        self._name = name
        self._role = role

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, _state: QIcon.State) -> None:
        ratio = painter.device().devicePixelRatioF()
        image = render(self._name, _scaled(rect.size(), ratio), self._colour(mode))
        image.setDevicePixelRatio(ratio)
        painter.drawImage(rect.topLeft(), image)

    def pixmap(self, size: QSize, mode: QIcon.Mode, _state: QIcon.State) -> QPixmap:
        return QPixmap.fromImage(render(self._name, size, self._colour(mode)))

    def scaledPixmap(  # noqa: N802 - the name of Qt's virtual method
        self, size: QSize, mode: QIcon.Mode, state: QIcon.State, scale: float
    ) -> QPixmap:
        # Qt asks in device-independent pixels here, whatever the scale.
        pixmap = self.pixmap(_scaled(size, scale), mode, state)
        pixmap.setDevicePixelRatio(scale)
        return pixmap

    def clone(self) -> QIconEngine:
        return _TintedEngine(self._name, self._role)

    def _colour(self, mode: QIcon.Mode) -> QColor:
        group = QPalette.ColorGroup.Active
        if mode is QIcon.Mode.Disabled:
            group = QPalette.ColorGroup.Disabled
        return QGuiApplication.palette().color(group, self._role)


def _scaled(size: QSize, ratio: float) -> QSize:
    return QSize(max(1, round(size.width() * ratio)), max(1, round(size.height() * ratio)))


def icon(name: IconName, role: QPalette.ColorRole = QPalette.ColorRole.ButtonText) -> QIcon:
    """An icon in the colour of `role`; greyed by itself when its action is disabled."""
    return QIcon(_TintedEngine(name, role))


def paint_icon(painter: QPainter, name: IconName, rect: QRect, colour: QColor) -> None:
    """Paint an icon in a colour of the caller's choice."""
    ratio = painter.device().devicePixelRatioF()
    image = render(name, _scaled(rect.size(), ratio), colour)
    image.setDevicePixelRatio(ratio)
    painter.drawImage(QPoint(rect.x(), rect.y()), image)
