"""The metadata document as a file: JSON, UTF-8, two spaces. The model is `workers.protocol.pictures`."""

from pathlib import Path

from workers.protocol.pictures import MetadataDocument


def document_to_json(document: MetadataDocument) -> str:
    """The text of the file, with a final newline."""
    return document.model_dump_json(indent=2) + "\n"


def write_document(document: MetadataDocument, path: Path) -> None:
    """Write the document; the folder exists. An OSError passes: the caller knows which folder it chose."""
    path.write_text(document_to_json(document), encoding="utf-8")


def read_document(path: Path) -> MetadataDocument:
    """Read a document back.

    Raises:
        pydantic.ValidationError: the file is not a metadata document of this version.
    """
    return MetadataDocument.model_validate_json(path.read_text(encoding="utf-8"))
