"""MediaInfo: every container and stream fact libav knows, as typed, documented values.

Times are exact rationals in seconds, rates are exact rationals, sizes are bytes, bit rates are bit/s.
"""

from enum import StrEnum

from pydantic import Field

from workers.protocol.model import Rational, WireModel


class FieldOrder(StrEnum):
    """Scan type as the stream declares it, or as its frames are flagged."""

    PROGRESSIVE = "progressive"
    TOP_FIRST = "top_first"
    BOTTOM_FIRST = "bottom_first"
    MIXED = "mixed"
    UNKNOWN = "unknown"


class HdrKind(StrEnum):
    """Dynamic range of the picture, from transfer function and side data."""

    SDR = "sdr"
    HDR10 = "hdr10"
    HLG = "hlg"
    DOLBY_VISION = "dolby_vision"
    PQ = "pq"
    """PQ transfer without mastering metadata."""


class Tag(WireModel):
    """One metadata entry, order and spelling kept."""

    key: str
    value: str


class ColourInfo(WireModel):
    """ITU-T H.273 names as libav spells them; None where the file does not say."""

    primaries: str | None = None
    transfer: str | None = None
    matrix: str | None = None
    range: str | None = None
    """`tv` (limited) or `pc` (full)."""
    chroma_location: str | None = None


class MasteringDisplay(WireModel):
    """SMPTE ST 2086 mastering display: CIE 1931 chromaticities and luminance in cd/m²."""

    red: tuple[Rational, Rational] | None = None
    green: tuple[Rational, Rational] | None = None
    blue: tuple[Rational, Rational] | None = None
    white_point: tuple[Rational, Rational] | None = None
    min_luminance: Rational | None = None
    max_luminance: Rational | None = None


class ContentLight(WireModel):
    """CTA-861.3 content light level in cd/m²."""

    max_content: int
    max_frame_average: int


class HdrInfo(WireModel):
    """What the stream carries beyond SDR."""

    kind: HdrKind = HdrKind.SDR
    mastering_display: MasteringDisplay | None = None
    content_light: ContentLight | None = None
    dolby_vision_profile: int | None = None


class StreamInfo(WireModel):
    """Facts every stream has."""

    index: int = Field(ge=0)
    codec: str | None
    """libav's short codec name; None where libav knows no decoder."""
    codec_long: str | None = None
    codec_tag: str | None = None
    profile: str | None = None
    level: int | None = None
    time_base: Rational | None = None
    start_s: Rational | None = None
    duration_s: Rational | None = None
    bit_rate: int | None = None
    language: str | None = None
    """ISO 639-2 code as tagged."""
    title: str | None = None
    is_default: bool = False
    is_forced: bool = False
    dispositions: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    id: int | None = None
    """The container's own number of the stream (MPEG: PID)."""
    start_ticks: int | None = None
    duration_ticks: int | None = None
    """Both as the header states them, in ticks of `time_base`."""
    max_bit_rate: int | None = None
    extradata_bytes: int = 0
    """Length of the codec's own header."""
    packet_count: int = 0
    packet_bytes: int = 0
    """All packets that were read, hidden ones included."""
    side_data: tuple[str, ...] = ()
    """Names of the side data of the stream and its first frames, as libav spells them."""


class VideoStreamInfo(StreamInfo):
    """One video stream."""

    width_px: int
    height_px: int
    """Coded picture after cropping, before rotation and before squaring the pixels."""
    sample_aspect_ratio: Rational
    display_aspect_ratio: Rational | None = None
    pixel_format: str | None
    bit_depth: int | None
    average_rate: Rational | None
    base_rate: Rational | None
    is_variable_rate: bool
    """True when the packet timestamps are not evenly spaced (tolerance: one tick of the time base)."""
    frame_count: int
    """Displayed packets counted by a scan of the file, not the header's claim."""
    declared_frame_count: int | None = None
    """What the header claims, where it claims something."""
    is_trimmed: bool = False
    """True when an edit list shows only part of the pictures that the header counts; nothing of the file is missing."""
    rotation_deg: int = 0
    """Clockwise turn a player applies before display: 0, 90, 180 or 270."""
    is_mirrored: bool = False
    """True when the display matrix also flips the picture horizontally (after the rotation)."""
    field_order: FieldOrder = FieldOrder.UNKNOWN
    colour: ColourInfo = ColourInfo()
    hdr: HdrInfo = HdrInfo()
    has_b_frames: bool = False
    is_attached_picture: bool = False
    coded_width_px: int | None = None
    coded_height_px: int | None = None
    """Size before cropping."""
    declared_average_rate: Rational | None = None
    """What the header makes of its own counts; `average_rate` is measured."""
    reorder_depth: int | None = None
    """How many pictures the decoder has to hold back."""
    reference_count: int | None = None
    nal_length_bytes: int | None = None
    """H.264 and HEVC: length of a unit's size, as MP4 and Matroska store it; None where start codes part the units."""
    has_closed_captions: bool = False
    has_film_grain: bool = False
    """Synthetic grain is described in the stream; decoders add it."""


class AudioStreamInfo(StreamInfo):
    """One audio stream."""

    sample_rate_hz: int
    channels: int
    layout: str | None
    sample_format: str | None
    bits_per_sample: int | None = None
    initial_padding: int = 0
    """Samples of run-in that are not for the ear, where the codec's header says so."""


class SubtitleStreamInfo(StreamInfo):
    """One subtitle stream."""

    is_text: bool
    """False for picture subtitles (PGS, VobSub, DVB), which MP4 for browsers cannot carry."""


class OtherStreamInfo(StreamInfo):
    """Data, timecode and attachment streams."""

    kind: str
    """libav's media type: `data`, `attachment` or `unknown`."""
    file_name: str | None = None


class Chapter(WireModel):
    """One chapter, in seconds from the start of the container's clock."""

    start_s: Rational
    end_s: Rational
    title: str | None = None
    id: int | None = None
    time_base: Rational | None = None
    tags: tuple[Tag, ...] = ()
    """Everything else that is said about it."""


class MediaInfo(WireModel):
    """Everything known about one file without decoding its pictures."""

    format_name: str
    format_long: str | None = None
    size_bytes: int
    duration_s: Rational | None
    start_s: Rational | None
    bit_rate: int | None
    tags: tuple[Tag, ...] = ()
    video: tuple[VideoStreamInfo, ...] = ()
    """Moving pictures first, in file order; attached pictures (cover art) after them."""
    audio: tuple[AudioStreamInfo, ...] = ()
    subtitles: tuple[SubtitleStreamInfo, ...] = ()
    others: tuple[OtherStreamInfo, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    missing_bytes: int = Field(default=0, ge=0)
    """Bytes that the container announces beyond the end of the file: a download that was cut off."""
    content_s: Rational | None = None
    """From the earliest to the latest moment of any packet; None where the file was not read to its end."""
    warnings: tuple[str, ...] = ()
    """What looked wrong while scanning (truncation, missing timestamps, demuxing errors), in words."""

    @property
    def main_video(self) -> VideoStreamInfo | None:
        """The stream that is enhanced: the default moving picture, else the first one."""
        moving = [stream for stream in self.video if not stream.is_attached_picture]
        return next((stream for stream in moving if stream.is_default), moving[0] if moving else None)
