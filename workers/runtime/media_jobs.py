"""The jobs module that a child loads by default: the real media work.

A jobs module has two functions, `warm_up(kinds)` and `run(job, on_progress)`. Tests pass the name of their own module
to the executor; nothing else chooses one.
"""

from collections.abc import Collection

from workers.exchange.stand_ins import STAND_INS
from workers.media.jobs import (
    AnalysisJob,
    AssemblyJob,
    EnhancementJob,
    InspectionJob,
    MetadataJob,
    PreviewJob,
    ProgressCallback,
    SegmentJob,
)
from workers.runtime.pipe import Job, Outcome, ProbeJob


def warm_up(kinds: Collection[str]) -> None:
    """Import what the jobs of these kinds need, so that the first one starts at once.

    Raises:
        ImportError: a media library is missing.
    """
    if "enhance" in kinds:
        import workers.media.enhance
        import workers.media.segment_analysis
        import workers.media.segment_assembly
        import workers.media.segment_enhance
    if "metadata" in kinds:
        import workers.media.pictures
    if "preview" in kinds:
        import workers.media.preview
    if "probe" in kinds:
        import workers.media.quick_probe  # noqa: F401 - as above


def run(job: Job, on_progress: ProgressCallback) -> Outcome:
    """Do one job.

    Raises:
        TaskFailedError: the job cannot succeed.
    """
    if not isinstance(job, ProbeJob | InspectionJob):
        from workers.media.thread_limit import limit_threads

        limit_threads(job.threads)
    with STAND_INS.for_one_job():
        return _done(job, on_progress)


def _done(job: Job, on_progress: ProgressCallback) -> Outcome:
    match job:
        case EnhancementJob():
            from workers.media.enhance import enhance

            return enhance(job, on_progress)
        case AnalysisJob():
            from workers.media.segment_analysis import analyse_for_segments

            return analyse_for_segments(job, on_progress)
        case SegmentJob():
            from workers.media.segment_enhance import enhance_segment

            return enhance_segment(job, on_progress)
        case AssemblyJob():
            from workers.media.segment_assembly import assemble_segments

            return assemble_segments(job, on_progress)
        case MetadataJob():
            from workers.media.pictures import extract

            return extract(job, on_progress)
        case ProbeJob():
            from workers.media.quick_probe import quick_probe

            return quick_probe(job.source, job.thumbnail)
        case InspectionJob():
            from workers.media.inspection import inspect

            return inspect(job)
        case PreviewJob():
            from workers.media.preview import preview

            return preview(job, on_progress)
