import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.desktop.values import ENHANCEMENT, METADATA, file_record, status
from vidproc_desktop.domain.tasks import attempt_of, reduce
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.ports import RemoveFiles, SaveAttempt, SaveFiles, SaveTask
from vidproc_desktop.store.database import Database
from vidproc_desktop.store.schema import SCHEMA_VERSION
from workers.protocol.model import FileId
from workers.protocol.results import MediaSummary
from workers.protocol.states import Status

_ROOT = Path(__file__).parents[2]
SUMMARY = MediaSummary(
    width_px=64,
    height_px=48,
    duration_s=1.5,
    frame_count=30,
    frames_per_s=20.0,
    video_codec="h264",
    audio_tracks=1,
    format_name="mov",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "library.sqlite3"


async def open_database(path: Path) -> Database:
    database = Database(path)
    await database.start()
    return database


@pytest.mark.no_blocking
async def test_rows_come_back_as_they_were(path: Path) -> None:
    plain = file_record("a", position=1)
    done = reduce(plain.enhancement, status(9, Status.COMPLETED, file_id="a"))
    failed = reduce(
        replace(plain.metadata, gentle=True, first_attempt=1),
        status(8, Status.FAILED, file_id="a", process_type=METADATA),
    )
    full = replace(plain, enhancement=done, metadata=failed, summary=SUMMARY, thumbnail_path="/t/a.jpg")
    odd = file_record("b", position=2, source_path="/videos/\udcff.mov", output_directory="/o\udcfe")
    database = await open_database(path)
    await database.write(SaveFiles((plain,)), SaveFiles((odd,)), SaveFiles((full,)))
    await database.write(SaveAttempt(attempt_of(failed, 5.0)))
    await database.aclose()

    database = await open_database(path)
    snapshot = await database.load()
    assert snapshot.files == (full, odd)
    assert snapshot.failures == tuple(await database.attempts(FileId("a")))
    assert snapshot.failures[0] == attempt_of(failed, 5.0)
    await database.aclose()


@pytest.mark.no_blocking
async def test_the_client_keeps_its_name(path: Path) -> None:
    database = await open_database(path)
    first = (await database.load()).client_id
    await database.set_meta("last_broker", "local")
    await database.aclose()
    database = await open_database(path)
    assert (await database.load()).client_id == first
    assert await database.get_meta("last_broker") == "local"
    assert await database.get_meta("nothing") is None
    await database.aclose()


async def test_removed_rows_are_gone_with_everything(path: Path) -> None:
    file = file_record()
    failed = reduce(file.enhancement, status(1, Status.FAILED))
    database = await open_database(path)
    await database.write(SaveFiles((file,)), SaveAttempt(attempt_of(failed, 1.0)))
    await database.write(RemoveFiles((file.file_id,)))
    database.write_progress(replace(file.enhancement, progress=50.0))
    await database.aclose()
    for table in ("files", "tasks", "attempts"):
        assert sqlite3.connect(path).execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


async def test_many_changes_share_few_transactions(path: Path) -> None:
    database = await open_database(path)
    file = file_record()
    await database.write(SaveFiles((file,)))
    futures = {database.write(SaveTask(replace(file.enhancement, sequence=n))) for n in range(1000)}
    assert len(futures) < 50
    await asyncio.gather(*futures)
    await database.aclose()
    assert sqlite3.connect(path).execute(
        "SELECT sequence FROM tasks WHERE process_type = ?", (ENHANCEMENT.value,)
    ).fetchone() == (999,)


async def test_progress_is_written_before_the_end(path: Path) -> None:
    database = await open_database(path)
    file = file_record()
    await database.write(SaveFiles((file,)))
    for percent in range(100):
        database.write_progress(replace(file.enhancement, progress=float(percent)))
    await database.aclose()
    database = await open_database(path)
    assert (await database.load()).files[0].enhancement.progress == 99
    await database.aclose()


async def test_progress_never_undoes_a_change_of_state(path: Path) -> None:
    database = await open_database(path)
    file = file_record()
    done = reduce(file.enhancement, status(9, Status.COMPLETED))
    database.write_progress(replace(file.enhancement, progress=50.0))
    await database.write(SaveFiles((file,)), SaveTask(done))
    await database.aclose()
    database = await open_database(path)
    assert (await database.load()).files[0].enhancement == done
    await database.aclose()


async def test_what_was_durable_survives_a_kill(path: Path) -> None:
    program = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.unit.desktop.values import file_record
from vidproc_desktop.services.ports import SaveFiles
from vidproc_desktop.store.database import Database
async def main():
    database = Database(Path(sys.argv[1]))
    await database.start()
    await database.write(SaveFiles(tuple(file_record(f"f{n}", position=n) for n in range(50))))
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, str(path)],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    assert ended.returncode == -signal.SIGKILL
    database = await open_database(path)
    assert len((await database.load()).files) == 50
    await database.aclose()


# ------------------------------------------------------------ what can be wrong


async def refusal(path: Path) -> UserFacingError:
    with pytest.raises(UserFacingError) as caught:
        await Database(path).start()
    return caught.value


async def test_a_second_program_is_told_that_one_is_running(path: Path) -> None:
    database = await open_database(path)
    error = await refusal(path)
    assert error.code is UserErrorCode.STATE_UNUSABLE
    assert "already running" in error.title
    assert "--data-dir" in error.hint
    await database.aclose()
    await (await open_database(path)).aclose()


async def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    path.write_bytes(b"this is no database, and has never been one" * 100)
    error = await refusal(path)
    assert (error.code, error.title) == (UserErrorCode.STATE_UNUSABLE, "The list of files is damaged.")
    assert str(path) in error.hint


async def test_a_newer_programs_file_is_left_alone(path: Path) -> None:
    await (await open_database(path)).aclose()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    error = await refusal(path)
    assert "newer version" in error.title


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    error = await refusal(tmp_path / "file" / "library.sqlite3")
    assert error.code is UserErrorCode.STATE_UNUSABLE


async def test_a_full_disk_is_told_and_the_change_is_not_lost(path: Path) -> None:
    database = await open_database(path)
    troubles: list[UserFacingError] = []
    database.on_trouble(troubles.append)
    pages = await database._do(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    await database._do(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    many = tuple(file_record(f"f{n}", position=n) for n in range(500))
    with pytest.raises(UserFacingError) as caught:
        await database.write(SaveFiles(many))
    assert caught.value.code is UserErrorCode.DISK_FULL
    with pytest.raises(UserFacingError):
        await database.write(SaveFiles((file_record("last", position=501),)))
    assert len(troubles) == 1
    assert database.settled() is not None
    await database._do(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone())
    waiting = database.settled()
    assert waiting is not None
    await waiting
    assert database.settled() is None
    assert len((await database.load()).files) == 501
    await database.aclose()
