"""The first part of an enhancement in parts: look at the source, decide what is done, and share the output out."""

from array import array
from bisect import bisect_left
from typing import Final

from workers.media.failures import failures_in_words
from workers.media.job_stages import JobStages
from workers.media.jobs import AnalysisJob, AnalysisOutcome, ProgressCallback
from workers.media.material import material
from workers.media.output_pictures import OutputSchedule, output_schedule, times_sha256
from workers.media.planning import Known, plan_run
from workers.media.probe import examine
from workers.media.quick_analysis import quick_analysis
from workers.media.segment_fitness import why_whole
from workers.media.segment_planning import OutputTimeline, plan_spans
from workers.media.side_files import save_side_files
from workers.media.tables import FrameTables
from workers.protocol.plan import EnhancementPlan
from workers.protocol.segments import SegmentPlan, SegmentSpan
from workers.protocol.states import Stage

_PROBED: Final = 0.2
_SAMPLED: Final = 0.3
_MEASURED: Final = 0.98
"""Shares of the whole work that are done by then, where every picture has to be looked at."""


def analyse_for_segments(job: AnalysisJob, on_progress: ProgressCallback) -> AnalysisOutcome:
    """Probe, analyse, plan, share out.

    Raises:
        TaskFailedError: with the code and the sentence for the user.
    """
    with failures_in_words(job.workspace):
        return _analyse(job, JobStages(on_progress))


def _analyse(job: AnalysisJob, stages: JobStages) -> AnalysisOutcome:
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
        known = Known(examination, source, analysis, job.settings)
        counter = stages.counter(Stage.ANALYSING, _SAMPLED, _MEASURED, source.scan.count)
        plan, tables = plan_run(known, threads=job.threads, on_frame=counter)
    reason = why_whole(known, plan, tables)
    if reason is not None:
        return AnalysisOutcome(None, reason)
    schedule = output_schedule(source, plan, tables)
    if schedule.repairs.total:
        return AnalysisOutcome(None, "Its timestamps had to be repaired.")
    pictures, spans = _shared_out(schedule, source.scan.pts, source.scan.keyframe_pts, tables, job.segment_s)
    if len(spans) < 2:
        return AnalysisOutcome(None, "It is too short, or cannot be entered anywhere in between.")
    side_files, scan_sha256 = save_side_files(examination, _kept(tables, plan), job.workspace)
    segment_plan = SegmentPlan(
        settings_key=job.settings_key,
        analysis=analysis,
        plan=plan,
        spans=spans,
        source_pictures=source.scan.count,
        output_pictures=pictures,
        scan_sha256=scan_sha256,
        times_sha256=times_sha256((p.time for p in schedule.pictures()), schedule.clock.timescale),
        timings=stages.timings,
    )
    stages.report(Stage.ANALYSING, 1.0, source.scan.count, source.scan.count)
    return AnalysisOutcome(segment_plan, f"Shared out among {len(spans)} segments.", side_files)


def _kept(tables: FrameTables | None, plan: EnhancementPlan) -> FrameTables | None:
    """A plan whose steps turned out to need none names none."""
    return None if plan.tables_sha256 is None else tables


def _shared_out(
    schedule: OutputSchedule,
    pts: array[int],
    keyframe_pts: array[int],
    tables: FrameTables | None,
    segment_s: float,
) -> tuple[int, tuple[SegmentSpan, ...]]:
    """How many pictures come out, and the spans."""
    first_sources, starts_s, end_s = array("q"), array("d"), 0.0
    for picture in schedule.pictures():
        first_sources.append(min(picture.sources))
        starts_s.append(picture.time.ticks / schedule.clock.timescale)
        end_s = picture.time.end / schedule.clock.timescale
    if not first_sources:
        return 0, ()
    cuts = frozenset() if tables is None else frozenset(tables.cuts.tolist())
    keyframes = [bisect_left(pts, entry) for entry in keyframe_pts]
    timeline = OutputTimeline(first_sources, starts_s, end_s)
    return len(first_sources), plan_spans(timeline, keyframes, cuts, segment_s)
