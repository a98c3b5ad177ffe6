"""`Accepter` over kept worker processes, started with the first result that was handed over. Knows nothing of rows."""

from typing import Final

from vidproc_desktop.broker.commands import Command
from vidproc_desktop.broker.lanes import Lanes, ProcessGoneError
from workers.protocol.messages import AcceptReply, AcceptTask
from workers.protocol.results import TaskError
from workers.protocol.states import ErrorCode

LEAST_LIMIT_S: Final = 300.0
BYTES_PER_S: Final = 2_000_000
"""Everything is read two or three times, perhaps from a slow disk. The worker's own limits are shorter."""


class LocalAccepter:
    """Has results checked and published on this computer.

    Args:
        command: starts a metadata worker on stdio.
    """

    def __init__(self, command: Command) -> None:
        self._lanes = Lanes(command, "accepting worker", AcceptReply)

    async def aclose(self) -> None:
        """Stop every process. What waits for an answer has to be cancelled before."""
        await self._lanes.aclose()

    async def accept(self, task: AcceptTask) -> AcceptReply:
        """The published result, or why it was rejected. A crash or a hang of the worker is an answer too.

        Raises:
            UserFacingError: no process can be started: asked again later, it may be.
        """
        limit_s = LEAST_LIMIT_S + sum(one.size_bytes for one in task.sent) / BYTES_PER_S
        try:
            return await self._lanes.ask(task, limit_s)
        except ProcessGoneError as error:
            text = "The program that checks results ended over this one."
            return _failed(task, ErrorCode.WORKER_CRASHED, text, error.detail)
        except TimeoutError:
            return _failed(task, ErrorCode.TIMEOUT, "Checking the result took too long.")


def _failed(task: AcceptTask, code: ErrorCode, message: str, detail: str | None = None) -> AcceptReply:
    error = TaskError(code=code, message=message, detail=None if detail is None else detail[-4096:])
    return AcceptReply(file_id=task.file_id, client_id=task.client_id, error=error)
