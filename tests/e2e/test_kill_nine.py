"""Whoever is killed with -9 and wherever: nothing runs on, nothing unverified has a final name, each file ends once."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.e2e.command_line import (
    MIDDLING,
    SMALL,
    Command,
    assert_gone,
    environment,
    running,
    sample,
    vidproc,
    wait_until,
)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("clip"), SMALL, "clip.mp4")


@pytest.fixture(scope="module")
def longer_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("longer"), MIDDLING, "longer.mp4")


def _enhance(clip: Path, folder: Path) -> list[str | Path]:
    return ["enhance", clip, "-o", folder / "out", "--data-dir", folder / "data", "--json"]


def _until_state(command: Command, state: str) -> None:
    command.until_line(lambda line: json.loads(line).get("state") == state)


def _enhancers(command: Command) -> list[psutil.Process]:
    return [process for process in command.family() if {"enhance", "--stdio"} <= set(process.cmdline())]


def _assert_all_verified(out: Path) -> None:
    """Every video under a final name is the one that its report vouches for, and nothing else is there."""
    for video in out.glob("*.mp4"):
        report = json.loads(video.with_name(f"{video.stem}.report.json").read_text())
        assert hashlib.sha256(video.read_bytes()).hexdigest() == report["output_sha256"]
        assert all(check["passed"] for check in report["checks"])
    assert not [path.name for path in out.rglob("*") if path.is_file() and path.name.startswith(".")]


@pytest.mark.parametrize("state", ["looking", "enhancing", "verifying"])
def test_the_program_killed_in_every_stage_leaves_nothing(
    longer_clip: Path, tmp_path: Path, state: str
) -> None:
    with running(*_enhance(longer_clip, tmp_path)) as command:
        _until_state(command, state)
        family = command.family()
        assert len(family) >= 4
        command.process.kill()
        assert_gone(family, 2)
    _assert_all_verified(tmp_path / "out")
    assert not (tmp_path / "out" / ".vidproc").exists()


@pytest.mark.parametrize("victim", ["worker", "child"])
@pytest.mark.parametrize("state", ["looking", "enhancing", "verifying"])
def test_a_worker_or_its_child_killed_in_every_stage_costs_an_attempt_and_no_more(
    clip: Path, tmp_path: Path, victim: str, state: str
) -> None:
    with running(*_enhance(clip, tmp_path)) as command:
        _until_state(command, state)
        found = _enhancers(command)
        if victim == "child":
            found = [child for worker in found for child in worker.children()]
        assert found
        for process in found:
            process.kill()
        ended = command.end()
    assert ended.code == 0, ended.err
    assert len(ended.of("finished")) == 1
    assert ended.of("finished")[0]["tasks"]["video_enhancement"]["attempts"] <= 2
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["clip.mp4"]
    _assert_all_verified(tmp_path / "out")
    assert not (tmp_path / "out" / ".vidproc").exists()


def test_a_sleeping_computer_loses_nothing(clip: Path, tmp_path: Path) -> None:
    with running(*_enhance(clip, tmp_path)) as command:
        _until_state(command, "enhancing")
        everybody = [psutil.Process(command.process.pid), *command.family()]
        for process in everybody:
            process.suspend()
        wait_until(lambda: all(process.status() == psutil.STATUS_STOPPED for process in everybody))
        for process in everybody:
            process.resume()
        ended = command.end()
    assert ended.code == 0, ended.err
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["clip.mp4"]
    assert ended.of("finished")[0]["tasks"]["video_enhancement"]["attempts"] == 1


def test_two_runs_at_once_into_one_folder_share_it(clip: Path, tmp_path: Path) -> None:
    with running(*_enhance(clip, tmp_path)) as first, running(*_enhance(clip, tmp_path)) as second:
        ended = [first.end(), second.end()]
    assert [one.code for one in ended] == [0, 0]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.mp4")) == ["clip (2).mp4", "clip.mp4"]
    assert ended[0].of("finished")[0]["output"] != ended[1].of("finished")[0]["output"]
    _assert_all_verified(tmp_path / "out")


# ---------------------------------------------------------------- the window


@contextmanager
def _window(folder: Path, *files: Path) -> Iterator["subprocess.Popen[bytes]"]:
    code = "import sys; from vidproc_desktop.__main__ import main_window; sys.exit(main_window())"
    with (folder / "window.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code, "--data-dir", str(folder / "data"), *map(str, files)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(VIDPROC_PROCESSED_DIR=str(folder / "out")),
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _statuses(folder: Path) -> set[tuple[str, str]]:
    """(process type, status) of every task that the window has stored."""
    try:
        library = sqlite3.connect(f"file:{folder / 'data' / 'library.sqlite3'}?mode=ro", uri=True)
        try:
            return set(library.execute("SELECT process_type, status FROM tasks"))
        finally:
            library.close()
    except sqlite3.Error:  # not made yet
        return set()


def test_a_killed_window_goes_on_at_the_next_start_and_finishes_once(
    longer_clip: Path, clip: Path, tmp_path: Path
) -> None:
    with _window(tmp_path, longer_clip, clip) as window:
        wait_until(lambda: ("video_enhancement", "processing") in _statuses(tmp_path))
        family = psutil.Process(window.pid).children(recursive=True)
        window.kill()
        assert_gone(family, 2)
    _assert_all_verified(tmp_path / "out")
    with _window(tmp_path) as window:
        wait_until(
            lambda: (
                _statuses(tmp_path)
                == {("video_enhancement", "completed"), ("metadata_extraction", "completed")}
            )
        )
        # The command line beside the open window, into the same folder.
        beside = vidproc(*_enhance(clip, tmp_path))
        assert beside.code == 0, beside.err
        family = psutil.Process(window.pid).children(recursive=True)
        os.kill(window.pid, signal.SIGTERM)
        assert window.wait(20) == 0
        assert_gone(family, 2)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.mp4")) == [
        "clip (2).mp4", "clip.mp4", "longer.mp4",
    ]  # fmt: skip
    _assert_all_verified(tmp_path / "out")
    assert "Traceback" not in (tmp_path / "window.log").read_text(errors="replace")
