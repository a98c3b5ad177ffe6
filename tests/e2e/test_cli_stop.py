"""Ctrl-C, twice Ctrl-C, and kill -9: nothing keeps running, nothing unverified carries a final name."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.e2e.command_line import LONG, SMALL, Command, assert_gone, running, sample, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("clip"), LONG, "long.mp4")


def _enhance(clip: Path, folder: Path) -> list[str | Path]:
    return ["enhance", clip, "-o", folder / "out", "--data-dir", folder / "data", "--speed", "slow", "--json"]


def _until_encoding(command: Command) -> list[psutil.Process]:
    command.until_line(lambda line: '"enhancing"' in line)
    return command.family()


def _finals(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").glob("*.mp4"))


def test_ctrl_c_stops_in_order(clip: Path, tmp_path: Path) -> None:
    with running(*_enhance(clip, tmp_path)) as command:
        family = _until_encoding(command)
        assert len(family) >= 3
        command.interrupt()
        ended = command.end()
    assert ended.code == 1
    assert "Stopped" in ended.err
    assert "Traceback" not in ended.err
    assert ended.events[-1] | {"seconds": 0} == {
        "event": "summary", "asked": 1, "done": 0, "failed": 0, "refused": 0, "stopped": 1, "seconds": 0,
        "exit_code": 1,
    }  # fmt: skip
    assert_gone(family, 2)
    assert _finals(tmp_path) == []
    assert not list((tmp_path / "out").rglob("*.mp4")), "no partial file"
    assert list((tmp_path / "data" / "cli").iterdir()) == []


def test_a_second_ctrl_c_does_not_wait(clip: Path, tmp_path: Path) -> None:
    with running(*_enhance(clip, tmp_path)) as command:
        family = _until_encoding(command)
        for process in psutil.Process(command.process.pid).children():  # workers that answer nothing any more
            process.send_signal(signal.SIGSTOP)
        command.interrupt()
        wait_until(lambda: "Stopping" in command.errors())
        command.interrupt()
        ended = command.end()
        assert ended.code == 1
        assert "Traceback" not in ended.err
    assert_gone(family, 5)
    assert _finals(tmp_path) == []


def test_killed_with_9_nothing_is_left_after_two_seconds(clip: Path, tmp_path: Path) -> None:
    with running(*_enhance(clip, tmp_path)) as command:
        family = _until_encoding(command)
        os.kill(command.process.pid, signal.SIGKILL)
        assert_gone(family, 2)
    assert _finals(tmp_path) == []


def test_the_leavings_of_a_killed_run_are_removed_by_the_next(clip: Path, tmp_path: Path) -> None:
    small = sample(tmp_path, SMALL, "small.mp4")
    with running(*_enhance(clip, tmp_path)) as command:
        _until_encoding(command)
        os.kill(command.process.pid, signal.SIGKILL)
        command.process.wait()
    assert len(list((tmp_path / "data" / "cli").iterdir())) == 1
    with running(*_enhance(small, tmp_path)) as command:
        assert command.end().code == 0
    assert list((tmp_path / "data" / "cli").iterdir()) == []
    assert _finals(tmp_path) == ["small.mp4"]


def test_a_worker_killed_with_9_in_the_middle_costs_nothing_but_time(tmp_path: Path) -> None:
    clip = sample(tmp_path, SMALL, "clip.mp4")
    with running(*_enhance(clip, tmp_path)) as command:
        wait_until(lambda: len(command.family()) >= 3)
        victims = [process for process in command.family() if "enhance" in process.cmdline()]
        command.until_line(lambda line: '"progress"' in line)
        for victim in victims:
            victim.kill()
        ended = command.end()
    assert ended.code == 0, ended.err
    assert _finals(tmp_path) == ["clip.mp4"]
    assert len(ended.of("finished")) == 1
