"""A worker's journal: attempts counted by their part, and files of an older program that still open."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.unit.desktop.values import status
from workers.protocol.codec import encode
from workers.protocol.segments import PartName
from workers.protocol.states import ProcessType, Status
from workers.runtime.journal import AttemptKey, Journal

DONE = status(5, Status.COMPLETED)
_BEFORE_PARTS = """
CREATE TABLE outbox (id INTEGER PRIMARY KEY, body BLOB NOT NULL, kept_at REAL NOT NULL);
CREATE TABLE begun (
    file_id TEXT, process_type TEXT, attempt INTEGER, times INTEGER NOT NULL, last_at REAL NOT NULL,
    PRIMARY KEY (file_id, process_type, attempt)
);
INSERT INTO begun VALUES ('file', 'video_enhancement', 1, 2, unixepoch());
"""


@contextmanager
def opened(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    journal.open()
    try:
        yield journal
    finally:
        journal.close()


def key(part: PartName | None = None, attempt: int = 1) -> AttemptKey:
    return AttemptKey("file", ProcessType.VIDEO_ENHANCEMENT, part, attempt)


def write_old(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(_BEFORE_PARTS)
        connection.execute("INSERT INTO outbox (body, kept_at) VALUES (?, unixepoch())", (encode(DONE),))


def test_every_part_counts_for_itself_and_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with opened(path) as journal:
        assert [journal.begin(key("segment-00001")) for _ in range(2)] == [0, 1]
    with opened(path) as journal:
        assert journal.begin(key("segment-00001")) == 2
        others = (key("segment-00002"), key("assembly"), key(), key("segment-00001", 2))
        assert [journal.begin(other) for other in others] == [0, 0, 0, 0]
        journal.end(key("segment-00001"))
        assert journal.begin(key("segment-00001")) == 0
        assert journal.begin(key()) == 1


def test_a_journal_from_before_there_were_parts_opens_with_all_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    write_old(path)
    for times in (2, 3):
        with opened(path) as journal:
            assert [message for _, message in journal.unsent()] == [DONE]
            assert journal.begin(key()) == times
            assert journal.begin(key("analysis")) == times - 2
    with closing(sqlite3.connect(path)) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names == {"outbox", "begun_attempts"}


def test_an_older_program_in_between_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with opened(path) as journal:
        journal.begin(key("analysis"))
    write_begun = _BEFORE_PARTS[_BEFORE_PARTS.index("CREATE TABLE begun") :]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(write_begun)
    with opened(path) as journal:
        assert journal.begin(key("analysis")) == 1
        assert journal.begin(key()) == 2


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path) -> None:
    """A column that is missing stands for whatever may go wrong in the middle."""
    path = tmp_path / "journal.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE begun (file_id TEXT)")
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="no such column"):
            Journal(path).open()
