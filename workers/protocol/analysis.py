"""What was measured in a file's pictures, every figure with how sure it is."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from workers.protocol.media import FieldOrder, HdrKind
from workers.protocol.model import WireModel

Confidence = Annotated[float, Field(ge=0, le=1)]


class Figure(WireModel):
    """One measured number; `confidence` 0 means that it could not be measured."""

    value: float = 0.0
    confidence: Confidence = 0.0


class ColourCast(WireModel):
    """Chroma offset of the near-grey pixels, in 8-bit code values, and how sure the estimate is (0–1)."""

    cb: float
    cr: float
    confidence: Confidence


class ScanKind(StrEnum):
    """How moments and pictures belong together."""

    PROGRESSIVE = "progressive"
    INTERLACED = "interlaced"
    """Two moments in every picture."""
    TELECINE = "telecine"
    """Film of 24 pictures a second spread over fields by 3:2 pulldown."""
    MIXED = "mixed"
    """Interlaced in some scenes only."""
    UNKNOWN = "unknown"
    """Too little motion to tell."""


class ScanFinding(WireModel):
    """What motion says about fields, whatever the file says."""

    kind: ScanKind = ScanKind.UNKNOWN
    field_order: FieldOrder = FieldOrder.UNKNOWN
    """The field that was exposed first, measured; unknown where nothing is interlaced."""
    confidence: Confidence = 0.0


class Borders(WireModel):
    """Black borders in px of the coded picture, the same in all samples; all zero where there are none."""

    left_px: Annotated[int, Field(ge=0)] = 0
    top_px: Annotated[int, Field(ge=0)] = 0
    right_px: Annotated[int, Field(ge=0)] = 0
    bottom_px: Annotated[int, Field(ge=0)] = 0
    confidence: Confidence = 0.0

    @property
    def any(self) -> bool:
        """True when there is a border on some side."""
        return any((self.left_px, self.top_px, self.right_px, self.bottom_px))


class Analysis(WireModel):
    """Measured on sample pictures. Levels are fractions of the nominal range (0 black, 1 white)."""

    sampled_frames: int
    noise_sigma: Annotated[float, Field(ge=0)]
    """Standard deviation of luma noise in 8-bit code values; 0 when no estimate was possible."""
    noise_is_correlated: bool
    """True when the noise was shaped by a codec (little energy in the diagonal high band)."""
    noise_confidence: Confidence
    black_level: float
    """0.1th percentile of luma."""
    white_level: float
    """99.9th percentile of luma."""
    mean_level: float
    contrast_spread: float
    """Distance of the 5th and 95th percentile of luma."""
    levels_confidence: Confidence = 1.0
    """1 when all samples agree on the percentiles, less the more they differ."""
    cast: ColourCast
    sharpness: float
    """Median over samples of the variance of the Laplacian of luma, noise part subtracted."""
    saturation: float = 0.0
    """Mean chroma magnitude in 8-bit code values."""
    scan: ScanFinding = ScanFinding()
    duplicates: Figure = Figure()
    """Share of pictures that repeat the one before."""
    borders: Borders = Borders()
    blockiness: Figure = Figure()
    """Excess of steps across the borders of the codec's blocks over steps elsewhere, in 8-bit code values."""
    banding: Figure = Figure()
    """Share of the picture's area that is a smooth gradient broken into steps of one or two codes."""
    halo: Figure = Figure()
    """Overshoot beside strong edges as a share of the edge's height."""
    softness: Figure = Figure()
    """Width in px of the sharpest tenth of the edges, from their steepest slope: about 1 to 2.5 in sharp pictures."""
    flicker: Figure = Figure()
    """Standard deviation of the picture's mean luma around its own running mean, in 8-bit code values."""
    shake: Figure = Figure()
    """Root mean square of the camera's movement around its own smooth path, in thousandths of the width."""
    cuts_per_minute: Figure = Figure()
    hdr: HdrKind = HdrKind.SDR
    rotation_deg: int = 0
    is_variable_rate: bool = False
