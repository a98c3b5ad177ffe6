"""File URIs to paths and back, confinement to the allowed folders, and: is it still the file that was meant?

Knows nothing of what the file contains.
"""

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from workers.errors import TaskFailedError
from workers.protocol.messages import SourceRef
from workers.protocol.states import ErrorCode

MTIME_TOLERANCE_NS: Final = 1_000_000
"""One millisecond: network shares hand out coarser times (SMB counts in 100 ns) than the disk behind them."""
_SAFE: Final = b"/:-._~!$&'()*+,;=@".decode()
_DRIVE = re.compile(r"^/?([A-Za-z]):(/|$)")


class FolderMissingError(TaskFailedError):
    """The file's folder is not there either: perhaps this computer's view of a shared disk is at fault."""


def path_from_uri(uri: str) -> Path:
    """The absolute path that a `file:` URI names; bytes that are no UTF-8 survive as surrogate escapes.

    Raises:
        TaskFailedError: PATH_NOT_ALLOWED for another scheme, another computer, or no absolute path.
    """
    return Path(native_path(uri, windows=os.name == "nt"))


def native_path(uri: str, *, windows: bool) -> str:
    """The path as the named kind of system spells it: drives and `//server/share` on Windows.

    Raises:
        TaskFailedError: see `path_from_uri`.
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise _not_allowed("The file's address cannot be read.", str(error)) from error
    if parts.scheme != "file":
        raise _not_allowed("Only files on disks that this computer reaches can be used, not web addresses.")
    if parts.query or parts.fragment:
        raise _not_allowed("The file's address cannot be read: a ? or # in it is not percent-encoded.")
    raw = unquote_to_bytes(parts.path)
    if b"\x00" in raw:
        raise _not_allowed("The file's address contains a zero byte.")
    host = "" if parts.netloc.lower() == "localhost" else parts.netloc
    return _windows_path(raw, host) if windows else _posix_path(raw, host)


def _posix_path(raw: bytes, host: str) -> str:
    if host:
        raise _not_allowed("The file's address names another computer.")
    if not raw.startswith(b"/"):
        raise _not_allowed("The file's address is not a whole path.")
    return os.fsdecode(raw)


def _windows_path(raw: bytes, host: str) -> str:
    text = raw.decode("utf-8", "surrogatepass")
    if host:
        return f"\\\\{host}" + text.replace("/", "\\")
    drive = _DRIVE.match(text)
    if drive is not None:
        return text.removeprefix("/").replace("/", "\\")
    if text.startswith("//"):
        return text.replace("/", "\\")
    raise _not_allowed("The file's address names no drive.")


def uri_from_path(path: Path) -> str:
    """The `file:` URI of an absolute path; every byte of the name survives."""
    return native_uri(str(path), windows=os.name == "nt")


def native_uri(path: str, *, windows: bool) -> str:
    """The `file:` URI of a path as the named kind of system spells it.

    Raises:
        ValueError: the path is not absolute.
    """
    if not windows:
        raw = os.fsencode(path)
        if not raw.startswith(b"/"):
            raise ValueError("only an absolute path has a file URI")
        return "file://" + quote_from_bytes(raw, safe=_SAFE)
    text = path.replace("\\", "/")
    raw = text.encode("utf-8", "surrogatepass")
    if text.startswith("//"):
        return "file:" + quote_from_bytes(raw, safe=_SAFE)
    if _DRIVE.match(text) is None:
        raise ValueError("only an absolute path has a file URI")
    return "file:///" + quote_from_bytes(raw, safe=_SAFE)


def display_name(path: Path) -> str:
    """The file name for people and JSON: bytes that are no UTF-8 become replacement characters."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def confine(path: Path, roots: Iterable[Path]) -> Path:
    """The path with its symbolic links resolved, when it lies inside one of the roots; unchanged without roots.

    Does file I/O.

    Raises:
        TaskFailedError: PATH_NOT_ALLOWED.
    """
    allowed = tuple(roots)
    if not path.is_absolute():
        raise _not_allowed(f"“{display_name(path)}” is not a whole path.")
    if not allowed:
        return path
    try:
        resolved = path.resolve()
        is_inside = any(resolved.is_relative_to(root.resolve()) for root in allowed)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links, until Python 3.13
        raise _not_allowed(
            f"The place of “{display_name(path)}” cannot be determined.", str(error)
        ) from error
    if not is_inside:
        raise _not_allowed(f"“{display_name(path)}” lies outside the folders that this worker may use.")
    return resolved


def check_source(path: Path, expected: SourceRef) -> None:
    """Nothing when the file is there, readable and unchanged. Does file I/O.

    Raises:
        TaskFailedError: FILE_MISSING, FILE_UNREADABLE, FILE_EMPTY or FILE_CHANGED.
    """
    name = display_name(path)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise TaskFailedError(ErrorCode.FILE_UNREADABLE, f"“{name}” is a folder or a device, not a file.")
        with path.open("rb"):
            pass
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(path, error) from error
    except OSError as error:
        raise TaskFailedError(
            ErrorCode.FILE_UNREADABLE, f"“{name}” cannot be read: {_reason(error)}.", os_error_text(error)
        ) from error
    if found.st_size == 0:
        raise TaskFailedError(ErrorCode.FILE_EMPTY, f"“{name}” is empty.")
    if (
        found.st_size != expected.size_bytes
        or abs(found.st_mtime_ns - expected.mtime_ns) > MTIME_TOLERANCE_NS
    ):
        raise TaskFailedError(
            ErrorCode.FILE_CHANGED,
            f"“{name}” was changed after it was added.",
            f"expected {expected.size_bytes} bytes of {expected.mtime_ns} ns, "
            f"found {found.st_size} bytes of {found.st_mtime_ns} ns",
        )


def _missing(path: Path, error: OSError) -> TaskFailedError:
    name = display_name(path)
    if not path.parent.is_dir():
        return FolderMissingError(
            ErrorCode.FILE_MISSING, f"The folder of “{name}” is not there any more.", os_error_text(error)
        )
    return TaskFailedError(ErrorCode.FILE_MISSING, f"“{name}” is not there any more.", os_error_text(error))


def os_error_text(error: OSError) -> str:
    """The system's own words, safe for JSON."""
    return str(error).encode("utf-8", "replace").decode()


def _reason(error: OSError) -> str:
    return (
        "permission denied"
        if isinstance(error, PermissionError)
        else (error.strerror or "unknown error").lower()
    )


def _not_allowed(message: str, detail: str | None = None) -> TaskFailedError:
    return TaskFailedError(ErrorCode.PATH_NOT_ALLOWED, message, detail)
