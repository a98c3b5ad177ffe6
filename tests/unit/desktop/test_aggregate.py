from dataclasses import replace

import pytest

from tests.unit.desktop.test_parts import COMPLETED, A, B, finished, shared, take
from tests.unit.desktop.values import long_file, part_status
from vidproc_desktop.domain.aggregate import aggregate
from workers.protocol.results import TaskError
from workers.protocol.segments import ANALYSIS, ASSEMBLY
from workers.protocol.states import ErrorCode, Stage, Status


def test_the_analysis_is_four_percent() -> None:
    file = take(long_file(), part_status(ANALYSIS, 1, progress=50, stage=Stage.ANALYSING, frames_done=7))
    row = file.enhancement
    assert (row.status, row.stage, row.progress) == (Status.PROCESSING, Stage.ANALYSING, 2.0)
    assert (row.worker_id, row.frames_done, row.remaining_s) == ("worker-1", 7, None)
    assert (row.part, row.is_in_outbox) == (None, False)


def test_segments_count_by_their_durations() -> None:
    file = take(shared(30, 10), part_status(A, 1, COMPLETED))
    assert file.enhancement.progress == pytest.approx(4 + 92 * 0.75)
    file = take(file, part_status(B, 1, progress=50))
    assert file.enhancement.progress == pytest.approx(4 + 92 * 0.875)
    file = take(finished(file), part_status(ASSEMBLY, 1, progress=50, stage=Stage.ASSEMBLING, remaining_s=5))
    row = file.enhancement
    assert row.progress == pytest.approx(98)
    assert (row.stage, row.remaining_s) == (Stage.ASSEMBLING, 5)


def test_pictures_and_speed_are_those_of_all_that_run() -> None:
    file = take(
        shared(30, 30, 30),
        part_status(A, 1, COMPLETED),
        part_status("segment-00001", 1, frames_done=100, frames_per_s=10.5, worker_id="a"),
        part_status("segment-00002", 1, frames_done=50, frames_per_s=20, worker_id="b"),
    )
    row = file.enhancement
    assert (row.frames_done, row.frames_total, row.frames_per_s) == (450, 900, 30.5)
    assert row.remaining_s == pytest.approx(450 / 30.5)


def test_a_worker_is_named_as_long_as_it_is_the_only_one() -> None:
    file = take(shared(), part_status(A, 1, worker_id="a"), part_status(B, 1, worker_id="b"))
    assert (file.enhancement.stage, file.enhancement.worker_id) == (Stage.ENHANCING, None)
    file = take(file, part_status(A, 2, COMPLETED))
    assert file.enhancement.worker_id == "b"
    file = take(file, part_status(B, 2, COMPLETED))
    assert (file.enhancement.stage, file.enhancement.worker_id) == (Stage.WAITING, None)


def test_what_waits_for_another_attempt_of_the_analysis_says_why() -> None:
    file = long_file()
    error = TaskError(code=ErrorCode.TIMEOUT, message="It took too long.")
    waiting = replace(file, parts=(replace(file.parts[0], attempt=2, error=error),))
    assert aggregate(waiting).error == error
    assert aggregate(waiting).status is Status.PENDING


def test_an_end_stays_until_the_user_asks_for_more() -> None:
    file = take(shared(), part_status(A, 1, progress=50))
    ended = replace(file, enhancement=replace(file.enhancement, status=Status.CANCELLED))
    assert take(ended, part_status(B, 1, progress=80)).enhancement == ended.enhancement
    done = take(finished(shared()), part_status(ASSEMBLY, 1, COMPLETED))
    assert aggregate(done) is done.enhancement
