"""What can end a task early: a failure with a closed code and a sentence for a person, or a stop that was asked for."""

from workers.protocol.results import TaskError
from workers.protocol.states import ErrorCode


class JobStoppedError(Exception):
    """Nobody waits for the job any more; raised inside it, where it looks, so that its process can go on living."""


class TaskFailedError(Exception):
    """An attempt cannot succeed. Anything else that is raised is a bug and becomes `ErrorCode.INTERNAL`.

    Args:
        code: closed vocabulary; decides whether the dispatcher tries again.
        message: one sentence a person understands, without a path's credentials.
        detail: what a library said, for the log and the tooltip.
    """

    def __init__(self, code: ErrorCode, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail

    def to_wire(self, log_tail: tuple[str, ...] = ()) -> TaskError:
        """The value that travels in a status."""
        return TaskError(
            code=self.code,
            message=self.message[:4096],
            detail=self.detail[:4096] if self.detail is not None else None,
            log_tail=tuple(line[:4096] for line in log_tail[-20:]),
        )
