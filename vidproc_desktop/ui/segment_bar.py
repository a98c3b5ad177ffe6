"""Paints the progress bar of a file in parts: a cell for each segment, told apart by height as well as by colour.

Finished cells are tall and solid, running ones lower and filled as far as they are, waiting ones a thin line, and
failed ones tall with a gap across: the states are different shapes without any colour. Plain rectangles, because
some hundred of them are painted ten times a second.
"""

from dataclasses import dataclass

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter

from vidproc_desktop.domain.segment_cells import CellState
from vidproc_desktop.ui.segment_layout import Cell, SegmentStrip
from vidproc_desktop.ui.theme import StatusColours

PLAIN_BAR_PX = 6
STRIP_PX = 10
"""Height of cells, and of a plain bar with the ticks below it."""
_RUNNING_PX = 6
_WAITING_PX = 2
_GAP_PX = 2
"""Across a failed cell."""
_TICK_PX = 2
_MARK_WIDTH_PX = 2
_SEPARATOR_PX = 1


@dataclass(frozen=True, slots=True)
class PlainBar:
    """A bar without segments: how far it is filled (0–1), and its colours."""

    share: float
    colour: QColor
    track: QColor


def paint_plain(painter: QPainter, room: QRect, bar: PlainBar, *, is_mirrored: bool) -> None:
    """A rounded bar at the top of its room, filled from the side where lines of text begin."""
    track = QRectF(room.x(), room.y(), room.width(), PLAIN_BAR_PX)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(bar.track)
    painter.drawRoundedRect(track, PLAIN_BAR_PX / 2, PLAIN_BAR_PX / 2)
    if bar.share <= 0:
        return
    filled = QRectF(track)
    filled.setWidth(max(float(PLAIN_BAR_PX), track.width() * bar.share))
    if is_mirrored:
        filled.moveRight(track.right())
    painter.setBrush(bar.colour)
    painter.drawRoundedRect(filled, PLAIN_BAR_PX / 2, PLAIN_BAR_PX / 2)


def paint_strip(
    painter: QPainter,
    room: QRect,
    strip: SegmentStrip,
    bar: PlainBar,
    colours: StatusColours,
    *,
    is_mirrored: bool,
) -> None:
    """Cells, or the plain bar with ticks below it and a mark across it for every failed segment.

    `room` is `STRIP_PX` high and as wide as the strip was made for.
    """
    if strip.cells:
        for cell in strip.cells:
            width = cell.width_px - _SEPARATOR_PX
            left = room.width() - cell.left_px - width if is_mirrored else cell.left_px
            box = QRect(room.x() + left, room.y(), width, room.height())
            _paint_cell(painter, box, cell, colours, is_mirrored=is_mirrored)
        return
    paint_plain(painter, room, bar, is_mirrored=is_mirrored)
    ticks = strip.ticks_px, PLAIN_BAR_PX + 2, _TICK_PX, 1, colours.muted
    marks = strip.failed_px, 0, room.height(), _MARK_WIDTH_PX, colours.failed
    for places, top, height, width, colour in (ticks, marks):
        for place in places:
            left = min(max(place - width // 2, 0), room.width() - width)
            left = room.width() - width - left if is_mirrored else left
            painter.fillRect(QRect(room.x() + left, room.y() + top, width, height), colour)


def _paint_cell(
    painter: QPainter, box: QRect, cell: Cell, colours: StatusColours, *, is_mirrored: bool
) -> None:
    match cell.state:
        case CellState.DONE:
            painter.fillRect(box, colours.done)
        case CellState.WAITING:
            painter.fillRect(_middle(box, _WAITING_PX), colours.waiting)
        case CellState.RUNNING:
            lane = _middle(box, _RUNNING_PX)
            painter.fillRect(lane, colours.track)
            filled = QRect(lane)
            filled.setWidth(max(1, round(lane.width() * cell.share)))
            if is_mirrored:
                filled.moveRight(lane.right())
            painter.fillRect(filled, colours.accent)
        case CellState.FAILED:
            half = (box.height() - _GAP_PX) // 2
            painter.fillRect(QRect(box.x(), box.y(), box.width(), half), colours.failed)
            painter.fillRect(QRect(box.x(), box.y() + half + _GAP_PX, box.width(), half), colours.failed)


def _middle(box: QRect, height_px: int) -> QRect:
    return QRect(box.x(), box.y() + (box.height() - height_px) // 2, box.width(), height_px)
