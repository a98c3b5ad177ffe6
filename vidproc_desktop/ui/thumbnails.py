"""Small pictures for the rows: read and scaled on other threads, kept in a bounded cache."""

from collections import OrderedDict

from PySide6.QtCore import QObject, QRect, QRectF, QRunnable, QSize, Qt, QThreadPool, Signal, Slot
from PySide6.QtGui import QImage, QImageReader, QPainter, QPainterPath, QPixmap

CORNER_PX = 4
_CACHED_PICTURES = 1000
_READING_THREADS = 2


class _Delivery(QObject):
    """Carries a picture from a reading thread to the GUI thread."""

    loaded = Signal(str, QImage)


class _Reading(QRunnable):
    def __init__(self, path: str, size_px: QSize, delivery: _Delivery) -> None:
        super().__init__()
        self._path = path
        self._size_px = size_px
        self._delivery = delivery

    def run(self) -> None:
        """Decode and scale; an unreadable file gives a null picture, shown as a placeholder."""
        self._delivery.loaded.emit(
            self._path, rounded(read_scaled(self._path, self._size_px * 2), self._size_px)
        )


def read_scaled(path: str, size_px: QSize) -> QImage:
    """The picture at `path`, scaled to fit into `size_px` device pixels; null when it cannot be read."""
    reader = QImageReader(path)
    reader.setAutoTransform(True)
    full = reader.size()
    if full.isValid() and (full.width() > size_px.width() or full.height() > size_px.height()):
        reader.setScaledSize(full.scaled(size_px, Qt.AspectRatioMode.KeepAspectRatio))
    return reader.read()


def rounded(image: QImage, size_px: QSize) -> QImage:
    """Fills `size_px` device pixels with the middle of the picture and rounds the corners."""
    if image.isNull():
        return image
    filled = QImage(size_px, QImage.Format.Format_ARGB32_Premultiplied)
    filled.fill(Qt.GlobalColor.transparent)
    cover = image.size().scaled(size_px, Qt.AspectRatioMode.KeepAspectRatioByExpanding)
    left, top = (size_px.width() - cover.width()) // 2, (size_px.height() - cover.height()) // 2
    painter = QPainter(filled)
    painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
    path = QPainterPath()
    radius = CORNER_PX * 2  # the picture is kept at twice its size on screen
    path.addRoundedRect(QRectF(0, 0, size_px.width(), size_px.height()), radius, radius)
    painter.setClipPath(path)
    painter.drawImage(QRect(left, top, cover.width(), cover.height()), image)
    painter.end()
    return filled


class Thumbnails(QObject):
    """Hands out pictures that are there and fetches those that are not.

    Signals:
        arrived: another picture can be painted.
    """

    arrived = Signal(str)

    def __init__(self, size_px: QSize, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._size_px = size_px
        self._pictures: OrderedDict[str, QPixmap | None] = OrderedDict()
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(_READING_THREADS)
        self._delivery = _Delivery(self)
        self._delivery.loaded.connect(self._keep, Qt.ConnectionType.QueuedConnection)

    def picture(self, path: str) -> QPixmap | None:
        """The picture, or None while it is read or when it cannot be read."""
        if path in self._pictures:
            self._pictures.move_to_end(path)
            return self._pictures[path]
        self._pictures[path] = None
        self._pool.start(_Reading(path, self._size_px, self._delivery))
        return None

    def close(self) -> None:
        """Wait for reads under way; none starts after this."""
        self._pool.clear()
        self._pool.waitForDone()

    @Slot(str, QImage)
    def _keep(self, path: str, image: QImage) -> None:
        if image.isNull():
            return
        self._pictures[path] = QPixmap.fromImage(image)
        self._pictures.move_to_end(path)
        while len(self._pictures) > _CACHED_PICTURES:
            self._pictures.popitem(last=False)
        self.arrived.emit(path)
