"""Looks at the file system for a drop: folders opened lazily, files described, folders made. Blocking: on a thread.

Knows paths and errors; nothing of rows, probes or the loop.
"""

import errno
import json
import os
import stat
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from vidproc_desktop.domain.candidates import is_worth_entering, is_worth_probing
from vidproc_desktop.domain.library import FileRecord, Refusal
from vidproc_desktop.domain.names import displayable, folded_stem_of_result
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from workers.protocol.states import ErrorCode

CHUNK: Final = 64
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file worth a probe."""

    path: Path
    """Absolute, links resolved: the file's identity."""
    size_bytes: int
    mtime_ns: int


type Finding = FoundFile | Refusal


def walk(paths: Sequence[Path], max_size_bytes: int) -> Iterator[Finding]:
    """Every file of a drop in the order in which a person would read it; folders recursively."""
    for path in paths:
        try:
            is_folder = path.is_dir()
        except (OSError, ValueError):
            is_folder = False
        if is_folder:
            yield from _walk_folder(path, max_size_bytes)
        else:
            yield describe(path, max_size_bytes)


def take(findings: Iterator[Finding], count: int = CHUNK) -> list[Finding]:
    """The next few; empty at the end."""
    return list(islice(findings, count))


def describe(path: Path, max_size_bytes: int) -> Finding:
    """Identity of one file, or why it cannot be taken."""
    shown = displayable(str(path))
    try:
        real = Path(os.path.realpath(path, strict=True))  # path.resolve: RuntimeError for a loop until 3.13
        found = real.stat()
        if not stat.S_ISREG(found.st_mode):
            return Refusal(shown, ErrorCode.NOT_A_VIDEO, "This is no ordinary file.")
        # Opening says at once what permissions and network drives would say later.
        with real.open("rb"):
            pass
    except (OSError, ValueError) as error:
        return Refusal(shown, *_why(error))
    if found.st_size == 0:
        return Refusal(shown, ErrorCode.FILE_EMPTY, "The file is empty.")
    if found.st_size > max_size_bytes:
        size, limit = found.st_size / 2**20, max_size_bytes / 2**20
        return Refusal(
            shown, ErrorCode.FILE_TOO_LARGE, f"The file has {size:,.0f} MB; the limit is {limit:,.0f} MB."
        )
    return FoundFile(real, found.st_size, found.st_mtime_ns)


def prepare_folder(folder: Path) -> frozenset[str]:
    """Make an output folder, prove that it can be written, and list the folded stems that results there have.

    Raises:
        UserFacingError: FOLDER_NOT_WRITABLE or DISK_FULL.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")
        names = [entry.name for entry in os.scandir(folder)]
    except OSError as error:
        if error.errno in _FULL:
            raise UserFacingError(
                UserErrorCode.DISK_FULL,
                f"The disk that holds the output folder {folder} is full.",
                detail=str(error),
                hint="Free some space, or choose another folder for the results.",
            ) from error
        raise UserFacingError(
            UserErrorCode.FOLDER_NOT_WRITABLE,
            f"Results cannot be written to {folder}.",
            detail=str(error),
            hint="Choose another folder for the results, or allow writing to this one.",
        ) from error
    return frozenset(stem for name in names if (stem := folded_stem_of_result(name)) is not None)


def make_folder(folder: Path) -> None:
    """Make a folder of our own. Raises UserFacingError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserFacingError(
            UserErrorCode.STATE_UNUSABLE,
            f"The folder {folder} cannot be made.",
            detail=str(error),
            hint="Start with --data-dir FOLDER to keep Vidproc's own files elsewhere.",
        ) from error


def look_again(files: Sequence[FileRecord], max_size_bytes: int) -> list[FileRecord]:
    """The rows with the present size and time of their sources; what is gone keeps its old ones. Blocking."""
    fresh = []
    for file in files:
        found = describe(Path(file.source_path), max_size_bytes)
        if isinstance(found, FoundFile):
            fresh.append(replace(file, size_bytes=found.size_bytes, mtime_ns=found.mtime_ns))
        else:
            fresh.append(file)
    return fresh


def remove_files(paths: Sequence[Path]) -> None:
    """Remove thumbnails of rows that are gone; those that cannot be removed stay."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            continue


def _walk_folder(folder: Path, max_size_bytes: int) -> Iterator[Finding]:
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            identity = here.stat()
            if (identity.st_dev, identity.st_ino) in seen:
                continue  # a link that leads back up
            seen.add((identity.st_dev, identity.st_ino))
            with os.scandir(here) as entries:
                listed = sorted(entries, key=lambda entry: _reading_order(entry.name))
        except OSError as error:
            yield Refusal(displayable(str(here)), *_why(error))
            continue
        deeper = []
        names = {entry.name for entry in listed}
        for entry in listed:
            if _is_folder(entry):
                if is_worth_entering(entry.name):
                    deeper.append(Path(entry.path))
            elif is_worth_probing(entry.name) and not _is_result(entry, names):
                yield describe(Path(entry.path), max_size_bytes)
        waiting.extend(reversed(deeper))


def _is_result(entry: "os.DirEntry[str]", names: Collection[str]) -> bool:
    """A result of ours with its report beside it: whoever drops a folder again does not want it enhanced twice."""
    stem, dot, suffix = entry.name.rpartition(".")
    report_name = f"{stem}.report.json"
    if not dot or suffix != "mp4" or report_name not in names:
        return False
    try:
        report = json.loads(Path(entry.path).with_name(report_name).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(report, dict) and report.get("output_name") == displayable(entry.name)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _reading_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """`clip 2` before `clip 10`."""
    parts: list[tuple[int, int, str]] = []
    digits = text = ""
    for character in f"{name.casefold()}\0":
        if character.isdecimal():
            digits += character
            continue
        if digits:
            parts += [(1, 0, text), (0, int(digits), "")]
            digits = text = ""
        text += character
    return (*parts, (1, 0, text))


def _why(error: OSError | ValueError) -> tuple[ErrorCode, str]:
    """A sentence for what the system said."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ErrorCode.FILE_MISSING, "The file is not there any more."
    if isinstance(error, PermissionError):
        return ErrorCode.FILE_UNREADABLE, "You have no permission to read it."
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return ErrorCode.FILE_UNREADABLE, "It is a link that leads in a circle."
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "the path is not valid"
    return ErrorCode.FILE_UNREADABLE, f"It cannot be read: {reason}."
