"""Whether the documents that a worker elsewhere handed over belong to the task, and fit what lies beside them. Pure.

Each function raises `TaskFailedError` with RESULT_REJECTED and a sentence about the first thing that is wrong.
"""

from collections.abc import Iterable
from typing import Final

from workers.media.jobs import VideoFacts
from workers.protocol.messages import SegmentTask, WorkTask
from workers.protocol.pictures import MetadataDocument
from workers.protocol.report import EnhancementReport
from workers.protocol.segments import SegmentPlan, SegmentRecord
from workers.protocol.transfers import (
    CONTACT_SHEET,
    METADATA,
    REPORT,
    SCAN,
    SEGMENT_PLAN,
    SEGMENT_RECORD,
    TABLES,
    SentObject,
)
from workers.runtime.handed_over import rejected
from workers.runtime.sources import MTIME_TOLERANCE_NS

_SAME_IN_EVERY_ROUND: Final = (
    "settings_key",
    "analysis",
    "spans",
    "source_pictures",
    "output_pictures",
    "scan_sha256",
    "times_sha256",
)


def check_report(report: EnhancementReport, task: WorkTask, key: str, video: SentObject) -> None:
    """The report is about this file, these settings and this video, and no check of its own failed."""
    _require(
        REPORT,
        (
            (report.file_id == task.file_id, "it is about another file"),
            (
                report.settings_key == key,
                "it was made with other settings or by another version of the program",
            ),
            (report.source_size_bytes == task.source.size_bytes, "it is about a source of another size"),
            (
                abs(report.source_mtime_ns - task.source.mtime_ns) <= MTIME_TOLERANCE_NS,
                "it is about an older or newer source",
            ),
            (report.output_size_bytes == video.size_bytes, "the size of the video is another one"),
            (report.output_sha256 == video.sha256, "the checksum of the video is another one"),
            (all(check.passed for check in report.checks), "one of its checks failed"),
        ),
    )


def check_whole(facts: VideoFacts, report: EnhancementReport) -> None:
    """The video is what its report says."""
    plan = report.plan
    _check_pictures(facts, report.frames_out)
    _check_form(facts, plan.width_px, plan.height_px, plan.encoding.codec.value)
    found = (facts.audio_tracks, facts.subtitle_tracks, facts.chapters)
    said = (report.audio_tracks, report.subtitle_tracks, report.chapters)
    for have, want, what in zip(found, said, ("audio tracks", "subtitle tracks", "chapters"), strict=True):
        if have != want:
            raise rejected(f"The video has {have} {what} instead of {want}.")


def check_metadata(document: MetadataDocument, task: WorkTask, *, has_contact_sheet: bool) -> None:
    """The document is about this file, and names the pictures that are there."""
    _require(
        METADATA,
        (
            (document.file_id == task.file_id, "it is about another file"),
            (document.media.size_bytes == task.source.size_bytes, "it is about a file of another size"),
        ),
    )
    if (document.contact_sheet is not None) != has_contact_sheet:
        raise rejected(f"“{CONTACT_SHEET}” and what “{METADATA}” says of it do not fit together.")


def check_plan(plan: SegmentPlan, key: str, side_files: Iterable[SentObject]) -> None:
    """The plan is for these settings, covers every picture, and names the side files that are there."""
    there = {one.name: one.sha256 for one in side_files}
    named = {SCAN: plan.scan_sha256}
    if plan.plan.tables_sha256 is not None:
        named[TABLES] = plan.plan.tables_sha256
    _require(
        SEGMENT_PLAN,
        (
            (
                plan.settings_key == key,
                "it was made with other settings or by another version of the program",
            ),
            (plan.round == 0, "it is the plan of a later round"),
            (_covers(plan), "its segments do not cover the film"),
            (there == named, "its side files are other ones"),
        ),
    )


def check_round(plan: SegmentPlan, before: SegmentPlan) -> None:
    """The plan follows that of the round before: the same film and the same segments."""
    _require(
        SEGMENT_PLAN,
        (
            (plan.round == before.round + 1, "it is not the plan of the next round"),
            (
                all(getattr(plan, name) == getattr(before, name) for name in _SAME_IN_EVERY_ROUND),
                "it is not about the same film and segments",
            ),
            (plan.failed_gate is not None, "it does not say why there is another round"),
        ),
    )


def check_segment(record: SegmentRecord, task: SegmentTask, video: SentObject) -> None:
    """The record is about this segment and this video, and vouches for every picture."""
    _require(
        SEGMENT_RECORD,
        (
            (record.plan_sha256 == task.plan_sha256, "it was made by another plan"),
            (record.number == task.span.number, "it is about another segment"),
            (record.pictures == task.span.count, "it counts other pictures than were asked for"),
            (record.size_bytes == video.size_bytes, "the size of the video is another one"),
            (record.sha256 == video.sha256, "the checksum of the video is another one"),
            (record.decode_errors == 0, "some of its pictures did not decode"),
        ),
    )


def check_segment_video(facts: VideoFacts, record: SegmentRecord, plan: SegmentPlan) -> None:
    """The video holds the pictures of the record, in the form of the plan, and nothing else."""
    form = plan.plan
    _check_pictures(facts, record.pictures)
    _check_form(facts, form.width_px, form.height_px, form.encoding.codec.value)
    if facts.audio_tracks or facts.subtitle_tracks or facts.hidden:
        raise rejected("The segment holds more than the pictures that were asked for.")
    if facts.first_tick != 0 or facts.last_tick >= record.end_tick - record.first_tick:
        raise rejected("The pictures of the segment lie at other times than its record says.")
    if facts.packet_digests != record.packet_digests or facts.parameters != record.parameters:
        raise rejected("The pictures of the segment are other ones than those its record vouches for.")


def _check_pictures(facts: VideoFacts, said: int) -> None:
    if facts.pictures != said:
        raise rejected(f"The video has {facts.pictures} pictures instead of {said}.")


def _check_form(facts: VideoFacts, width_px: int, height_px: int, codec: str) -> None:
    if facts.videos != 1:
        raise rejected(f"The video has {facts.videos} tracks of pictures instead of one.")
    if (facts.width_px, facts.height_px) != (width_px, height_px):
        raise rejected(
            f"The video has {facts.width_px} × {facts.height_px} pixels instead of {width_px} × {height_px}."
        )
    if facts.codec != codec:
        raise rejected(f"The video is coded in {facts.codec} instead of {codec}.")


def _covers(plan: SegmentPlan) -> bool:
    first = 0
    for number, span in enumerate(plan.spans):
        if (span.number, span.first) != (number, first):
            return False
        first += span.count
    return first == plan.output_pictures


def _require(name: str, facts: Iterable[tuple[bool, str]]) -> None:
    for is_so, what in facts:
        if not is_so:
            raise rejected(f"“{name}” does not fit: {what}.")
