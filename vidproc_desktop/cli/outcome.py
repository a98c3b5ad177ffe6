"""What became of a run. Pure."""

from dataclasses import dataclass

from vidproc_desktop.cli.state_of_file import is_done
from vidproc_desktop.domain.library import FileRecord, Refusal

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that is over."""

    files: tuple[FileRecord, ...]
    refused: tuple[Refusal, ...]
    seconds: float
    was_stopped: bool
    """The user stopped it, or it gave up waiting for the broker."""

    @property
    def asked_count(self) -> int:
        """Files that were meant."""
        return len(self.files) + len(self.refused)

    @property
    def done_count(self) -> int:
        """Files of which everything that was asked for is completed."""
        return sum(is_done(file) for file in self.files)

    @property
    def unfinished_count(self) -> int:
        """Files that were stopped before they were done."""
        return sum(not file.is_finished or _is_cancelled(file) for file in self.files)

    @property
    def failed_count(self) -> int:
        """Files that were tried and failed."""
        return len(self.files) - self.done_count - self.unfinished_count

    @property
    def exit_code(self) -> int:
        """0 all done, 1 anything else."""
        all_done = self.done_count == self.asked_count > 0
        return EXIT_DONE if all_done and not self.was_stopped else EXIT_FAILED


def _is_cancelled(file: FileRecord) -> bool:
    statuses = {task.status.value for task in file.tasks if task.is_wanted}
    return "cancelled" in statuses and "failed" not in statuses
