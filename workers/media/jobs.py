"""The values with which the runtime asks for media work, and what it gets back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workers.protocol.media import MediaInfo
from workers.protocol.pictures import MetadataDocument
from workers.protocol.plan import EnhancementPlan
from workers.protocol.report import EnhancementReport
from workers.protocol.results import MediaSummary
from workers.protocol.segments import SegmentPlan, SegmentRecord
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import Stage


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. `fraction` covers the whole job and never falls."""

    stage: Stage
    fraction: float
    frames_done: int = 0
    frames_total: int | None = None


type ProgressCallback = Callable[[Progress], None]
"""Called from any thread, often; must return at once. Raising from it stops the job."""


@dataclass(frozen=True, slots=True)
class EnhancementJob:
    """Enhance `source` into files inside `workspace`, an existing empty directory on the output's disk."""

    file_id: str
    attempt: int
    worker_id: str
    source: Path
    workspace: Path
    output_name: str
    """Final file name, for the report only."""
    settings: EnhancementSettings
    settings_key: str
    threads: int = 0
    """Upper bound for every thread pool; 0: as many as there are cores, 1: a gentle attempt."""


@dataclass(frozen=True, slots=True)
class EnhancementOutcome:
    """A verified output, still in the workspace."""

    output: Path
    poster: Path | None
    report: EnhancementReport


@dataclass(frozen=True, slots=True)
class AnalysisJob:
    """Analyse `source` and plan its segments; side files go to `workspace`, an existing empty directory."""

    file_id: str
    source: Path
    workspace: Path
    settings: EnhancementSettings
    settings_key: str
    segment_s: float
    """About how long a segment should be."""
    threads: int = 0


@dataclass(frozen=True, slots=True)
class AnalysisOutcome:
    """The plan of all segments, or why the file is better done in one task."""

    segment_plan: SegmentPlan | None
    reason: str
    side_files: tuple[Path, ...] = ()
    """In the workspace; every part needs them under these names in the parts' folder. Empty for another round."""


@dataclass(frozen=True, slots=True)
class SegmentJob:
    """Enhance one segment of `source` into a file inside `workspace`, an existing empty directory."""

    worker_id: str
    source: Path
    workspace: Path
    parts: Path
    """Folder with the side files of the analysis; only read."""
    segment_plan: SegmentPlan
    plan_sha256: str
    number: int
    threads: int = 0


@dataclass(frozen=True, slots=True)
class SegmentOutcome:
    """A finished segment, still in the workspace; its record names the file."""

    video: Path
    record: SegmentRecord


@dataclass(frozen=True, slots=True)
class AssemblyJob:
    """Join the segments in `parts` with everything else of `source` into a file inside `workspace`."""

    file_id: str
    attempt: int
    worker_id: str
    source: Path
    workspace: Path
    output_name: str
    settings: EnhancementSettings
    settings_key: str
    parts: Path
    segment_plan: SegmentPlan
    records: tuple[SegmentRecord, ...]
    """Of every segment, in order; their files lie in `parts`."""
    threads: int = 0


type AssemblyOutcome = EnhancementOutcome | AnalysisOutcome
"""The verified output; or, when the harm gate rejected the picture steps, the plan of another round."""


@dataclass(frozen=True, slots=True)
class MetadataJob:
    """Read everything about `source`; pictures go to `workspace`."""

    file_id: str
    source: Path
    workspace: Path
    contact_sheet_name: str
    """Final file name of the contact sheet, as written into the document."""
    threads: int = 0


@dataclass(frozen=True, slots=True)
class MetadataOutcome:
    """The document and its pictures, still in the workspace."""

    document: MetadataDocument
    summary: MediaSummary
    contact_sheet: Path | None
    thumbnail: Path | None


@dataclass(frozen=True, slots=True)
class PreviewJob:
    """Show what enhancing `source` would do; pictures go to `folder`, their names begin with `stem`."""

    source: Path
    folder: Path
    stem: str
    settings: EnhancementSettings
    at_s: float
    duration_s: float
    """0: one picture."""
    max_side_px: int
    threads: int = 0
    wants_size: bool = False
    """Also predict the size of the whole result."""


@dataclass(frozen=True, slots=True)
class PreviewOutcome:
    """The same moments before and after: two pictures or two clips."""

    before: Path
    after: Path
    is_clip: bool
    width_px: int
    height_px: int
    at_s: float
    frames: int
    plan: EnhancementPlan
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InspectionJob:
    """Look at what a worker elsewhere has made for `source`; what is None or empty is not looked at."""

    source: Path
    video: Path | None = None
    images: tuple[Path, ...] = ()
    document: Path | None = None
    """A metadata document."""
    analysis: Path | None = None
    """A folder with a segment plan and its side files."""
    wants_digests: bool = False
    """Also of every coded picture of the video."""


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What an MP4 file holds, by its header and its packets."""

    pictures: int
    """That are shown."""
    hidden: int
    width_px: int
    height_px: int
    codec: str
    videos: int
    audio_tracks: int
    subtitle_tracks: int
    chapters: int
    first_tick: int
    last_tick: int
    """When the first and the last picture begin to be shown, in ticks of their track."""
    parameters: str = ""
    packet_digests: tuple[str, ...] = ()
    """Hexadecimal, as in a `SegmentRecord`; empty when they were not asked for."""


@dataclass(frozen=True, slots=True)
class InspectionOutcome:
    """What was found; None for what was not looked at."""

    video: VideoFacts | None
    summary: MediaSummary | None
    """Of what the metadata document says."""


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """A quick look at a file: no decoding beyond one early frame."""

    info: MediaInfo
    summary: MediaSummary
    thumbnail: Path | None
