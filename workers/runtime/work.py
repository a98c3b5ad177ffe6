"""One attempt from task to published result: checks, workspace, job in a child, publication.

Knows no transport. Everything that touches a disk happens on threads.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from workers.config import WorkerConfig
from workers.media.jobs import EnhancementJob, EnhancementOutcome, MetadataJob, MetadataOutcome
from workers.protocol.messages import (
    EnhancementResult,
    FileTask,
    MetadataResult,
)
from workers.protocol.states import ProcessType, Stage
from workers.runtime import names, publication
from workers.runtime.executor import Executor
from workers.runtime.identity import program_version
from workers.runtime.progress import Measured
from workers.runtime.publication import Destination, PublishedEnhancement, PublishedMetadata
from workers.runtime.sources import check_source, confine, path_from_uri, uri_from_path
from workers.runtime.workspace import Workspace, check_room, needed_bytes, output_error

MEDIA_CHAIN_VERSION: Final = 2
"""Raised whenever the same settings yield another picture, so that older outputs are not taken for new ones."""
_log = logging.getLogger(__name__)

type Observer = Callable[[Measured], None]
type TaskOutcome = EnhancementResult | MetadataResult


class Work(Protocol):
    """What one class of workers does with a file."""

    @property
    def process_type(self) -> ProcessType:
        """The part of a file task that is done here."""
        ...

    @property
    def kind(self) -> str:
        """The kind of jobs that the executors have to load libraries for."""
        ...

    async def run(self, task: FileTask, executor: Executor, observe: Observer) -> TaskOutcome:
        """Do it.

        Raises:
            TaskFailedError: the attempt cannot succeed.
        """
        ...


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """What every attempt of a worker needs to know."""

    config: WorkerConfig
    worker_id: str


@dataclass(frozen=True, slots=True)
class _Prepared:
    destination: Destination
    workspace: Workspace


class EnhancementWork:
    """A file task becomes an enhanced video with its report and poster."""

    process_type: Final = ProcessType.VIDEO_ENHANCEMENT
    kind: Final = "enhance"

    def __init__(self, options: WorkOptions) -> None:
        self._options = options

    async def run(self, task: FileTask, executor: Executor, observe: Observer) -> EnhancementResult:
        """See `Work.run`. A task whose output is already there returns it without work."""
        observe(Measured(Stage.PROBING, 0.0))
        config = self._options.config
        destination = await asyncio.to_thread(locate, task, config.roots)
        key = settings_key(task)
        found = await asyncio.to_thread(find_finished, destination, key)
        if found is not None:
            return _enhancement_result(found)
        prepared = await _to_the_end(prepare, destination, task, self.process_type, config)
        try:
            outcome = await executor.run(
                self._job(task, prepared, key), timeout_s=time_limit_s(task, config), on_progress=observe
            )
            assert isinstance(outcome, EnhancementOutcome)
            await asyncio.to_thread(check_source, destination.source, task.source)
            observe(Measured(Stage.PUBLISHING, 100.0, outcome.report.frames_out, outcome.report.frames_out))
            published = await _to_the_end(
                _disk_errors_in_words,
                destination.videos,
                lambda: publication.publish_enhancement(destination, outcome, prepared.workspace.path),
            )
            return _enhancement_result(published)
        finally:
            await _to_the_end(prepared.workspace.close)

    def _job(self, task: FileTask, prepared: _Prepared, key: str) -> EnhancementJob:
        return EnhancementJob(
            file_id=task.file_id,
            attempt=task.attempt,
            worker_id=self._options.worker_id,
            source=prepared.destination.source,
            workspace=prepared.workspace.path,
            output_name=task.output.stem + names.VIDEO_SUFFIX,
            settings=task.settings,
            settings_key=key,
            threads=thread_limit(task, self._options.config),
        )


class MetadataWork:
    """A file task becomes a metadata document with a contact sheet and a thumbnail."""

    process_type: Final = ProcessType.METADATA_EXTRACTION
    kind: Final = "metadata"

    def __init__(self, options: WorkOptions) -> None:
        self._options = options

    async def run(self, task: FileTask, executor: Executor, observe: Observer) -> MetadataResult:
        """See `Work.run`. Done twice, it replaces its own document."""
        observe(Measured(Stage.PROBING, 0.0))
        config = self._options.config
        destination = await asyncio.to_thread(locate, task, config.roots)
        prepared = await _to_the_end(prepare, destination, task, self.process_type, config)
        try:
            job = MetadataJob(
                file_id=task.file_id,
                source=destination.source,
                workspace=prepared.workspace.path,
                contact_sheet_name=task.output.stem + names.CONTACT_SUFFIX,
                threads=thread_limit(task, config),
            )
            outcome = await executor.run(job, timeout_s=time_limit_s(task, config), on_progress=observe)
            assert isinstance(outcome, MetadataOutcome)
            await asyncio.to_thread(check_source, destination.source, task.source)
            observe(
                Measured(Stage.PUBLISHING, 100.0, outcome.summary.frame_count, outcome.summary.frame_count)
            )
            published = await _to_the_end(
                _disk_errors_in_words,
                destination.documents,
                lambda: publication.publish_metadata(destination, outcome, prepared.workspace.path),
            )
            return _metadata_result(published, outcome)
        finally:
            await _to_the_end(prepared.workspace.close)


def locate(task: FileTask, roots: tuple[Path, ...]) -> Destination:
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
    destination: Destination, task: FileTask, process_type: ProcessType, config: WorkerConfig
) -> _Prepared:
    """Check the source, make the folders, check for room, open a workspace.

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
    check_room(main, needed_bytes(process_type, task.source.size_bytes, config.min_free_disk_bytes))
    return _Prepared(destination, Workspace.create(main, task.file_id, process_type, task.attempt))


def settings_key(task: FileTask) -> str:
    """Hash of everything that shapes the output: settings, source fingerprint, version of program and chain."""
    parts = (
        task.settings.model_dump_json(),
        str(task.source.size_bytes),
        str(task.source.mtime_ns),
        program_version(),
        str(MEDIA_CHAIN_VERSION),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def time_limit_s(task: FileTask, config: WorkerConfig) -> float:
    """The stricter of the task's own limit and this worker's, which the broker was told."""
    return min(task.timeout_s, config.processing_timeout_s)


def thread_limit(task: FileTask, config: WorkerConfig) -> int:
    """Threads for one job: one when gentle, a fair share with several slots, otherwise all (0)."""
    if task.gentle:
        return 1
    return 0 if config.slots == 1 else max(1, (os.cpu_count() or 1) // config.slots)


def _disk_errors_in_words[T](folder: Path, action: Callable[[], T]) -> T:
    try:
        return action()
    except OSError as error:
        raise output_error(error, folder) from error


async def _to_the_end[**P, T](function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
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
            if isinstance(result, _Prepared):
                await asyncio.to_thread(result.workspace.close)
        raise


def _enhancement_result(published: PublishedEnhancement) -> EnhancementResult:
    report = published.report
    duration_s = report.duration_out_s
    return EnhancementResult(
        output_uri=uri_from_path(published.video),
        report_uri=uri_from_path(published.report_path),
        poster_uri=None if published.poster is None else uri_from_path(published.poster),
        size_bytes=report.output_size_bytes,
        frames=report.frames_out,
        duration_s=None if duration_s is None else float(duration_s),
        was_remuxed=report.plan.remux,
        was_found_finished=published.was_found,
        warnings=report.warnings,
    )


def _metadata_result(published: PublishedMetadata, outcome: MetadataOutcome) -> MetadataResult:
    return MetadataResult(
        metadata_uri=uri_from_path(published.document),
        contact_sheet_uri=None if published.contact_sheet is None else uri_from_path(published.contact_sheet),
        thumbnail_uri=None if published.thumbnail is None else uri_from_path(published.thumbnail),
        summary=outcome.summary,
    )
