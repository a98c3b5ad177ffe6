"""The first part of an enhancement in parts: look at the source, decide what is done, and share the output out."""

from array import array
from bisect import bisect_left
from contextlib import closing
from itertools import islice
from typing import Final

from workers.errors import TaskFailedError
from workers.media.failures import failures_in_words
from workers.media.job_stages import JobStages
from workers.media.jobs import AnalysisJob, AnalysisOutcome, ProgressCallback
from workers.media.material import Material, material
from workers.media.output_pictures import OutputSchedule, output_schedule, times_sha256
from workers.media.packet_scan import PacketScan
from workers.media.planning import Known, plan_run
from workers.media.probe import examine
from workers.media.quick_analysis import quick_analysis
from workers.media.segment_fitness import plan_obstacle, source_obstacle
from workers.media.segment_planning import OutputTimeline, plan_spans
from workers.media.side_files import save_side_files
from workers.media.sought_frames import Stretch, sought_frames
from workers.media.tables import FrameTables
from workers.protocol.plan import EnhancementPlan
from workers.protocol.segments import SegmentPlan, SegmentSpan
from workers.protocol.states import ErrorCode, Stage

_PROBED: Final = 0.2
_SAMPLED: Final = 0.3
_MEASURED: Final = 0.96
"""Shares of the whole work that are done by then, where every picture has to be looked at."""


_TRIED_PICTURES: Final = 24


def analyse_for_segments(job: AnalysisJob, on_progress: ProgressCallback) -> AnalysisOutcome:
    """Probe, analyse, plan, share out.

    Raises:
        TaskFailedError: with the code and the sentence for the user.
    """
    with failures_in_words(job.workspace):
        return _analyse(job, JobStages(on_progress))


def _analyse(job: AnalysisJob, stages: JobStages) -> AnalysisOutcome:
    known = _examined(job, stages)
    # Before every picture is looked at, which takes minutes.
    reason = source_obstacle(known)
    if reason is not None:
        return AnalysisOutcome(None, reason)
    with stages.timed(Stage.ANALYSING):
        counter = stages.counter(Stage.ANALYSING, _SAMPLED, _MEASURED, known.source.scan.count)
        plan, tables = plan_run(known, threads=job.threads, on_frame=counter)
    schedule = output_schedule(known.source, plan, tables)
    spans = _shared_out(schedule, known.source.scan, tables, job.segment_s)
    reason = plan_obstacle(known, plan, tables) or _obstacle(known.source, schedule, spans, job.threads)
    if reason is not None:
        return AnalysisOutcome(None, reason)
    side_files, scan_sha256 = save_side_files(known.examination, _kept(tables, plan), job.workspace)
    count = known.source.scan.count
    segment_plan = SegmentPlan(
        settings_key=job.settings_key,
        analysis=known.analysis,
        plan=plan,
        spans=spans,
        source_pictures=count,
        output_pictures=spans[-1].first + spans[-1].count,
        scan_sha256=scan_sha256,
        times_sha256=times_sha256((p.time for p in schedule.pictures()), schedule.clock.timescale),
        timings=stages.timings,
    )
    stages.report(Stage.ANALYSING, 1.0, count, count)
    return AnalysisOutcome(segment_plan, f"Shared out among {len(spans)} segments.", side_files)


def _examined(job: AnalysisJob, stages: JobStages) -> Known:
    """Every fact, and what samples of the pictures show."""
    stages.report(Stage.PROBING, 0.0)
    with stages.timed(Stage.PROBING):
        examination = examine(
            job.source, on_fraction=lambda share: stages.report(Stage.PROBING, _PROBED * share)
        )
        video = examination.info.main_video
        assert video is not None, "examine() refuses files without a moving picture"
        source = material(job.source, examination.info, video, examination.main_scan)
    stages.report(Stage.ANALYSING, _PROBED)
    with stages.timed(Stage.ANALYSING):
        analysis = quick_analysis(
            source, threads=job.threads, check=lambda: stages.report(Stage.ANALYSING, _PROBED)
        )
    return Known(examination, source, analysis, job.settings)


def _obstacle(
    source: Material, schedule: OutputSchedule, spans: tuple[SegmentSpan, ...], threads: int
) -> str | None:
    """Why the spans cannot be made by themselves; None when they can."""
    if schedule.repairs.total:
        return "Its timestamps had to be repaired."
    if len(spans) < 2:
        return "It is too short, or cannot be entered anywhere in between."
    if not _can_be_entered(source, schedule, spans, threads):
        return "Its pictures are not surely the same when decoding begins in the middle."
    return None


def _can_be_entered(
    source: Material, schedule: OutputSchedule, spans: tuple[SegmentSpan, ...], threads: int
) -> bool:
    """Whether the first pictures of the film, and of a segment in its middle, are decoded for certain."""
    middle = spans[len(spans) // 2].first
    entered = next(islice(schedule.pictures(), middle, None))
    for first in (0, min(entered.sources)):
        stretch = Stretch(source.path, source.scan, schedule.source_times, first, is_near=True)
        try:
            with closing(sought_frames(stretch, threads=threads, check=lambda: None)) as frames:
                for _ in islice(frames, _TRIED_PICTURES):
                    pass
        except TaskFailedError as error:
            if error.code is not ErrorCode.NOT_IN_PARTS:
                raise
            return False
    return True


def _kept(tables: FrameTables | None, plan: EnhancementPlan) -> FrameTables | None:
    """A plan whose steps turned out to need none names none."""
    return None if plan.tables_sha256 is None else tables


def _shared_out(
    schedule: OutputSchedule, scan: PacketScan, tables: FrameTables | None, segment_s: float
) -> tuple[SegmentSpan, ...]:
    """The spans; none where there is no picture."""
    first_sources, starts_s, end_s = array("q"), array("d"), 0.0
    for picture in schedule.pictures():
        first_sources.append(min(picture.sources))
        starts_s.append(picture.time.ticks / schedule.clock.timescale)
        end_s = picture.time.end / schedule.clock.timescale
    if not first_sources:
        return ()
    cuts = frozenset() if tables is None else frozenset(tables.cuts.tolist())
    keyframes = [bisect_left(scan.pts, entry) for entry in scan.keyframe_pts]
    return plan_spans(OutputTimeline(first_sources, starts_s, end_s), keyframes, cuts, segment_s)
