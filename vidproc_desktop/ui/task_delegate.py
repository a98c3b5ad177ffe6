"""Paints the cells of the table: thumbnail and name, the two progress bars, the status, plain facts.

Everything is painted from one `FileRecord` per cell, with colours from the palette and the theme, and nothing is
measured twice: with some 200 visible cells ten times a second every call into Qt counts.
"""

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontInfo, QFontMetrics, QPainter, QPalette
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.ui import words
from vidproc_desktop.ui.icons import IconName, paint_icon
from vidproc_desktop.ui.segment_bar import PLAIN_BAR_PX, STRIP_PX, PlainBar, paint_plain, paint_strip
from vidproc_desktop.ui.segment_layout import SegmentStrip, segment_strip
from vidproc_desktop.ui.task_columns import COLUMNS, Column
from vidproc_desktop.ui.task_model import TaskModel
from vidproc_desktop.ui.theme import Theme
from vidproc_desktop.ui.thumbnails import CORNER_PX, Thumbnails
from workers.protocol.model import FileId
from workers.protocol.states import Status

ROW_HEIGHT_PX = 58
THUMBNAIL_PX = QSize(72, 42)
_PADDING_PX = 10
_MAX_STRIPS = 200
"""Rows whose segments stay laid out: more than a screen shows."""
_DOT_PX = 8
_SMALL_SHARE = 0.88
"""Size of the second line compared to the first."""

type _Index = QModelIndex | QPersistentModelIndex


class TaskDelegate(QStyledItemDelegate):
    """Painter of the table's cells."""

    def __init__(
        self, model: TaskModel, theme: Theme, thumbnails: Thumbnails, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._small_fonts: dict[str, tuple[QFont, QFontMetrics]] = {}
        self._theme = theme
        self._thumbnails = thumbnails
        self._strips: dict[FileId, tuple[tuple[TaskRecord, ...], int, SegmentStrip | None]] = {}
        self.hovered_row = -1
        """Row under the pointer; its whole width is lit."""

    def sizeHint(self, _option: QStyleOptionViewItem, index: _Index) -> QSize:
        """One height for all rows."""
        return QSize(COLUMNS[index.column()].width_px, ROW_HEIGHT_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Paint one cell."""
        record = self._model.record(index.row())
        painter.save()
        self._paint_background(painter, option, index)
        column = Column(index.column())
        task = record.task(process_type) if (process_type := COLUMNS[column].process_type) else None
        if column is Column.NAME:
            self._paint_name(painter, option, record)
        elif task is not None:
            self.paint_bar(painter, option, task, record)
        elif column is Column.STATUS:
            self._paint_status(painter, option, record)
        else:
            self._paint_fact(painter, option, record, column)
        painter.restore()

    # ---------------------------------------------------------------- cells

    def paint_bar(
        self, painter: QPainter, option: QStyleOptionViewItem, task: TaskRecord, record: FileRecord
    ) -> None:
        """A label and below it a horizontal bar filled to the task's progress, or the file's segments as cells."""
        colours = self._theme.colours
        colour = self._bar_colour(task)
        inner = option.rect.adjusted(_PADDING_PX, 0, -_PADDING_PX, 0)
        metrics = option.fontMetrics
        strip = self._strip(record, task, inner.width())
        height = PLAIN_BAR_PX if strip is None else STRIP_PX
        block = metrics.height() + 5 + height
        top = inner.y() + (inner.height() - block) // 2
        is_plain = task.status in (Status.PENDING, Status.PROCESSING, Status.CANCELLED)
        painter.setPen(colours.muted if is_plain else colour)
        label = QRect(inner.x(), top, inner.width(), metrics.height())
        said = words.with_count(words.bar_words(task), None if strip is None else strip.count)
        text = metrics.elidedText(said, Qt.TextElideMode.ElideRight, inner.width())
        painter.drawText(label, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)

        room = QRect(inner.x(), top + metrics.height() + 5, inner.width(), height)
        share = 1.0 if task.status is Status.COMPLETED else task.progress / 100
        is_mirrored = option.direction is Qt.LayoutDirection.RightToLeft
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        bar = PlainBar(share, colour, colours.track)
        if strip is None:
            paint_plain(painter, room, bar, is_mirrored=is_mirrored)
        else:
            paint_strip(painter, room, strip, bar, colours, is_mirrored=is_mirrored)

    def _strip(self, record: FileRecord, task: TaskRecord, width_px: int) -> SegmentStrip | None:
        """The segments of a row, laid out once for as long as neither they nor the column change."""
        if task is not record.enhancement or not record.parts or task.status is Status.COMPLETED:
            return None
        known = self._strips.get(record.file_id)
        if known is not None and known[0] is record.parts and known[1] == width_px:
            return known[2]
        if len(self._strips) >= _MAX_STRIPS:
            self._strips.clear()
        strip = segment_strip(record, width_px)
        self._strips[record.file_id] = record.parts, width_px, strip
        return strip

    def _paint_name(self, painter: QPainter, option: QStyleOptionViewItem, record: FileRecord) -> None:
        rect = option.rect
        frame = QRect(
            rect.x() + _PADDING_PX,
            rect.y() + (rect.height() - THUMBNAIL_PX.height()) // 2,
            THUMBNAIL_PX.width(),
            THUMBNAIL_PX.height(),
        )
        self._paint_thumbnail(painter, frame, record)
        left = frame.right() + 1 + _PADDING_PX
        width = rect.right() - _PADDING_PX - left
        metrics = option.fontMetrics
        small, small_metrics = self._small_font(option.font)
        block = metrics.height() + 3 + small_metrics.height()
        top = rect.y() + (rect.height() - block) // 2
        painter.setPen(option.palette.color(QPalette.ColorRole.Text))
        name = metrics.elidedText(record.name, Qt.TextElideMode.ElideMiddle, width)
        painter.drawText(QRect(left, top, width, metrics.height()), Qt.AlignmentFlag.AlignLeft, name)
        error = next((task.error.message for task in record.tasks if task.error is not None), "")
        second = error or _folder(record.source_path)
        painter.setPen(self._theme.colours.failed if _shows_failure(record) else self._theme.colours.muted)
        painter.setFont(small)
        mode = Qt.TextElideMode.ElideRight if error else Qt.TextElideMode.ElideLeft
        text = small_metrics.elidedText(second, mode, width)
        line = QRect(left, top + metrics.height() + 3, width, small_metrics.height())
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft, text)

    def _paint_thumbnail(self, painter: QPainter, frame: QRect, record: FileRecord) -> None:
        colours = self._theme.colours
        picture = self._thumbnails.picture(record.thumbnail_path) if record.thumbnail_path else None
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        if picture is None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colours.track)
            painter.drawRoundedRect(frame, CORNER_PX, CORNER_PX)
            place = QRect(0, 0, 20, 20)
            place.moveCenter(frame.center())
            paint_icon(painter, IconName.FILM, place, colours.muted)
            return
        painter.drawPixmap(frame, picture)

    def _paint_status(self, painter: QPainter, option: QStyleOptionViewItem, record: FileRecord) -> None:
        state = words.row_state(record)
        colour = self._theme.colours.of(state)
        rect = option.rect.adjusted(_PADDING_PX, 0, -_PADDING_PX, 0)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        dot = QRectF(rect.x(), rect.center().y() - _DOT_PX / 2 + 0.5, _DOT_PX, _DOT_PX)
        painter.setPen(colour)
        painter.setBrush(Qt.BrushStyle.NoBrush if state is words.RowState.WAITING else colour)
        painter.drawEllipse(dot)
        rect = rect.adjusted(_DOT_PX + 7, 0, 0, 0)
        painter.setPen(colour if state is words.RowState.FAILED else _text_colour(option))
        text = option.fontMetrics.elidedText(
            words.status_in_words(record), Qt.TextElideMode.ElideRight, rect.width()
        )
        painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)

    def _paint_fact(
        self, painter: QPainter, option: QStyleOptionViewItem, record: FileRecord, column: Column
    ) -> None:
        rect = option.rect.adjusted(_PADDING_PX, 0, -_PADDING_PX, 0)
        text = COLUMNS[column].display(record)
        painter.setPen(self._theme.colours.muted if text == words.NOTHING else _text_colour(option))
        side = Qt.AlignmentFlag.AlignRight if COLUMNS[column].is_right_aligned else Qt.AlignmentFlag.AlignLeft
        painter.drawText(rect, side | Qt.AlignmentFlag.AlignVCenter, text)

    # ---------------------------------------------------------------- around them

    def _paint_background(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        palette = option.palette
        colours = self._theme.colours
        is_selected = bool(option.state & QStyle.StateFlag.State_Selected)
        if is_selected:
            painter.fillRect(option.rect, palette.color(QPalette.ColorRole.Highlight))
        elif index.row() == self.hovered_row:
            painter.fillRect(option.rect, palette.color(QPalette.ColorRole.AlternateBase))
        line = QRect(option.rect.x(), option.rect.bottom(), option.rect.width(), 1)
        painter.fillRect(line, colours.line)
        if is_selected and index.column() == Column.NAME:
            painter.fillRect(QRect(option.rect.x(), option.rect.y(), 3, option.rect.height()), colours.accent)

    def _small_font(self, font: QFont) -> tuple[QFont, QFontMetrics]:
        key = font.key()
        if key not in self._small_fonts:
            small = QFont(font)
            small.setPixelSize(max(1, round(QFontInfo(font).pixelSize() * _SMALL_SHARE)))
            self._small_fonts[key] = small, QFontMetrics(small)
        return self._small_fonts[key]

    def _bar_colour(self, task: TaskRecord) -> QColor:
        colours = self._theme.colours
        match task.status:
            case Status.COMPLETED:
                return colours.done
            case Status.FAILED:
                return colours.failed
            case Status.CANCELLED | Status.PENDING:
                return colours.waiting
            case Status.PROCESSING:
                return colours.accent


def _text_colour(option: QStyleOptionViewItem) -> QColor:
    return option.palette.color(QPalette.ColorRole.Text)


def _folder(path: str) -> str:
    cut = max(path.rfind("/"), path.rfind("\\"))
    return path[:cut] if cut > 0 else path


def _shows_failure(record: FileRecord) -> bool:
    return any(task.status is Status.FAILED for task in record.tasks)
