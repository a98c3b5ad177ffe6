"""The parts' folder: one valid plan, one valid file for each segment, whoever makes them, whenever anybody dies."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.worker_jobs import plan_for
from tests.fixtures.worker_part_jobs import PICTURES, make_record, make_side_files, segment_plan
from workers.errors import TaskFailedError
from workers.media.jobs import AnalysisOutcome, AssemblyJob, SegmentJob, SegmentOutcome
from workers.protocol.segments import SegmentPlan, segment_part
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, ProcessType
from workers.runtime import leftovers, names
from workers.runtime.locks import HeldLock, lock_folder, try_lock_folder
from workers.runtime.part_documents import StoredPlan, StoredSegment, plan_bytes
from workers.runtime.parts import PartsFolder, parts_path
from workers.runtime.pipe import decode_job, decode_reply, encode_line, job_line, outcome_line, to_outcome
from workers.runtime.workspace import Workspace

ENHANCEMENT = ProcessType.VIDEO_ENHANCEMENT
KEY = "settings-key"
DAY_S = 86_400.0


def a_plan(count: int = 3, key: str = KEY) -> SegmentPlan:
    return segment_plan(key, plan_for(EnhancementSettings()), count)


def parts_in(videos: Path, key: str = KEY) -> PartsFolder:
    return PartsFolder(parts_path(videos, key, b"clip.mov"), key)


def workspace_in(videos: Path, part: str = "analysis") -> Workspace:
    return Workspace.create(videos, "file-1", ENHANCEMENT, 1, part=part)


def publish_plan(videos: Path, plan: SegmentPlan | None = None) -> StoredPlan:
    with workspace_in(videos) as workspace:
        side_files = make_side_files(workspace.path)
        return parts_in(videos).publish_analysis(plan or a_plan(), side_files, workspace.path)


def publish_segment(videos: Path, plan_sha256: str, number: int, text: str = "pictures") -> StoredSegment:
    with workspace_in(videos, segment_part(number)) as workspace:
        video = workspace.path / "video.mp4"
        video.write_text(text, encoding="ascii")
        record = make_record(video, plan_sha256, number)
        return parts_in(videos).publish_segment(record, video, workspace.path)


def code_of(action: Callable[[], object]) -> ErrorCode:
    with pytest.raises(TaskFailedError) as failure:
        action()
    return failure.value.code


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---------------------------------------------------------------- where, and what is found


def test_the_place_follows_settings_and_name_and_nothing_else(tmp_path: Path) -> None:
    same = {parts_path(tmp_path, KEY, b"clip.mov") for _ in range(2)}
    other = {parts_path(tmp_path, "other", b"clip.mov"), parts_path(tmp_path, KEY, b"other.mov")}
    assert len(same) == 1
    assert len(same | other) == 3
    assert same.pop().parent == tmp_path / ".vidproc"


def test_a_plan_is_the_same_bytes_always_and_names_them(tmp_path: Path) -> None:
    plan = a_plan()
    stored = publish_plan(tmp_path, plan)
    assert not stored.was_found
    assert parts_in(tmp_path).open(stored.sha256).plan == plan
    assert plan_bytes(SegmentPlan.model_validate_json(plan_bytes(plan))) == plan_bytes(plan)
    assert (parts_in(tmp_path).path / "segment-plan.json").read_bytes() == plan_bytes(plan)


def test_without_the_plan_of_a_part_the_analysis_has_to_begin_again(tmp_path: Path) -> None:
    parts = parts_in(tmp_path)
    assert code_of(lambda: parts.open("0" * 64)) is ErrorCode.PARTS_MISSING
    assert parts.find_analysis() is None
    stored = publish_plan(tmp_path)
    assert code_of(lambda: parts.open("0" * 64)) is ErrorCode.PARTS_MISSING
    assert not parts.is_gone(stored.sha256)
    assert parts.is_gone("0" * 64)
    other_settings = PartsFolder(parts.path, "other-key")
    assert code_of(lambda: other_settings.open(stored.sha256)) is ErrorCode.PARTS_MISSING
    (parts.path / names.SEGMENT_PLAN_NAME).write_text("{", encoding="ascii")
    assert code_of(lambda: parts.open(stored.sha256)) is ErrorCode.PARTS_MISSING


@pytest.mark.parametrize("damage", ["scan.bin", "tables.bin", "side-files.json"])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_an_analysis_counts_only_with_all_its_side_files(tmp_path: Path, damage: str, how: str) -> None:
    publish_plan(tmp_path)
    parts = parts_in(tmp_path)
    assert parts.find_analysis() is not None
    if how == "gone":
        (parts.path / damage).unlink()
    else:
        (parts.path / damage).write_text("changed", encoding="ascii")
    assert parts.find_analysis() is None
    again = publish_plan(tmp_path)
    assert not again.was_found
    assert parts.find_analysis() == StoredPlan(again.plan, again.sha256)


def test_what_cannot_be_read_now_is_not_taken_for_missing(tmp_path: Path) -> None:
    stored = publish_plan(tmp_path)
    publish_segment(tmp_path, stored.sha256, 0)
    parts = parts_in(tmp_path)
    loop = parts.path / names.segment_record_name(0)
    loop.unlink()
    loop.symlink_to(loop)
    assert code_of(lambda: parts.find_segment(stored.sha256, 0)) is ErrorCode.FILE_UNREADABLE
    assert code_of(lambda: parts.records(stored, check_videos=True)) is ErrorCode.FILE_UNREADABLE


def test_the_first_analysis_wins_and_a_later_round_beats_it(tmp_path: Path) -> None:
    first, second = publish_plan(tmp_path), publish_plan(tmp_path)
    assert second.was_found
    assert second.sha256 == first.sha256
    publish_segment(tmp_path, first.sha256, 0)
    parts = parts_in(tmp_path)
    with workspace_in(tmp_path, "assembly") as workspace:
        rounds = [
            parts.publish_round(first.plan.model_copy(update={"round": number}), workspace.path)
            for number in (1, 1, 0)
        ]
    assert [stored.was_found for stored in rounds] == [False, True, True]
    assert {stored.plan.round for stored in rounds} == {1}
    assert publish_plan(tmp_path).plan.round == 1
    assert parts.later_round(first.sha256) == StoredPlan(rounds[0].plan, rounds[0].sha256)
    assert parts.later_round(rounds[0].sha256) is None
    assert [name for name in listed(parts.path) if name.startswith("segment-0")] == []
    assert parts.find_analysis() is not None


def test_a_round_needs_the_folder_and_does_not_bring_it_back(tmp_path: Path) -> None:
    plan = publish_plan(tmp_path).plan
    parts = parts_in(tmp_path)
    parts.remove()
    with workspace_in(tmp_path, "assembly") as workspace:
        assert code_of(lambda: parts.publish_round(plan, workspace.path)) is ErrorCode.PARTS_MISSING
        assert listed(workspace.path.parent) == [workspace.path.name]


# ---------------------------------------------------------------- segments


def test_a_segment_lies_under_the_name_that_its_record_says(tmp_path: Path) -> None:
    stored = publish_plan(tmp_path)
    published = publish_segment(tmp_path, stored.sha256, 2)
    assert published.video.name == published.record.file_name
    assert published.video.name.startswith("segment-00002-")
    assert published.video.suffix == ".mp4"
    found = parts_in(tmp_path).find_segment(stored.sha256, 2)
    assert found == StoredSegment(published.video, published.record)
    assert parts_in(tmp_path).find_segment(stored.sha256, 1) is None
    assert parts_in(tmp_path).find_segment("0" * 64, 2) is None


@pytest.mark.parametrize(
    "damage", ["gone", "shorter", "changed", "no record", "half a record", "other number"]
)
def test_a_segment_that_is_not_what_its_record_says_is_made_again(tmp_path: Path, damage: str) -> None:
    stored = publish_plan(tmp_path)
    first = publish_segment(tmp_path, stored.sha256, 0)
    parts = parts_in(tmp_path)
    record = parts.path / names.segment_record_name(0)
    match damage:
        case "gone":
            first.video.unlink()
        case "shorter":
            first.video.write_text("short", encoding="ascii")
        case "changed":
            first.video.write_text("PICTURES", encoding="ascii")
        case "no record":
            record.unlink()
        case "half a record":
            record.write_bytes(record.read_bytes()[:40])
        case _:
            record.write_text(json.dumps({**json.loads(record.read_text()), "number": 1}), encoding="ascii")
    assert parts.find_segment(stored.sha256, 0) is None
    assert code_of(lambda: parts.records(stored, check_videos=True)) is ErrorCode.PARTS_MISSING
    again = publish_segment(tmp_path, stored.sha256, 0)
    assert not again.was_found
    assert parts.find_segment(stored.sha256, 0) is not None


def test_the_second_maker_of_a_segment_is_told_the_first_ones(tmp_path: Path) -> None:
    stored = publish_plan(tmp_path)
    first = publish_segment(tmp_path, stored.sha256, 0, "one")
    second = publish_segment(tmp_path, stored.sha256, 0, "two")
    assert second == StoredSegment(first.video, first.record, was_found=True)
    assert first.video.read_text(encoding="ascii") == "one"
    assert len(list(parts_in(tmp_path).path.glob("*.mp4"))) == 1


def test_many_makers_at_once_leave_one_valid_segment(tmp_path: Path) -> None:
    stored = publish_plan(tmp_path)
    made: list[StoredSegment] = []
    threads = [
        threading.Thread(
            target=lambda text: made.append(publish_segment(tmp_path, stored.sha256, 0, text)), args=(str(n),)
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(segment.was_found for segment in made) == [False] + [True] * 7
    assert len({segment.video for segment in made}) == 1
    found = parts_in(tmp_path).find_segment(stored.sha256, 0)
    assert found is not None
    assert found.record == made[0].record


def test_many_analyses_at_once_leave_one_plan(tmp_path: Path) -> None:
    made: list[StoredPlan] = []
    threads = [threading.Thread(target=lambda: made.append(publish_plan(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stored.was_found for stored in made) == [False] + [True] * 7
    assert len({stored.sha256 for stored in made}) == 1


def test_a_segment_of_a_plan_that_was_replaced_is_not_published(tmp_path: Path) -> None:
    stored = publish_plan(tmp_path)
    with workspace_in(tmp_path, "assembly") as workspace:
        again = stored.plan.model_copy(update={"round": 1})
        parts_in(tmp_path).publish_round(again, workspace.path)
    assert code_of(lambda: publish_segment(tmp_path, stored.sha256, 0)) is ErrorCode.PARTS_MISSING
    assert list(parts_in(tmp_path).path.glob("segment-0*")) == []


def test_what_is_missing_for_the_assembly_is_named(tmp_path: Path) -> None:
    stored = publish_plan(tmp_path)
    publish_segment(tmp_path, stored.sha256, 1)
    with pytest.raises(TaskFailedError) as failure:
        parts_in(tmp_path).records(stored, check_videos=True)
    assert failure.value.code is ErrorCode.PARTS_MISSING
    assert "2 of the 3 segments" in failure.value.message
    assert failure.value.detail == "segment-00000, segment-00002"


# ---------------------------------------------------------------- killed in between

_KILLED = """
import os, sys, signal
from pathlib import Path
from tests.integration import test_worker_parts_folder as tests
from workers.runtime import files, names
from workers.runtime.parts import PartsFolder
step, videos, sha256 = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
def die(*a, **k): os.kill(os.getpid(), signal.SIGKILL)
places = PartsFolder._place
def place(self, name, data, workspace):
    if name == step: die()
    places(self, name, data, workspace)
    if "after " + name == step: die()
PartsFolder._place = place
if sha256 == "-": tests.publish_plan(videos)
else: tests.publish_segment(videos, sha256, 0, "killed")
"""


def killed_at(step: str, videos: Path, sha256: str) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", _KILLED, step, str(videos), sha256]
    ended = subprocess.run(command, cwd=root, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")
@pytest.mark.parametrize("step", ["segment-00000.json", "after segment-00000.json"])
def test_killed_between_a_segments_video_and_its_record(tmp_path: Path, step: str) -> None:
    """A video without its record does not count; the next maker's does, and no half file is ever taken."""
    stored = publish_plan(tmp_path)
    killed_at(step, tmp_path, stored.sha256)
    parts = parts_in(tmp_path)
    assert len(list(parts.path.glob("segment-00000-*.mp4"))) == 1
    is_finished = step.startswith("after")
    assert (parts.find_segment(stored.sha256, 0) is not None) == is_finished
    again = publish_segment(tmp_path, stored.sha256, 0, "again")
    assert again.was_found == is_finished
    assert again.video.read_text(encoding="ascii") == ("killed" if is_finished else "again")
    assert [name for name in listed(tmp_path / ".vidproc") if not name.startswith("parts-")] == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")
@pytest.mark.parametrize("step", ["side-files.json", "segment-plan.json", "after segment-plan.json"])
def test_killed_in_the_publication_of_an_analysis(tmp_path: Path, step: str) -> None:
    killed_at(step, tmp_path, "-")
    is_finished = step.startswith("after")
    assert (parts_in(tmp_path).find_analysis() is not None) == is_finished
    assert publish_plan(tmp_path).was_found == is_finished
    assert parts_in(tmp_path).find_analysis() is not None


def test_what_is_left_of_a_folder_whose_removal_was_killed_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = publish_plan(tmp_path)
    publish_segment(tmp_path, stored.sha256, 0)
    parts = parts_in(tmp_path)
    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", lambda folder, ignore_errors: None)
        parts.remove()
    assert "segment-00000.json" in listed(parts.path)
    assert parts.find_analysis() is None
    assert parts.is_gone(stored.sha256)
    again = publish_plan(tmp_path)
    assert parts.find_segment(again.sha256, 0) is None
    parts.remove()
    assert listed(tmp_path) == []


# ---------------------------------------------------------------- what is left, and for how long


def aged(folder: Path, seconds: float) -> None:
    then = time.time() - seconds
    for entry in (*folder.iterdir(), folder):
        os.utime(entry, (then, then))


def test_a_parts_folder_outlives_workspaces_and_goes_after_two_weeks(tmp_path: Path) -> None:
    stored = publish_plan(tmp_path)
    parts = parts_in(tmp_path)
    dead = parts.path.parent / "file-9-video_enhancement-1-dead"
    dead.mkdir()
    for folder in (parts.path, dead):
        aged(folder, 13.9 * DAY_S)
    workspace_in(tmp_path, "segment-00001").close()
    assert not dead.exists()
    assert parts.path.is_dir()
    aged(parts.path, 14.1 * DAY_S)
    workspace_in(tmp_path, "segment-00001").close()
    assert not parts.path.exists()
    assert parts.is_gone(stored.sha256)


def test_a_folder_that_somebody_works_in_is_young_however_old_its_files_are(tmp_path: Path) -> None:
    stored = publish_plan(tmp_path)
    parts = parts_in(tmp_path)
    for come_back in (lambda: parts.open(stored.sha256), parts.find_analysis):
        aged(parts.path, 15 * DAY_S)
        come_back()
        workspace_in(tmp_path).close()
        assert parts.path.is_dir()
    aged(parts.path, 15 * DAY_S)
    with lock_folder(parts.path):  # somebody publishes into it right now
        workspace_in(tmp_path).close()
        assert parts.path.is_dir()


def test_somebody_who_comes_back_at_the_last_moment_keeps_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = publish_plan(tmp_path)
    parts = parts_in(tmp_path)
    aged(parts.path, 15 * DAY_S)

    def open_first(folder: Path) -> HeldLock | None:
        parts.open(stored.sha256)
        return try_lock_folder(folder)

    monkeypatch.setattr(leftovers, "try_lock_folder", open_first)
    workspace_in(tmp_path).close()
    assert parts.path.is_dir()


def test_workspaces_of_other_parts_of_a_file_are_spared(tmp_path: Path) -> None:
    """Even unlocked: on a network disk the locks of another computer may not be seen."""
    hidden = tmp_path / ".vidproc"
    for part in ("", ".segment-00001", ".segment-00002"):
        (hidden / f"file-1-video_enhancement{part}-1-dead").mkdir(parents=True)
    with workspace_in(tmp_path, "segment-00001") as workspace:
        assert listed(hidden) == sorted(
            [
                "file-1-video_enhancement-1-dead",
                "file-1-video_enhancement.segment-00002-1-dead",
                workspace.path.name,
            ]
        )


# ---------------------------------------------------------------- to the child and back


def test_jobs_reach_the_child_with_plan_and_records_and_short_lines(tmp_path: Path) -> None:
    stored = publish_plan(tmp_path, a_plan(60))
    for number in range(60):
        publish_segment(tmp_path, stored.sha256, number)
    parts = parts_in(tmp_path)
    segment = SegmentJob(
        worker_id="w",
        source=tmp_path / "clip\udcff.mov",
        workspace=tmp_path,
        parts=parts.path,
        segment_plan=stored.plan,
        plan_sha256=stored.sha256,
        number=7,
        threads=2,
    )
    assembly = AssemblyJob(
        file_id="file-1",
        attempt=1,
        worker_id="w",
        source=segment.source,
        workspace=tmp_path,
        output_name="clip.mp4",
        settings=EnhancementSettings(),
        settings_key=KEY,
        parts=parts.path,
        segment_plan=stored.plan,
        records=parts.records(stored, check_videos=True),
    )
    assert len(assembly.records) == 60
    for job in (segment, assembly):
        line = encode_line(job_line(job))
        assert len(line) < 10_000
        assert decode_job(line).to_job() == job
    parts.remove()
    gone = decode_job(encode_line(job_line(segment)))
    assert code_of(gone.to_job) is ErrorCode.PARTS_MISSING


def test_outcomes_come_back_from_the_child(tmp_path: Path) -> None:
    video = tmp_path / "video\udcff.mp4"
    video.write_bytes(b"pictures")
    record = make_record(tmp_path / video.name, "0" * 64, 3, file_name="video.mp4")
    assert record.pictures == PICTURES
    for outcome in (
        SegmentOutcome(video, record),
        AnalysisOutcome(a_plan(), "why", (video,)),
        AnalysisOutcome(None, "why"),
    ):
        assert to_outcome(decode_reply(encode_line(outcome_line(outcome)))) == outcome  # type: ignore[arg-type]  # an outcome's line
