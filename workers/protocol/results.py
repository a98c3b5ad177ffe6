"""What comes of a task: a result of one of four kinds, or an error."""

from typing import Annotated, Literal

from pydantic import Field

from workers.protocol.model import Text, Uri, WireModel
from workers.protocol.segments import SegmentSpan, Sha256
from workers.protocol.states import ErrorCode

MAX_LOG_TAIL_LINES = 20


class TaskError(WireModel):
    """Why an attempt failed."""

    code: ErrorCode
    message: Text
    """One sentence a person understands."""
    detail: Text | None = None
    log_tail: Annotated[tuple[Text, ...], Field(max_length=MAX_LOG_TAIL_LINES)] = ()


class MediaSummary(WireModel):
    """The few facts a table row shows."""

    width_px: int
    height_px: int
    """As displayed: after rotation, pixels squared."""
    duration_s: float | None
    frame_count: int
    frames_per_s: float | None
    video_codec: str | None
    audio_tracks: int
    format_name: str


class EnhancementResult(WireModel):
    """Where the verified result lies."""

    kind: Literal["enhancement"] = "enhancement"
    output_uri: Uri
    report_uri: Uri
    poster_uri: Uri | None
    size_bytes: int
    frames: int
    duration_s: float | None
    was_remuxed: bool
    was_found_finished: bool
    """True when a redelivered task met its own finished output."""
    warnings: tuple[Text, ...] = ()
    """What the user must be told although the file is done: `EnhancementReport.warnings`."""


class MetadataResult(WireModel):
    """Where the metadata document lies."""

    kind: Literal["metadata"] = "metadata"
    metadata_uri: Uri
    contact_sheet_uri: Uri | None
    thumbnail_uri: Uri | None
    summary: MediaSummary
    was_found_finished: bool = False


class AnalysisResult(WireModel):
    """How a long file is shared out; without spans it is better done in one task, for the reason in words."""

    kind: Literal["analysis"] = "analysis"
    plan_sha256: Sha256 | None = None
    """Of the segment plan; None without spans."""
    round: Annotated[int, Field(ge=0)] = 0
    spans: tuple[SegmentSpan, ...] = ()
    folder_uri: Uri | None = None
    """The folder of the parts; None without spans."""
    reason: Text = ""
    was_found_finished: bool = False


class SegmentResult(WireModel):
    """One finished segment: it lies in the parts' folder until the assembly is done."""

    kind: Literal["segment"] = "segment"
    video_uri: Uri
    """Plays by itself."""
    pictures: int
    size_bytes: int
    seconds: float
    was_found_finished: bool = False


TaskResult = Annotated[
    EnhancementResult | MetadataResult | AnalysisResult | SegmentResult, Field(discriminator="kind")
]
