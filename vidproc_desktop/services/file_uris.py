"""`file:` URIs of this computer as its paths. Pure."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname


def local_path(uri: str) -> Path:
    """The path of a `file:` URI."""
    return Path(url2pathname(urlsplit(uri).path))


def path_of(uri: str) -> Path | None:
    """The path of a `file:` URI; None for any other address."""
    return local_path(uri) if urlsplit(uri).scheme == "file" else None
