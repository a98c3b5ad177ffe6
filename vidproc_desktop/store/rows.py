"""Records to table rows and back. Knows the columns; nothing of threads, the loop or when things are written."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from pydantic import TypeAdapter

from vidproc_desktop.domain.library import AttemptRecord, FileRecord, TaskRecord
from vidproc_desktop.domain.tasks import new_task
from vidproc_desktop.services.ports import Change, RemoveFiles, SaveAttempt, SaveFiles, SaveTask
from workers.protocol.model import FileId, WireModel, WorkerId
from workers.protocol.results import MediaSummary, TaskError, TaskResult
from workers.protocol.segments import ANALYSIS, MAX_SEGMENTS, PartName, segment_number
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ProcessType, Stage, Status

type Row = tuple[object, ...]

_PUT_FILE: Final = (
    "INSERT INTO files VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (file_id) DO UPDATE SET"
    " position=excluded.position, source_path=excluded.source_path, name=excluded.name,"
    " size_bytes=excluded.size_bytes, mtime_ns=excluded.mtime_ns, output_directory=excluded.output_directory,"
    " stem=excluded.stem, settings=excluded.settings, summary=excluded.summary,"
    " thumbnail_path=excluded.thumbnail_path"
)
_PUT_TASK: Final = "INSERT OR REPLACE INTO tasks VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_PUT_ATTEMPT: Final = "INSERT OR REPLACE INTO attempts VALUES (?,?,?,?,?,?,?,?,?)"
_DELETE: Final = (
    "DELETE FROM files WHERE file_id = ?",
    "DELETE FROM tasks WHERE file_id = ?",
    "DELETE FROM attempts WHERE file_id = ?",
)
_DELETE_PARTS: Final = "DELETE FROM tasks WHERE file_id = ? AND part <> ''"
_NOBODY: Final = ""
_WHOLE: Final = ""
_result_adapter: TypeAdapter[TaskResult] = TypeAdapter(TaskResult)


def apply_changes(connection: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """Execute changes in order; the caller owns the transaction."""
    for change in changes:
        match change:
            case SaveTask(task):
                connection.execute(_PUT_TASK, task_row(task))
            case SaveAttempt(attempt):
                connection.execute(_PUT_ATTEMPT, _attempt_row(attempt))
            case SaveFiles(files):
                connection.executemany(_PUT_FILE, [_file_row(file) for file in files])
                connection.executemany(_DELETE_PARTS, [(file.file_id,) for file in files])
                connection.executemany(
                    _PUT_TASK, [task_row(task) for file in files for task in (*file.tasks, *file.parts)]
                )
            case RemoveFiles(file_ids):
                for statement in _DELETE:
                    connection.executemany(statement, [(file_id,) for file_id in file_ids])


def put_progress(connection: sqlite3.Connection, tasks: Iterable[TaskRecord]) -> None:
    """Store how far tasks have come; rows that are gone meanwhile stay gone."""
    connection.executemany(
        "UPDATE tasks SET stage=?, progress=?, sequence=?, worker_id=?, frames_done=?, frames_total=?,"
        " frames_per_s=?, remaining_s=? WHERE file_id=? AND process_type=? AND part=? AND attempt=? AND status=?",
        (
            (
                task.stage.value,
                task.progress,
                task.sequence,
                task.worker_id,
                task.frames_done,
                task.frames_total,
                task.frames_per_s,
                task.remaining_s,
                task.file_id,
                task.process_type.value,
                task.part or _WHOLE,
                task.attempt,
                task.status.value,
            )
            for task in tasks
        ),
    )


def load_files(connection: sqlite3.Connection) -> tuple[FileRecord, ...]:
    """Every file with its tasks and parts, by position."""
    tasks: dict[tuple[str, str], TaskRecord] = {}
    parts: dict[str, list[TaskRecord]] = {}
    for row in connection.execute("SELECT * FROM tasks"):
        task = _task(row)
        if task.part is None:
            tasks[row[0], row[1]] = task
        else:
            parts.setdefault(row[0], []).append(task)
    settings: dict[str, EnhancementSettings] = {}
    return tuple(
        replace(_file(row, tasks, settings), parts=tuple(sorted(parts.get(row[0], ()), key=_place)))
        for row in connection.execute("SELECT * FROM files ORDER BY position")
    )


def _place(task: TaskRecord) -> int:
    """Where a part stands among those of its file."""
    number = None if task.part is None else segment_number(task.part)
    if number is not None:
        return 1 + number
    return 0 if task.part == ANALYSIS else 1 + MAX_SEGMENTS


def load_attempts(connection: sqlite3.Connection, file_id: FileId) -> tuple[AttemptRecord, ...]:
    """One file's ledger."""
    rows = connection.execute(
        "SELECT * FROM attempts WHERE file_id = ? ORDER BY ended_at, attempt, process_type, part", (file_id,)
    )
    return tuple(_attempt(row) for row in rows)


def load_failures(connection: sqlite3.Connection) -> tuple[AttemptRecord, ...]:
    """Failed attempts of tasks that are still under way."""
    rows = connection.execute(
        "SELECT attempts.* FROM attempts JOIN tasks USING (file_id, process_type, part)"
        " WHERE attempts.status = 'failed' AND tasks.status IN ('pending', 'processing', 'failed')"
        " ORDER BY attempts.attempt"
    )
    return tuple(_attempt(row) for row in rows)


def task_row(task: TaskRecord) -> Row:
    """A task in the order of its columns."""
    return (
        task.file_id,
        task.process_type.value,
        task.part or _WHOLE,
        task.status.value,
        task.stage.value,
        task.progress,
        task.attempt,
        task.first_attempt,
        task.sequence,
        task.is_published,
        task.worker_id,
        task.target_worker_id,
        task.gentle,
        task.frames_done,
        task.frames_total,
        task.frames_per_s,
        task.remaining_s,
        _json(task.error),
        _json(task.result),
        task.is_wanted,
    )


def _file_row(file: FileRecord) -> Row:
    return (
        file.file_id,
        file.position,
        os.fsencode(file.source_path),
        file.name,
        file.size_bytes,
        file.mtime_ns,
        file.added_at,
        os.fsencode(file.output_directory),
        file.stem,
        file.settings.model_dump_json(),
        _json(file.summary),
        os.fsencode(file.thumbnail_path) if file.thumbnail_path is not None else None,
    )


def _attempt_row(attempt: AttemptRecord) -> Row:
    return (
        attempt.file_id,
        attempt.process_type.value,
        attempt.part or _WHOLE,
        attempt.attempt,
        attempt.worker_id or _NOBODY,
        attempt.status.value,
        attempt.gentle,
        _json(attempt.error),
        attempt.ended_at,
    )


def _json(value: WireModel | None) -> str | None:
    return None if value is None else value.model_dump_json()


def _file(
    row: Sequence[object], tasks: dict[tuple[str, str], TaskRecord], settings: dict[str, EnhancementSettings]
) -> FileRecord:
    file_id = FileId(_text(row[0]))
    chosen = _text(row[9])
    if chosen not in settings:
        settings[chosen] = EnhancementSettings.model_validate_json(chosen)

    def task(process_type: ProcessType) -> TaskRecord:
        return tasks.get((file_id, process_type.value)) or new_task(file_id, process_type)

    return FileRecord(
        file_id=file_id,
        position=_whole(row[1]),
        source_path=_path(row[2]),
        name=_text(row[3]),
        size_bytes=_whole(row[4]),
        mtime_ns=_whole(row[5]),
        added_at=_real(row[6]),
        output_directory=_path(row[7]),
        stem=_text(row[8]),
        settings=settings[chosen],
        enhancement=task(ProcessType.VIDEO_ENHANCEMENT),
        metadata=task(ProcessType.METADATA_EXTRACTION),
        summary=_optional(row[10], lambda value: MediaSummary.model_validate_json(_text(value))),
        thumbnail_path=_optional(row[11], _path),
    )


def _task(row: Sequence[object]) -> TaskRecord:
    return TaskRecord(
        file_id=FileId(_text(row[0])),
        process_type=ProcessType(_text(row[1])),
        part=_part(row[2]),
        status=Status(_text(row[3])),
        stage=Stage(_text(row[4])),
        progress=_real(row[5]),
        attempt=_whole(row[6]),
        first_attempt=_whole(row[7]),
        sequence=_whole(row[8]),
        is_published=bool(row[9]),
        worker_id=_optional(row[10], lambda value: WorkerId(_text(value))),
        target_worker_id=_optional(row[11], lambda value: WorkerId(_text(value))),
        gentle=bool(row[12]),
        frames_done=_whole(row[13]),
        frames_total=_optional(row[14], _whole),
        frames_per_s=_optional(row[15], _real),
        remaining_s=_optional(row[16], _real),
        error=_optional(row[17], _error),
        result=_optional(row[18], lambda value: _result_adapter.validate_json(_text(value))),
        is_wanted=bool(row[19]),
    )


def _attempt(row: Sequence[object]) -> AttemptRecord:
    error = _optional(row[7], _error)
    return AttemptRecord(
        file_id=FileId(_text(row[0])),
        process_type=ProcessType(_text(row[1])),
        part=_part(row[2]),
        attempt=_whole(row[3]),
        worker_id=WorkerId(_text(row[4])) if row[4] != _NOBODY else None,
        status=Status(_text(row[5])),
        gentle=bool(row[6]),
        error=error,
        ended_at=_optional(row[8], _real),
        log_tail=error.log_tail if error is not None else (),
    )


def _part(value: object) -> PartName | None:
    return _text(value) or None


def _error(value: object) -> TaskError:
    return TaskError.model_validate_json(_text(value))


def _optional[T](value: object, convert: Callable[[object], T]) -> T | None:
    return None if value is None else convert(value)


# SQLite keeps what it is given, whatever the column says: a damaged or foreign row is found here.


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected in the database, found {type(value).__name__}")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"a whole number expected in the database, found {type(value).__name__}")
    return value


def _real(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"a number expected in the database, found {type(value).__name__}")
    return float(value)


def _path(value: object) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"a path expected in the database, found {type(value).__name__}")
    return os.fsdecode(value)
