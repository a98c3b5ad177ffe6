"""One attempt from task to published result: checks, workspace, job in a child, publication.

Knows no transport. Everything that touches a disk happens on threads.
"""

import asyncio
from typing import Final, Protocol

from workers.media.jobs import EnhancementJob, EnhancementOutcome, MetadataJob, MetadataOutcome
from workers.protocol.messages import AnalysisTask, AnyWorkTask, AssemblyTask, FileTask, SegmentTask
from workers.protocol.results import EnhancementResult, MetadataResult, TaskResult
from workers.protocol.states import ProcessType, Stage
from workers.runtime import names, publication
from workers.runtime.attempts import (
    Prepared,
    WorkOptions,
    disk_errors_in_words,
    find_finished,
    locate,
    prepared_attempt,
    settings_key,
    thread_limit,
    time_limit_s,
    to_the_end,
)
from workers.runtime.executor import Executor
from workers.runtime.outcome import WorkOutcome
from workers.runtime.part_work import PartWork, parts_folder
from workers.runtime.progress import Measured, Observer
from workers.runtime.publication import PublishedMetadata, enhancement_result
from workers.runtime.sources import check_source, uri_from_path


class Work(Protocol):
    """What one class of workers does with a file."""

    @property
    def process_type(self) -> ProcessType:
        """The process of a file that is done here."""
        ...

    @property
    def kind(self) -> str:
        """The kind of jobs that the executors have to load libraries for."""
        ...

    def takes(self, task: AnyWorkTask) -> bool:
        """True when this task asks for what is done here."""
        ...

    async def run(self, task: AnyWorkTask, executor: Executor, observe: Observer) -> WorkOutcome:
        """Do it.

        Raises:
            TaskFailedError: the attempt cannot succeed.
            ValueError: the task is none that is done here.
        """
        ...


class EnhancementWork:
    """A file task becomes an enhanced video with its report and poster; so do the parts of a long one, together."""

    process_type: Final = ProcessType.VIDEO_ENHANCEMENT
    kind: Final = "enhance"

    def __init__(self, options: WorkOptions) -> None:
        self._options = options
        self._parts = PartWork(options)

    def takes(self, task: AnyWorkTask) -> bool:
        """See `Work.takes`: the parts of an enhancement are all meant for here."""
        return not isinstance(task, FileTask) or self.process_type in task.process_types

    async def run(self, task: AnyWorkTask, executor: Executor, observe: Observer) -> TaskResult:
        """See `Work.run`. A task whose output is already there returns it without work."""
        observe(Measured(Stage.PROBING, 0.0))
        match task:
            case AnalysisTask():
                return await self._parts.analyse(task, executor, observe)
            case SegmentTask():
                return await self._parts.enhance_segment(task, executor, observe)
            case AssemblyTask():
                return await self._parts.assemble(task, executor, observe)
            case FileTask():
                return await self._enhance_whole(task, executor, observe)

    async def _enhance_whole(
        self, task: FileTask, executor: Executor, observe: Observer
    ) -> EnhancementResult:
        config = self._options.config
        destination = await asyncio.to_thread(locate, task, config.roots)
        key = settings_key(task)
        # Made before the file turned out to be one for a single task, and of no use any more once that is done.
        parts = parts_folder(task, destination, key)
        found = await asyncio.to_thread(find_finished, destination, key)
        if found is not None:
            await to_the_end(parts.remove)
            return enhancement_result(found)
        async with prepared_attempt(destination, task, self.process_type, config) as prepared:
            outcome = await executor.run(
                self._job(task, prepared, key), timeout_s=time_limit_s(task, config), on_progress=observe
            )
            assert isinstance(outcome, EnhancementOutcome)
            await asyncio.to_thread(check_source, destination.source, task.source)
            observe(Measured(Stage.PUBLISHING, 100.0, outcome.report.frames_out, outcome.report.frames_out))
            published = await to_the_end(
                disk_errors_in_words,
                destination.videos,
                lambda: publication.publish_enhancement(destination, outcome, prepared.workspace.path),
            )
            await to_the_end(parts.remove)
            return enhancement_result(published)

    def _job(self, task: FileTask, prepared: Prepared, key: str) -> EnhancementJob:
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

    def takes(self, task: AnyWorkTask) -> bool:
        """See `Work.takes`: metadata is never extracted in parts."""
        return isinstance(task, FileTask) and self.process_type in task.process_types

    async def run(self, task: AnyWorkTask, executor: Executor, observe: Observer) -> MetadataResult:
        """See `Work.run`. Done twice, it replaces its own document."""
        if not isinstance(task, FileTask):
            raise ValueError(f"a task of the type {task.type} asks for no metadata")  # noqa: TRY004 - as documented
        observe(Measured(Stage.PROBING, 0.0))
        config = self._options.config
        destination = await asyncio.to_thread(locate, task, config.roots)
        async with prepared_attempt(destination, task, self.process_type, config) as prepared:
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
            published = await to_the_end(
                disk_errors_in_words,
                destination.documents,
                lambda: publication.publish_metadata(destination, outcome, prepared.workspace.path),
            )
            return metadata_result(published, outcome)


def metadata_result(published: PublishedMetadata, outcome: MetadataOutcome) -> MetadataResult:
    """What the sender of the task is told of a published document."""
    return MetadataResult(
        metadata_uri=uri_from_path(published.document),
        contact_sheet_uri=None if published.contact_sheet is None else uri_from_path(published.contact_sheet),
        thumbnail_uri=None if published.thumbnail is None else uri_from_path(published.thumbnail),
        summary=outcome.summary,
    )
