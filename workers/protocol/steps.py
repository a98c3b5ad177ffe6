"""The picture steps a plan is made of: each with its numbers, its temporal radius and its reason in words."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from workers.protocol.media import FieldOrder, HdrKind
from workers.protocol.model import Rational, Text, WireModel
from workers.protocol.settings import ChainSpeed, DeinterlaceOutput, UpscaleMethod


class StepKind(StrEnum):
    """Picture steps in the order in which they run."""

    INVERSE_TELECINE = "inverse_telecine"
    DEINTERLACE = "deinterlace"
    CROP = "crop"
    DEFLICKER = "deflicker"
    DEBLOCK = "deblock"
    TONE_MAP = "tone_map"
    DENOISE = "denoise"
    STABILISE = "stabilise"
    DEHALO = "dehalo"
    DEBAND = "deband"
    COLOUR = "colour"
    UPSCALE = "upscale"
    SHARPEN = "sharpen"
    GRAIN = "grain"
    GEOMETRY = "geometry"
    FRAME_RATE = "frame_rate"


class InverseTelecineStep(WireModel):
    """The film's own pictures put together again from the fields of 3:2 pulldown; which fields, a table says."""

    kind: Literal[StepKind.INVERSE_TELECINE] = StepKind.INVERSE_TELECINE
    field_order: FieldOrder
    reason: Text
    radius: Literal[1] = 1


class ToneMapStep(WireModel):
    """HDR to SDR BT.709."""

    kind: Literal[StepKind.TONE_MAP] = StepKind.TONE_MAP
    source: HdrKind
    peak_nits: float
    reason: Text
    radius: Literal[0] = 0


class DeinterlaceStep(WireModel):
    """Interlaced pictures to progressive ones, one or two for each."""

    kind: Literal[StepKind.DEINTERLACE] = StepKind.DEINTERLACE
    field_order: FieldOrder
    output: DeinterlaceOutput = DeinterlaceOutput.FRAME
    speed: ChainSpeed = ChainSpeed.FAST
    """Fast: bwdif; balanced: motion-compensated over it; best: the same twice over a neural interpolation."""
    only_combed: bool = False
    """Pictures that do not comb are passed on as they are: for files with progressive scenes among others."""
    reason: Text
    radius: int = 1
    """Source pictures on each side: 1 for bwdif alone, 2 with motion compensation."""


class CropStep(WireModel):
    """Black borders cut off; whole samples of chroma."""

    kind: Literal[StepKind.CROP] = StepKind.CROP
    left_px: Annotated[int, Field(ge=0)]
    top_px: Annotated[int, Field(ge=0)]
    right_px: Annotated[int, Field(ge=0)]
    bottom_px: Annotated[int, Field(ge=0)]
    reason: Text
    radius: Literal[0] = 0


class DeflickerStep(WireModel):
    """Brightness that pumps from picture to picture made steady; how much for which picture, a table says."""

    kind: Literal[StepKind.DEFLICKER] = StepKind.DEFLICKER
    amount: Annotated[float, Field(gt=0, le=1)]
    """Share of the fluctuation that is taken out."""
    reason: Text
    radius: Literal[0] = 0


class DeblockStep(WireModel):
    """Edges of a codec's blocks smoothed, for codecs that do not do it themselves."""

    kind: Literal[StepKind.DEBLOCK] = StepKind.DEBLOCK
    amount: Annotated[float, Field(gt=0, le=64)]
    """Standard deviation of the coding noise that is taken out, in 8-bit code values."""
    reason: Text
    radius: Literal[1] = 1


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
    speed: ChainSpeed = ChainSpeed.BALANCED
    reason: Text
    radius: int
    """Frames needed on each side."""


class StabiliseStep(WireModel):
    """The camera's path made smooth; where every picture is moved to, a table says."""

    kind: Literal[StepKind.STABILISE] = StepKind.STABILISE
    zoom: Annotated[float, Field(ge=1, le=1.3)]
    """Largest enlargement that hides the borders which moving leaves."""
    pixel_aspect: Annotated[float, Field(gt=0, le=16)] = 1.0
    """Width of a coded pixel over its height: turning is a matter of square pixels."""
    reason: Text
    radius: Literal[0] = 0


class DehaloStep(WireModel):
    """Bright and dark lines beside edges, left by someone's sharpening, reduced."""

    kind: Literal[StepKind.DEHALO] = StepKind.DEHALO
    amount: Annotated[float, Field(gt=0, le=1)]
    reason: Text
    radius: Literal[0] = 0


class DebandStep(WireModel):
    """Steps in smooth gradients spread out."""

    kind: Literal[StepKind.DEBAND] = StepKind.DEBAND
    threshold: Annotated[float, Field(gt=0, le=8)]
    """Largest step that is taken for banding, in 8-bit code values."""
    reason: Text
    radius: Literal[0] = 0


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


class UpscaleStep(WireModel):
    """More pixels."""

    kind: Literal[StepKind.UPSCALE] = StepKind.UPSCALE
    factor: Annotated[int, Field(ge=2, le=4)]
    method: UpscaleMethod
    speed: ChainSpeed = ChainSpeed.BALANCED
    reason: Text
    radius: Literal[0] = 0


class GrainStep(WireModel):
    """Synthetic grain, seeded by the number of the picture."""

    kind: Literal[StepKind.GRAIN] = StepKind.GRAIN
    sigma: Annotated[float, Field(gt=0, le=20)]
    """Standard deviation on luma in 8-bit code values."""
    reason: Text
    radius: Literal[0] = 0


class FrameRateStep(WireModel):
    """A constant rate on request: for every moment of the output the picture that the source shows then."""

    kind: Literal[StepKind.FRAME_RATE] = StepKind.FRAME_RATE
    rate: Rational
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
    InverseTelecineStep
    | DeinterlaceStep
    | CropStep
    | DeflickerStep
    | DeblockStep
    | ToneMapStep
    | DenoiseStep
    | StabiliseStep
    | DehaloStep
    | DebandStep
    | ColourStep
    | UpscaleStep
    | SharpenStep
    | GrainStep
    | GeometryStep
    | FrameRateStep,
    Field(discriminator="kind"),
]
