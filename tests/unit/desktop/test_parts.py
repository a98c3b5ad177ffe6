from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.desktop.values import (
    ENHANCEMENT,
    METADATA,
    RESULT,
    file_record,
    long_file,
    part_status,
    shares,
    summary,
)
from vidproc_desktop.domain.aggregate import tally_of, with_record
from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.parts import (
    Step,
    after_end,
    believed,
    is_current,
    restarted,
    stopped_by_user,
    suits_parts,
    tried_again,
)
from vidproc_desktop.domain.tasks import reduce
from workers.protocol.messages import StatusMessage
from workers.protocol.results import AnalysisResult
from workers.protocol.segments import ANALYSIS, ASSEMBLY, PartName, segment_part
from workers.protocol.states import ErrorCode, Status

A, B = segment_part(0), segment_part(1)
COMPLETED, FAILED = Status.COMPLETED, Status.FAILED


def step(file: FileRecord, message: StatusMessage, *, is_last: bool = True) -> Step:
    """What one status does; `is_last`: a failed attempt is not followed by another."""
    before = file.published(ENHANCEMENT, message.part)
    if before is None or not is_current(file, message):
        return Step(file, ())
    after = reduce(before, believed(file, message))
    if after is before:
        return Step(file, ())
    file = with_record(file, after)
    ends = after.status is COMPLETED or (after.status.is_final and is_last)
    return after_end(file, after, 3) if ends else Step(file, (after,))


def take(file: FileRecord, *messages: StatusMessage) -> FileRecord:
    for message in messages:
        file = step(file, message).file
    return file


def shared(*durations_s: float) -> FileRecord:
    answer = shares(*(durations_s or (30.0, 30.0)))
    return take(long_file(), part_status(ANALYSIS, 1, COMPLETED, result=answer))


def published(file: FileRecord) -> FileRecord:
    """With everything that waited at the broker."""
    for task in file.published_tasks:
        file = with_record(file, replace(task, is_published=True))
    return file


def statuses(file: FileRecord) -> dict[PartName | None, Status]:
    return {part.part: part.status for part in file.parts}


# ------------------------------------------------------------ which parts there are


@pytest.mark.parametrize(
    "duration_s, from_s, wanted",
    [(90.0, 90.0, True), (89.9, 90.0, False), (None, 90.0, False), (1e6, 0.0, False), (0.0, 0.0, False)],
)
def test_files_of_known_and_sufficient_duration_are_done_in_parts(
    duration_s: float | None, from_s: float, wanted: bool
) -> None:
    assert suits_parts(summary(duration_s), from_s) is wanted
    assert not suits_parts(None, from_s)


def test_it_begins_with_the_analysis() -> None:
    file = long_file()
    assert [(part.part, part.is_in_outbox, part.attempt) for part in file.parts] == [(ANALYSIS, True, 1)]
    assert file.file_tasks == (file.metadata,)
    assert file.enhancement.status is Status.PENDING


def test_an_analysis_with_spans_is_followed_by_a_record_for_each() -> None:
    file = shared(30.0, 20.0)
    assert statuses(file) == {ANALYSIS: COMPLETED, A: Status.PENDING, B: Status.PENDING}
    assert all(part.is_in_outbox and part.attempt == 1 for part in file.parts[1:])
    assert file.enhancement.status is Status.PROCESSING
    assert file.part(B) == file.parts[2]
    assert file.part(segment_part(2)) is None
    assert file.assembly is None


@pytest.mark.parametrize("part", [ANALYSIS, ASSEMBLY])
def test_an_analysis_without_spans_leads_back_to_one_task(part: PartName) -> None:
    file = long_file()
    if part == ASSEMBLY:
        file = take(shared(), part_status(A, 1, COMPLETED), part_status(B, 1, COMPLETED))
    answer = AnalysisResult(reason="It is all one scene.")
    done = step(file, part_status(part, 9, COMPLETED, result=answer))
    assert done.changed is None
    assert done.file.parts == ()
    assert done.file.enhancement.is_in_outbox
    assert done.file.file_tasks == done.file.tasks


@pytest.mark.parametrize("part", [ANALYSIS, A, ASSEMBLY])
def test_not_in_parts_leads_back_to_one_task(part: PartName) -> None:
    file = published(long_file() if part == ANALYSIS else shared())
    if part == ASSEMBLY:
        file = published(take(file, part_status(A, 1, COMPLETED), part_status(B, 1, COMPLETED)))
    done = step(file, part_status(part, 9, FAILED, code=ErrorCode.NOT_IN_PARTS))
    assert (done.file.parts, done.file.enhancement.is_in_outbox) == ((), True)
    assert [task.part for task in done.unwanted] == ([B] if part == A else [])


def test_when_every_segment_is_finished_the_assembly_is_due() -> None:
    file = take(shared(), part_status(B, 1, COMPLETED))
    assert file.assembly is None
    done = step(file, part_status(A, 1, COMPLETED))
    assert done.file.assembly is not None
    assert done.file.assembly.is_in_outbox
    assert done.changed == (done.file.part(A), done.file.assembly)


def finished(file: FileRecord) -> FileRecord:
    """With every segment of the present round finished."""
    attempt = file.parts[1].attempt
    for part in file.parts[1:]:
        assert part.part is not None
        file = take(file, part_status(part.part, 5, COMPLETED, attempt=attempt))
    return file


def test_the_assemblys_result_is_the_files() -> None:
    file = take(finished(shared()), part_status(ASSEMBLY, 1, COMPLETED))
    assert (file.enhancement.status, file.enhancement.progress) == (COMPLETED, 100.0)
    assert file.enhancement_result == RESULT


def test_another_round_does_all_segments_again_with_higher_attempts() -> None:
    answer = shares(20.0, 20.0, 20.0, of_round=1)
    file = take(finished(shared()), part_status(ASSEMBLY, 1, COMPLETED, result=answer))
    assert [part.status for part in file.parts] == [COMPLETED, *[Status.PENDING] * 3]
    assert {part.attempt for part in file.parts[1:]} == {2}
    assert file.parts[0].result == answer
    assert file.enhancement.progress < 5
    # A late copy of the first round's results is not taken for the second's.
    assert take(file, part_status(A, 9, COMPLETED), part_status(ASSEMBLY, 1, COMPLETED)) == file
    file = finished(file)
    assert file.assembly is not None
    assert file.assembly.attempt == 2
    file = take(file, part_status(ASSEMBLY, 1, COMPLETED, attempt=2))
    assert file.enhancement.status is COMPLETED


@pytest.mark.parametrize("part", [A, ASSEMBLY])
def test_missing_parts_lead_back_to_the_analysis(part: PartName) -> None:
    file = published(shared()) if part == A else published(finished(shared()))
    done = step(file, part_status(part, 9, FAILED, code=ErrorCode.PARTS_MISSING))
    assert [(task.part, task.attempt, task.is_in_outbox) for task in done.file.parts] == [(ANALYSIS, 2, True)]
    assert [task.part for task in done.unwanted] == ([B] if part == A else [])
    assert done.file.enhancement.status is Status.PENDING
    again = take(done.file, part_status(ANALYSIS, 1, COMPLETED, attempt=2))
    assert {task.attempt for task in again.parts} == {2}
    assert take(again, part_status(B, 50, FAILED), part_status(B, 51, COMPLETED)) == again


def test_parts_that_are_missing_again_and_again_are_given_up() -> None:
    file = shared()
    for attempt in (1, 2):
        file = take(file, part_status(A, 9, FAILED, attempt=attempt, code=ErrorCode.PARTS_MISSING))
        file = take(file, part_status(ANALYSIS, 1, COMPLETED, attempt=attempt + 1))
    file = take(file, part_status(A, 9, FAILED, attempt=3, code=ErrorCode.PARTS_MISSING))
    assert file.enhancement.status is FAILED
    assert file.enhancement.error is not None
    assert file.enhancement.error.code is ErrorCode.PARTS_MISSING
    file = tried_again(file, file)
    assert file.enhancement.status is Status.PROCESSING


def test_a_part_that_gives_up_ends_the_enhancement_and_stops_the_others() -> None:
    file = published(take(shared(30, 30, 30), part_status(A, 1, COMPLETED)))
    done = step(file, part_status(B, 3, FAILED, code=ErrorCode.DISK_FULL))
    file = done.file
    assert list(statuses(file).values()) == [COMPLETED, COMPLETED, FAILED, Status.CANCELLED]
    assert file.enhancement.status is FAILED
    assert file.enhancement.error == file.parts[2].error
    assert [task.part for task in done.unwanted] == [segment_part(2)]
    # What comes too late is kept, and begins nothing.
    file = take(file, part_status(segment_part(2), 4, COMPLETED), part_status(B, 2, COMPLETED))
    assert list(statuses(file).values()) == [COMPLETED] * 4
    assert file.enhancement.status is FAILED
    assert tried_again(file, file).assembly is not None


def test_a_part_that_a_worker_cancelled_ends_the_enhancement() -> None:
    file = take(published(shared()), part_status(A, 3, Status.CANCELLED))
    assert file.enhancement.status is Status.CANCELLED
    assert file.parts[2].status is Status.CANCELLED


@pytest.mark.parametrize(
    "part, answer",
    [
        (ANALYSIS, None),
        (ANALYSIS, RESULT),
        (ANALYSIS, shares(1.0, 2.0).model_copy(update={"spans": shares(1.0, 2.0).spans[1:]})),
        (ANALYSIS, shares(1.0).model_copy(update={"plan_sha256": None})),
        (A, RESULT),
        (ASSEMBLY, shares(30.0, 30.0)),
        (ASSEMBLY, None),
    ],
)
def test_an_answer_that_makes_no_sense_is_a_failure(part: PartName, answer: object) -> None:
    file = long_file() if part == ANALYSIS else shared()
    if part == ASSEMBLY:
        file = finished(file)
    message = believed(file, part_status(part, 9, COMPLETED, result=answer))
    assert (message.status, message.result) == (FAILED, None)
    assert message.error is not None
    assert message.error.code.is_retryable


# ------------------------------------------------------------ cancel, retry, start over


def test_a_cancel_keeps_what_is_finished_and_names_what_is_under_way() -> None:
    file = published(shared(30, 30, 30))
    file = take(file, part_status(A, 1, COMPLETED))
    file = with_record(file, replace(file.parts[3], is_published=False))
    done = stopped_by_user(file)
    assert done.file.enhancement.status is done.file.metadata.status is Status.CANCELLED
    assert list(statuses(done.file).values()) == [COMPLETED, COMPLETED, Status.CANCELLED, Status.CANCELLED]
    assert [(task.process_type, task.part) for task in done.unwanted] == [(ENHANCEMENT, B), (METADATA, None)]
    late = take(done.file, part_status(B, 5, COMPLETED), part_status(segment_part(2), 5, COMPLETED))
    assert late.enhancement.status is Status.CANCELLED
    assert late.assembly is None


def test_a_retry_goes_on_where_it_was() -> None:
    file = stopped_by_user(published(take(shared(), part_status(A, 1, COMPLETED)))).file
    again = tried_again(file, file)
    assert [(task.status, task.attempt) for task in again.parts] == [
        (COMPLETED, 1),
        (COMPLETED, 1),
        (Status.PENDING, 2),
    ]
    assert (again.enhancement.status, again.enhancement.attempt) == (Status.PROCESSING, 2)
    assert again.enhancement.progress == pytest.approx(4 + 46)
    assert again.metadata.attempt == 2


def test_a_retry_of_a_changed_source_begins_again() -> None:
    file = stopped_by_user(take(shared(), part_status(A, 1, COMPLETED))).file
    again = tried_again(replace(file, mtime_ns=7), file)
    assert [(task.part, task.status, task.attempt) for task in again.parts] == [(ANALYSIS, Status.PENDING, 2)]
    assert again.mtime_ns == 7


def test_a_retry_of_another_process_leaves_the_parts_alone() -> None:
    file = take(shared(), part_status(A, 1, progress=50))
    file = file.with_task(replace(file.metadata, status=FAILED))
    again = tried_again(file, file)
    assert (again.parts, again.enhancement) == (file.parts, file.enhancement)
    assert again.metadata.status is Status.PENDING


@pytest.mark.parametrize("new_attempt", [False, True])
def test_starting_over_keeps_finished_parts(new_attempt: bool) -> None:
    file = published(take(shared(), part_status(A, 1, COMPLETED), part_status(B, 2, progress=50)))
    done = restarted(file, new_attempt=new_attempt)
    again = done.file
    assert again.parts[:2] == file.parts[:2]
    assert (again.parts[2].is_in_outbox, again.parts[2].attempt) == (True, 1 + new_attempt)
    assert again.enhancement.progress == pytest.approx(50.0)
    assert done.changed == (again.parts[2], again.metadata)
    assert restarted(again, new_attempt=new_attempt) == Step(again, ())


# ------------------------------------------------------------ whatever the order


@st.composite
def histories(draw: st.DrawFn, *, max_attempts: int = 3) -> dict[PartName, list[StatusMessage]]:
    """What workers send for up to four segments: attempts that fail, and at most one success at the end of each."""
    history: dict[PartName, list[StatusMessage]] = {}
    for number in range(draw(st.integers(1, 4))):
        part = segment_part(number)
        messages = history.setdefault(part, [])
        attempts = draw(st.integers(1, max_attempts))
        for attempt in range(1, attempts + 1):
            steps = sorted(draw(st.lists(st.integers(0, 100), max_size=4)))
            for index, percent in enumerate(steps):
                messages.append(
                    part_status(
                        part,
                        attempt * 100 + index,
                        attempt=attempt,
                        progress=percent,
                        frames_done=percent,
                        frames_per_s=draw(st.floats(0, 500)),
                        worker_id=draw(st.sampled_from(["a", "b"])),
                    )
                )
            end = draw(st.sampled_from([None, COMPLETED])) if attempt == attempts else FAILED
            if end is not None:
                messages.append(part_status(part, attempt * 100 + 99, end, attempt=attempt))
    return history


def apply(count: int, messages: list[StatusMessage]) -> FileRecord:
    file = shared(*(10.0 * (number + 1) for number in range(count)))
    for message in messages:
        file = step(file, message, is_last=False).file
    return file


def shuffled(history: dict[PartName, list[StatusMessage]], data: st.DataObject) -> list[StatusMessage]:
    """Everything in any order, some of it twice, with late words of the analysis between."""
    messages = [message for part in history.values() for message in part]
    late = [part_status(ANALYSIS, 1, progress=3), part_status(ANALYSIS, 2, COMPLETED)]
    more = data.draw(st.lists(st.sampled_from([*messages, *late]), max_size=8))
    return data.draw(st.permutations(messages + more))


def without_progress(file: FileRecord) -> FileRecord:
    return file.with_task(replace(file.enhancement, progress=0.0))


@given(histories(), st.data())
def test_order_and_repetition_change_nothing(
    history: dict[PartName, list[StatusMessage]], data: st.DataObject
) -> None:
    in_order = [message for part in history.values() for message in part]
    one, other = apply(len(history), in_order), apply(len(history), shuffled(history, data))
    # How far an attempt had come that has failed meanwhile is not known to everybody.
    assert without_progress(one) == without_progress(other)
    assert one.tally == other.tally == tally_of(other)


@given(histories(max_attempts=1), st.data())
def test_without_failures_progress_is_the_same_too(
    history: dict[PartName, list[StatusMessage]], data: st.DataObject
) -> None:
    in_order = [message for part in history.values() for message in part]
    assert apply(len(history), in_order) == apply(len(history), shuffled(history, data))


@given(histories(), st.data())
def test_progress_never_falls_and_no_result_is_lost(
    history: dict[PartName, list[StatusMessage]], data: st.DataObject
) -> None:
    file = apply(len(history), [])
    for message in shuffled(history, data):
        after = step(file, message, is_last=False).file
        assert after.enhancement.progress >= file.enhancement.progress
        assert tally_of(after).completed >= tally_of(file).completed
        file = after
    wanted = sum(any(message.status is COMPLETED for message in part) for part in history.values())
    assert tally_of(file).completed == wanted
    assert (file.assembly is not None) is (wanted == len(history))


def test_a_file_without_parts_knows_no_parts() -> None:
    file = file_record()
    assert file.published(ENHANCEMENT, A) is None
    assert file.published(ENHANCEMENT, None) == file.enhancement
    assert long_file().published(ENHANCEMENT, None) is None
    assert long_file().published(METADATA, A) is None
    with pytest.raises(ValueError, match="has no part"):
        with_record(file, shared().parts[1])
