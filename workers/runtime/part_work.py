"""The three kinds of parts of an enhancement: the analysis, a segment, the assembly. See `workers.runtime.parts`.

Each is an attempt of its own that may be begun again anywhere at any time: it first looks for what is finished.
Everything that touches a disk happens on threads.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.errors import TaskFailedError
from workers.media.jobs import (
    AnalysisJob,
    AnalysisOutcome,
    AssemblyJob,
    EnhancementOutcome,
    SegmentJob,
    SegmentOutcome,
)
from workers.protocol.messages import AnalysisTask, AssemblyTask, SegmentTask, WorkTask
from workers.protocol.results import AnalysisResult, EnhancementResult, SegmentResult
from workers.protocol.segments import SegmentPlan, SegmentRecord
from workers.protocol.states import ErrorCode, ProcessType, Stage
from workers.runtime import files, names, publication
from workers.runtime.attempts import (
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
from workers.runtime.part_documents import StoredPlan, StoredSegment
from workers.runtime.parts import PartsFolder, parts_path
from workers.runtime.pipe import Job, Outcome
from workers.runtime.progress import Measured, Observer
from workers.runtime.publication import Destination, enhancement_result
from workers.runtime.sources import (
    FolderMissingError,
    check_source,
    display_name,
    path_from_uri,
    uri_from_path,
)

ANALYSIS_NEED_BYTES: Final = 64_000_000
"""Room for the packet scan and the tables of a very long film."""
OUR_PROCESS: Final = ProcessType.VIDEO_ENHANCEMENT


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part is made and where it is kept. `key` is the task's settings key."""

    destination: Destination
    key: str
    parts: PartsFolder


class PartWork:
    """Does the parts of an enhancement. Every method raises `TaskFailedError` when the attempt cannot succeed."""

    def __init__(self, options: WorkOptions) -> None:
        self._options = options

    async def analyse(self, task: AnalysisTask, executor: Executor, observe: Observer) -> AnalysisResult:
        """Plan the segments. Without spans the file is better done in one task."""
        config = self._options.config
        place = await asyncio.to_thread(locate_place, task, config.roots)
        if await self._find_assembled(place) is not None:
            return AnalysisResult(reason="The enhanced file is there already.", was_found_finished=True)
        there = await asyncio.to_thread(place.parts.find_analysis)
        if there is not None:
            return analysis_result(there, place)
        async with prepared_attempt(
            place.destination, task, OUR_PROCESS, config, ANALYSIS_NEED_BYTES
        ) as prepared:
            job = AnalysisJob(
                file_id=task.file_id,
                source=place.destination.source,
                workspace=prepared.workspace.path,
                settings=task.settings,
                settings_key=place.key,
                segment_s=task.segment_s,
                threads=thread_limit(task, config),
            )
            outcome = await executor.run(job, timeout_s=time_limit_s(task, config), on_progress=observe)
            assert isinstance(outcome, AnalysisOutcome)
            await asyncio.to_thread(check_source, place.destination.source, task.source)
            plan, side_files = outcome.segment_plan, outcome.side_files
            if plan is None:
                return AnalysisResult(reason=outcome.reason)
            assert plan.settings_key == place.key, "the plan was made for this task"
            observe(Measured(Stage.PUBLISHING, 100.0, plan.source_pictures, plan.source_pictures))
            stored = await to_the_end(
                disk_errors_in_words,
                place.destination.videos,
                lambda: place.parts.publish_analysis(plan, side_files, prepared.workspace.path),
            )
            return analysis_result(stored, place)

    async def enhance_segment(
        self, task: SegmentTask, executor: Executor, observe: Observer
    ) -> SegmentResult:
        """Make one segment."""
        config = self._options.config
        place = await asyncio.to_thread(locate_place, task, config.roots)
        # First, so that a disk that is not mounted here is not told as parts that are gone.
        await asyncio.to_thread(check_places, place.destination, task)
        stored = await asyncio.to_thread(place.parts.open, task.plan_sha256)
        check_span(task, stored.plan)
        number = task.span.number
        there = await asyncio.to_thread(place.parts.find_segment, stored.sha256, number)
        if there is not None:
            return segment_result(there)
        share = task.source.size_bytes * task.span.count // max(stored.plan.output_pictures, 1)
        async with prepared_attempt(place.destination, task, OUR_PROCESS, config, share) as prepared:
            job = SegmentJob(
                worker_id=self._options.worker_id,
                source=place.destination.source,
                workspace=prepared.workspace.path,
                parts=place.parts.path,
                segment_plan=stored.plan,
                plan_sha256=stored.sha256,
                number=number,
                threads=thread_limit(task, config),
            )
            outcome = await self._run(executor, job, task, place, observe)
            assert isinstance(outcome, SegmentOutcome)
            record, video = outcome.record, outcome.video
            await asyncio.to_thread(check_record, record, video, task)
            await asyncio.to_thread(check_source, place.destination.source, task.source)
            observe(Measured(Stage.PUBLISHING, 100.0, record.pictures, record.pictures))
            published = await to_the_end(
                disk_errors_in_words,
                place.destination.videos,
                lambda: place.parts.publish_segment(record, video, prepared.workspace.path),
            )
            return segment_result(published)

    async def assemble(
        self, task: AssemblyTask, executor: Executor, observe: Observer
    ) -> EnhancementResult | AnalysisResult:
        """Join the segments and publish the whole; or publish the plan of another round."""
        place = await asyncio.to_thread(locate_place, task, self._options.config.roots)
        found = await self._find_assembled(place)
        if found is not None:
            return found
        await asyncio.to_thread(check_places, place.destination, task)
        later = await asyncio.to_thread(place.parts.later_round, task.plan_sha256)
        if later is not None:
            return analysis_result(later, place)
        try:
            return await self._join(task, place, executor, observe)
        except TaskFailedError as error:
            if error.code is not ErrorCode.PARTS_MISSING:
                raise
            # The same task elsewhere may have come first, and have taken the parts away.
            found = await self._find_assembled(place)
            if found is None:
                raise
            return found

    async def _find_assembled(self, place: Place) -> EnhancementResult | None:
        """The whole that is there already; a worker that died after publishing it may have left the parts."""
        found = await asyncio.to_thread(find_finished, place.destination, place.key)
        if found is None:
            return None
        await to_the_end(place.parts.remove)
        return enhancement_result(found)

    async def _join(
        self, task: AssemblyTask, place: Place, executor: Executor, observe: Observer
    ) -> EnhancementResult | AnalysisResult:
        config = self._options.config
        stored = await asyncio.to_thread(place.parts.open, task.plan_sha256)
        records = await asyncio.to_thread(place.parts.records, stored, check_videos=True)
        size_bytes = max(task.source.size_bytes, sum(record.size_bytes for record in records))
        async with prepared_attempt(place.destination, task, OUR_PROCESS, config, size_bytes) as prepared:
            job = AssemblyJob(
                file_id=task.file_id,
                attempt=task.attempt,
                worker_id=self._options.worker_id,
                source=place.destination.source,
                workspace=prepared.workspace.path,
                output_name=task.output.stem + names.VIDEO_SUFFIX,
                settings=task.settings,
                settings_key=place.key,
                parts=place.parts.path,
                segment_plan=stored.plan,
                records=records,
                threads=thread_limit(task, config),
            )
            outcome = await self._run(executor, job, task, place, observe)
            await asyncio.to_thread(check_source, place.destination.source, task.source)
            assert isinstance(outcome, EnhancementOutcome | AnalysisOutcome)
            return await _publish_assembly(place, outcome, prepared.workspace.path, observe)

    async def _run(
        self, executor: Executor, job: Job, task: SegmentTask | AssemblyTask, place: Place, observe: Observer
    ) -> Outcome:
        """Run a job that reads the parts' folder. Its failure is none of its own when that was taken away."""
        limit_s = time_limit_s(task, self._options.config)
        try:
            return await executor.run(job, timeout_s=limit_s, on_progress=observe)
        except TaskFailedError as error:
            if not await asyncio.to_thread(place.parts.is_gone, task.plan_sha256):
                raise
            raise TaskFailedError(
                ErrorCode.PARTS_MISSING,
                "What was prepared for this file was removed while it was worked on.",
                error.message,
            ) from error


async def _publish_assembly(
    place: Place, outcome: EnhancementOutcome | AnalysisOutcome, workspace: Path, observe: Observer
) -> EnhancementResult | AnalysisResult:
    videos = place.destination.videos
    if isinstance(outcome, AnalysisOutcome):
        plan = outcome.segment_plan
        if plan is None:
            raise TaskFailedError(ErrorCode.NOT_IN_PARTS, outcome.reason)
        observe(Measured(Stage.PUBLISHING, 100.0))
        stored = await to_the_end(
            disk_errors_in_words, videos, lambda: place.parts.publish_round(plan, workspace)
        )
        return analysis_result(stored, place)
    frames = outcome.report.frames_out
    observe(Measured(Stage.PUBLISHING, 100.0, frames, frames))
    published = await to_the_end(
        disk_errors_in_words,
        videos,
        lambda: publication.publish_enhancement(place.destination, outcome, workspace),
    )
    await to_the_end(place.parts.remove)
    return enhancement_result(published)


def parts_folder(task: WorkTask, destination: Destination, key: str) -> PartsFolder:
    """The parts' folder of a task. By the name in the task: links are resolved on some computers only."""
    source_name = os.fsencode(path_from_uri(task.source.uri).name)
    return PartsFolder(parts_path(destination.videos, key, source_name), key)


def locate_place(task: WorkTask, roots: tuple[Path, ...]) -> Place:
    """The places of a task as confined paths. Does file I/O.

    Raises:
        TaskFailedError: PATH_NOT_ALLOWED.
    """
    destination = locate(task, roots)
    key = settings_key(task)
    return Place(destination, key, parts_folder(task, destination, key))


def check_places(destination: Destination, task: WorkTask) -> None:
    """Nothing when the source is there and unchanged, and so is the folder in which the analysis was done.

    Raises:
        TaskFailedError: see `check_source`; PARTS_MISSING.
    """
    check_source(destination.source, task.source)
    if not destination.videos.is_dir():
        raise FolderMissingError(
            ErrorCode.PARTS_MISSING, f"The output folder “{display_name(destination.videos)}” is not there."
        )


def check_span(task: SegmentTask, plan: SegmentPlan) -> None:
    """Nothing when the segment is one of the plan's.

    Raises:
        TaskFailedError: PARTS_MISSING.
    """
    number = task.span.number
    if number >= len(plan.spans) or plan.spans[number] != task.span:
        raise TaskFailedError(
            ErrorCode.PARTS_MISSING, "The segment is not one of those that this file was shared out to."
        )


def check_record(record: SegmentRecord, video: Path, task: SegmentTask) -> None:
    """Nothing when the record speaks of this segment and of these bytes.

    Raises:
        TaskFailedError: VERIFICATION_FAILED.
    """
    problems = [
        name
        for name, is_right in (
            ("plan", record.plan_sha256 == task.plan_sha256),
            ("number", record.number == task.span.number),
            ("pictures", record.pictures == task.span.count),
            ("size", record.size_bytes == video.stat().st_size),
            ("checksum", record.sha256 == files.sha256_of(video)),
        )
        if not is_right
    ]
    if problems:
        raise TaskFailedError(
            ErrorCode.VERIFICATION_FAILED,
            "A finished segment is not what its record says.",
            f"wrong: {', '.join(problems)}",
        )


def analysis_result(stored: StoredPlan, place: Place) -> AnalysisResult:
    """What the sender of the task is told of a plan."""
    return AnalysisResult(
        plan_sha256=stored.sha256,
        round=stored.plan.round,
        spans=stored.plan.spans,
        folder_uri=uri_from_path(place.parts.path),
        was_found_finished=stored.was_found,
    )


def segment_result(stored: StoredSegment) -> SegmentResult:
    """What the sender of the task is told of a finished segment."""
    record = stored.record
    return SegmentResult(
        video_uri=uri_from_path(stored.video),
        pictures=record.pictures,
        size_bytes=record.size_bytes,
        seconds=record.seconds,
        was_found_finished=stored.was_found,
    )
