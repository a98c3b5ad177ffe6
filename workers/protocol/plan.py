"""The enhancement plan: what a worker executes, what segments share, what the window explains and the report records.

The planner itself (`workers.media.plan`) runs in a worker; the desktop only shows these values.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from workers.protocol.model import Rational, Text, WireModel
from workers.protocol.settings import EnhancementSettings, VideoCodec
from workers.protocol.steps import PlanStep, StepKind


class SkippedStep(WireModel):
    """A step that was considered and left out, with the reason in words."""

    kind: StepKind
    reason: Text


class OutputColour(WireModel):
    """Tags written to the output; always complete."""

    primaries: str
    transfer: str
    matrix: str
    range: Literal["tv"] = "tv"
    is_assumed: bool
    """True when the source did not say and the size decided."""


class FrameMapKind(StrEnum):
    """How output pictures follow from source pictures."""

    ONE_TO_ONE = "one_to_one"
    FIELDS = "fields"
    """Two pictures for each source picture, the second halfway to the next one."""
    TELECINE = "telecine"
    """Film pictures made of fields of up to two source pictures; a table says which."""
    CONSTANT_RATE = "constant_rate"
    """Evenly spaced moments, each with the source picture shown then."""


class EncoderPlan(WireModel):
    """How the pictures are coded."""

    encoder: Text = "libx264"
    """libav's name."""
    codec: VideoCodec = VideoCodec.H264
    quality: float = 18.0
    """Constant quality on the encoder's own scale."""
    preset: Text = "medium"
    """Speed on the encoder's own scale."""
    tune: Text | None = None
    max_bit_rate: Annotated[int, Field(gt=0)] | None = None
    """bit/s that are not exceeded for long; None: no cap."""
    film_grain: Annotated[int, Field(ge=0, le=50)] = 0
    """SVT-AV1's synthesis of grain at playback; 0: off."""
    pixel_format: Text = "yuv420p"
    reason: Text = ""


class EnhancementPlan(WireModel):
    """What a worker executes and the window explains."""

    schema_version: Literal[1] = 1
    settings: EnhancementSettings
    steps: tuple[PlanStep, ...]
    skipped: tuple[SkippedStep, ...]
    width_px: int
    height_px: int
    colour: OutputColour
    remux: bool
    remux_reason: Text
    notes: tuple[Text, ...] = ()
    frame_map: FrameMapKind = FrameMapKind.ONE_TO_ONE
    tables_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Checksum of the tables of the full analysis; None when no step needs one."""
    encoding: EncoderPlan = EncoderPlan()
    predicted_size_bytes: Annotated[int, Field(ge=0)] | None = None
    """Of the whole output, from a trial encoding of samples; None when none was made."""

    @property
    def radius(self) -> int:
        """Source frames needed on each side of an output frame."""
        return sum(step.radius for step in self.steps)

    @property
    def changes_picture(self) -> bool:
        """True when a step beyond geometry is planned."""
        return any(step.kind is not StepKind.GEOMETRY for step in self.steps)


class FrameRateKind(StrEnum):
    """How timestamps are spaced."""

    CONSTANT = "constant"
    VARIABLE = "variable"


class RateInfo(WireModel):
    """Average rate and spacing of an output."""

    average: Rational
    kind: FrameRateKind
