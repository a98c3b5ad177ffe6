"""Paints video frames: the source, the result, or both with a line between that the mouse moves."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtMultimedia import QVideoFrame
from PySide6.QtWidgets import QSizePolicy, QWidget

from vidproc_desktop.ui.preview.players import PairedPlayer, Show, Side
from vidproc_desktop.ui.theme import Theme

_GRIP_PX = 13.0
_BADGE_TEXT = {Side.BEFORE: "Before", Side.AFTER: "After"}


class PictureView(QWidget):
    """The picture with letterbox. A frame is converted only when it is painted: what comes faster is dropped.

    Signals:
        clicked: the picture was clicked (play or pause).
    """

    clicked = Signal()

    def __init__(self, player: PairedPlayer, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("picture")
        self.setAccessibleName("Video picture")
        self._player = player
        self._theme = theme
        self._split = 0.5
        self._is_dragging = False
        self._message = ""
        self._aspect: dict[Side, float] = {}
        self._images: dict[Side, tuple[QVideoFrame, QImage]] = {}
        self.setMinimumSize(200, 120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMouseTracking(True)
        player.frame_changed.connect(self.update)
        player.show_changed.connect(self.update)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """A wide-screen picture."""
        return QSize(420, 236)

    @property
    def message(self) -> str:
        """Words shown in place of a picture; empty while a picture is shown."""
        return self._message

    def say(self, message: str) -> None:
        """Show words in place of the picture; an empty text brings the picture back."""
        self._message = message
        self.update()

    def set_aspect(self, side: Side, aspect: float | None) -> None:
        """Display aspect ratio of a side whose pixels may not be square; None: as the frame says."""
        if aspect is None:
            self._aspect.pop(side, None)
        else:
            self._aspect[side] = aspect
        self.update()

    def forget_frames(self) -> None:
        """Drop converted pictures of the last file."""
        self._images.clear()

    # ---------------------------------------------------------------- painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The picture, its badges and the dividing line."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme.colours.stage)
        painter.setRenderHints(QPainter.RenderHint.SmoothPixmapTransform | QPainter.RenderHint.Antialiasing)
        if self._message:
            self._paint_message(painter)
        elif self._player.show is Show.SPLIT:
            self._paint_split(painter)
        else:
            side = self._player.show.leading_side
            if (target := self._paint_side(painter, side)) is not None:
                self._paint_badge(painter, side, target)
        painter.end()

    def _paint_message(self, painter: QPainter) -> None:
        painter.setPen(QColor("#c9cdd4"))
        box = QRectF(self.rect()).adjusted(24, 12, -24, -12)
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(box, flags, self._message)

    def _paint_side(self, painter: QPainter, side: Side) -> QRectF | None:
        image = self._image(side)
        if image is None:
            return None
        target = self._target(side, image)
        painter.drawImage(target, image)
        return target

    def _paint_split(self, painter: QPainter) -> None:
        line_x = self.width() * self._split
        top, bottom = 0.0, float(self.height())
        for side, left, right in ((Side.BEFORE, 0.0, line_x), (Side.AFTER, line_x, float(self.width()))):
            painter.save()
            painter.setClipRect(QRectF(left, 0, right - left, self.height()))
            if (target := self._paint_side(painter, side)) is not None:
                self._paint_badge(painter, side, target)
                top, bottom = target.top(), target.bottom()
            painter.restore()
        painter.setPen(QPen(QColor(255, 255, 255, 230), 2))
        painter.drawLine(QPointF(line_x, top), QPointF(line_x, bottom))
        painter.setBrush(QColor(20, 22, 26, 200))
        middle = QPointF(line_x, self.height() / 2)
        painter.drawEllipse(middle, _GRIP_PX, _GRIP_PX)
        for direction in (-1, 1):
            tip = middle + QPointF(direction * 8, 0)
            painter.drawLine(tip, tip + QPointF(-direction * 4, -4))
            painter.drawLine(tip, tip + QPointF(-direction * 4, 4))

    def _paint_badge(self, painter: QPainter, side: Side, target: QRectF) -> None:
        text = _BADGE_TEXT[side]
        metrics = painter.fontMetrics()
        badge = QRectF(0, 0, metrics.horizontalAdvance(text) + 16, metrics.height() + 6)
        margin = 10
        is_right = side is Side.AFTER and self._player.show is Show.SPLIT
        badge.moveTop(target.top() + margin)
        if is_right:
            badge.moveRight(target.right() - margin)
        else:
            badge.moveLeft(target.left() + margin)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(12, 13, 16, 190))
        painter.drawRoundedRect(badge, badge.height() / 2, badge.height() / 2)
        painter.setPen(QColor("#ffffff"))
        painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, text)

    def _image(self, side: Side) -> QImage | None:
        frame = self._player.frame(side)
        if frame is None:
            return None
        known = self._images.get(side)
        if known is not None and known[0] is frame:
            return known[1]
        image = frame.toImage()
        if image.isNull():
            return None
        self._images[side] = (frame, image)
        return image

    def _target(self, side: Side, image: QImage) -> QRectF:
        aspect = self._aspect.get(side, image.width() / max(1, image.height()))
        if self._player.show is Show.SPLIT and (after := self._image(Side.AFTER)) is not None:
            # Both halves must meet at the line; the result has square pixels, so its shape is the true one.
            aspect = after.width() / max(1, after.height())
        width, height = float(self.width()), float(self.height())
        if width / max(1.0, height) > aspect:
            width = height * aspect
        else:
            height = width / aspect
        return QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height)

    # ---------------------------------------------------------------- mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the line, or click the picture."""
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        if self._player.show is Show.SPLIT:
            self._is_dragging = True
            self._move_split(event.position().x())
        else:
            self.clicked.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the line."""
        is_split = self._player.show is Show.SPLIT
        self.setCursor(Qt.CursorShape.SplitHCursor if is_split else Qt.CursorShape.ArrowCursor)
        if self._is_dragging and is_split:
            self._move_split(event.position().x())

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """Let the line go."""
        self._is_dragging = False

    def _move_split(self, x: float) -> None:
        self._split = min(1.0, max(0.0, x / max(1, self.width())))
        self.update()
