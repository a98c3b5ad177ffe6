"""Reads the JSON files that lie beside a result, and its contact sheet, away from the GUI thread."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from PySide6.QtCore import QObject, QRunnable, QSize, Qt, QThreadPool, QUrl, Signal, Slot
from PySide6.QtGui import QImage

from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.ui.thumbnails import read_scaled
from workers.protocol.model import FileId
from workers.protocol.pictures import MetadataDocument
from workers.protocol.report import EnhancementReport

_SHEET_PX = QSize(1600, 1600)


@dataclass(frozen=True, slots=True)
class DocumentPaths:
    """Where the documents of one row lie; empty where there is none yet."""

    metadata: str = ""
    contact_sheet: str = ""
    report: str = ""


@dataclass(frozen=True, slots=True)
class Documents:
    """What was read; None where there is nothing, with words where there should be something."""

    file_id: FileId
    metadata: MetadataDocument | None = None
    contact_sheet: QImage | None = None
    report: EnhancementReport | None = None
    problems: tuple[str, ...] = ()


def paths_of(record: FileRecord) -> DocumentPaths:
    """Where the documents of a row lie."""
    metadata, enhancement = record.metadata_result, record.enhancement_result
    sheet = metadata.contact_sheet_uri if metadata else None
    return DocumentPaths(
        metadata=_local(metadata.metadata_uri) if metadata else "",
        contact_sheet=_local(sheet) if sheet else "",
        report=_local(enhancement.report_uri) if enhancement else "",
    )


def read_documents(file_id: FileId, paths: DocumentPaths) -> Documents:
    """Read and validate. What cannot be read is named in `problems`; nothing is raised for it."""
    problems: list[str] = []
    metadata = report = None
    if paths.metadata:
        try:
            metadata = MetadataDocument.model_validate_json(Path(paths.metadata).read_bytes())
        except (OSError, ValidationError) as error:
            problems.append(_problem("metadata", paths.metadata, error))
    if paths.report:
        try:
            report = EnhancementReport.model_validate_json(Path(paths.report).read_bytes())
        except (OSError, ValidationError) as error:
            problems.append(_problem("report", paths.report, error))
    sheet = read_scaled(paths.contact_sheet, _SHEET_PX) if paths.contact_sheet else QImage()
    return Documents(
        file_id=file_id,
        metadata=metadata,
        contact_sheet=None if sheet.isNull() else sheet,
        report=report,
        problems=tuple(problems),
    )


class _Reading(QRunnable):
    def __init__(self, file_id: FileId, paths: DocumentPaths, reader: "DocumentReader") -> None:
        super().__init__()
        self._file_id = file_id
        self._paths = paths
        self._reader = reader

    def run(self) -> None:
        """Read, then hand over to the GUI thread."""
        self._reader.finished.emit(read_documents(self._file_id, self._paths))


class DocumentReader(QObject):
    """Reads for one row at a time; an answer for a row that is no longer wanted is dropped.

    Signals:
        read: `Documents` of the row asked for last.
        finished: from the reading thread, for this class alone.
    """

    read = Signal(object)
    finished = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._wanted: tuple[FileId, DocumentPaths] | None = None
        self.finished.connect(self._hand_over, Qt.ConnectionType.QueuedConnection)

    def want(self, record: FileRecord | None) -> bool:
        """Read the documents of a row; False when they are being shown already."""
        wanted = None if record is None else (record.file_id, paths_of(record))
        if wanted == self._wanted:
            return False
        self._wanted = wanted
        if wanted is not None:
            self._pool.clear()
            self._pool.start(_Reading(*wanted, self))
        return True

    def close(self) -> None:
        """Wait for a read under way."""
        self._wanted = None
        self._pool.clear()
        self._pool.waitForDone()

    @Slot(object)
    def _hand_over(self, documents: Documents) -> None:
        if self._wanted is not None and documents.file_id == self._wanted[0]:
            self.read.emit(documents)


def _local(uri: str) -> str:
    return QUrl(uri).toLocalFile()


def _problem(what: str, path: str, error: OSError | ValidationError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"The {what} file is gone: {path}"
    if isinstance(error, OSError):
        return f"The {what} file cannot be read: {error.strerror or error}"
    return f"The {what} file is of another version or was changed: {path}"
