"""Ending deliveries, and the failures that the task loop itself finds."""

import logging
from collections.abc import Coroutine
from typing import Any

from workers.errors import TaskFailedError
from workers.protocol.states import ErrorCode

_log = logging.getLogger(__name__)


async def settle(ending: Coroutine[Any, Any, Any]) -> None:
    """End a delivery. With its connection gone that fails, and the broker hands the task out again.

    Whoever gets it then finds the finished output, or this worker's memory of how it ended.
    """
    try:
        await ending
    except Exception as error:  # noqa: BLE001 - every transport has its own errors, and all mean the same here
        _log.warning("the delivery could not be settled, it may come again: %r", error)


def as_task_failure(error: BaseException) -> TaskFailedError:
    """The error itself, or what a bug looks like to the person who dropped the file."""
    if isinstance(error, TaskFailedError):
        return error
    _log.error("a bug stopped the attempt", exc_info=error)
    return TaskFailedError(
        ErrorCode.INTERNAL,
        "The program made a mistake; its log has the details.",
        f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode(),
    )


def given_up(times: int) -> TaskFailedError:
    """The failure of an attempt during which the worker itself ended again and again."""
    return TaskFailedError(
        ErrorCode.WORKER_CRASHED,
        f"This file was given up: the worker ended {times} times while working on it.",
    )
