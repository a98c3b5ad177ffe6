"""The folders that an exchange reads from and those in which objects arrive. Blocking file I/O."""

import contextlib
import hashlib
import shutil
from pathlib import Path
from typing import Final

from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.exchange_objects import incoming_name
from vidproc_desktop.services.file_uris import local_path
from workers.protocol.messages import AnyWorkTask, AssemblyTask, SegmentTask
from workers.protocol.states import ProcessType
from workers.protocol.transfers import SEGMENT_PLAN, SentObject

HIDDEN_FOLDER: Final = ".vidproc"
_SEGMENT_PREFIX: Final = "segment-"


def incoming_folder(task: AnyWorkTask, process_type: ProcessType) -> Path:
    """Where the objects of an attempt arrive. Pure; the folder need not be there."""
    name = incoming_name(task.file_id, process_type, task.part, task.attempt)
    return local_path(task.output.directory_uri) / HIDDEN_FOLDER / name


def remove_incoming(task: AnyWorkTask, process_type: ProcessType) -> None:
    """Remove what this attempt and earlier ones have handed over; raises nothing: what is old goes by itself."""
    for attempt in range(1, task.attempt + 1):
        folder = incoming_folder(task.model_copy(update={"attempt": attempt}), process_type)
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # somebody works there, or it is gone
        incoming_folder(task, process_type).parent.rmdir()


def files_to_read(task: AnyWorkTask, parts_folder: Path | None) -> tuple[Path, ...]:
    """What lies in the folder of the parts and is of use to the task. Empty without such a folder.

    Raises:
        OSError: the folder cannot be read.
    """
    if parts_folder is None or not isinstance(task, SegmentTask | AssemblyTask):
        return ()
    try:
        there = sorted(path for path in parts_folder.iterdir() if path.is_file())
    except FileNotFoundError:
        return ()  # the worker will say that the parts are gone
    return tuple(path for path in there if _is_read(task, path.name))


def _is_read(task: SegmentTask | AssemblyTask, name: str) -> bool:
    if name.startswith("."):
        return False
    is_segment = name.startswith(_SEGMENT_PREFIX) and name != SEGMENT_PLAN
    return isinstance(task, AssemblyTask) or not is_segment


def unreadable_parts(error: OSError) -> UserFacingError:
    """What to say when the folder of the parts, or something in it, cannot be read."""
    return UserFacingError(
        UserErrorCode.FOLDER_NOT_WRITABLE, "What was prepared for a file cannot be read.", detail=str(error)
    )


def sha256_of(path: Path) -> str:
    """Hex digest of the file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_whole(path: Path, sent: SentObject) -> bool:
    """True for a file with the size and the checksum of what was sent.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    return path.stat().st_size == sent.size_bytes and sha256_of(path) == sent.sha256
