"""What surrounds the job of every attempt: places, limits, room, a workspace, and disk work waited for to its end.

Everything that touches a disk belongs on a thread.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.config import WorkerConfig
from workers.protocol.messages import WorkTask
from workers.protocol.states import ProcessType
from workers.runtime import publication
from workers.runtime.identity import program_version
from workers.runtime.publication import Destination, PublishedEnhancement
from workers.runtime.sources import check_source, confine, path_from_uri
from workers.runtime.workspace import Workspace, check_room, needed_bytes, output_error

MEDIA_CHAIN_VERSION: Final = 3
"""Raised whenever the same settings yield another picture, so that older outputs are not taken for new ones."""


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """What every attempt of a worker needs to know."""

    config: WorkerConfig
    worker_id: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """An attempt that may begin."""

    destination: Destination
    workspace: Workspace


def locate(task: WorkTask, roots: tuple[Path, ...]) -> Destination:
    """Source and folders of a task as confined paths. Does file I/O.

    Raises:
        TaskFailedError: PATH_NOT_ALLOWED.
    """
    output = task.output
    videos = confine(path_from_uri(output.directory_uri), roots)
    return Destination(
        file_id=task.file_id,
        source=confine(path_from_uri(task.source.uri), roots),
        stem=output.stem,
        videos=videos,
        documents=_folder(output.metadata_directory_uri, videos, roots),
        pictures=_folder(output.thumbnails_directory_uri, videos, roots),
    )


def _folder(uri: str | None, default: Path, roots: tuple[Path, ...]) -> Path:
    return default if uri is None else confine(path_from_uri(uri), roots)


def find_finished(destination: Destination, key: str) -> PublishedEnhancement | None:
    """This task's output of an earlier delivery; None without one, or where nothing can be read."""
    try:
        return publication.find_finished(destination, key)
    except (OSError, ValueError):
        return None


def prepare(
    destination: Destination,
    task: WorkTask,
    process_type: ProcessType,
    config: WorkerConfig,
    size_bytes: int | None = None,
) -> Prepared:
    """Check the source, make the folders, check for room, open a workspace.

    Args:
        destination: where source and results lie.
        task: what is to be done.
        process_type: what is done of it here.
        config: the floor below which no disk is filled.
        size_bytes: how large what is made will be about; None: as large as the source.

    Raises:
        TaskFailedError: why the attempt need not begin.
    """
    check_source(destination.source, task.source)
    is_enhancement = process_type is ProcessType.VIDEO_ENHANCEMENT
    main = destination.videos if is_enhancement else destination.documents
    for folder in dict.fromkeys((main, destination.documents, destination.pictures)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(error, folder) from error
    expected = task.source.size_bytes if size_bytes is None else size_bytes
    check_room(main, needed_bytes(process_type, expected, config.min_free_disk_bytes))
    workspace = Workspace.create(main, task.file_id, process_type, task.attempt, part=task.part)
    return Prepared(destination, workspace)


@asynccontextmanager
async def prepared_attempt(
    destination: Destination,
    task: WorkTask,
    process_type: ProcessType,
    config: WorkerConfig,
    size_bytes: int | None = None,
) -> AsyncIterator[Prepared]:
    """See `prepare`; the workspace is gone afterwards."""
    prepared = await to_the_end(prepare, destination, task, process_type, config, size_bytes)
    try:
        yield prepared
    finally:
        await to_the_end(prepared.workspace.close)


def settings_key(task: WorkTask) -> str:
    """Hash of everything that shapes the output: settings, source fingerprint, version of program and chain."""
    parts = (
        task.settings.model_dump_json(),
        str(task.source.size_bytes),
        str(task.source.mtime_ns),
        program_version(),
        str(MEDIA_CHAIN_VERSION),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def time_limit_s(task: WorkTask, config: WorkerConfig) -> float:
    """The stricter of the task's own limit and this worker's, which the broker was told."""
    return min(task.timeout_s, config.processing_timeout_s)


def thread_limit(task: WorkTask, config: WorkerConfig) -> int:
    """Threads for one job: one when gentle, a fair share with several slots, otherwise all (0)."""
    if task.gentle:
        return 1
    return 0 if config.slots == 1 else max(1, (os.cpu_count() or 1) // config.slots)


def disk_errors_in_words[T](folder: Path, action: Callable[[], T]) -> T:
    """What the action returns.

    Raises:
        TaskFailedError: what the disk said, as a sentence.
    """
    try:
        return action()
    except OSError as error:
        raise output_error(error, folder) from error


async def to_the_end[**P, T](function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run on a thread and wait for its end also when cancelled, so that nothing goes on behind our back.

    A cancellation that comes meanwhile is raised afterwards; a workspace made by then is closed first.
    """
    running: asyncio.Task[T] = asyncio.create_task(
        asyncio.to_thread(function, *args, **kwargs), name=f"disk-{getattr(function, '__name__', 'work')}"
    )
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        if not running.cancelled() and running.exception() is None:
            result = running.result()
            if isinstance(result, Prepared):
                await asyncio.to_thread(result.workspace.close)
        raise
