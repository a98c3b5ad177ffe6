"""What the command line shows: plain lines, JSON lines and bars, from the same values."""

import io
import json
from dataclasses import replace

from tests.unit.desktop.values import RESULT, file_record
from vidproc_desktop.cli.bars import BarView
from vidproc_desktop.cli.outcome import Outcome
from vidproc_desktop.cli.state_of_file import describe, local_path, places
from vidproc_desktop.cli.views import JsonView, LineView, View
from vidproc_desktop.domain.library import FileRecord, Refusal, TaskRecord
from workers.protocol.results import TaskError
from workers.protocol.segments import ANALYSIS, PartName, segment_part
from workers.protocol.states import ErrorCode, Stage, Status


def _moved(file: FileRecord, progress: float, stage: Stage = Stage.ENHANCING) -> FileRecord:
    task = replace(
        file.enhancement,
        status=Status.PROCESSING,
        stage=stage,
        progress=progress,
        frames_per_s=24.04,
        remaining_s=61.0,
    )
    return file.with_task(task)


def _ended(file: FileRecord, enhancement: Status, metadata: Status = Status.COMPLETED) -> FileRecord:
    error = TaskError(code=ErrorCode.ENCODER_FAILED, message="The encoder gave up.")
    failed = enhancement is Status.FAILED

    def end(task: TaskRecord, status: Status) -> TaskRecord:
        return replace(task, status=status, error=error if status is Status.FAILED else None, progress=100.0)

    ended = file.with_task(end(file.enhancement, enhancement)).with_task(end(file.metadata, metadata))
    if failed or enhancement is Status.CANCELLED:
        return ended
    return ended.with_task(replace(ended.enhancement, result=RESULT))


def test_plain_lines_come_with_states_and_every_tenth_percent() -> None:
    out, err = io.StringIO(), io.StringIO()
    view, file = LineView(out, err), file_record("clip")
    for percent in range(0, 100, 2):
        view.changed(_moved(file, percent))
    view.changed(_moved(file, 99, Stage.VERIFYING))
    lines = out.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[0] == "clip.mov: enhancing 0 %, 24.0 frames/s, 61 s left"
    assert lines[-1].startswith("clip.mov: verifying")
    assert err.getvalue() == ""


def test_a_failure_is_told_on_both_streams_with_its_reason() -> None:
    out, err = io.StringIO(), io.StringIO()
    LineView(out, err).finished(_ended(file_record("clip"), Status.FAILED))
    assert out.getvalue() == "clip.mov: failed: The encoder gave up.\n"
    assert err.getvalue() == "/videos/clip.mov: The encoder gave up.\n"


def test_json_lines_are_objects_and_not_too_many() -> None:
    out, now = io.StringIO(), 0.0
    view, file = JsonView(out, io.StringIO(), clock=lambda: now), file_record("clip")
    for step in range(100):
        now = step * 0.01
        view.changed(_moved(file, step))
    view.changed(_moved(file, 99, Stage.VERIFYING))
    view.finished(_ended(file, Status.COMPLETED))
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["progress", "progress", "progress", "finished"]
    assert events[-1]["output"] == "/out/clip.mp4"


def _show(view: View) -> None:
    file = file_record("clip [bold]")
    view.added(file)
    view.refused(Refusal("/videos/no.txt", ErrorCode.NOT_A_VIDEO, "This is no video."))
    view.changed(_moved(file, 50))
    done = _ended(file, Status.COMPLETED)
    view.finished(done)
    view.summary(Outcome((done,), (), 2.0, was_stopped=False))
    view.close()


def test_bars_end_with_where_everything_lies() -> None:
    out, err = io.StringIO(), io.StringIO()
    _show(BarView(out, err))
    text = out.getvalue()
    assert "done  clip [bold].mov" in text, "a name is text and never markup"
    assert "enhanced: /out/clip.mp4" in text
    assert text.splitlines()[-1] == "1 of 1 done in 2.0 s."
    assert err.getvalue() == "/videos/no.txt: This is no video.\n"


def test_what_is_missing_of_a_film_is_told_in_every_view() -> None:
    file = _ended(file_record("clip"), Status.COMPLETED)
    result = RESULT.model_copy(update={"warnings": ("The file ends early.",)})
    file = file.with_task(replace(file.enhancement, result=result))
    lines, bars, objects = io.StringIO(), io.StringIO(), io.StringIO()
    LineView(lines, io.StringIO()).finished(file)
    BarView(bars, io.StringIO()).finished(file)
    JsonView(objects, io.StringIO()).finished(file)
    for text in (lines.getvalue(), bars.getvalue()):
        assert "done, with a remark" in text
        assert "    remark: The file ends early.\n" in text
    assert json.loads(objects.getvalue())["warnings"] == ["The file ends early."]


def _in_parts(file: FileRecord, done: int, total: int) -> FileRecord:
    def part(name: PartName, status: Status) -> TaskRecord:
        return replace(file.enhancement, part=name, status=status)

    statuses = [Status.COMPLETED] * done + [Status.PROCESSING] * (total - done)
    segments = tuple(part(segment_part(number), status) for number, status in enumerate(statuses))
    return replace(file, parts=(part(ANALYSIS, Status.COMPLETED), *segments))


def test_segments_are_counted_in_every_view() -> None:
    file = _in_parts(_moved(file_record("clip"), 58.4), 7, 12)
    lines, bars, objects = io.StringIO(), io.StringIO(), io.StringIO()
    LineView(lines, io.StringIO()).changed(file)
    JsonView(objects, io.StringIO()).changed(file)
    assert lines.getvalue() == "clip.mov: enhancing 55 %, segments 7/12, 24.0 frames/s, 61 s left\n"
    assert json.loads(objects.getvalue())["segments"] == {"done": 7, "total": 12}
    view = BarView(bars, io.StringIO())
    view.added(file)
    view.changed(file)
    assert view._progress.tasks[-1].fields["state"] == "segments 7/12"
    view.close()


def test_a_moment_between_two_segments_is_not_told_again_and_again() -> None:
    out, file = io.StringIO(), file_record("clip")
    view = LineView(out, io.StringIO())
    for done in range(50):
        view.changed(_in_parts(_moved(file, 4 + done / 50, Stage.WAITING), done, 50))
        view.changed(_in_parts(_moved(file, 4 + done / 50), done, 50))
    assert [line.split(" 4 %")[0] for line in out.getvalue().splitlines()] == [
        "clip.mov: waiting for a worker",
        "clip.mov: enhancing",
    ]


def test_another_attempt_is_told_with_the_same_words() -> None:
    out, file = io.StringIO(), _moved(file_record("clip"), 5)
    view = LineView(out, io.StringIO())
    view.changed(file)
    view.changed(file.with_task(replace(file.enhancement, attempt=2)))
    assert len(out.getvalue().splitlines()) == 2


def test_a_file_in_one_piece_has_no_segments_to_count() -> None:
    objects = io.StringIO()
    JsonView(objects, io.StringIO()).changed(_moved(file_record("clip"), 50))
    assert json.loads(objects.getvalue())["segments"] is None
    done = _in_parts(_ended(file_record("clip"), Status.COMPLETED), 2, 2)
    assert describe(done).segments is None


def test_putting_together_is_told() -> None:
    file = _in_parts(_moved(file_record("clip"), 97, Stage.ASSEMBLING), 12, 12)
    assert describe(file).words + describe(file).segment_words == "putting together, segments 12/12"


def test_outcomes_count_every_file_once() -> None:
    base = file_record("clip")
    files = (
        _ended(base, Status.COMPLETED),
        _ended(base, Status.FAILED),
        _ended(base, Status.CANCELLED, Status.CANCELLED),
        base,
    )
    refused = (Refusal("x", ErrorCode.FILE_EMPTY, "Empty."),)
    outcome = Outcome(files, refused, 1.0, was_stopped=True)
    counted = (outcome.done_count, outcome.failed_count, outcome.unfinished_count, len(outcome.refused))
    assert counted == (1, 1, 2, 1)
    assert sum(counted) == outcome.asked_count
    assert outcome.exit_code == 1
    assert Outcome(files[:1], (), 1.0, was_stopped=False).exit_code == 0
    assert Outcome(files[:1], (), 1.0, was_stopped=True).exit_code == 1
    assert Outcome((), (), 1.0, was_stopped=False).exit_code == 1


def test_states_in_words() -> None:
    file = file_record("clip")
    assert describe(file).words == "waiting"
    assert describe(file.with_task(replace(file.enhancement, attempt=2))).words == "waiting for attempt 2"
    half = describe(_moved(file, 50))
    assert (half.words, half.percent) == ("enhancing", 47.5)
    only_metadata = replace(file, enhancement=replace(file.enhancement, is_wanted=False))
    assert describe(only_metadata.with_task(replace(file.metadata, progress=30.0))).percent == 30


def test_places_are_paths() -> None:
    assert places(_ended(file_record("clip"), Status.COMPLETED)) == {
        "output": "/out/clip.mp4",
        "report": "/out/clip.report.json",
    }
    assert local_path("file:///a%20b/%C3%BC.mp4") == "/a b/ü.mp4"
    assert local_path("http://host/a") == "http://host/a"
