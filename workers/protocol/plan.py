"""Enhancement as values: what the user asked for, what was measured, and what will be done.

The planner itself (`workers.media.plan`) runs in a worker; the desktop only shows these values.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from workers.protocol.media import FieldOrder, HdrKind
from workers.protocol.model import Rational, Text, WireModel


class EncoderSpeed(StrEnum):
    """libx264 preset names that are offered."""

    ULTRAFAST = "ultrafast"
    VERYFAST = "veryfast"
    FAST = "fast"
    MEDIUM = "medium"
    SLOW = "slow"


class EnhancementSettings(WireModel):
    """What the user chose; a preset file is exactly this. `strength` scales every picture step."""

    preset: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = "balanced"
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0
    denoise: bool = True
    colour: bool = True
    sharpen: bool = True
    deinterlace: bool = True
    remux_when_clean: bool = True
    """Copy the streams when nothing would change the picture and they already fit the output profile."""
    crf: Annotated[float, Field(ge=0, le=40)] = 18.0
    """x264 constant rate factor."""
    encoder_speed: EncoderSpeed = EncoderSpeed.MEDIUM
    audio_bit_rate_per_channel: Annotated[int, Field(ge=32_000, le=256_000)] = 80_000
    """bit/s for each channel of a track that has to be encoded."""


class ColourCast(WireModel):
    """Chroma offset of the near-grey pixels, in 8-bit code values, and how sure the estimate is (0–1)."""

    cb: float
    cr: float
    confidence: Annotated[float, Field(ge=0, le=1)]


class Analysis(WireModel):
    """Measured on sample frames. Levels are fractions of the nominal range (0 black, 1 white)."""

    sampled_frames: int
    noise_sigma: Annotated[float, Field(ge=0)]
    """Standard deviation of luma noise in 8-bit code values; 0 when no estimate was possible."""
    noise_is_correlated: bool
    """True when the noise was shaped by a codec (little energy in the diagonal high band)."""
    noise_confidence: Annotated[float, Field(ge=0, le=1)]
    black_level: float
    """0.1th percentile of luma."""
    white_level: float
    """99.9th percentile of luma."""
    mean_level: float
    contrast_spread: float
    """Distance of the 5th and 95th percentile of luma."""
    cast: ColourCast
    sharpness: float
    """Median over samples of the variance of the Laplacian of luma, noise part subtracted."""
    saturation: float = 0.0
    """Mean chroma magnitude in 8-bit code values."""
    field_order: FieldOrder
    combing: Annotated[float, Field(ge=0, le=1)]
    """Share of sampled frames with comb artefacts."""
    hdr: HdrKind = HdrKind.SDR


class StepKind(StrEnum):
    """Picture steps in the order in which they run."""

    TONE_MAP = "tone_map"
    DEINTERLACE = "deinterlace"
    DENOISE = "denoise"
    COLOUR = "colour"
    SHARPEN = "sharpen"
    GEOMETRY = "geometry"


class ToneMapStep(WireModel):
    """HDR to SDR BT.709."""

    kind: Literal[StepKind.TONE_MAP] = StepKind.TONE_MAP
    source: HdrKind
    peak_nits: float
    reason: Text
    radius: Literal[0] = 0


class DeinterlaceStep(WireModel):
    """Same-rate deinterlacing: one output frame per source frame."""

    kind: Literal[StepKind.DEINTERLACE] = StepKind.DEINTERLACE
    field_order: FieldOrder
    reason: Text
    radius: int = 1


class DenoiseStep(WireModel):
    """Motion-compensated degrain, then a 3-frame frequency-domain filter."""

    kind: Literal[StepKind.DENOISE] = StepKind.DENOISE
    sigma: Annotated[float, Field(gt=0, le=100)]
    """Measured σ of luma in 8-bit code values."""
    effective_sigma: Annotated[float, Field(gt=0, le=200)]
    """σ that the filters are set to: 1.8 σ for codec-shaped noise, times the strength."""
    is_correlated: bool
    degrain_radius: Annotated[int, Field(ge=0, le=3)]
    """0: the frequency-domain filter alone."""
    reason: Text
    radius: int
    """Frames needed on each side: `degrain_radius` + 1."""


class ColourStep(WireModel):
    """One fixed curve and chroma correction for the whole file; black/white are fractions of the range."""

    kind: Literal[StepKind.COLOUR] = StepKind.COLOUR
    black: float
    white: float
    gamma: Annotated[float, Field(ge=0.7, le=1.4)]
    local_contrast: Annotated[float, Field(ge=0, le=2)]
    """Clip limit of the contrast-limited histogram equalisation; 0 is off."""
    cb_shift: float
    cr_shift: float
    saturation: Annotated[float, Field(ge=0.5, le=1.5)]
    reason: Text
    radius: Literal[0] = 0


class SharpenStep(WireModel):
    """Contrast-adaptive sharpening of luma."""

    kind: Literal[StepKind.SHARPEN] = StepKind.SHARPEN
    amount: Annotated[float, Field(gt=0, le=1)]
    reason: Text
    radius: Literal[0] = 0


class GeometryStep(WireModel):
    """Rotation baked in, pixels squared, size made even."""

    kind: Literal[StepKind.GEOMETRY] = StepKind.GEOMETRY
    rotation_deg: Literal[0, 90, 180, 270]
    mirror: bool
    width_px: Annotated[int, Field(ge=2, le=16384)]
    height_px: Annotated[int, Field(ge=2, le=16384)]
    """Size after rotation."""
    reason: Text
    radius: Literal[0] = 0


PlanStep = Annotated[
    ToneMapStep | DeinterlaceStep | DenoiseStep | ColourStep | SharpenStep | GeometryStep,
    Field(discriminator="kind"),
]


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
