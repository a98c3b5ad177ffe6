"""Colours of a file drawn: histogram of red, green, blue and luma (pyqtgraph), dominant colours as swatches."""

from typing import Any

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from vidproc_desktop.ui.theme import Theme
from workers.protocol.pictures import HISTOGRAM_BINS, DominantColour, Histogram, PictureStatistics

_CHANNELS = (
    ("red", "Red", "#e5484d"),
    ("green", "Green", "#30a46c"),
    ("blue", "Blue", "#4c7dff"),
)


class Swatches(QWidget):
    """One strip, each colour as wide as its share."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("swatches")
        self._colours: tuple[DominantColour, ...] = ()
        self.setFixedHeight(64)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_colours(self, colours: tuple[DominantColour, ...]) -> None:
        """Show another file's colours."""
        self._colours = colours
        text = ", ".join(f"{colour.hex} {colour.share:.0%}" for colour in colours)
        self.setToolTip(text)
        self.setAccessibleName(f"Dominant colours: {text}")
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Rounded strip with hex values where they fit."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        total = sum(colour.share for colour in self._colours) or 1.0
        left, gap = 0.0, 3.0
        room = self.width() - gap * max(0, len(self._colours) - 1)
        for colour in self._colours:
            width = max(6.0, room * colour.share / total)
            box = QRectF(left, 0, min(width, self.width() - left), self.height())
            fill = QColor(colour.hex)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1))
            painter.setBrush(fill)
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
            metrics = painter.fontMetrics()
            if metrics.horizontalAdvance(colour.hex) + 10 < box.width():
                painter.setPen(_readable_on(fill))
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, f"{colour.hex}\n{colour.share:.0%}")
            left += width + gap
        painter.end()


class ColoursView(QWidget):
    """Histogram and swatches; words where there is nothing yet. pyqtgraph is loaded when first needed."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("colours_view")
        self._theme = theme
        self._statistics: PictureStatistics | None = None
        self._plot: Any = None
        self.swatches = Swatches()
        self._message = QLabel()
        self._average = QLabel()
        self._legend = QLabel()
        self._plot_place = QVBoxLayout()
        self._stack = QStackedLayout(self)
        self._set_up()
        theme.changed.connect(self._draw)

    def _set_up(self) -> None:
        self._message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._message.setWordWrap(True)
        self._message.setProperty("muted", True)
        self._average.setProperty("muted", True)
        self._average.setTextFormat(Qt.TextFormat.PlainText)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(14, 14, 14, 14)
        layout.setSpacing(8)
        page.setObjectName("colours_page")
        head = QHBoxLayout()
        head.addWidget(_heading("Histogram"))
        head.addStretch()
        head.addWidget(self._legend)
        layout.addLayout(head)
        layout.addLayout(self._plot_place, 1)
        layout.addWidget(_heading("Dominant colours"))
        layout.addWidget(self.swatches)
        layout.addWidget(self._average)
        layout.addStretch()
        self._stack.addWidget(self._message)
        self._stack.addWidget(page)

    @property
    def plot(self) -> Any:
        """The pyqtgraph plot; None until something was shown."""
        return self._plot

    def sizeHint(self) -> QSize:
        """As wide as the side pane."""
        return QSize(400, 420)

    def say(self, message: str) -> None:
        """Show words in place of charts."""
        self._statistics = None
        self._message.setText(message)
        self._stack.setCurrentIndex(0)

    def show_statistics(self, statistics: PictureStatistics) -> None:
        """Draw another file."""
        self._statistics = statistics
        self._draw()
        self._stack.setCurrentIndex(1)

    def _draw(self) -> None:
        statistics = self._statistics
        if statistics is None:
            return
        if self._plot is None:
            self._plot = _make_plot()
            self._plot_place.addWidget(self._plot)
        self._draw_histogram(statistics.histogram)
        self.swatches.show_colours(statistics.dominant_colours)
        frames = statistics.sampled_frames
        self._average.setText(f"Average {statistics.average_colour}, measured on {frames} frames")

    def _draw_histogram(self, histogram: Histogram) -> None:
        import pyqtgraph as pg

        shades = self._theme.shades
        plot = self._plot
        plot.clear()
        self._legend.setText(_legend(shades.text))
        plot.setBackground(shades.base)
        for side in ("left", "bottom"):
            axis = plot.getAxis(side)
            axis.setPen(shades.line)
            axis.setTextPen(shades.muted)
        edges = np.linspace(0, 255, HISTOGRAM_BINS + 1)
        highest = 0.0
        for name, _title, colour in _CHANNELS:
            values = np.asarray(getattr(histogram, name)) * 100
            fill = QColor(colour)
            fill.setAlpha(70)
            curve = pg.PlotCurveItem(
                edges[: len(values) + 1], values, stepMode="center", fillLevel=0, pen=colour, brush=fill
            )
            plot.addItem(curve)
            highest = max(highest, float(values.max(initial=0)))
        luma = np.asarray(histogram.luma) * 100
        pen = pg.mkPen(shades.text, width=1.5)
        plot.addItem(pg.PlotCurveItem(edges[: len(luma) + 1], luma, stepMode="center", pen=pen))
        plot.setYRange(0, max(highest, float(luma.max(initial=0)), 0.1), padding=0.03)
        plot.getViewBox().setLimits(yMin=0)


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("heading", True)
    return label


def _legend(luma_colour: str) -> str:
    entries = [(title, colour) for _, title, colour in _CHANNELS] + [("Luma", luma_colour)]
    return "&nbsp;&nbsp; ".join(f"<span style='color:{colour}'>■</span> {title}" for title, colour in entries)


def _make_plot() -> Any:
    import pyqtgraph as pg

    plot = pg.PlotWidget()
    plot.setObjectName("histogram")
    plot.setAccessibleName("Histogram of red, green, blue and luma")
    plot.setAcceptDrops(False)
    plot.viewport().setAcceptDrops(False)
    plot.setMouseEnabled(x=False, y=False)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setAntialiasing(True)
    plot.setLabel("bottom", "Level")
    plot.setLabel("left", "Share of pixels", units="%")
    plot.getAxis("left").enableAutoSIPrefix(False)
    plot.setXRange(0, 255, padding=0.01)
    plot.setMinimumHeight(150)
    plot.setMaximumHeight(300)
    return plot


def _readable_on(colour: QColor) -> QColor:
    light = 0.2126 * colour.redF() + 0.7152 * colour.greenF() + 0.0722 * colour.blueF()
    return QColor("#000000") if light > 0.45 else QColor("#ffffff")
