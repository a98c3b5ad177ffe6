"""The report of one enhancement, put together from what every stage found. Pure but for the program's version."""

from dataclasses import dataclass
from importlib import metadata

from workers.media.jobs import AssemblyJob, EnhancementJob
from workers.media.material import Material
from workers.media.notes import (
    audio_notes,
    damage_notes,
    dropped_notes,
    late_notes,
    note,
    picture_notes,
    time_notes,
)
from workers.media.production import Production
from workers.media.surroundings import Accompaniment
from workers.media.timestamps import is_variable
from workers.media.verify import Verdict
from workers.protocol.analysis import Analysis
from workers.protocol.media import MediaInfo
from workers.protocol.plan import EnhancementPlan
from workers.protocol.report import EnhancementReport, Note, NoteCode, StageSeconds
from workers.protocol.segments import SegmentRecord


@dataclass(frozen=True, slots=True)
class SourceIdentity:
    """Which bytes were enhanced."""

    name: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything the stages of one enhancement found out."""

    job: EnhancementJob | AssemblyJob
    identity: SourceIdentity
    info: MediaInfo
    source: Material
    analysis: Analysis
    plan: EnhancementPlan
    accompaniment: Accompaniment
    production: Production
    verdict: Verdict
    extra_notes: tuple[Note, ...]
    output_size_bytes: int
    output_sha256: str
    timings: tuple[StageSeconds, ...]
    started_at: str
    finished_at: str
    records: tuple[SegmentRecord, ...] = ()
    """Of the segments, where the pictures were made in parts."""


def program_version() -> str:
    """Version of the installed program; `0` when it runs from a checkout that was never installed."""
    try:
        return metadata.version("vidproc-desktop")
    except metadata.PackageNotFoundError:
        return "0"


def account(found: Findings) -> EnhancementReport:
    """The report that lies beside the result."""
    job, production, accompaniment = found.job, found.production, found.accompaniment
    frames_in = found.source.scan.count
    return EnhancementReport(
        file_id=job.file_id,
        attempt=job.attempt,
        worker_id=job.worker_id,
        source_name=found.identity.name,
        source_size_bytes=found.identity.size_bytes,
        source_mtime_ns=found.identity.mtime_ns,
        output_name=job.output_name,
        output_size_bytes=found.output_size_bytes,
        output_sha256=found.output_sha256,
        settings_key=job.settings_key,
        analysis=found.analysis,
        plan=found.plan,
        frames_in=frames_in,
        frames_out=len(production.times),
        duration_in_s=found.info.duration_s,
        duration_out_s=found.verdict.duration_s,
        drift_start_s=found.verdict.drift_start_s,
        drift_end_s=found.verdict.drift_end_s,
        audio_tracks=len(accompaniment.audio),
        subtitle_tracks=len(accompaniment.subtitles),
        chapters=len(accompaniment.chapters),
        notes=_notes(found),
        gate=production.gate,
        checks=found.verdict.checks,
        timings=found.timings,
        started_at=found.started_at,
        finished_at=found.finished_at,
        program_version=program_version(),
        segments=len(found.records) or None,
        segment_workers=len({record.worker_id for record in found.records}) or None,
    )


def _notes(found: Findings) -> tuple[Note, ...]:
    video, plan, production = found.source.video, found.plan, found.production
    notes: list[Note] = []
    frames_held = found.source.scan.count + found.source.scan.hidden
    notes += damage_notes(found.info, video, frames_held, production.decoded)
    if production.decoded is None:
        notes.append(note(NoteCode.REMUXED, plan.remux_reason, video))
    notes += found.extra_notes
    notes += picture_notes(video, plan)
    varies = video.is_variable_rate and is_variable(production.times, production.clock.span(1))
    notes += time_notes(video, found.source.clock, production.repairs, is_variable=varies)
    for track in production.audio:
        notes += audio_notes(track.plan, track.statistics)
    for subtitles, cues in found.accompaniment.subtitles:
        if subtitles.codec != "mov_text":
            text = f"{len(cues)} texts were converted from {subtitles.codec}; styles are not kept."
            notes.append(note(NoteCode.SUBTITLES_CONVERTED, text, subtitles))
    notes += dropped_notes(found.info, found.accompaniment.unreadable_audio)
    notes += late_notes(found.accompaniment.late_texts, found.accompaniment.late_chapters)
    if found.job.threads == 1:
        notes.append(note(NoteCode.GENTLE_ATTEMPT, "This attempt used one thread, after others had failed."))
    return tuple(notes)
