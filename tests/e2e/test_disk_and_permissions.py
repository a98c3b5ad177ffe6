"""Folders that cannot be written, files that cannot be read, disks that are or run full."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from resources.sample_maker import SampleSpec
from tests.e2e.command_line import (
    LIMIT_S,
    MIDDLING,
    SMALL,
    environment,
    running,
    sample,
    vidproc,
    wait_until,
)

pytestmark = pytest.mark.e2e

_MIB: Final = 1 << 20
_LONG: Final = SampleSpec(width_px=480, height_px=270, duration_s=10)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("clip"), SMALL, "clip.mp4")


@pytest.fixture(scope="module")
def longer_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("longer"), MIDDLING, "longer.mp4")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of 120 MiB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={120 * _MIB}", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode != 0:
        pytest.skip("this container may not mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(disk: Path, name: str = "filler") -> Path:
    """Use the disk up to its last byte."""
    path = disk / name
    with path.open("wb", buffering=0) as stream:
        for size in (_MIB, 4096, 1):
            try:
                while stream.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return path


# ---------------------------------------------------------------- where results go


def test_an_output_folder_that_cannot_be_is_told_in_words(clip: Path, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("precious")
    (tmp_path / "loop").symlink_to("pool")
    (tmp_path / "pool").symlink_to("loop")
    for output in (in_the_way, in_the_way / "below", tmp_path / "loop"):
        ended = vidproc("enhance", clip, "-o", output, "--data-dir", tmp_path / "data")
        assert ended.code == 1
        assert f"Results cannot be written to {output}" in ended.err
        assert "Traceback" not in ended.err
    assert in_the_way.read_text() == "precious"


def test_a_data_folder_that_cannot_be_is_told_in_words(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("pool")
    (tmp_path / "pool").symlink_to("loop")
    ended = vidproc("enhance", clip, "-o", tmp_path / "out", "--data-dir", tmp_path / "loop")
    assert ended.code in {1, 2}
    assert str(tmp_path / "loop") in ended.err
    assert "Traceback" not in ended.err


def test_a_missing_output_folder_is_made_and_one_that_goes_is_survived(
    clip: Path, longer_clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a" / "b" / "out"
    with running(
        "enhance", longer_clip, clip, "-o", out, "--data-dir", tmp_path / "data", "--json"
    ) as command:
        command.until_line(lambda line: '"enhancing"' in line)
        shutil.rmtree(out)
        ended = command.end()
    states = {event["name"]: event["tasks"]["video_enhancement"]["status"] for event in ended.of("finished")}
    assert states["clip.mp4"] == "completed"
    assert (out / "clip.mp4").exists()
    assert "Traceback" not in ended.err


def test_a_name_taken_at_the_last_moment_is_left_alone(longer_clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running("enhance", longer_clip, "-o", out, "--data-dir", tmp_path / "data", "--json") as command:
        command.until_line(lambda line: '"enhancing"' in line)
        (out / "longer.mp4").write_text("precious")
        ended = command.end()
    assert ended.code == 0, ended.err
    assert (out / "longer.mp4").read_text() == "precious"
    assert Path(ended.of("finished")[0]["output"]).name == "longer (2).mp4"


# ---------------------------------------------------------------- permissions


def _bound_by_permissions() -> list[str]:
    """How a program has to be started so that permissions hold for it: root loses the right to pass them over."""
    if os.geteuid() != 0:
        return []
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if shutil.which("setpriv") is None:
        pytest.skip("there is no setpriv here, and root may do everything")
    if subprocess.run([*drop, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("root may not give its rights away here")
    return drop


def test_without_permission_only_the_files_concerned_suffer(clip: Path, tmp_path: Path) -> None:
    bound = _bound_by_permissions()
    public, secret, locked = tmp_path / "public.mp4", tmp_path / "secret.mp4", tmp_path / "locked"
    shutil.copy(clip, public)
    shutil.copy(clip, secret)
    secret.chmod(0o000)
    locked.mkdir(mode=0o555)
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o000)

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        program = [*bound, sys.executable, "-m", "vidproc_desktop", "enhance", *map(str, arguments)]
        return subprocess.run(
            [*program, "--data-dir", str(tmp_path / "data")],
            capture_output=True, text=True, check=False, timeout=LIMIT_S, env=environment(),
        )  # fmt: skip

    ended = run(public, secret, hidden, "-o", tmp_path / "out")
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"{secret}: You have no permission to read it.",
        f"{hidden}: You have no permission to read it.",
    ]
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["public.mp4"]
    ended = run(public, "-o", locked)
    assert ended.returncode == 1
    assert f"Results cannot be written to {locked}" in ended.stderr
    assert list(locked.iterdir()) == []


# ---------------------------------------------------------------- full disks


def test_a_disk_full_from_the_start_is_told_at_once(clip: Path, small_disk: Path, tmp_path: Path) -> None:
    _fill(small_disk)
    ended = vidproc("enhance", clip, "-o", small_disk / "out", "--data-dir", tmp_path / "data")
    assert ended.code == 1
    assert "is full" in ended.err
    ended = vidproc("enhance", clip, "-o", tmp_path / "out", "--data-dir", small_disk / "data")
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert not list(tmp_path.glob("out/*.mp4"))


def test_a_disk_that_runs_full_fails_the_file_in_work_and_the_next_waits_for_room(
    clip: Path, small_disk: Path, tmp_path: Path
) -> None:
    long_clip, out = sample(tmp_path, _LONG, "long.mp4"), small_disk / "out"
    arguments: list[str | Path] = ["enhance", long_clip, clip, "-o", out, "--data-dir", tmp_path / "data"]
    with running(
        *arguments, "--json", "--speed", "slow", VIDPROC_MIN_FREE_DISK_BYTES=str(40 * _MIB)
    ) as command:
        # What the metadata workers write and remove would be room again.
        wait_until(lambda: len(list(out.glob("*.metadata.json"))) == 2 and not _has_metadata_at_work(out))
        filler = _fill(small_disk)
        failed = json.loads(command.until_line(lambda line: '"finished"' in line))
        waiting = json.loads(command.until_line(lambda line: '"notice"' in line))
        assert not list(out.glob("*.mp4"))
        filler.unlink()
        ended = command.end()
    assert failed["name"] == "long.mp4"
    error = failed["tasks"]["video_enhancement"]["error"]
    assert error["code"] == "disk_full"
    assert "is full" in error["message"]
    assert waiting["code"] == "disk_full"
    assert "No more files are taken until there is room again." in waiting["title"]
    assert ended.code == 1
    assert [path.name for path in out.glob("*.mp4")] == ["clip.mp4"]
    assert not list(out.rglob(".vidproc"))


def _has_metadata_at_work(out: Path) -> bool:
    return any(out.glob(".vidproc/*-metadata_extraction-*"))


# ---------------------------------------------------------------- leavings


def test_what_a_lost_computer_left_in_the_folder_is_cleared_after_a_day(clip: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "out" / ".vidproc"
    old, fresh = (
        hidden / f"{name}-video_enhancement-1-0badcafe" for name in ("of-yesterday", "of-this-minute")
    )
    for folder in (old, fresh):
        folder.mkdir(parents=True)
        (folder / "output.mp4").write_bytes(b"half a film")
    yesterday_s = time.time() - 25 * 3600
    for path in (old / "output.mp4", old):
        os.utime(path, (yesterday_s, yesterday_s))
    ended = vidproc("enhance", clip, "-o", tmp_path / "out", "--data-dir", tmp_path / "data")
    assert ended.code == 0, ended.err
    assert [path.name for path in hidden.iterdir()] == [fresh.name]
