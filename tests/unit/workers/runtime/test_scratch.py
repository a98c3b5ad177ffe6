"""Scratch folders: shared by a computer's workers, never counted twice, never taken from who works there."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fixtures.worker_peers import make_task
from workers.protocol.messages import FileTask
from workers.runtime import scratch as module
from workers.runtime.remote_work import source_name
from workers.runtime.scratch import open_scratch
from workers.runtime.workspace import DiskFullError


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def task(tmp_path: Path) -> Callable[[str], FileTask]:
    film = tmp_path / "film.mkv"
    film.write_bytes(b"film")
    return lambda file_id: make_task(film, tmp_path / "out", file_id=file_id)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def be(size_bytes: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1000, 0, size_bytes))

    return be


def test_what_one_attempt_needs_another_cannot_have(
    tmp_path: Path, task: Callable[[str], FileTask], free: Callable[[int], None]
) -> None:
    free(100)
    first = open_scratch(tmp_path / "root", task("one"), 60, 10)
    with pytest.raises(DiskFullError, match="40 bytes free that nobody else needs"):
        open_scratch(tmp_path / "root", task("two"), 60, 10)
    first.close()
    second = open_scratch(tmp_path / "root", task("two"), 60, 10)
    second.close()


def test_the_mark_of_a_dead_attempt_counts_for_nothing(
    tmp_path: Path, task: Callable[[str], FileTask], free: Callable[[int], None]
) -> None:
    free(100)
    marks = tmp_path / "root" / "0123456789abcdef" / "in-use"
    marks.mkdir(parents=True)
    (marks / "1-dead").write_text("1000")
    open_scratch(tmp_path / "root", task("two"), 60, 10).close()
    assert not (marks / "1-dead").exists()


def test_the_longest_unused_goes_first_and_only_as_much_as_is_needed(
    tmp_path: Path, task: Callable[[str], FileTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    for age, name in enumerate(("newest", "middle", "oldest")):
        (root / name).mkdir(parents=True)
        (root / name / "bytes").write_bytes(b"x")
        os.utime(root / name, (time.time() - 100 * age - 100,) * 2)
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        lambda _: Usage(100, 0, 70 - 10 * len([p for p in root.iterdir() if p.name[0] in "nmo"])),
    )
    open_scratch(root, task("one"), 40, 10).close()
    assert {path.name for path in root.iterdir() if len(path.name) < 20} == {"newest", "middle"}


def test_what_is_old_goes_anyway(
    tmp_path: Path, task: Callable[[str], FileTask], free: Callable[[int], None]
) -> None:
    free(10**12)
    old = tmp_path / "root" / "old"
    old.mkdir(parents=True)
    os.utime(old, (time.time() - module.KEPT_FOR_S - 60,) * 2)
    open_scratch(tmp_path / "root", task("one"), 1, 1).close()
    assert not old.exists()


@pytest.mark.skipif(os.name == "nt", reason="names are changed there")
@pytest.mark.parametrize(
    "uri, name",
    [
        ("file:///videos/Ein%20Film%20%C3%A9.mkv", "Ein Film é.mkv"),
        ("file://nas/media/a.mp4", "a.mp4"),
        ("file:///C:/Videos/a%3Fb.mov", "a?b.mov"),
        ("file:///videos/a%2F..%2Fb.mp4", "a_.._b.mp4"),
        ("file:///videos/%2E%2E", "source"),
        ("file:///videos/blocks.data", "source"),
        ("file:///videos/" + "x" * 400 + ".webm", "x" * 195 + ".webm"),
    ],
)
def test_the_name_of_a_source_made_elsewhere(uri: str, name: str) -> None:
    assert source_name(uri) == name
