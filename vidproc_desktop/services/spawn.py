"""Background work has an owner: a strong reference, a name, an end, and somebody who hears of its failure."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

from vidproc_desktop.errors import UserFacingError

_log = logging.getLogger(__name__)


class Background:
    """Owns tasks until they end or it is closed.

    Args:
        on_error: told when a task ends with what the world did; anything else is a bug and is logged.
    """

    def __init__(self, on_error: Callable[[UserFacingError], None] | None = None) -> None:
        self._on_error = on_error
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        """Start it."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def aclose(self) -> None:
        """Cancel everything and wait until it has ended."""
        while self._tasks:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            # The callbacks that forget them run in the loop's next turn.
            self._tasks.difference_update(tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, UserFacingError) and self._on_error is not None:
            self._on_error(error)
        elif error is not None:
            _log.error("background task %s failed", task.get_name(), exc_info=error)


async def durable(future: asyncio.Future[None] | None) -> None:
    """Wait for the store without taking the future along when this task is cancelled: others wait for it too."""
    if future is not None:
        await asyncio.shield(future)
