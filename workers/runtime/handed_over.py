"""What a worker elsewhere has handed over: objects in a folder, each as it was announced, and the documents in them.

Nothing here is trusted: no name that was not announced, no link, no document of any size. Blocking file I/O: belongs on
a thread.
"""

import logging
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from workers.errors import TaskFailedError
from workers.protocol.states import ErrorCode
from workers.protocol.transfers import SentObject
from workers.runtime import files
from workers.runtime.publication import MAX_DOCUMENT_BYTES
from workers.runtime.sources import os_error_text

_log = logging.getLogger(__name__)


def rejected(message: str, detail: str | None = None) -> TaskFailedError:
    """The failure of an attempt whose result is not what its worker said."""
    return TaskFailedError(ErrorCode.RESULT_REJECTED, message, detail)


def check_names(
    sent: Sequence[SentObject], required: Collection[str], optional: Collection[str] = ()
) -> None:
    """Nothing when every required object was announced, each once, and none that does not belong there.

    Raises:
        TaskFailedError: RESULT_REJECTED, naming the first that is wrong.
    """
    names = [one.name for one in sent]
    missing = sorted(set(required) - set(names))
    foreign = sorted(set(names) - set(required) - set(optional))
    if missing:
        raise rejected(f"“{missing[0]}” was not handed over.", ", ".join(missing))
    if foreign:
        raise rejected(f"“{foreign[0]}” was handed over, and does not belong to this.", ", ".join(foreign))
    if len(set(names)) != len(names):
        raise rejected("One thing was handed over twice.", ", ".join(sorted(names)))


def take_stock(folder: Path, sent: Sequence[SentObject]) -> Mapping[str, Path]:
    """The objects by name, each a plain file of the size and the checksum that were announced.

    Raises:
        TaskFailedError: RESULT_REJECTED, naming the first that is not.
    """
    return {one.name: _checked(folder / one.name, one) for one in sent}


def _checked(path: Path, sent: SentObject) -> Path:
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise rejected(f"“{sent.name}” is no plain file.")
        if found.st_size != sent.size_bytes:
            raise rejected(
                f"“{sent.name}” has another size than was announced.",
                f"{found.st_size} bytes, announced {sent.size_bytes}",
            )
        digest = files.sha256_of(path)
    except OSError as error:
        raise rejected(f"“{sent.name}” is not there, or cannot be read.", os_error_text(error)) from error
    if digest != sent.sha256:
        raise rejected(
            f"“{sent.name}” has another checksum than was announced.", f"{digest}, announced {sent.sha256}"
        )
    return path


def read_document[M: BaseModel](path: Path, kind: type[M]) -> M:
    """A document of bounded size.

    Raises:
        TaskFailedError: RESULT_REJECTED.
    """
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise rejected(f"“{path.name}” is larger than any document of its kind.")
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise rejected(
            f"“{path.name}” is not a document of its kind.", f"{first['msg']} at {place or 'the top'}"
        ) from error
    except OSError as error:
        raise rejected(f"“{path.name}” cannot be read.", os_error_text(error)) from error


def clear(folder: Path, sent: Sequence[SentObject]) -> None:
    """Remove what is left of the objects. Raises nothing: whoever gave the folder clears it once more."""
    for one in sent:
        try:
            files.remove_file(folder / one.name)
        except OSError as error:
            _log.warning("“%s” could not be removed: %s", one.name, os_error_text(error))
