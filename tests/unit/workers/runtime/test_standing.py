"""Whether a worker takes tasks."""

from pathlib import Path

import pytest

from workers.protocol.states import ErrorCode, WorkerState
from workers.runtime.standing import Standing


def _ready() -> Standing:
    standing = Standing()
    standing.is_starting = False
    return standing


def test_a_starting_worker_takes_nothing() -> None:
    assert not Standing().takes_tasks
    assert Standing().state(is_busy=False) is WorkerState.STARTING
    assert _ready().takes_tasks


@pytest.mark.parametrize("code", list(ErrorCode))
def test_which_codes_set_a_worker_aside(code: ErrorCode) -> None:
    standing = _ready()
    for number in range(3):
        standing.note_failure(f"file-{number}", code)
    to_blame = {
        ErrorCode.TIMEOUT,
        ErrorCode.OUT_OF_MEMORY,
        ErrorCode.WORKER_CRASHED,
        ErrorCode.VERIFICATION_FAILED,
        ErrorCode.ENCODER_FAILED,
        ErrorCode.INTERNAL,
    }
    assert standing.takes_tasks == (code not in to_blame)


def test_a_success_ends_the_row() -> None:
    standing = _ready()
    for number in range(10):
        standing.note_failure(f"file-{number}", ErrorCode.INTERNAL)
        if number % 2:
            standing.note_success()
    assert standing.takes_tasks


def test_the_same_file_counts_once() -> None:
    standing = _ready()
    for _ in range(10):
        standing.note_failure("file", ErrorCode.INTERNAL)
    assert standing.takes_tasks


def test_release_and_room_give_the_worker_back() -> None:
    standing = _ready()
    for number in range(3):
        standing.note_failure(f"file-{number}", ErrorCode.TIMEOUT)
    standing.note_full_disk(Path("/videos"), "Full.")
    assert standing.state(is_busy=True) is WorkerState.SET_ASIDE
    assert "timeout" in (standing.message or "")
    standing.release()
    assert standing.state(is_busy=True) is WorkerState.DISK_FULL
    assert (standing.message or "").startswith("Full.")
    standing.note_room()
    assert standing.takes_tasks
    assert standing.message is None
    assert standing.state(is_busy=True) is WorkerState.BUSY


def test_a_worker_that_cannot_work_says_why() -> None:
    standing = _ready()
    standing.note_unusable("No libraries.")
    assert not standing.takes_tasks
    assert standing.message == "No libraries."
