"""Stand-ins: the bytes of a file elsewhere, fetched when they are read and only then."""

import contextlib
import io
import os
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.errors import TaskFailedError
from workers.exchange.addresses import Addresses
from workers.exchange.stand_ins import (
    AHEAD_BLOCKS,
    BLOCK_BYTES,
    THERE_NAME,
    BlockFile,
    Blocks,
    SourceDocument,
    StandIns,
    place,
)
from workers.protocol.states import ErrorCode


class Elsewhere:
    """The other side: some bytes, and what was asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []
        self.is_down = False

    def read(self, url: str, first: int, count: int, tag: str | None) -> tuple[bytes, str | None]:
        if self.is_down:
            raise TaskFailedError(ErrorCode.TRANSFER_FAILED, "down")
        self.asked.append((first, count))
        return self.data[first : first + count], "tag"

    def close(self) -> None:
        return


def document(size: int, *, boot: int = 100, mtime_ns: int = 123_456_789) -> SourceDocument:
    return SourceDocument(
        url="https://far/film", certificate_sha256=None, size_bytes=size, mtime_ns=mtime_ns, boot_s=boot
    )


def opened(folder: Path, other: Elsewhere) -> Blocks:
    return Blocks(folder, cast("Addresses", other))


DATA = os.urandom(BLOCK_BYTES * 20 + 1234)


def test_it_looks_like_the_source(tmp_path: Path) -> None:
    path = place(tmp_path, "Ein Film.mkv", document(len(DATA)))
    found = path.stat()
    assert (path.name, found.st_size, found.st_mtime_ns) == ("Ein Film.mkv", len(DATA), 123_456_789)
    other = Elsewhere(DATA)
    blocks = opened(tmp_path, other)
    assert blocks.read_at(0, 10) == DATA[:10]
    blocks.close()
    assert path.stat().st_mtime_ns == 123_456_789, "reading does not touch it"


@settings(max_examples=40, deadline=None)
@given(
    reads=st.lists(st.tuples(st.integers(0, len(DATA) + 10), st.integers(0, 3 * BLOCK_BYTES)), max_size=12)
)
def test_whatever_is_read_is_what_is_there(
    tmp_path_factory: pytest.TempPathFactory, reads: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("stand-in")
    place(folder, "film", document(len(DATA)))
    other = Elsewhere(DATA)
    blocks = opened(folder, other)
    for position, count in reads:
        assert blocks.read_at(position, count) == DATA[position : position + count]
    blocks.close()
    assert sum(count for _, count in other.asked) <= len(DATA), "nothing is fetched twice"


def test_what_was_fetched_stays(tmp_path: Path) -> None:
    place(tmp_path, "film", document(len(DATA)))
    first, second = Elsewhere(DATA), Elsewhere(DATA)
    one = opened(tmp_path, first)
    one.read_at(0, 10)
    one.close()
    place(tmp_path, "film", document(len(DATA)))
    two = opened(tmp_path, second)
    assert two.read_at(5, 5) == DATA[5:10]
    two.close()
    assert second.asked == []


@pytest.mark.parametrize("change", [{"boot": 5000}, {"mtime_ns": 1}])
def test_after_a_restart_or_for_another_source_nothing_is_believed(
    tmp_path: Path, change: dict[str, int]
) -> None:
    place(tmp_path, "film", document(len(DATA)))
    one = opened(tmp_path, Elsewhere(DATA))
    one.read_at(0, 10)
    one.close()
    place(tmp_path, "film", document(len(DATA), **change))
    assert not any((tmp_path / THERE_NAME).read_bytes())


def test_reading_onward_fetches_ahead_more_and_more(tmp_path: Path) -> None:
    place(tmp_path, "film", document(len(DATA)))
    other = Elsewhere(DATA)
    blocks = opened(tmp_path, other)
    for position in range(0, len(DATA), 1 << 16):
        blocks.read_at(position, 1 << 16)
    blocks.close()
    sizes = [-(-count // BLOCK_BYTES) for _, count in other.asked]
    assert sizes == [1, 2, 4, 8, 6]
    assert max(sizes) <= AHEAD_BLOCKS


def test_a_jump_fetches_one_block_only(tmp_path: Path) -> None:
    place(tmp_path, "film", document(len(DATA)))
    other = Elsewhere(DATA)
    blocks = opened(tmp_path, other)
    for block in (3, 15, 9):
        blocks.read_at(block * BLOCK_BYTES + 7, 10)
    blocks.close()
    assert [count for _, count in other.asked] == [BLOCK_BYTES] * 3


def test_it_is_a_file_for_whoever_reads(tmp_path: Path) -> None:
    place(tmp_path, "film.mkv", document(len(DATA)))
    blocks = opened(tmp_path, Elsewhere(DATA))
    file = io.BufferedReader(BlockFile(blocks, "film.mkv"), 4096)
    assert file.read(3) == DATA[:3]
    assert file.seek(-5, io.SEEK_END) == len(DATA) - 5
    assert file.read() == DATA[-5:]
    assert file.seek(100) == 100
    assert file.seek(-50, io.SEEK_CUR) == 50
    assert file.read(1) == DATA[50:51]
    file.close()
    blocks.close()


def test_only_below_the_folder_that_was_allowed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        place(folder, "film", document(10))
    stand_ins = StandIns()
    assert not stand_ins.holds(inside / "film")
    stand_ins.allow(inside)
    assert stand_ins.holds(inside / "film")
    assert not stand_ins.holds(outside / "film")
    assert not stand_ins.holds(inside / "else" / "film")


def test_a_read_that_failed_fails_the_job_even_when_nobody_minds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(tmp_path, "film", document(len(DATA)))
    other = Elsewhere(DATA)
    other.is_down = True
    monkeypatch.setattr("workers.exchange.stand_ins.Addresses", lambda _: other)
    stand_ins = StandIns()
    stand_ins.allow(tmp_path)
    with (
        pytest.raises(TaskFailedError, match="down"),
        stand_ins.for_one_job(),
        contextlib.suppress(TaskFailedError),  # as a demuxer does that takes it for the end of the file
    ):
        stand_ins.open(tmp_path / "film").read(10)
