"""The database's tables and how older ones become newer ones. Knows SQLite; nothing of threads or the loop."""

import sqlite3
from collections.abc import Callable
from typing import Final

_V1: Final = """
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE files (
    file_id TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    source_path BLOB NOT NULL,
    name TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    added_at REAL NOT NULL,
    output_directory BLOB NOT NULL,
    stem TEXT NOT NULL,
    settings TEXT NOT NULL,
    summary TEXT,
    thumbnail_path BLOB
);
CREATE TABLE tasks (
    file_id TEXT NOT NULL,
    process_type TEXT NOT NULL,
    status TEXT NOT NULL,
    stage TEXT NOT NULL,
    progress REAL NOT NULL,
    attempt INTEGER NOT NULL,
    first_attempt INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    is_published INTEGER NOT NULL,
    worker_id TEXT,
    target_worker_id TEXT,
    gentle INTEGER NOT NULL,
    frames_done INTEGER NOT NULL,
    frames_total INTEGER,
    frames_per_s REAL,
    remaining_s REAL,
    error TEXT,
    result TEXT,
    is_wanted INTEGER NOT NULL,
    PRIMARY KEY (file_id, process_type)
) WITHOUT ROWID;
CREATE TABLE attempts (
    file_id TEXT NOT NULL,
    process_type TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    worker_id TEXT NOT NULL,
    status TEXT NOT NULL,
    gentle INTEGER NOT NULL,
    error TEXT,
    ended_at REAL,
    PRIMARY KEY (file_id, process_type, attempt, worker_id)
) WITHOUT ROWID;
"""
"""Paths are BLOBs: on Linux a path is bytes, and need not be text."""


def _to_v1(connection: sqlite3.Connection) -> None:
    _execute(connection, _V1)


def _execute(connection: sqlite3.Connection, script: str) -> None:
    # One statement at a time: `executescript` would commit the transaction around it.
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(statement)


_V2: Final = """
CREATE TABLE tasks_in_parts (
    file_id TEXT NOT NULL,
    process_type TEXT NOT NULL,
    part TEXT NOT NULL,
    status TEXT NOT NULL,
    stage TEXT NOT NULL,
    progress REAL NOT NULL,
    attempt INTEGER NOT NULL,
    first_attempt INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    is_published INTEGER NOT NULL,
    worker_id TEXT,
    target_worker_id TEXT,
    gentle INTEGER NOT NULL,
    frames_done INTEGER NOT NULL,
    frames_total INTEGER,
    frames_per_s REAL,
    remaining_s REAL,
    error TEXT,
    result TEXT,
    is_wanted INTEGER NOT NULL,
    PRIMARY KEY (file_id, process_type, part)
) WITHOUT ROWID;
INSERT INTO tasks_in_parts SELECT file_id, process_type, '', status, stage, progress, attempt, first_attempt,
    sequence, is_published, worker_id, target_worker_id, gentle, frames_done, frames_total, frames_per_s,
    remaining_s, error, result, is_wanted FROM tasks;
DROP TABLE tasks;
ALTER TABLE tasks_in_parts RENAME TO tasks;
CREATE TABLE attempts_in_parts (
    file_id TEXT NOT NULL,
    process_type TEXT NOT NULL,
    part TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    worker_id TEXT NOT NULL,
    status TEXT NOT NULL,
    gentle INTEGER NOT NULL,
    error TEXT,
    ended_at REAL,
    PRIMARY KEY (file_id, process_type, part, attempt, worker_id)
) WITHOUT ROWID;
INSERT INTO attempts_in_parts SELECT file_id, process_type, '', attempt, worker_id, status, gentle, error, ended_at
    FROM attempts;
DROP TABLE attempts;
ALTER TABLE attempts_in_parts RENAME TO attempts;
"""
"""A primary key cannot be changed: both tables are copied. An empty `part`: the process as a whole.

The key's columns come first: SQLite 3.40's quick_check finds NULL in any other order.
"""


def _to_v2(connection: sqlite3.Connection) -> None:
    _execute(connection, _V2)


MIGRATIONS: Final[tuple[Callable[[sqlite3.Connection], None], ...]] = (_to_v1, _to_v2)
"""Entry n takes a database from version n to n + 1. Entries are never changed once released."""
SCHEMA_VERSION: Final = len(MIGRATIONS)


class SchemaTooNewError(Exception):
    """The database was written by a newer program."""

    def __init__(self, found: int) -> None:
        super().__init__(f"database version {found}, this program knows {SCHEMA_VERSION}")
        self.found = found


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to the present version, each step in a transaction of its own.

    Raises:
        SchemaTooNewError: it is from a newer program; nothing was touched.
        sqlite3.Error: the disk or the file failed.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise SchemaTooNewError(version)
    for number in range(version, SCHEMA_VERSION):
        connection.execute("BEGIN IMMEDIATE")
        try:
            MIGRATIONS[number](connection)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        except BaseException:
            connection.rollback()
            raise
        connection.execute("COMMIT")
