"""One libav stream to one typed value. It reads headers, the packet scan and a few decoded frames' flags."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypedDict

from av.audio.stream import AudioStream
from av.codec.codec import Properties
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from workers.media import colour_names
from workers.media.first_frames import FirstFrames
from workers.media.limits import MAX_TAG_CHARS, MAX_TAG_CHARS_PER_FILE
from workers.media.packet_scan import PacketScan, codec_of
from workers.media.side_data import (
    parse_content_light,
    parse_display_matrix,
    parse_dolby_vision_profile,
    parse_mastering_display,
)
from workers.media.stream_rates import average_rate, plausible, rational
from workers.protocol.media import (
    AudioStreamInfo,
    ColourInfo,
    FieldOrder,
    HdrInfo,
    HdrKind,
    OtherStreamInfo,
    SubtitleStreamInfo,
    Tag,
    VideoStreamInfo,
)

_UNKNOWN_LEVEL = -99
_NAL_LENGTH_AT = {"h264": 4, "hevc": 21}
_FIELD_ORDERS = {
    1: FieldOrder.PROGRESSIVE,
    2: FieldOrder.TOP_FIRST,
    3: FieldOrder.BOTTOM_FIRST,
    4: FieldOrder.BOTTOM_FIRST,
    5: FieldOrder.TOP_FIRST,
}
"""AVFieldOrder by which field is *displayed* first (TB: top coded first, bottom displayed first)."""


@dataclass(slots=True)
class TagReader:
    """Turns libav's dictionaries into bounded tags; one reader per file keeps the file's total."""

    left: int = MAX_TAG_CHARS_PER_FILE

    def read(self, metadata: Mapping[str, str]) -> tuple[Tag, ...]:
        """Tags in file order, undecodable bytes replaced, until the file's allowance is used up."""
        tags = []
        for key, value in metadata.items():
            text = clean_text(value)
            if len(text) > MAX_TAG_CHARS:
                text = text[: MAX_TAG_CHARS - 1] + "…"
            name = clean_text(key)[:256]
            self.left -= len(name) + len(text)
            if self.left < 0:
                break
            tags.append(Tag(key=name, value=text))
        return tuple(tags)


class _CommonFields(TypedDict):
    index: int
    codec: str | None
    codec_long: str | None
    codec_tag: str | None
    profile: str | None
    level: int | None
    time_base: Fraction | None
    start_s: Fraction | None
    duration_s: Fraction | None
    bit_rate: int | None
    language: str | None
    title: str | None
    is_default: bool
    is_forced: bool
    dispositions: tuple[str, ...]
    tags: tuple[Tag, ...]
    id: int | None
    start_ticks: int | None
    duration_ticks: int | None
    max_bit_rate: int | None
    extradata_bytes: int
    packet_count: int
    packet_bytes: int


def clean_text(text: str) -> str:
    """Text as people may read it: bytes that are no UTF-8 are taken for Windows-1252, control characters go."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return "".join(letter for letter in text if letter >= " " or letter in "\n\t").replace("\x7f", "")


def describe_video(
    stream: VideoStream, scan: PacketScan, first: FirstFrames, tags: TagReader
) -> VideoStreamInfo:
    """Facts of one video stream."""
    context: Any = stream.codec_context
    width, height = _size(context, first)
    aspect = rational(stream.sample_aspect_ratio) if context is not None else None
    sample_aspect = aspect if aspect is not None and aspect > 0 else Fraction(1)
    is_variable = scan.is_variable
    side_data = _side_data(context, first)
    orientation = parse_display_matrix(side_data.get("display_matrix", b""))
    colour = _colour(context, first)
    declared = stream.frames or None
    return VideoStreamInfo(
        **_common(stream, scan, tags),
        width_px=width,
        height_px=height,
        sample_aspect_ratio=sample_aspect,
        display_aspect_ratio=sample_aspect * width / height if width and height else None,
        pixel_format=_pixel_format(context, first),
        bit_depth=_bit_depth(context, first),
        average_rate=average_rate(stream, scan, is_variable=is_variable),
        base_rate=plausible(rational(stream.base_rate)),
        is_variable_rate=is_variable,
        frame_count=scan.count,
        declared_frame_count=declared,
        is_trimmed=declared is not None and _is_trimmed(stream, scan, declared),
        rotation_deg=orientation.rotation_deg,
        is_mirrored=orientation.is_mirrored,
        field_order=_field_order(context, first),
        colour=colour,
        hdr=_hdr(colour, side_data),
        has_b_frames=bool(context is not None and context.has_b_frames),
        is_attached_picture=is_attached_picture(stream),
        side_data=tuple(sorted({*side_data, *first.side_data_names})),
        coded_width_px=getattr(context, "coded_width", None) or None,
        coded_height_px=getattr(context, "coded_height", None) or None,
        declared_average_rate=rational(stream.average_rate),
        reorder_depth=getattr(context, "reorder_depth", None),
        reference_count=getattr(context, "refs", None) or None,
        nal_length_bytes=nal_length_bytes(context),
        has_closed_captions=first.has_captions,
        has_film_grain="film_grain_params" in first.side_data_names,
    )


def describe_audio(stream: AudioStream, scan: PacketScan, tags: TagReader) -> AudioStreamInfo:
    """Facts of one audio stream; zeros where libav knows no decoder for it."""
    context: Any = stream.codec_context
    known = context is not None
    layout = context.layout.name if known and context.layout is not None and context.channels else None
    sample_format = context.format.name if known and context.format is not None else None
    return AudioStreamInfo(
        **_common(stream, scan, tags),
        sample_rate_hz=context.sample_rate if known else 0,
        channels=context.channels if known else 0,
        layout=layout,
        sample_format=sample_format,
        bits_per_sample=(context.bits_per_raw_sample or None) if known else None,
        initial_padding=max(0, getattr(context, "initial_padding", 0) or 0),
    )


def describe_subtitle(stream: SubtitleStream, scan: PacketScan, tags: TagReader) -> SubtitleStreamInfo:
    """Facts of one subtitle stream."""
    context: Any = stream.codec_context
    codec = codec_of(context)
    is_text = codec is not None and bool(Properties(codec.properties) & Properties.TEXT_SUB)
    return SubtitleStreamInfo(**_common(stream, scan, tags), is_text=is_text)


def describe_other(stream: Stream, scan: PacketScan, tags: TagReader) -> OtherStreamInfo:
    """Facts of a data, attachment or unknown stream."""
    name = getattr(stream, "name", None)
    file_name = stream.metadata.get("filename")
    fields = _common(stream, scan, tags)
    fields["codec"] = fields["codec"] or (name if stream.type == "data" else None)
    return OtherStreamInfo(**fields, kind=stream.type, file_name=clean_text(file_name) if file_name else None)


def has_decoder(stream: Stream) -> bool:
    """False where libav knows no decoder; PyAV's annotations do not tell that the context is then None."""
    context: Any = stream.codec_context
    return context is not None


def is_attached_picture(stream: Stream) -> bool:
    """True for cover art and thumbnails, which are pictures but no film."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def _common(stream: Stream, scan: PacketScan, tags: TagReader) -> _CommonFields:
    context: Any = stream.codec_context
    disposition = stream.disposition
    duration_s = _duration_s(stream, scan)
    language = stream.metadata.get("language") or stream.metadata.get("LANGUAGE")
    title = stream.metadata.get("title")
    level = getattr(context, "level", None)
    codec = codec_of(context)
    return {
        "index": stream.index,
        "codec": codec.canonical_name if codec is not None else None,
        "codec_long": codec.long_name if codec is not None else None,
        "codec_tag": _codec_tag(context),
        "profile": getattr(context, "profile", None),
        "level": level if level not in {None, _UNKNOWN_LEVEL, 0} else None,
        "time_base": rational(stream.time_base),
        "start_s": _ticks_to_s(stream, stream.start_time),
        "duration_s": duration_s,
        "bit_rate": _bit_rate(context, scan, duration_s),
        "language": clean_text(language) if language and language != "und" else None,
        "title": clean_text(title) if title else None,
        "is_default": bool(disposition & Disposition.default),
        "is_forced": bool(disposition & Disposition.forced),
        "dispositions": tuple(flag.name for flag in Disposition if disposition & flag and flag.name),
        "tags": tags.read(stream.metadata),
        "id": stream.id,
        "start_ticks": stream.start_time,
        "duration_ticks": stream.duration,
        "max_bit_rate": getattr(context, "max_bit_rate", None) or None,
        "extradata_bytes": getattr(context, "extradata_size", None) or 0,
        "packet_count": scan.count + scan.hidden,
        "packet_bytes": scan.size_bytes,
    }


def _codec_tag(context: Any) -> str | None:
    tag = context.codec_tag if context is not None else ""
    return clean_text(tag).strip() or None


def _ticks_to_s(stream: Stream, ticks: int | None) -> Fraction | None:
    time_base = rational(stream.time_base)
    return ticks * time_base if ticks is not None and time_base is not None else None


def _duration_s(stream: Stream, scan: PacketScan) -> Fraction | None:
    declared = _ticks_to_s(stream, stream.duration)
    return declared if declared is not None and declared > 0 else scan.span_s


def _bit_rate(context: Any, scan: PacketScan, duration_s: Fraction | None) -> int | None:
    """The header's figure, else what the scan weighed."""
    if context is not None and context.bit_rate:
        return int(context.bit_rate)
    span = scan.span_s or duration_s
    if not span or not scan.size_bytes or not scan.is_complete:
        return None
    weighed: int = round(scan.size_bytes * 8 / span)
    return weighed


def nal_length_bytes(context: Any) -> int | None:
    """From avcC or hvcC (ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1): the lowest two bits of byte 4 or 21, plus one."""
    codec = codec_of(context)
    at = _NAL_LENGTH_AT.get(codec.canonical_name if codec is not None else "")
    extradata = getattr(context, "extradata", None) or b""
    if at is None or len(extradata) <= at or extradata[0] != 1:
        return None
    return int(extradata[at] & 3) + 1


def _size(context: Any, first: FirstFrames) -> tuple[int, int]:
    """Of the first picture: a stream may change its size, and libav's context then has that of any later one."""
    intact = first.intact
    if intact is not None:
        return intact.width, intact.height
    return (context.width, context.height) if context is not None else (0, 0)


def _pixel_format(context: Any, first: FirstFrames) -> str | None:
    intact = first.intact
    if intact is not None:
        return intact.format.name
    return context.pix_fmt if context is not None else None


def _bit_depth(context: Any, first: FirstFrames) -> int | None:
    intact = first.intact
    pixel_format = intact.format if intact is not None else context.format if context is not None else None
    if pixel_format is None or not pixel_format.components:
        return None
    return max(int(component.bits) for component in pixel_format.components)


def _is_trimmed(stream: VideoStream, scan: PacketScan, declared: int) -> bool:
    """Whether fewer pictures than announced are all that is to be shown.

    libav keeps of a track what its edit list shows, and shortens its duration with it. So the pictures that are left
    out were trimmed when those that are there fill that duration to the last picture, and were lost when they do not.
    """
    held = scan.count + scan.hidden
    duration = stream.duration
    if "mov" not in stream.container.format.name.split(","):
        return False
    if held >= declared or not scan.is_complete or duration is None or scan.end is None or not scan.pts:
        return False
    missing = duration - (scan.end - scan.pts[0])
    return missing <= max(1, scan.typical_step)


def _side_data(context: Any, first: FirstFrames) -> dict[str, bytes]:
    """Stream-wide side data; what only the frames carry fills the gaps."""
    stream_wide: dict[str, bytes] = dict(context.coded_side_data) if context is not None else {}
    return {**first.side_data, **stream_wide}


def _colour(context: Any, first: FirstFrames) -> ColourInfo:
    if context is None:
        return ColourInfo()
    pixel_range = colour_names.RANGES.get(context.color_range or first.colour_range)
    if pixel_range is None and (context.pix_fmt or "").startswith("yuvj"):
        pixel_range = "pc"
    return ColourInfo(
        primaries=colour_names.PRIMARIES.get(context.color_primaries),
        transfer=colour_names.TRANSFERS.get(context.color_trc),
        matrix=colour_names.MATRICES.get(context.colorspace),
        range=pixel_range,
        chroma_location=colour_names.CHROMA_LOCATIONS.get(context.chroma_sample_location),
    )


def _hdr(colour: ColourInfo, side_data: Mapping[str, bytes]) -> HdrInfo:
    mastering = parse_mastering_display(side_data.get("mastering_display_metadata", b""))
    light = parse_content_light(side_data.get("content_light_level", b""))
    profile = parse_dolby_vision_profile(side_data.get("dovi_conf", b""))
    return HdrInfo(
        kind=hdr_kind(
            colour.transfer,
            has_static_metadata=bool(mastering or light),
            has_dolby_vision=profile is not None,
        ),
        mastering_display=mastering,
        content_light=light,
        dolby_vision_profile=profile,
    )


def hdr_kind(transfer: str | None, *, has_static_metadata: bool, has_dolby_vision: bool) -> HdrKind:
    """Name the dynamic range by transfer function and side data."""
    if has_dolby_vision:
        return HdrKind.DOLBY_VISION
    if transfer == "arib-std-b67":
        return HdrKind.HLG
    if transfer == "smpte2084":
        return HdrKind.HDR10 if has_static_metadata else HdrKind.PQ
    return HdrKind.SDR


def _field_order(context: Any, first: FirstFrames) -> FieldOrder:
    declared = (
        _FIELD_ORDERS.get(context.field_order, FieldOrder.UNKNOWN)
        if context is not None
        else FieldOrder.UNKNOWN
    )
    return decide_field_order(declared, first.interlaced_flags)


def decide_field_order(declared: FieldOrder, interlaced_flags: tuple[bool, ...]) -> FieldOrder:
    """Join what the header says with the flags of the first decoded frames; the frames win where they disagree."""
    if not interlaced_flags:
        return declared
    if not any(interlaced_flags):
        return FieldOrder.PROGRESSIVE
    if not all(interlaced_flags):
        return FieldOrder.MIXED
    return FieldOrder.UNKNOWN if declared is FieldOrder.PROGRESSIVE else declared
