"""Final names: never over a file that is there, one atomic step, recognised again, nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import worker_jobs
from tests.fixtures.worker_peers import make_config, make_source, make_task
from workers.errors import TaskFailedError
from workers.media.jobs import EnhancementJob, EnhancementOutcome, MetadataJob, MetadataOutcome
from workers.protocol.messages import FileTask, OutputTarget
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, ProcessType
from workers.runtime import attempts, files, publication
from workers.runtime.publication import Destination, PublishedEnhancement
from workers.runtime.sources import FolderMissingError, check_source, uri_from_path
from workers.runtime.workspace import DiskFullError, Workspace, check_room, has_room

ENHANCEMENT = ProcessType.VIDEO_ENHANCEMENT


def _publish(task: FileTask) -> PublishedEnhancement:
    """An attempt without its child process."""
    destination = attempts.locate(task, ())
    destination.videos.mkdir(parents=True, exist_ok=True)
    destination.documents.mkdir(parents=True, exist_ok=True)
    with Workspace.create(destination.videos, task.file_id, ENHANCEMENT, task.attempt) as workspace:
        return publication.publish_enhancement(
            destination, _outcome(task, destination, workspace), workspace.path
        )


def _outcome(task: FileTask, destination: Destination, workspace: Workspace) -> EnhancementOutcome:
    outcome = worker_jobs.run(
        EnhancementJob(
            task.file_id,
            task.attempt,
            "worker",
            destination.source,
            workspace.path,
            task.output.stem + ".mp4",
            task.settings,
            attempts.settings_key(task),
        ),
        lambda progress: None,
    )
    assert isinstance(outcome, EnhancementOutcome)
    return outcome


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_results_are_siblings_and_no_workspace_is_left(tmp_path: Path) -> None:
    _publish(make_task(make_source(tmp_path), tmp_path / "out"))
    assert _names(tmp_path / "out") == ["clip.mp4", "clip.poster.jpg", "clip.report.json"]


def test_the_very_file_that_was_verified_gets_the_final_name(tmp_path: Path) -> None:
    """Renamed in one step: a copy could be seen, or left behind, half written."""
    task = make_task(make_source(tmp_path), tmp_path / "out")
    destination = attempts.locate(task, ())
    destination.videos.mkdir()
    with Workspace.create(destination.videos, task.file_id, ENHANCEMENT, 1) as workspace:
        outcome = _outcome(task, destination, workspace)
        verified = outcome.output.stat()
        published = publication.publish_enhancement(destination, outcome, workspace.path)
        assert not outcome.output.exists()
    final = published.video.stat()
    assert (final.st_dev, final.st_ino) == (verified.st_dev, verified.st_ino)


@pytest.mark.parametrize("taken", ["clip.mp4", "clip.report.json", "clip.poster.jpg"])
def test_a_foreign_file_of_any_of_the_names_counts_the_stem_up(tmp_path: Path, taken: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / taken).write_bytes(b"foreign")
    _publish(make_task(make_source(tmp_path), out))
    assert _names(out) == sorted([taken, "clip (2).mp4", "clip (2).poster.jpg", "clip (2).report.json"])
    assert (out / taken).read_bytes() == b"foreign"


def test_the_source_is_never_replaced(tmp_path: Path) -> None:
    source = make_source(tmp_path, "clip.mp4")
    before = source.read_bytes()
    published = _publish(make_task(source, tmp_path))
    assert published.video.name == "clip (2).mp4"
    assert source.read_bytes() == before


def test_a_finished_output_is_recognised_by_its_bytes(tmp_path: Path) -> None:
    task = make_task(make_source(tmp_path), tmp_path / "out")
    published = _publish(task)
    destination, key = attempts.locate(task, ()), attempts.settings_key(task)
    found = publication.find_finished(destination, key)
    assert found is not None
    assert found.video == published.video
    assert found.was_found
    size = published.video.stat().st_size
    published.video.write_bytes(b"x" * size)
    assert publication.find_finished(destination, key) is None


@pytest.mark.parametrize("change", ["file", "settings", "source"])
def test_the_output_of_another_wish_is_not_taken_for_this_one(tmp_path: Path, change: str) -> None:
    source = make_source(tmp_path)
    task = make_task(source, tmp_path / "out")
    _publish(task)
    changes: dict[str, Any] = {
        "file": {"file_id": "another"},
        "settings": {"settings": EnhancementSettings(crf=30)},
        "source": {"source": task.source.model_copy(update={"mtime_ns": 5})},
    }
    other = task.model_copy(update=changes[change])
    assert publication.find_finished(attempts.locate(other, ()), attempts.settings_key(other)) is None
    assert _publish(other).video.name == "clip (2).mp4"


def test_a_losing_duplicate_discards_its_output(tmp_path: Path) -> None:
    task = make_task(make_source(tmp_path), tmp_path / "out")
    first = _publish(task)
    before = first.video.read_bytes()
    second = _publish(task)
    assert second.was_found
    assert second.video == first.video
    assert first.video.read_bytes() == before
    assert _names(tmp_path / "out") == ["clip.mp4", "clip.poster.jpg", "clip.report.json"]


def test_many_duplicates_at_once_publish_one(tmp_path: Path) -> None:
    task = make_task(make_source(tmp_path), tmp_path / "out")
    results: list[PublishedEnhancement] = []
    threads = [threading.Thread(target=lambda: results.append(_publish(task))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.was_found for result in results) == [False] + [True] * 7
    assert _names(tmp_path / "out") == ["clip.mp4", "clip.poster.jpg", "clip.report.json"]


def test_different_files_of_one_name_at_once_all_get_names(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    tasks = [make_task(source, tmp_path / "out", file_id=f"file-{number}") for number in range(6)]
    threads = [threading.Thread(target=_publish, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    owners = {
        publication._owner(path.with_name(path.stem + ".report.json"))
        for path in (tmp_path / "out").glob("*.mp4")
    }
    assert owners == {task.file_id for task in tasks}


_KILLED = """
import os, sys, signal
from pathlib import Path
from tests.integration import test_worker_publication as tests
from tests.fixtures.worker_peers import make_task
from workers.runtime import files, publication
step, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
def die(*a, **k): os.kill(os.getpid(), signal.SIGKILL)
if step == "poster": publication._place_picture = die
if step == "report": publication._place_document = die
if step == "video": files.rename_without_replacing = die
if step == "after": files.sync_folder = lambda folder: die() if list(out.glob("*.mp4")) else None
tests._publish(make_task(source, out))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")
@pytest.mark.parametrize("step", ["poster", "report", "video", "after"])
def test_killed_between_two_steps_the_next_attempt_makes_it_good(tmp_path: Path, step: str) -> None:
    source, out = make_source(tmp_path), tmp_path / "out"
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, step, str(source), str(out)], cwd=root, timeout=60, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    for video in out.glob("*.mp4"):
        assert publication._read_report(video.with_suffix(".report.json")) is not None
    task = make_task(source, out)
    published = _publish(task)
    assert published.was_found == (step == "after")
    found = publication.find_finished(attempts.locate(task, ()), attempts.settings_key(task))
    assert found is not None
    assert [path.name for path in out.glob("*.mp4")] == ["clip.mp4"]
    assert not (out / ".vidproc").exists()


def test_what_dead_attempts_left_is_removed_and_the_living_are_spared(tmp_path: Path) -> None:
    with Workspace.create(tmp_path, "file-1", ENHANCEMENT, 1) as living:
        dead = living.path.parent / "file-1-video_enhancement-1-dead"
        other = living.path.parent / "file-12-video_enhancement-1-dead"
        for folder in (dead, other):
            folder.mkdir()
            (folder / "half.mp4").write_bytes(b"half")
        with Workspace.create(tmp_path, "file-1", ENHANCEMENT, 2):
            assert living.path.is_dir()
            assert not dead.exists()
            assert other.is_dir()


def test_metadata_replaces_its_own_and_spares_others(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    stems = []
    for file_id in ("file-1", "file-1", "file-2"):
        destination = attempts.locate(make_task(source, tmp_path, file_id=file_id), ())
        with Workspace.create(tmp_path, file_id, ProcessType.METADATA_EXTRACTION, 1) as workspace:
            outcome = worker_jobs.run(
                MetadataJob(file_id, source, workspace.path, "clip.contact.jpg"), lambda progress: None
            )
            assert isinstance(outcome, MetadataOutcome)
            stems.append(publication.publish_metadata(destination, outcome, workspace.path).document.name)
    assert stems == ["clip.metadata.json", "clip.metadata.json", "clip (2).metadata.json"]


@pytest.mark.parametrize("stem", ["x" * 255, "é" * 127, "🎬" * 63, "e\u0301" * 85, "👩\u200d👧" * 23])
def test_long_names_keep_their_suffixes_and_whole_characters(tmp_path: Path, stem: str) -> None:
    out = tmp_path / "out"
    task = make_task(make_source(tmp_path), out)
    task = task.model_copy(update={"output": OutputTarget(directory_uri=uri_from_path(out), stem=stem)})
    _publish(task)
    _publish(task.model_copy(update={"file_id": "other"}))
    stems = [path.stem for path in out.glob("*.mp4")]
    assert len(stems) == 2
    for name in _names(out):
        assert len(os.fsencode(name)) <= 255
    shorter = min(stems, key=lambda found: " (2)" in found)
    assert stem.startswith(shorter)
    rest = stem[len(shorter) :]
    assert not rest or (
        not unicodedata.combining(rest[0]) and not shorter.endswith("\u200d") and rest[0] != "\u200d"
    )


def test_documents_and_pictures_go_to_their_own_folders(tmp_path: Path) -> None:
    task = make_task(make_source(tmp_path), tmp_path / "out")
    target = task.output.model_copy(
        update={
            "metadata_directory_uri": uri_from_path(tmp_path / "documents"),
            "thumbnails_directory_uri": uri_from_path(tmp_path / "out"),
        }
    )
    _publish(task.model_copy(update={"output": target}))
    assert _names(tmp_path / "documents") == ["clip.report.json"]
    assert _names(tmp_path / "out") == ["clip.mp4", "clip.poster.jpg"]


def test_renaming_never_replaces(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    with pytest.raises(FileExistsError):
        files.rename_without_replacing(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"b"
    files.rename_without_replacing(tmp_path / "a", tmp_path / "c")
    assert _names(tmp_path) == ["b", "c"]


def test_renaming_never_replaces_where_the_kernel_lacks_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_renameat2", lambda source, target: False)
    test_renaming_never_replaces(tmp_path)


# ---------------------------------------------------------------- source


def test_a_source_that_changed_vanished_or_is_empty_is_named(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    expected = make_task(source, tmp_path).source
    check_source(source, expected)
    os.utime(source, ns=(0, expected.mtime_ns + 2_000_000_000))
    assert _code_of(source, expected) is ErrorCode.FILE_CHANGED
    source.write_bytes(b"")
    assert _code_of(source, expected) is ErrorCode.FILE_EMPTY
    source.unlink()
    assert _code_of(source, expected) is ErrorCode.FILE_MISSING
    source.mkdir()
    assert _code_of(source, expected) is ErrorCode.FILE_UNREADABLE
    with pytest.raises(FolderMissingError):
        check_source(tmp_path / "no folder" / "clip.mov", expected)


def _code_of(source: Path, expected: Any) -> ErrorCode:
    with pytest.raises(TaskFailedError) as failure:
        check_source(source, expected)
    return failure.value.code


def test_a_link_out_of_the_roots_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    make_source(outside)
    (root / "link").symlink_to(outside)
    (root / "clip.mov").symlink_to(outside / "clip.mov")
    for source, out in ((root / "clip.mov", root), (make_source(root, "own.mov"), root / "link")):
        with pytest.raises(TaskFailedError) as failure:
            attempts.locate(make_task(source, out), (root,))
        assert failure.value.code is ErrorCode.PATH_NOT_ALLOWED
    attempts.locate(make_task(root / "own.mov", root / "new folder"), (root,))


# ---------------------------------------------------------------- room


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes, where this computer lets us mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
        timeout=20,
    )
    if mount.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mount.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True, timeout=20)


def test_a_full_disk_is_told_with_numbers(small_disk: Path) -> None:
    with pytest.raises(DiskFullError) as failure:
        check_room(small_disk, 5_000_000)
    assert "2.1 MB free" in failure.value.message
    assert "5.0 MB needed" in failure.value.message
    assert has_room(small_disk, 1_000_000)
    (small_disk / "ballast").write_bytes(b"x" * 1_900_000)
    assert not has_room(small_disk, 1_000_000)


def test_a_disk_that_fills_up_while_publishing_leaves_no_final_name(small_disk: Path, tmp_path: Path) -> None:
    task = make_task(make_source(tmp_path), small_disk / "out")
    destination = attempts.locate(task, ())
    destination.videos.mkdir()
    with Workspace.create(destination.videos, task.file_id, ENHANCEMENT, 1) as workspace:
        outcome = _outcome(task, destination, workspace)
        with (
            (small_disk / "ballast").open("wb", buffering=0) as ballast,
            pytest.raises(OSError, match="space"),
        ):
            while True:
                ballast.write(b"x" * 1000)
        with pytest.raises(OSError, match="space"):
            publication.publish_enhancement(destination, outcome, workspace.path)
    assert list(destination.videos.glob("*.mp4")) == []


@pytest.mark.skipif(os.name == "nt", reason="there are no POSIX permissions on Windows")
def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_bytes(b"")
    task = make_task(make_source(tmp_path), blocked)
    with pytest.raises(TaskFailedError) as failure:
        attempts.prepare(attempts.locate(task, ()), task, ENHANCEMENT, make_config(tmp_path))
    assert failure.value.code is ErrorCode.OUTPUT_NOT_WRITABLE
    assert "a file" in failure.value.message
