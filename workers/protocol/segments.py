"""One enhancement in parts: what the analysis decided for all of them, and what each finished segment says of itself.

A long file is analysed once; its output pictures are then shared out among segments, each a task of its own, and the
assembly joins what they made. Everything that two parts must agree on stands in one `SegmentPlan`.
"""

from typing import Annotated, Literal

from pydantic import Field

from workers.protocol.analysis import Analysis
from workers.protocol.model import Identifier, Text, WireModel
from workers.protocol.plan import EnhancementPlan
from workers.protocol.report import GateResult, Note, StageSeconds

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]

PartName = Annotated[str, Field(pattern=r"^(analysis|assembly|segment-[0-9]{5})$")]
"""Which part of an enhancement a task or a status is about; None in its place: the whole file in one task."""

ANALYSIS: PartName = "analysis"
ASSEMBLY: PartName = "assembly"
MAX_SEGMENTS = 5_000


def segment_part(number: int) -> PartName:
    """Name of the part that makes segment `number`, counted from 0."""
    return f"segment-{number:05}"


def segment_number(part: PartName) -> int | None:
    """The segment that a part makes; None for the analysis and the assembly."""
    return int(part.removeprefix("segment-")) if part.startswith("segment-") else None


class SegmentSpan(WireModel):
    """One segment's share of the output: `count` pictures from picture `first` on, counted from 0."""

    number: Count
    first: Count
    count: Annotated[int, Field(ge=1)]
    start_s: Annotated[float, Field(ge=0)]
    """Where it begins on the output's clock; for people and for order, never for cutting."""
    duration_s: Annotated[float, Field(ge=0)]


class SegmentPlan(WireModel):
    """What every part of one enhancement goes by; a document in the parts' folder, named by its checksum.

    The spans follow each other without a gap and cover every output picture.
    """

    schema_version: Literal[1] = 1
    settings_key: Text
    """Of the task, so that parts of other settings, another source or another program are never mixed in."""
    round: Count = 0
    """Raised when the harm gate asked for all segments again without the picture steps."""
    analysis: Analysis
    plan: EnhancementPlan
    spans: Annotated[tuple[SegmentSpan, ...], Field(min_length=1, max_length=MAX_SEGMENTS)]
    source_pictures: Count
    output_pictures: Count
    scan_sha256: Sha256
    """Checksum of the side file with the facts and the packet scan, so that no segment reads the whole source."""
    times_sha256: Sha256
    """Checksum of all output times: a worker that would place a picture elsewhere notices before it begins."""
    timings: tuple[StageSeconds, ...] = ()
    notes: tuple[Note, ...] = ()
    failed_gate: GateResult | None = None
    """Of the round before, when it was the harm gate that ended it."""


class GateMeasures(WireModel):
    """What the harm gate measured in one segment; the judgement is made over all of them together."""

    sigmas_before: tuple[float, ...] = ()
    sigmas_after: tuple[float, ...] = ()
    newly_clipped: Count = 0
    pixels: Count = 0
    flat_error: Annotated[float, Field(ge=0)] = 0.0
    """Sum of squared differences on flat clean blocks, 8-bit code values squared."""
    flat_pixels: Count = 0
    samples: Count = 0


class SegmentRecord(WireModel):
    """A finished segment, written beside its video as the last step: a video without it does not count."""

    schema_version: Literal[1] = 1
    plan_sha256: Sha256
    """Of the segment plan that it was made by."""
    number: Count
    file_name: Identifier
    size_bytes: Count
    sha256: Sha256
    pictures: Count
    first_tick: int
    end_tick: int
    """When its last picture stops being shown, in ticks of the output track."""
    packet_digests: tuple[str, ...]
    """Hexadecimal, of every coded picture in coding order, as the trial decoder took them."""
    parameters: str
    """Hexadecimal digest of the parameter sets; the same in all segments of one output."""
    decoded_pictures: Count
    decode_errors: Count
    source_pictures: Count
    """Decoded from the source for this segment, neighbours that the filters look at included."""
    changed_pictures: Count = 0
    """Of them, pictures of another size or sample format than the first one of the file."""
    gate: GateMeasures | None = None
    seconds: Annotated[float, Field(ge=0)]
    worker_id: Identifier
