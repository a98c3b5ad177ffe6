"""What SQLite and the disk can say, as sentences with a hint. Knows the error codes; touches nothing."""

import errno
import sqlite3
from pathlib import Path

from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.store.schema import SchemaTooNewError

_ELSEWHERE = "Start with --data-dir FOLDER to keep the list in another folder."


def explain(error: Exception, path: Path) -> UserFacingError:
    """Why the list of files at `path` cannot be read or written."""
    detail = f"{path}: {error}"
    if isinstance(error, SchemaTooNewError):
        return UserFacingError(
            UserErrorCode.STATE_UNUSABLE,
            "The list of files was written by a newer version of Vidproc.",
            detail=detail,
            hint=f"Update Vidproc. {_ELSEWHERE}",
        )
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary == sqlite3.SQLITE_FULL or _errno(error) in (errno.ENOSPC, errno.EDQUOT):
        return UserFacingError(
            UserErrorCode.DISK_FULL,
            "The disk is full: the list of files cannot be saved.",
            detail=detail,
            hint=f"Free some space on the disk that holds {path.parent}; saving is tried again by itself.",
        )
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or isinstance(
        error, TypeError | ValueError
    ):
        return UserFacingError(
            UserErrorCode.STATE_UNUSABLE,
            "The list of files is damaged.",
            detail=detail,
            hint=f"Move {path} away to begin with an empty list; videos and results are not touched.",
        )
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UserFacingError(
            UserErrorCode.STATE_UNUSABLE,
            "Another program keeps the list of files locked.",
            detail=detail,
            hint=_ELSEWHERE,
        )
    return UserFacingError(
        UserErrorCode.STATE_UNUSABLE,
        "The list of files cannot be opened or written.",
        detail=detail,
        hint=f"Check that {path.parent} exists and may be written. {_ELSEWHERE}",
    )


def in_use(path: Path) -> UserFacingError:
    """Another Vidproc has this list open."""
    return UserFacingError(
        UserErrorCode.STATE_UNUSABLE,
        "Vidproc is already running with this data folder.",
        detail=str(path),
        hint=f"Use the window that is open, or close it. {_ELSEWHERE}",
    )


def _errno(error: Exception) -> int | None:
    return error.errno if isinstance(error, OSError) else None
