"""The facts of a file as a readable tree, with the contact sheet below."""

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QGuiApplication, QImage, QKeySequence, QPainter, QPaintEvent, QPixmap, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QSplitter,
    QStackedLayout,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from vidproc_desktop.ui.metadata_groups import groups_of
from workers.protocol.pictures import MetadataDocument

_FACT_NAME_WIDTH_PX = 150


class SheetView(QWidget):
    """A picture that fills its place and keeps its shape."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("contact_sheet")
        self.setAccessibleName("Contact sheet")
        self._picture = QPixmap()
        self.setMinimumHeight(90)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        """About a third of the pane."""
        return QSize(400, 230)

    def show_picture(self, image: QImage | None) -> None:
        """Show another sheet, or none."""
        self._picture = QPixmap() if image is None else QPixmap.fromImage(image)
        self.setVisible(not self._picture.isNull())
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The sheet, centred."""
        if self._picture.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        room = self.rect().adjusted(12, 12, -12, -12)
        size = self._picture.size().scaled(room.size(), Qt.AspectRatioMode.KeepAspectRatio)
        corner = QPoint((self.width() - size.width()) // 2, (self.height() - size.height()) // 2)
        painter.drawPixmap(corner.x(), corner.y(), size.width(), size.height(), self._picture)
        painter.end()


class MetadataView(QWidget):
    """Tree of facts above the contact sheet; words where there is nothing yet."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("metadata_view")
        self.tree = QTreeWidget()
        self.sheet = SheetView()
        self._message = QLabel()
        self._stack = QStackedLayout(self)
        self._set_up()

    def _set_up(self) -> None:
        self.tree.setColumnCount(2)
        self.tree.setHeaderHidden(True)
        self.tree.setRootIsDecorated(True)
        self.tree.setIndentation(14)
        self.tree.setUniformRowHeights(False)
        self.tree.setWordWrap(True)
        self.tree.setAccessibleName("Metadata")
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        self.tree.header().setStretchLastSection(True)
        self.tree.setColumnWidth(0, _FACT_NAME_WIDTH_PX)
        copy = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self.tree)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self._copy_selected)
        self._message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._message.setWordWrap(True)
        self._message.setProperty("muted", True)
        self._message.setContentsMargins(24, 24, 24, 24)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.setChildrenCollapsible(False)
        parts.addWidget(self.tree)
        parts.addWidget(self.sheet)
        parts.setStretchFactor(0, 2)
        parts.setStretchFactor(1, 1)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(parts)
        self._stack.addWidget(self._message)
        self._stack.addWidget(page)

    def say(self, message: str) -> None:
        """Show words in place of facts."""
        self._message.setText(message)
        self._stack.setCurrentIndex(0)

    def show_document(self, document: MetadataDocument, sheet: QImage | None) -> None:
        """Show the facts of another file."""
        self.tree.clear()
        for group in groups_of(document.media):
            top = QTreeWidgetItem([group.title])
            font = top.font(0)
            font.setBold(True)
            top.setFont(0, font)
            self.tree.addTopLevelItem(top)
            top.setFirstColumnSpanned(True)
            for name, value in group.facts:
                fact = QTreeWidgetItem(top, [name or value, value if name else ""])
                fact.setToolTip(1, value)
                fact.setForeground(0, self.palette().placeholderText())
                if not name:
                    fact.setFirstColumnSpanned(True)
            top.setExpanded(True)
        self.sheet.show_picture(sheet)
        self._stack.setCurrentIndex(1)

    def _copy_selected(self) -> None:
        lines = [f"{item.text(0)}\t{item.text(1)}".rstrip() for item in self.tree.selectedItems()]
        QGuiApplication.clipboard().setText("\n".join(lines))
