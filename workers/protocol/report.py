"""The report that lies beside every enhanced file: found, done, why, kept, lost, checked."""

from enum import StrEnum
from typing import Final, Literal

from workers.protocol.analysis import Analysis
from workers.protocol.model import Identifier, Rational, Text, WireModel
from workers.protocol.plan import EnhancementPlan


class NoteCode(StrEnum):
    """Things a user should know about a result; closed, so that tests and screens can count on them."""

    SOURCE_TRUNCATED = "source_truncated"
    """The file ends early: what could be decoded was enhanced."""
    SOURCE_DAMAGED = "source_damaged"
    """Packets could not be decoded; their frames are missing."""
    REMUXED = "remuxed"
    HARM_GATE_FELL_BACK = "harm_gate_fell_back"
    """The picture steps would have done harm and were left out."""
    HDR_TONE_MAPPED = "hdr_tone_mapped"
    DOLBY_VISION_DROPPED = "dolby_vision_dropped"
    COLOUR_ASSUMED = "colour_assumed"
    RANGE_CONVERTED = "range_converted"
    BIT_DEPTH_REDUCED = "bit_depth_reduced"
    CHROMA_REDUCED = "chroma_reduced"
    ROTATION_BAKED = "rotation_baked"
    PIXELS_SQUARED = "pixels_squared"
    SIZE_MADE_EVEN = "size_made_even"
    PICTURE_CHANGES = "picture_changes"
    """The source changes its size or sample format on its way; everything was brought to the first one's."""
    DEINTERLACED = "deinterlaced"
    INTERLACED_KEPT = "interlaced_kept"
    VARIABLE_RATE_KEPT = "variable_rate_kept"
    START_SHIFTED = "start_shifted"
    """The source's clock did not start at zero; the output's does, all tracks moved alike."""
    TIMESTAMPS_REPAIRED = "timestamps_repaired"
    """Source timestamps were missing, doubled or ran backwards; what was done stands in the text."""
    AUDIO_COPIED = "audio_copied"
    AUDIO_ENCODED = "audio_encoded"
    AUDIO_MIXED_DOWN = "audio_mixed_down"
    AUDIO_DROPPED = "audio_dropped"
    """A track no decoder can read."""
    SUBTITLES_CONVERTED = "subtitles_converted"
    SUBTITLES_DROPPED = "subtitles_dropped"
    VIDEO_DROPPED = "video_dropped"
    """A second video stream or cover art."""
    DATA_DROPPED = "data_dropped"
    ATTACHMENT_DROPPED = "attachment_dropped"
    TAGS_DROPPED = "tags_dropped"
    BEYOND_THE_END = "beyond_the_end"
    """Texts or chapters lie behind the end of the film and were left out."""
    GENTLE_ATTEMPT = "gentle_attempt"


WARNING_CODES: Final = frozenset(
    {
        NoteCode.SOURCE_TRUNCATED,
        NoteCode.SOURCE_DAMAGED,
        NoteCode.AUDIO_DROPPED,
        NoteCode.HARM_GATE_FELL_BACK,
    }
)
"""Notes that say that something of the film is missing or was not done: they are told, not only written down."""
MAX_WARNINGS: Final = 20
"""More than a person reads at once; the report holds every one."""


class Note(WireModel):
    """One thing worth knowing."""

    code: NoteCode
    text: Text
    stream_index: int | None = None


class Check(WireModel):
    """One verification of the finished file."""

    name: str
    passed: bool
    detail: Text


class GateResult(WireModel):
    """The do-no-harm gate, measured on sample frames before and after the picture steps."""

    sampled_frames: int
    sigma_before: float
    sigma_after: float
    newly_clipped_share: float
    flat_psnr_db: float | None
    """None when no sampled frame had flat noise-free blocks."""
    passed: bool
    detail: Text


class StageSeconds(WireModel):
    """Wall time of one stage."""

    stage: str
    seconds: float


class EnhancementReport(WireModel):
    """Machine- and human-readable account of one enhancement."""

    schema_version: Literal[1] = 1
    file_id: Identifier
    attempt: int
    worker_id: str
    source_name: str
    source_size_bytes: int
    source_mtime_ns: int
    output_name: str
    output_size_bytes: int
    output_sha256: str
    settings_key: str
    """Hash of everything that shapes the output, so that a redelivered task recognises its own result."""
    analysis: Analysis | None
    plan: EnhancementPlan
    frames_in: int
    frames_out: int
    duration_in_s: Rational | None
    duration_out_s: Rational | None
    drift_start_s: Rational | None = None
    drift_end_s: Rational | None = None
    """Change of the audio-to-video offset at the start and at the end, first audio track."""
    audio_tracks: int
    subtitle_tracks: int
    chapters: int
    notes: tuple[Note, ...]
    gate: GateResult | None
    checks: tuple[Check, ...]
    timings: tuple[StageSeconds, ...]
    started_at: str
    finished_at: str
    program_version: str
    segments: int | None = None
    """How many segments the pictures were made in; None: in one run. The seconds of `enhancing` are then those of all
    segments together, which may have been made at the same time."""
    segment_workers: int | None = None
    """How many workers made them."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Texts of the notes that the user must be told at once, each once, the first `MAX_WARNINGS` of them."""
        texts = (note.text for note in self.notes if note.code in WARNING_CODES)
        return tuple(dict.fromkeys(texts))[:MAX_WARNINGS]
