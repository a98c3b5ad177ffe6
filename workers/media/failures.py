"""What the system refuses, as codes and sentences for a person."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from workers.errors import TaskFailedError
from workers.protocol.states import ErrorCode

_NO_MEMORY = "There is not enough memory for this video."


@contextmanager
def failures_in_words(workspace: Path) -> Iterator[None]:
    """Turn what the system refuses into codes; everything else stays the bug it is.

    Raises:
        TaskFailedError: no memory, a full disk, or a folder that cannot be written to.
    """
    try:
        yield
    except TaskFailedError:
        raise
    except MemoryError as error:
        raise TaskFailedError(ErrorCode.OUT_OF_MEMORY, _NO_MEMORY, detail=str(error)) from error
    except (OSError, av.FFmpegError) as error:
        failure = _system_failure(error, workspace.parent)
        if failure is None:
            raise
        raise failure from error


def _system_failure(error: OSError | av.FFmpegError, folder: Path) -> TaskFailedError | None:
    detail = f"{type(error).__name__}: {error}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return TaskFailedError(ErrorCode.DISK_FULL, "The disk is full.", detail=detail)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return TaskFailedError(
            ErrorCode.OUTPUT_NOT_WRITABLE, f"The result cannot be written to “{folder}”.", detail=detail
        )
    if error.errno == errno.ENOMEM:
        return TaskFailedError(ErrorCode.OUT_OF_MEMORY, _NO_MEMORY, detail=detail)
    return None
