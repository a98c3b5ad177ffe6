"""What metadata extraction measures in the pictures themselves, and the document it writes."""

from typing import Annotated, Literal

from pydantic import Field

from workers.protocol.media import MediaInfo
from workers.protocol.model import Identifier, Rational, WireModel

HISTOGRAM_BINS = 64


class Histogram(WireModel):
    """Share of sampled pixels per bin, channels as displayed SDR R'G'B' and luma, each summing to 1."""

    red: tuple[float, ...]
    green: tuple[float, ...]
    blue: tuple[float, ...]
    luma: tuple[float, ...]


class DominantColour(WireModel):
    """One cluster of the sampled pixels."""

    hex: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
    share: Annotated[float, Field(ge=0, le=1)]


class PictureStatistics(WireModel):
    """Colour statistics over evenly spread sample frames."""

    sampled_frames: int
    average_colour: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
    dominant_colours: tuple[DominantColour, ...]
    histogram: Histogram


class ContactSheet(WireModel):
    """One picture with a grid of thumbnails, row by row."""

    file_name: str
    columns: int
    rows: int
    cell_width_px: int
    cell_height_px: int
    times_s: tuple[Rational, ...]


class MetadataDocument(WireModel):
    """The JSON file that metadata extraction writes."""

    schema_version: Literal[1] = 1
    file_id: Identifier
    file_name: str
    media: MediaInfo
    pictures: PictureStatistics | None
    """None when not one frame could be decoded; `media.warnings` then says why."""
    contact_sheet: ContactSheet | None
    created_at: str
    """ISO 8601, UTC."""
