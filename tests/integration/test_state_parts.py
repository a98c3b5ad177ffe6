"""Parts of enhancements in the database: kept, replaced, removed, and databases from before there were any."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.desktop.values import (
    METADATA,
    failed_attempt,
    file_record,
    long_file,
    part_status,
    shares,
    status,
)
from vidproc_desktop.domain.aggregate import with_record
from vidproc_desktop.domain.library import AttemptRecord, FileRecord
from vidproc_desktop.domain.parts import after_end
from vidproc_desktop.domain.tasks import attempt_of, reduce
from vidproc_desktop.services.ports import LibrarySnapshot, RemoveFiles, SaveAttempt, SaveFiles, SaveTask
from vidproc_desktop.store import rows, schema
from vidproc_desktop.store.database import Database
from workers.protocol.model import FileId
from workers.protocol.segments import ANALYSIS, ASSEMBLY, segment_part
from workers.protocol.states import ErrorCode, Stage, Status

A, B = segment_part(0), segment_part(1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "library.sqlite3"


async def open_database(path: Path) -> Database:
    database = Database(path)
    await database.start()
    return database


async def loaded(path: Path) -> LibrarySnapshot:
    database = await open_database(path)
    try:
        return await database.load()
    finally:
        await database.aclose()


def take(file: FileRecord, part: str, state: Status, **changes: object) -> FileRecord:
    record = file.part(part)
    assert record is not None
    after = reduce(record, part_status(part, record.sequence + 1, state, **changes))
    file = with_record(file, after)
    return after_end(file, after, 3).file if after.status is Status.COMPLETED else file


@pytest.mark.no_blocking
async def test_parts_come_back_as_they_were_with_what_the_analysis_said(path: Path) -> None:
    answer = shares(*[20.0 + number for number in range(12)], of_round=1)
    file = take(long_file(), ANALYSIS, Status.COMPLETED, result=answer)
    file = take(file, A, Status.COMPLETED)
    file = take(file, B, Status.PROCESSING, progress=40, stage=Stage.ENHANCING, frames_done=80)
    failed = reduce(file.parts[3], part_status(segment_part(2), 5, Status.FAILED, code=ErrorCode.TIMEOUT))
    file = with_record(file, failed)
    plain = file_record("plain", position=2)
    database = await open_database(path)
    await database.write(SaveFiles((file, plain)), SaveAttempt(attempt_of(failed, 5.0)))
    await database.aclose()
    snapshot = await loaded(path)
    assert snapshot.files == (file, plain)
    assert snapshot.files[0].parts[0].result == answer
    assert [part.part for part in snapshot.files[0].parts[1:]] == [segment_part(n) for n in range(12)]
    assert snapshot.failures == (attempt_of(failed, 5.0),)


async def test_the_assembly_comes_back_behind_the_segments(path: Path) -> None:
    file = take(take(take(long_file(), ANALYSIS, Status.COMPLETED), A, Status.COMPLETED), B, Status.COMPLETED)
    database = await open_database(path)
    await database.write(SaveFiles((file,)))
    await database.aclose()
    (back,) = (await loaded(path)).files
    assert [part.part for part in back.parts] == [ANALYSIS, A, B, ASSEMBLY]
    assert back.assembly == file.assembly


async def test_progress_is_a_parts_own(path: Path) -> None:
    file = take(take(long_file(), ANALYSIS, Status.COMPLETED), A, Status.PROCESSING)
    moved = take(file, A, Status.PROCESSING, progress=60, frames_done=20)
    database = await open_database(path)
    await database.write(SaveFiles((file,)))
    for record in (moved.parts[1], moved.enhancement, replace(file.metadata, progress=5.0)):
        database.write_progress(record)
    await database.aclose()
    (back,) = (await loaded(path)).files
    assert [part.progress for part in back.parts] == [100, 60, 0]
    assert back.enhancement.progress == pytest.approx(4 + 92 * 0.3)
    assert back.metadata.progress == 5
    assert back.parts == moved.parts


async def test_other_parts_take_the_place_of_the_old_ones(path: Path) -> None:
    file = take(long_file(), ANALYSIS, Status.COMPLETED)
    database = await open_database(path)
    await database.write(SaveFiles((file,)), SaveTask(take(file, A, Status.COMPLETED).parts[1]))
    whole = replace(file, parts=(), tally=None)
    await database.write(SaveFiles((whole,)))
    database.write_progress(replace(file.parts[2], progress=50.0))
    await database.aclose()
    assert (await loaded(path)).files == (whole,)


async def test_removed_files_take_their_parts_along(path: Path) -> None:
    file = take(long_file(), ANALYSIS, Status.COMPLETED)
    database = await open_database(path)
    await database.write(SaveFiles((file,)), SaveAttempt(failed_attempt(file.parts[1], "a", 1)))
    await database.write(RemoveFiles((file.file_id,)))
    await database.aclose()
    connection = sqlite3.connect(path)
    for table in ("files", "tasks", "attempts"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    connection.close()


async def test_attempts_of_parts_do_not_take_each_others_places(path: Path) -> None:
    file = take(long_file(), ANALYSIS, Status.COMPLETED)
    lines = [failed_attempt(record, "a", 1) for record in (*file.parts, file.metadata)]
    database = await open_database(path)
    await database.write(SaveFiles((file,)), *[SaveAttempt(line) for line in lines])
    back = await database.attempts(file.file_id)
    await database.aclose()
    assert {(line.process_type, line.part) for line in back} == {
        (line.process_type, line.part) for line in lines
    }


# ------------------------------------------------------------ from before


_OLD_TASK = (
    "INSERT INTO tasks (file_id, process_type, status, stage, progress, attempt, first_attempt, sequence,"
    " is_published, worker_id, target_worker_id, gentle, frames_done, frames_total, frames_per_s, remaining_s,"
    " error, result, is_wanted) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)


def write_old(path: Path, file: FileRecord, failed: AttemptRecord) -> None:
    """A database as the first version of the program wrote it."""
    with sqlite3.connect(path) as connection:
        schema.MIGRATIONS[0](connection)
        connection.execute("PRAGMA user_version = 1")
        connection.execute("INSERT INTO meta VALUES ('client_id', 'desktop-old')")
        connection.execute("INSERT INTO files VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", rows._file_row(file))
        for task in file.tasks:
            row = rows.task_row(task)
            connection.execute(_OLD_TASK, (*row[:2], *row[3:]))
        error = failed.error.model_dump_json() if failed.error is not None else None
        connection.execute(
            "INSERT INTO attempts VALUES (?,?,?,?,?,?,?,?)",
            (failed.file_id, failed.process_type.value, 1, "worker-1", "failed", False, error, 5.0),
        )
    connection.close()


async def test_databases_from_before_are_opened_with_everything_in_them(path: Path) -> None:
    file = file_record("a", position=4)
    done = reduce(file.enhancement, status(9, Status.COMPLETED, file_id="a"))
    failed = reduce(file.metadata, status(8, Status.FAILED, file_id="a", process_type=METADATA))
    file = replace(file, enhancement=done, metadata=failed)
    write_old(path, file, attempt_of(failed, 5.0))
    snapshot = await loaded(path)
    assert (snapshot.client_id, snapshot.files) == ("desktop-old", (file,))
    assert snapshot.failures == (attempt_of(failed, 5.0),)
    database = await open_database(path)
    longer = take(long_file("b", position=5), ANALYSIS, Status.COMPLETED)
    await database.write(SaveFiles((longer,)))
    assert (await database.load()).files == (file, longer)
    assert tuple(await database.attempts(FileId("a"))) == snapshot.failures
    await database.aclose()


async def test_a_move_to_the_new_form_that_fails_leaves_the_old_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_record("a")
    write_old(path, file, failed_attempt(file.metadata, "worker-1", 1))

    first, second = schema.MIGRATIONS

    def fail(connection: sqlite3.Connection) -> None:
        second(connection)
        raise sqlite3.OperationalError("disk I/O error")

    connection = sqlite3.connect(path, isolation_level=None)
    with monkeypatch.context() as broken:
        broken.setattr(schema, "MIGRATIONS", (first, fail))
        with pytest.raises(sqlite3.OperationalError, match="disk"):
            schema.migrate(connection)
    connection.close()
    assert (await loaded(path)).files == (file,)
