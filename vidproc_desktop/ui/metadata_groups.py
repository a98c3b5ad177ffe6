"""Turns a metadata document into titled groups of facts, in the order in which people look for them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from vidproc_desktop.ui.words import clock, resolution, size_in_words
from workers.protocol.media import (
    AudioStreamInfo,
    ColourInfo,
    FieldOrder,
    HdrInfo,
    HdrKind,
    MediaInfo,
    StreamInfo,
    SubtitleStreamInfo,
    Tag,
    VideoStreamInfo,
)

type Fact = tuple[str, str]

_HDR_WORDS = {
    HdrKind.SDR: "Standard (SDR)",
    HdrKind.HDR10: "HDR10",
    HdrKind.HLG: "HLG",
    HdrKind.DOLBY_VISION: "Dolby Vision",
    HdrKind.PQ: "PQ, without mastering data",
}
_FIELD_WORDS = {
    FieldOrder.PROGRESSIVE: "Progressive",
    FieldOrder.TOP_FIRST: "Interlaced, top field first",
    FieldOrder.BOTTOM_FIRST: "Interlaced, bottom field first",
    FieldOrder.MIXED: "Mixed",
}
_RANGE_WORDS = {"tv": "Limited", "pc": "Full"}


@dataclass(frozen=True, slots=True)
class Group:
    """One heading with its facts."""

    title: str
    facts: tuple[Fact, ...]


def groups_of(media: MediaInfo) -> tuple[Group, ...]:
    """Everything worth showing; facts that the file does not state are left out."""
    groups = [Group("File", _container(media))]
    if media.warnings:
        groups.append(Group("Worth knowing", tuple(("", warning) for warning in media.warnings)))
    for number, video in enumerate(media.video, 1):
        groups.append(Group(_title("Video", number, len(media.video), video), _video(video)))
    for number, audio in enumerate(media.audio, 1):
        groups.append(Group(_title("Audio", number, len(media.audio), audio), _audio(audio)))
    for number, subtitle in enumerate(media.subtitles, 1):
        groups.append(Group(_title("Subtitles", number, len(media.subtitles), subtitle), _subtitle(subtitle)))
    for other in media.others:
        facts = _kept([("Codec", other.codec), ("File name", other.file_name), *_stream(other)])
        groups.append(Group(f"{other.kind.capitalize()} stream", facts))
    if media.chapters:
        chapters = tuple(
            (clock(float(chapter.start_s)), chapter.title or f"Chapter {number}")
            for number, chapter in enumerate(media.chapters, 1)
        )
        groups.append(Group("Chapters", chapters))
    if media.tags:
        groups.append(Group("Tags", _tags(media.tags)))
    return tuple(groups)


def _container(media: MediaInfo) -> tuple[Fact, ...]:
    return _kept(
        [
            ("Format", media.format_long or media.format_name),
            ("Size", size_in_words(media.size_bytes)),
            ("Length", _seconds(media.duration_s)),
            ("Starts at", _seconds(media.start_s) if media.start_s else None),
            ("Bit rate", _bit_rate(media.bit_rate)),
        ]
    )


def _video(video: VideoStreamInfo) -> tuple[Fact, ...]:
    square = video.sample_aspect_ratio in (0, 1)
    return _kept(
        [
            ("Codec", _codec(video)),
            ("Size", resolution(video.width_px, video.height_px)),
            ("Pixel shape", None if square else _ratio(video.sample_aspect_ratio)),
            ("Picture shape", _ratio(video.display_aspect_ratio)),
            ("Frame rate", _frame_rate(video)),
            ("Frames", f"{video.frame_count:,}"),
            ("Frames declared", _declared(video)),
            ("Pixel format", _pixel_format(video)),
            *_colour(video.colour),
            *_hdr(video.hdr),
            ("Rotation", _rotation(video)),
            ("Scan", _FIELD_WORDS.get(video.field_order)),
            *_stream(video),
        ]
    )


def _audio(audio: AudioStreamInfo) -> tuple[Fact, ...]:
    channels = f"{audio.channels}" + (f" ({audio.layout})" if audio.layout else "")
    return _kept(
        [
            ("Codec", _codec(audio)),
            ("Channels", channels),
            ("Sample rate", f"{audio.sample_rate_hz / 1000:g} kHz"),
            ("Sample format", audio.sample_format),
            *_stream(audio),
        ]
    )


def _subtitle(subtitle: SubtitleStreamInfo) -> tuple[Fact, ...]:
    kind = "Text" if subtitle.is_text else "Pictures"
    return _kept([("Codec", _codec(subtitle)), ("Kind", kind), *_stream(subtitle)])


def _stream(stream: StreamInfo) -> list[tuple[str, str | None]]:
    marks = ", ".join(stream.dispositions)
    return [
        ("Language", stream.language),
        ("Title", stream.title),
        ("Bit rate", _bit_rate(stream.bit_rate)),
        ("Length", _seconds(stream.duration_s)),
        ("Marked as", marks or None),
        *((tag.key, tag.value) for tag in stream.tags if tag.key.lower() not in {"language", "title"}),
    ]


def _colour(colour: ColourInfo) -> list[tuple[str, str | None]]:
    return [
        ("Colour primaries", colour.primaries),
        ("Transfer", colour.transfer),
        ("Matrix", colour.matrix),
        ("Range", _RANGE_WORDS.get(colour.range or "", colour.range)),
    ]


def _hdr(hdr: HdrInfo) -> list[tuple[str, str | None]]:
    facts: list[tuple[str, str | None]] = [("Dynamic range", _HDR_WORDS[hdr.kind])]
    if hdr.dolby_vision_profile is not None:
        facts.append(("Dolby Vision profile", str(hdr.dolby_vision_profile)))
    if hdr.mastering_display is not None and hdr.mastering_display.max_luminance is not None:
        low = float(hdr.mastering_display.min_luminance or 0)
        facts.append(("Mastered for", f"{low:g} to {float(hdr.mastering_display.max_luminance):g} cd/m²"))
    if hdr.content_light is not None:
        light = hdr.content_light
        facts.append(("Content light", f"{light.max_content} max, {light.max_frame_average} average cd/m²"))
    return facts


def _title(kind: str, number: int, count: int, stream: StreamInfo) -> str:
    name = kind if count == 1 else f"{kind} {number}"
    return f"{name}: {stream.language}" if stream.language not in (None, "und") else name


def _codec(stream: StreamInfo) -> str | None:
    if stream.codec is None:
        return "Unknown"
    # "H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10": one of its names is enough.
    name = (stream.codec_long or stream.codec).partition(" / ")[0]
    return f"{name}, {stream.profile}" if stream.profile else name


def _frame_rate(video: VideoStreamInfo) -> str | None:
    average = video.average_rate
    if not average:
        return None
    exact = "" if average.denominator == 1 else f" ({average.numerator}/{average.denominator})"
    kind = ", varies" if video.is_variable_rate else ""
    return f"{float(average):.3f}".rstrip("0").rstrip(".") + f" frames/s{exact}{kind}"


def _declared(video: VideoStreamInfo) -> str | None:
    declared = video.declared_frame_count
    return None if declared is None or declared == video.frame_count else f"{declared:,}"


def _pixel_format(video: VideoStreamInfo) -> str | None:
    if video.pixel_format is None:
        return None
    return f"{video.pixel_format}, {video.bit_depth} bit" if video.bit_depth else video.pixel_format


def _rotation(video: VideoStreamInfo) -> str | None:
    parts = [f"{video.rotation_deg}° clockwise"] if video.rotation_deg else []
    if video.is_mirrored:
        parts.append("mirrored")
    return ", ".join(parts) or None


def _seconds(value: Fraction | None) -> str | None:
    return None if value is None else f"{clock(float(value))} ({float(value):.3f} s)"


def _bit_rate(value: int | None) -> str | None:
    if not value:
        return None
    return f"{value / 1_000_000:.2f} Mbit/s" if value >= 1_000_000 else f"{value / 1000:.0f} kbit/s"


def _ratio(value: Fraction | None) -> str | None:
    return f"{value.numerator} : {value.denominator}" if value else None


def _tags(tags: Iterable[Tag]) -> tuple[Fact, ...]:
    return tuple((tag.key, tag.value) for tag in tags)


def _kept(facts: Iterable[tuple[str, str | None]]) -> tuple[Fact, ...]:
    return tuple((name, value) for name, value in facts if value)
