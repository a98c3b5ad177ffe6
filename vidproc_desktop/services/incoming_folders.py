"""The folders in which objects of workers elsewhere arrive, on the disk of the results. Blocking file I/O."""

import contextlib
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from vidproc_desktop.services.exchange_objects import incoming_name
from workers.protocol.messages import AnyWorkTask
from workers.protocol.states import ProcessType

HIDDEN_FOLDER: Final = ".vidproc"


def local_path(uri: str) -> Path:
    """The path of a `file:` address that was made on this computer. Pure."""
    return Path(url2pathname(urlsplit(uri).path))


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
