"""Taking over what a worker elsewhere has handed over: checked, then published as if it had been made here.

Asked again it finds what was published before. Foreign media are opened in a child only. Everything else that touches
a disk happens on threads.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.config import WorkerConfig
from workers.errors import TaskFailedError
from workers.media.jobs import (
    EnhancementOutcome,
    InspectionJob,
    InspectionOutcome,
    MetadataOutcome,
    VideoFacts,
)
from workers.protocol.messages import (
    AcceptReply,
    AcceptTask,
    AnalysisTask,
    AssemblyTask,
    FileTask,
    SegmentTask,
)
from workers.protocol.pictures import MetadataDocument
from workers.protocol.report import EnhancementReport
from workers.protocol.results import (
    AnalysisResult,
    EnhancementResult,
    MetadataResult,
    SegmentResult,
    TaskResult,
)
from workers.protocol.segments import SegmentPlan, SegmentRecord
from workers.protocol.states import ErrorCode, ProcessType
from workers.protocol.transfers import (
    CONTACT_SHEET,
    METADATA,
    POSTER,
    REPORT,
    SCAN,
    SEGMENT_PLAN,
    SEGMENT_RECORD,
    SEGMENT_VIDEO,
    TABLES,
    THUMBNAIL,
    VIDEO,
    SentObject,
)
from workers.runtime import acceptance_checks as checks
from workers.runtime import publication
from workers.runtime.attempts import disk_errors_in_words, find_finished, to_the_end
from workers.runtime.executor import Executor
from workers.runtime.handed_over import check_names, clear, read_document, rejected, take_stock
from workers.runtime.part_work import (
    Place,
    analysis_result,
    check_places,
    check_record,
    check_span,
    locate_place,
    segment_result,
)
from workers.runtime.publication import enhancement_result
from workers.runtime.settling import as_task_failure
from workers.runtime.sources import check_source, confine, path_from_uri
from workers.runtime.work import metadata_result
from workers.runtime.workspace import Workspace, output_error

LEAST_TIMEOUT_S: Final = 120.0
_BYTES_PER_S: Final = 5_000_000
"""At which even a slow disk is read once."""
_OF_WHAT_IT_LOOKED_AT: Final = frozenset(
    {ErrorCode.WORKER_CRASHED, ErrorCode.OUT_OF_MEMORY, ErrorCode.TIMEOUT}
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Delivery:
    """What was handed over for one attempt, and where it belongs."""

    request: AcceptTask
    place: Place
    folder: Path

    @property
    def sent(self) -> Mapping[str, SentObject]:
        """What was announced, by name."""
        return {one.name: one for one in self.request.sent}


class Accepter:
    """Answers accept tasks.

    Args:
        executor: gives the child in which foreign media are opened.
        config: the folders that may be used.
    """

    def __init__(self, executor: Callable[[], Awaitable[Executor]], config: WorkerConfig) -> None:
        self._executor = executor
        self._config = config

    async def accept(self, request: AcceptTask) -> AcceptReply:
        """The published result, or why it was not taken; its objects are gone afterwards, either way."""
        result: TaskResult | None = None
        failure: TaskFailedError | None = None
        try:
            result = await self._accept(request)
        except Exception as error:  # noqa: BLE001 - told in words; `as_task_failure` logs what is a bug
            failure = as_task_failure(error)
            _log.warning("not taken: %s (%s) %s", failure.message, failure.code, failure.detail or "")
        return AcceptReply(
            file_id=request.file_id,
            client_id=request.client_id,
            result=result,
            error=None if failure is None else failure.to_wire(),
        )

    async def _accept(self, request: AcceptTask) -> TaskResult:
        roots = self._config.roots
        place = await asyncio.to_thread(locate_place, request.task, roots)
        folder = await asyncio.to_thread(confine, path_from_uri(request.directory_uri), roots)
        try:
            result = await self._taken(_Delivery(request, place, folder))
        except Exception:
            await to_the_end(clear, folder, request.sent)
            raise
        await to_the_end(clear, folder, request.sent)
        return result

    async def _taken(self, delivery: _Delivery) -> TaskResult:
        task, place = delivery.request.task, delivery.place
        if delivery.request.process_type is ProcessType.METADATA_EXTRACTION:
            return await self._metadata(delivery)
        match task:
            case AnalysisTask():
                return await self._analysis(delivery)
            case SegmentTask():
                return await self._segment(delivery, task)
            case FileTask() | AssemblyTask():
                found = await asyncio.to_thread(find_finished, place.destination, place.key)
                if found is not None:
                    await to_the_end(place.parts.remove)
                    return enhancement_result(found)
                if isinstance(task, AssemblyTask) and SEGMENT_PLAN in delivery.sent:
                    return await self._round(delivery, task)
                return await self._enhancement(delivery)

    # ------------------------------------------------------------ kinds of results

    async def _enhancement(self, delivery: _Delivery) -> EnhancementResult:
        place = delivery.place
        _check_kind(delivery, EnhancementResult)
        objects = await _objects(delivery, (VIDEO, REPORT), (POSTER,))
        report = await asyncio.to_thread(read_document, objects[REPORT], EnhancementReport)
        checks.check_report(report, delivery.request.task, place.key, delivery.sent[VIDEO])
        poster = objects.get(POSTER)
        checks.check_whole(
            await self._video(delivery, objects[VIDEO], images=() if poster is None else (poster,)), report
        )
        outcome = EnhancementOutcome(objects[VIDEO], poster, report)
        published = await _published(
            delivery,
            lambda workspace: publication.publish_enhancement(place.destination, outcome, workspace),
        )
        await to_the_end(place.parts.remove)
        return enhancement_result(published)

    async def _metadata(self, delivery: _Delivery) -> MetadataResult:
        """Done twice, it replaces its own document; only when nothing is there any more it is looked for."""
        place, task = delivery.place, delivery.request.task
        destination = place.destination
        if not delivery.sent:
            there = await asyncio.to_thread(publication.find_metadata, destination, task.source.size_bytes)
            if there is None:
                raise rejected(f"“{METADATA}” was not handed over.")
            document = await asyncio.to_thread(read_document, there.document, MetadataDocument)
            found = await self._inspect(delivery, InspectionJob(destination.source, document=there.document))
            assert found.summary is not None
            outcome = MetadataOutcome(document, found.summary, there.contact_sheet, there.thumbnail)
            return metadata_result(there, outcome).model_copy(update={"was_found_finished": True})
        _check_kind(delivery, MetadataResult)
        objects = await _objects(delivery, (METADATA,), (CONTACT_SHEET, THUMBNAIL))
        document = await asyncio.to_thread(read_document, objects[METADATA], MetadataDocument)
        contact, thumbnail = objects.get(CONTACT_SHEET), objects.get(THUMBNAIL)
        checks.check_metadata(document, task, has_contact_sheet=contact is not None)
        images = tuple(picture for picture in (contact, thumbnail) if picture is not None)
        found = await self._inspect(
            delivery, InspectionJob(destination.source, images=images, document=objects[METADATA])
        )
        assert found.summary is not None
        outcome = MetadataOutcome(document, found.summary, contact, thumbnail)
        published = await _published(
            delivery, lambda workspace: publication.publish_metadata(destination, outcome, workspace)
        )
        return metadata_result(published, outcome)

    async def _analysis(self, delivery: _Delivery) -> AnalysisResult:
        place = delivery.place
        if await asyncio.to_thread(find_finished, place.destination, place.key) is not None:
            return AnalysisResult(reason="The enhanced file is there already.", was_found_finished=True)
        there = await asyncio.to_thread(place.parts.find_analysis)
        if there is not None:
            return analysis_result(there, place)
        _check_kind(delivery, AnalysisResult)
        objects = await _objects(delivery, (SEGMENT_PLAN, SCAN), (TABLES,))
        plan = await asyncio.to_thread(read_document, objects[SEGMENT_PLAN], SegmentPlan)
        side_files = {name: one for name, one in delivery.sent.items() if name != SEGMENT_PLAN}
        checks.check_plan(plan, place.key, side_files.values())
        await self._inspect(delivery, InspectionJob(place.destination.source, analysis=delivery.folder))
        paths = tuple(objects[name] for name in side_files)
        stored = await _published(
            delivery, lambda workspace: place.parts.publish_analysis(plan, paths, workspace)
        )
        return analysis_result(stored, place)

    async def _round(self, delivery: _Delivery, task: AssemblyTask) -> AnalysisResult:
        place = delivery.place
        await asyncio.to_thread(check_places, place.destination, task)
        later = await asyncio.to_thread(place.parts.later_round, task.plan_sha256)
        if later is not None:
            return analysis_result(later, place)
        _check_kind(delivery, AnalysisResult)
        objects = await _objects(delivery, (SEGMENT_PLAN,))
        plan = await asyncio.to_thread(read_document, objects[SEGMENT_PLAN], SegmentPlan)
        before = await asyncio.to_thread(place.parts.open, task.plan_sha256)
        checks.check_round(plan, before.plan)
        stored = await _published(delivery, lambda workspace: place.parts.publish_round(plan, workspace))
        return analysis_result(stored, place)

    async def _segment(self, delivery: _Delivery, task: SegmentTask) -> SegmentResult:
        place = delivery.place
        await asyncio.to_thread(check_places, place.destination, task)
        stored = await asyncio.to_thread(place.parts.open, task.plan_sha256)
        check_span(task, stored.plan)
        there = await asyncio.to_thread(place.parts.find_segment, stored.sha256, task.span.number)
        if there is not None:
            return segment_result(there)
        _check_kind(delivery, SegmentResult)
        objects = await _objects(delivery, (SEGMENT_VIDEO, SEGMENT_RECORD))
        record = await asyncio.to_thread(read_document, objects[SEGMENT_RECORD], SegmentRecord)
        checks.check_segment(record, task, delivery.sent[SEGMENT_VIDEO])
        facts = await self._video(delivery, objects[SEGMENT_VIDEO], wants_digests=True)
        checks.check_segment_video(facts, record, stored.plan)

        def publish(workspace: Path) -> SegmentResult:
            video = objects[SEGMENT_VIDEO].rename(workspace / "segment.mp4")
            check_record(record, video, task)
            return segment_result(place.parts.publish_segment(record, video, workspace))

        return await _published(delivery, publish)

    # ------------------------------------------------------------ looking at media

    async def _video(
        self, delivery: _Delivery, video: Path, *, images: tuple[Path, ...] = (), wants_digests: bool = False
    ) -> VideoFacts:
        source = delivery.place.destination.source
        job = InspectionJob(source, video=video, images=images, wants_digests=wants_digests)
        found = await self._inspect(delivery, job)
        assert found.video is not None
        return found.video

    async def _inspect(self, delivery: _Delivery, job: InspectionJob) -> InspectionOutcome:
        total = sum(one.size_bytes for one in delivery.request.sent)
        executor = await self._executor()
        try:
            outcome = await executor.run(job, timeout_s=LEAST_TIMEOUT_S + total / _BYTES_PER_S)
        except TaskFailedError as error:
            if error.code not in _OF_WHAT_IT_LOOKED_AT:
                raise
            raise rejected("What was handed over cannot be looked at.", error.message) from error
        assert isinstance(outcome, InspectionOutcome)
        return outcome


def _check_kind(delivery: _Delivery, kind: type[TaskResult]) -> None:
    if not isinstance(delivery.request.result, kind):
        raise rejected("The answer is not the one to this task.", delivery.request.result.kind)


async def _objects(
    delivery: _Delivery, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Mapping[str, Path]:
    check_names(delivery.request.sent, required, optional)
    return await asyncio.to_thread(take_stock, delivery.folder, delivery.request.sent)


async def _published[T](delivery: _Delivery, publish: Callable[[Path], T]) -> T:
    """What `publish` returns in a workspace on the results' disk; waited for to its end."""
    return await to_the_end(_publish, delivery, publish)


def _publish[T](delivery: _Delivery, publish: Callable[[Path], T]) -> T:
    task, process_type = delivery.request.task, delivery.request.process_type
    destination = delivery.place.destination
    check_source(destination.source, task.source)
    is_metadata = process_type is ProcessType.METADATA_EXTRACTION
    main = destination.documents if is_metadata else destination.videos
    for folder in dict.fromkeys((main, destination.documents, destination.pictures)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(error, folder) from error
    with Workspace.create(main, task.file_id, process_type, task.attempt, part=task.part) as workspace:
        return disk_errors_in_words(main, lambda: publish(workspace.path))
