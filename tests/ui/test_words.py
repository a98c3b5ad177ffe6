from dataclasses import replace
from pathlib import Path

import pytest

from tests.ui.records import described, enhanced, failed, record, working
from vidproc_desktop.ui import words
from vidproc_desktop.ui.words import RowState
from workers.protocol.results import TaskError
from workers.protocol.states import ErrorCode, Stage, Status


@pytest.mark.parametrize(
    "size_bytes, expected",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_960, "100 kB"),
        (999_600, "1.0 MB"),
        (5_123_000_000, "5.1 GB"),
    ],
)
def test_sizes_read_like_in_a_file_manager(size_bytes: int, expected: str) -> None:
    assert words.size_in_words(size_bytes) == expected


@pytest.mark.parametrize(
    "duration_s, expected",
    [(None, "–"), (0.0, "0:00"), (7.9, "0:07"), (61, "1:01"), (3725, "1:02:05")],
)
def test_clock(duration_s: float | None, expected: str) -> None:
    assert words.clock(duration_s) == expected


@pytest.mark.parametrize(
    "left_s, expected", [(None, "–"), (0.2, "1 s"), (40, "40 s"), (61, "1 min"), (7500, "2 h 5 min")]
)
def test_time_left_is_coarse(left_s: float | None, expected: str) -> None:
    assert words.time_left(left_s) == expected


def test_a_row_is_working_while_either_process_works() -> None:
    row = working(record(1, metadata=Status.COMPLETED), 40, stage=Stage.VERIFYING)
    assert words.row_state(row) is RowState.WORKING
    assert words.status_in_words(row) == "Checking result"


def test_a_failure_shows_only_when_nothing_moves_any_more() -> None:
    row = failed(record(1), "no")
    assert words.row_state(row) is RowState.WAITING
    done = replace(row, metadata=replace(row.metadata, status=Status.COMPLETED))
    assert words.row_state(done) is RowState.FAILED
    assert words.status_in_words(done) == "Failed"


def test_a_process_nobody_asked_for_is_not_waited_for() -> None:
    row = record(1, enhancement=Status.COMPLETED)
    row = replace(row, metadata=replace(row.metadata, is_wanted=False))
    assert words.row_state(row) is RowState.DONE
    assert words.bar_words(row.metadata) == "–"


def test_an_attempt_is_counted_from_the_users_last_wish() -> None:
    error = TaskError(code=ErrorCode.WORKER_CRASHED, message="gone")
    row = record(1)
    again = replace(row, enhancement=replace(row.enhancement, attempt=5, first_attempt=4, error=error))
    assert words.status_in_words(again) == "Trying again (2)"


def test_the_error_report_holds_path_sentence_and_log() -> None:
    report = words.error_report(failed(record(1), "The disk is full."))
    assert "/home/anna" in report
    assert "The disk is full." in report
    assert "line two" in report


def test_done_says_when_the_file_was_clean(tmp_path: object) -> None:
    row = described(enhanced(record(1), Path("/x/y.mp4")), Path("/x/y.json"))
    assert words.status_in_words(row) == "Done"
    result = row.enhancement_result
    assert result is not None
    clean = replace(
        row, enhancement=replace(row.enhancement, result=result.model_copy(update={"was_remuxed": True}))
    )
    assert words.status_in_words(clean) == "Already clean"


def test_done_says_when_something_of_the_film_is_missing() -> None:
    row = described(enhanced(record(1), Path("/x/y.mp4")), Path("/x/y.json"))
    result = row.enhancement_result
    assert result is not None
    assert words.remarks_in_words(row) == ""
    short = result.model_copy(update={"warnings": ("The file ends early.", "A sound track was left out.")})
    row = replace(row, enhancement=replace(row.enhancement, result=short))
    assert words.status_in_words(row) == "Done, with a remark"
    assert words.remarks_in_words(row) == "The file ends early.\nA sound track was left out."
