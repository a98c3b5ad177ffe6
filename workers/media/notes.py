"""What a user should know about a result, as notes with closed codes. Pure."""

from fractions import Fraction
from typing import Final

from workers.media.audio import AudioStatistics
from workers.media.audio_plan import AudioPlan
from workers.media.decode import DecodeStatistics
from workers.media.scan_warnings import is_cut_short
from workers.media.timestamps import RepairCounts, TrackClock
from workers.protocol.media import (
    AudioStreamInfo,
    FieldOrder,
    HdrKind,
    MediaInfo,
    OtherStreamInfo,
    StreamInfo,
    VideoStreamInfo,
)
from workers.protocol.plan import EnhancementPlan
from workers.protocol.report import Note, NoteCode
from workers.protocol.steps import GeometryStep, StepKind

_NOT_FINER_THAN_420: Final = (
    "yuv420p",
    "yuvj420p",
    "yuva420p",
    "nv12",
    "nv21",
    "p010",
    "gray",
    "yuv410p",
    "yuv411p",
)


_MAKE_PROGRESSIVE: Final = {
    StepKind.INVERSE_TELECINE: "The film's own pictures were put together again from the fields of pulldown.",
    StepKind.DEINTERLACE: "Interlaced pictures were made progressive.",
}


def note(code: NoteCode, text: str, stream: StreamInfo | None = None) -> Note:
    """One note, cut to the length that the report allows."""
    return Note(code=code, text=text[:4096], stream_index=None if stream is None else stream.index)


def picture_notes(video: VideoStreamInfo, plan: EnhancementPlan) -> list[Note]:
    """What was done to the picture beyond enhancing it."""
    candidates = (*_sample_facts(video, plan), *_shape_facts(video, plan))
    return [note(code, text, video) for applies, code, text in candidates if applies]


def _sample_facts(video: VideoStreamInfo, plan: EnhancementPlan) -> tuple[tuple[bool, NoteCode, str], ...]:
    """Range, colour and depth."""
    depth = video.bit_depth or 8
    pixels = video.pixel_format or ""
    return (
        (
            any(step.kind is StepKind.TONE_MAP for step in plan.steps),
            NoteCode.HDR_TONE_MAPPED,
            "HDR was mapped to standard dynamic range.",
        ),
        (
            video.hdr.kind is HdrKind.DOLBY_VISION,
            NoteCode.DOLBY_VISION_DROPPED,
            "The Dolby Vision layer was left out; the picture beneath it was used.",
        ),
        (
            plan.colour.is_assumed,
            NoteCode.COLOUR_ASSUMED,
            f"The file does not fully say which colours it means; {plan.colour.matrix} was assumed from its size.",
        ),
        (
            video.colour.range == "pc" and not plan.remux,
            NoteCode.RANGE_CONVERTED,
            "Full-range levels were converted to limited range.",
        ),
        (depth > 8, NoteCode.BIT_DEPTH_REDUCED, f"{depth} bits per sample became 8, with dither."),
        (
            not pixels.startswith(_NOT_FINER_THAN_420),
            NoteCode.CHROMA_REDUCED,
            f"Colour resolution was reduced from {pixels} to 4:2:0.",
        ),
    )


def _shape_facts(video: VideoStreamInfo, plan: EnhancementPlan) -> tuple[tuple[bool, NoteCode, str], ...]:
    """Orientation, size and fields."""
    geometry = next((step for step in plan.steps if isinstance(step, GeometryStep)), None)
    return (
        (
            geometry is not None and (geometry.rotation_deg != 0 or geometry.mirror),
            NoteCode.ROTATION_BAKED,
            f"The picture was turned by {video.rotation_deg}°{' and mirrored' if video.is_mirrored else ''}.",
        ),
        (
            geometry is not None and video.sample_aspect_ratio not in {0, 1},
            NoteCode.PIXELS_SQUARED,
            f"Pixels were made square (they were {video.sample_aspect_ratio}).",
        ),
        (
            video.width_px % 2 == 1 or video.height_px % 2 == 1,
            NoteCode.SIZE_MADE_EVEN,
            f"{video.width_px} × {video.height_px} became {plan.width_px} × {plan.height_px}.",
        ),
        (
            any(_has(plan, kind) for kind in _MAKE_PROGRESSIVE),
            NoteCode.DEINTERLACED,
            " ".join(text for kind, text in _MAKE_PROGRESSIVE.items() if _has(plan, kind)),
        ),
        (
            _keeps_interlacing(video, plan),
            NoteCode.INTERLACED_KEPT,
            next((entry.reason for entry in plan.skipped if entry.kind is StepKind.DEINTERLACE), "Kept."),
        ),
    )


def _has(plan: EnhancementPlan, kind: StepKind) -> bool:
    return any(step.kind is kind for step in plan.steps)


def _keeps_interlacing(video: VideoStreamInfo, plan: EnhancementPlan) -> bool:
    flagged = video.field_order in {FieldOrder.TOP_FIRST, FieldOrder.BOTTOM_FIRST, FieldOrder.MIXED}
    combed = any(entry.kind is StepKind.DEINTERLACE and "combed" in entry.reason for entry in plan.skipped)
    return (flagged or combed) and not any(_has(plan, kind) for kind in _MAKE_PROGRESSIVE)


def time_notes(
    video: VideoStreamInfo, clock: TrackClock, repairs: RepairCounts | None, *, is_variable: bool
) -> list[Note]:
    """What was done to the timestamps."""
    notes = []
    if clock.origin != 0:
        start = f"{float(clock.origin_s):.3f} s"
        text = f"The file's clock starts at {start}; the result's starts at 0, all tracks moved alike."
        notes.append(note(NoteCode.START_SHIFTED, text))
    if is_variable:
        notes.append(
            note(NoteCode.VARIABLE_RATE_KEPT, "The frame rate varies; every frame kept its time.", video)
        )
    if not clock.is_exact:
        text = "Timestamps are finer than MP4 can hold; they were rounded to a microsecond."
        notes.append(note(NoteCode.TIMESTAMPS_REPAIRED, text, video))
    if repairs is not None and repairs.total:
        text = (
            f"{repairs.missing} frames had no timestamp, {repairs.not_increasing} one out of order, "
            f"{repairs.before_start} one before the start; each was placed between its neighbours."
        )
        notes.append(note(NoteCode.TIMESTAMPS_REPAIRED, text, video))
    return notes


def damage_notes(
    info: MediaInfo, video: VideoStreamInfo, held: int, found: DecodeStatistics | None
) -> list[Note]:
    """What of the source could not be read, with numbers.

    Args:
        info: the file.
        video: the stream.
        held: packets in the file, hidden ones included.
        found: what decoding showed; None where the pictures were copied.
    """
    notes = []
    if info.missing_bytes or _ends_early(info):
        notes.append(note(NoteCode.SOURCE_TRUNCATED, _what_is_missing(info)))
    declared = None if video.is_trimmed else video.declared_frame_count
    if declared is not None and declared > held + _uncertainty(info, declared):
        text = f"The file announces {declared} pictures and {held} of them are there to be shown"
        text += "." if found is None else f"; {found.frames} could be decoded."
        notes.append(note(NoteCode.SOURCE_TRUNCATED, text, video))
    if found is not None and (found.broken_packets or found.corrupt_frames or found.demux_errors):
        lost = max(0, found.packets - found.frames)
        text = (
            f"{found.broken_packets} pictures could not be decoded ({lost} are missing), {found.corrupt_frames} are "
            f"damaged, {found.demux_errors} places could not be read."
        )
        notes.append(note(NoteCode.SOURCE_DAMAGED, text, video))
    elif found is not None and found.packets - found.frames > _uncertainty(info, found.packets):
        text = (
            f"{found.packets - found.frames} of {found.packets} pictures gave nothing when they were decoded, "
            "without an error being reported; they are missing."
        )
        notes.append(note(NoteCode.SOURCE_DAMAGED, text, video))
    if found is not None and found.changed_frames:
        text = (
            f"The picture changes its size or sample format on its way ({found.changed_frames} pictures differ from "
            "the first); all were brought to the first one's."
        )
        notes.append(note(NoteCode.PICTURE_CHANGES, text, video))
    return notes


def _ends_early(info: MediaInfo) -> bool:
    """Whether the content ends well before the container's own length; an index that lists too much may do that."""
    if info.content_s is None or info.duration_s is None:
        return False
    return is_cut_short(info.duration_s, info.content_s)


def _what_is_missing(info: MediaInfo) -> str:
    if info.missing_bytes:
        share = info.missing_bytes / (info.size_bytes + info.missing_bytes)
        text = f"The file is cut short: {share:.0%} of the bytes that it announces are missing"
    else:
        text = "The file ends early"
    if _ends_early(info) and info.duration_s is not None and info.content_s is not None:
        text += (
            f"; it claims to last {float(info.duration_s):.1f} s and ends after {float(info.content_s):.1f} s"
        )
    return f"{text}. What is there was enhanced."


def _uncertainty(info: MediaInfo, declared: int) -> int:
    """How many of the announced pictures may be missing without anything being lost.

    AVI headers count place-holders too, for pictures that were packed together with others, and libav reads none of
    those. The sample tables of MP4 and QuickTime list every picture.
    """
    return max(2, declared // 50) if "avi" in info.format_name.split(",") else 0


def audio_notes(plan: AudioPlan, found: AudioStatistics) -> list[Note]:
    """What became of one track."""
    info = plan.info
    if plan.is_copied:
        notes = [note(NoteCode.AUDIO_COPIED, "Sound was copied bit for bit.", info)]
    else:
        text = f"Sound was encoded from {info.codec} {info.layout or info.channels} to AAC {plan.layout}."
        notes = [note(NoteCode.AUDIO_ENCODED, text, info)]
    if plan.is_mixed_down:
        text = f"{info.channels} channels were mixed down to {plan.layout}."
        notes.append(note(NoteCode.AUDIO_MIXED_DOWN, text, info))
    if found.broken_packets:
        lost = f"{found.broken_packets} packets of sound could not be decoded"
        text = f"{lost}; {_seconds(found.filled_s)} of silence stand in."
        notes.append(note(NoteCode.SOURCE_DAMAGED, text, info))
    return notes


def dropped_notes(info: MediaInfo, unreadable_audio: tuple[AudioStreamInfo, ...]) -> list[Note]:
    """Streams that the output cannot carry."""
    main = info.main_video
    notes = [note(NoteCode.AUDIO_DROPPED, _why_dropped(stream), stream) for stream in unreadable_audio]
    for extra in info.video:
        if extra is not main:
            kind = "Cover art" if extra.is_attached_picture else "A further video stream"
            notes.append(note(NoteCode.VIDEO_DROPPED, f"{kind} ({extra.codec}) was left out.", extra))
    for subtitles in info.subtitles:
        if not subtitles.is_text:
            text = f"Picture subtitles ({subtitles.codec}) cannot be kept in MP4 for browsers."
            notes.append(note(NoteCode.SUBTITLES_DROPPED, text, subtitles))
    for other in info.others:
        if _carries_chapters(info, other):
            continue
        if other.kind == "attachment":
            text = f"An attached file ({other.file_name or other.codec}) was left out."
            notes.append(note(NoteCode.ATTACHMENT_DROPPED, text, other))
        else:
            notes.append(
                note(
                    NoteCode.DATA_DROPPED, f"A data stream ({other.codec or other.kind}) was left out.", other
                )
            )
    return notes


def late_notes(texts: int, chapters: int) -> list[Note]:
    """What would have made the file longer than its pictures and sound."""
    counted = ((texts, "subtitle texts begin"), (chapters, "chapters begin"))
    return [
        note(NoteCode.BEYOND_THE_END, f"{number} {what} after the end of the film and were left out.")
        for number, what in counted
        if number
    ]


def _why_dropped(audio: AudioStreamInfo) -> str:
    if audio.codec is None or not audio.channels or not audio.sample_rate_hz:
        return f"No decoder can read this sound ({audio.codec or 'unknown'})."
    return f"The file announces this sound ({audio.codec}) and holds none of it that can be decoded."


def _carries_chapters(info: MediaInfo, other: OtherStreamInfo) -> bool:
    """QuickTime's text track of chapter titles: what is in it is kept as chapters."""
    return bool(info.chapters) and other.codec == "bin_data" and "mov" in info.format_name.split(",")


def _seconds(value: Fraction) -> str:
    return f"{float(value):.2f} s"
