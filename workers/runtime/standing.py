"""Whether a worker takes tasks, and why not: pause, drain, a full disk, three failures in a row. Pure."""

from pathlib import Path
from typing import Final

from workers.protocol.states import ErrorCode, WorkerState

FAILURES_UNTIL_SET_ASIDE: Final = 3

_WORKER_TO_BLAME: Final = frozenset(
    {
        ErrorCode.TIMEOUT,
        ErrorCode.OUT_OF_MEMORY,
        ErrorCode.WORKER_CRASHED,
        ErrorCode.VERIFICATION_FAILED,
        ErrorCode.ENCODER_FAILED,
        ErrorCode.INTERNAL,
    }
)
"""Codes after which the computer may be at fault. The others speak of the file or of where its output belongs; a full
disk has a state of its own."""


class Standing:
    """One worker's standing. Every method that changes it returns nothing; the consumer asks afterwards."""

    def __init__(self) -> None:
        self.is_starting = True
        self.is_paused = False
        self.is_draining = False
        self.full_folder: Path | None = None
        self._full_message = ""
        self._failed_files: dict[str, ErrorCode] = {}
        self._is_set_aside = False
        self._unusable_message: str | None = None

    @property
    def takes_tasks(self) -> bool:
        """True when a new task may start."""
        return not (
            self.is_starting
            or self.is_paused
            or self.is_draining
            or self._is_set_aside
            or self.full_folder is not None
        )

    def state(self, *, is_busy: bool) -> WorkerState:
        """What the heartbeat says; the gravest comes first."""
        if self.is_draining:
            return WorkerState.STOPPING
        if self._is_set_aside:
            return WorkerState.SET_ASIDE
        if self.full_folder is not None:
            return WorkerState.DISK_FULL
        if self.is_paused:
            return WorkerState.PAUSED
        if self.is_starting:
            return WorkerState.STARTING
        return WorkerState.BUSY if is_busy else WorkerState.IDLE

    @property
    def message(self) -> str | None:
        """Why no task is taken, in words; None when tasks are taken or nothing needs to be said."""
        if self.is_draining:
            return "Stopping: finishes what it has begun and takes nothing new."
        if self._unusable_message is not None:
            return self._unusable_message
        if self._is_set_aside:
            codes = ", ".join(
                dict.fromkeys(code.value.replace("_", " ") for code in self._failed_files.values())
            )
            return (
                f"Set aside: {len(self._failed_files)} files in a row failed here ({codes}). "
                "It takes no more until it is released."
            )
        if self.full_folder is not None:
            return f"{self._full_message} No more files are taken until there is room again."
        return "Paused." if self.is_paused else None

    def note_success(self) -> None:
        """A file went well: the row of failures ends."""
        if not self._is_set_aside:
            self._failed_files.clear()

    def note_failure(self, file_id: str, code: ErrorCode, *, is_place_missing: bool = False) -> None:
        """An attempt failed. Only different files count, and only failures that this computer may have caused.

        A missing file counts when its whole folder is missing on a worker that shares its queue with others: then
        it is likely that a network disk is not mounted here, and the worker would fail everybody's files.
        """
        if code in _WORKER_TO_BLAME or is_place_missing:
            self._failed_files[file_id] = code
            self._is_set_aside = len(self._failed_files) >= FAILURES_UNTIL_SET_ASIDE

    def note_full_disk(self, folder: Path, message: str) -> None:
        """The disk of a folder is below the floor."""
        self.full_folder = folder
        self._full_message = message

    def note_room(self) -> None:
        """There is room again."""
        self.full_folder = None
        self._full_message = ""

    def note_unusable(self, message: str) -> None:
        """The worker cannot do its work at all; taking tasks would only fail them."""
        self._is_set_aside = True
        self._unusable_message = message

    def release(self) -> None:
        """Somebody looked after it: take tasks again."""
        self._is_set_aside = False
        self._unusable_message = None
        self._failed_files.clear()
