"""Everything about the selected file: preview, report, metadata, colours. Documents are read off the GUI thread."""

from html import escape

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QTabWidget, QTextBrowser, QVBoxLayout, QWidget

from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.ui.charts import ColoursView
from vidproc_desktop.ui.documents import DocumentReader, Documents
from vidproc_desktop.ui.metadata_view import MetadataView
from vidproc_desktop.ui.preview.pane import PreviewPane
from vidproc_desktop.ui.report_text import report_page
from vidproc_desktop.ui.theme import Theme
from vidproc_desktop.ui.words import clock, resolution, size_in_words, status_in_words
from workers.protocol.states import Status

_NOTHING_SELECTED = "Select a video in the list."


class _Title(QLabel):
    """One line that gives way with an ellipsis."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = ""
        self.setMinimumWidth(60)

    def show_text(self, text: str) -> None:
        """Show as much as fits; the tooltip has it all."""
        self._whole = text
        self.setToolTip(text)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit again."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideMiddle, self.width()))


class SidePane(QWidget):
    """Shows one record at a time; told again whenever the record changes."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("side_pane")
        self._theme = theme
        self._record: FileRecord | None = None
        self._documents: Documents | None = None
        self._name = _Title()
        self._facts = QLabel()
        self.tabs = QTabWidget()
        self.preview = PreviewPane(theme)
        self.report = QTextBrowser()
        self.metadata = MetadataView()
        self.colours = ColoursView(theme)
        self._reader = DocumentReader(self)
        self._reader.read.connect(self._show_documents)
        self._set_up()
        theme.changed.connect(self._show_pages)
        self.show_record(None)

    def _set_up(self) -> None:
        self._name.setProperty("heading", True)
        font = self._name.font()
        font.setPointSizeF(font.pointSizeF() * 1.15)
        self._name.setFont(font)
        self._facts.setProperty("muted", True)
        self.report.setObjectName("report")
        self.report.setAccessibleName("Report")
        self.report.setOpenLinks(False)
        self.report.setAcceptDrops(False)
        self.report.viewport().setAcceptDrops(False)
        self.report.document().setDocumentMargin(14)
        self.tabs.setDocumentMode(True)
        self.tabs.setUsesScrollButtons(False)
        self.tabs.tabBar().setExpanding(False)
        self.tabs.tabBar().setDrawBase(False)
        for page, title in (
            (self.preview, "Preview"),
            (self.report, "Report"),
            (self.metadata, "Metadata"),
            (self.colours, "Colours"),
        ):
            self.tabs.addTab(page, title)
        head = QVBoxLayout()
        head.setContentsMargins(14, 10, 14, 6)
        head.setSpacing(2)
        head.addWidget(self._name)
        head.addWidget(self._facts)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(self.tabs, 1)
        self.setMinimumWidth(330)

    @property
    def record(self) -> FileRecord | None:
        """What is shown."""
        return self._record

    def show_record(self, record: FileRecord | None) -> None:
        """Show another file, or the same one in a new state."""
        is_same = record is not None and self._record is not None and record.file_id == self._record.file_id
        self._record = record
        self._show_head()
        self.preview.show_record(record)
        if not is_same:
            self._documents = None
        if self._reader.want(record) or not is_same:
            self._show_pages()

    def close_files(self) -> None:
        """Let go of every file, at the end."""
        self.preview.player.close()
        self._reader.close()

    def _show_head(self) -> None:
        record = self._record
        self._name.show_text(record.name if record else "Nothing selected")
        if record is None:
            self._facts.setText("Preview, report and metadata appear here.")
            return
        parts = [size_in_words(record.size_bytes)]
        if record.summary is not None:
            parts.append(resolution(record.summary.width_px, record.summary.height_px))
            parts.append(clock(record.summary.duration_s))
        parts.append(status_in_words(record))
        self._facts.setText("  ·  ".join(parts))

    def _show_documents(self, documents: Documents) -> None:
        self._documents = documents
        self._show_pages()

    def _show_pages(self) -> None:
        self._show_report()
        metadata = self._documents.metadata if self._documents else None
        if metadata is None:
            words = self._why_no_metadata()
            self.metadata.say(words)
            self.colours.say(words)
            return
        sheet = self._documents.contact_sheet if self._documents else None
        self.metadata.show_document(metadata, sheet)
        if metadata.pictures is None:
            self.colours.say("No picture of this file could be decoded.")
        else:
            self.colours.show_statistics(metadata.pictures)

    def _show_report(self) -> None:
        shades = self._theme.shades
        report = self._documents.report if self._documents else None
        if report is not None:
            page = report_page(
                report, done_colour=shades.done, failed_colour=shades.failed, muted_colour=shades.muted
            )
        else:
            words = escape(self._why_no_report()).replace("\n", "<br>")
            page = f"<p style='color:{shades.muted}'>{words}</p>"
        self.report.setHtml(page)

    def _why_no_metadata(self) -> str:
        if self._record is None:
            return _NOTHING_SELECTED
        task = self._record.metadata
        if task.status is Status.FAILED:
            return f"The metadata could not be read.\n{task.error.message if task.error else ''}".strip()
        if task.status is Status.CANCELLED:
            return "Cancelled before the metadata was read."
        if task.status is Status.COMPLETED:
            return "\n".join(self._documents.problems) if self._documents else "Reading…"
        return "The metadata has not been read yet."

    def _why_no_report(self) -> str:
        if self._record is None:
            return _NOTHING_SELECTED
        task = self._record.enhancement
        if task.status is Status.FAILED and task.error is not None:
            log = "\n".join(task.error.log_tail)
            detail = task.error.detail or ""
            return f"The enhancement failed: {task.error.message}\n{detail}\n{log}".strip()
        if task.status is Status.CANCELLED:
            return "Cancelled. Retry to enhance this file."
        if task.status is Status.COMPLETED:
            return "\n".join(self._documents.problems) if self._documents else "Reading…"
        return "This file has not been enhanced yet. The report will say what was done, and why."
