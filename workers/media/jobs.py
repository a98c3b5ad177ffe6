"""The values with which the runtime asks for media work, and what it gets back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workers.protocol.media import MediaInfo
from workers.protocol.messages import MediaSummary
from workers.protocol.pictures import MetadataDocument
from workers.protocol.plan import EnhancementPlan
from workers.protocol.report import EnhancementReport
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
class ProbeOutcome:
    """A quick look at a file: no decoding beyond one early frame."""

    info: MediaInfo
    summary: MediaSummary
    thumbnail: Path | None
