"""Everything there is to know about a file without decoding its pictures.

It opens, scans and closes; what is a fault of the file becomes a `TaskFailedError` or a warning in words.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.container
from av.audio.stream import AudioStream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from workers.errors import TaskFailedError
from workers.media.announced_size import missing_bytes
from workers.media.first_frames import FirstFrames, look_at_first_frames
from workers.media.limits import MAX_CHAPTERS, MAX_PIXELS, MAX_SIDE_PX, MAX_STREAMS
from workers.media.packet_scan import FileScan, PacketScan, codec_of, scan_packets, scan_samples
from workers.media.probe_streams import (
    TagReader,
    clean_text,
    describe_audio,
    describe_other,
    describe_subtitle,
    describe_video,
    has_decoder,
    is_attached_picture,
)
from workers.media.scan_warnings import FileSize, describe_faults, reached_s
from workers.media.source import open_source
from workers.media.stream_rates import rational
from workers.protocol.media import (
    AudioStreamInfo,
    Chapter,
    MediaInfo,
    OtherStreamInfo,
    SubtitleStreamInfo,
    VideoStreamInfo,
)
from workers.protocol.results import MediaSummary
from workers.protocol.states import ErrorCode

_MICROSECOND = Fraction(1, 1_000_000)
"""AV_TIME_BASE, the clock of a container."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What is known about a file, and the packet scan it rests on, by stream index."""

    info: MediaInfo
    scans: Mapping[int, PacketScan]

    @property
    def main_scan(self) -> PacketScan:
        """The scan of the stream that is enhanced."""
        main = self.info.main_video
        assert main is not None, "an examination is only made of files with a moving picture"
        return self.scans[main.index]


def probe(path: Path) -> MediaInfo:
    """Read every container and stream fact, with one pass over all packets.

    Raises:
        TaskFailedError: the file is not one that can be worked on; the message says why.
    """
    return examine(path).info


def examine(path: Path, on_fraction: Callable[[float], None] | None = None) -> Examination:
    """Like `probe`, with the timestamps of every picture beside the facts.

    Args:
        path: an existing file.
        on_fraction: told now and then which part of the file has been scanned, 0 to 1, never falling.

    Raises:
        TaskFailedError: see `probe`.
    """
    with examining(path, on_fraction) as opened:
        return opened.examination


@dataclass(frozen=True, slots=True)
class OpenedExamination:
    """An examination whose file is still open, its first frames decoded."""

    examination: Examination
    container: av.container.InputContainer
    first: FirstFrames


@contextmanager
def examining(
    path: Path, on_fraction: Callable[[float], None] | None = None, *, threads: int = 0
) -> Iterator[OpenedExamination]:
    """`examine` for who goes on to decode pictures; the file is closed at the end.

    Args:
        path: an existing file.
        on_fraction: see `examine`.
        threads: upper bound for the decoder's threads; 0: one for each core.

    Raises:
        TaskFailedError: see `probe`.
    """
    with open_source(path) as container:
        refuse_unsuitable_streams(path, container)
        scan = scan_packets(container, on_fraction)
    with open_source(path) as container:
        first = _first_frames(path, container, threads)
        info = describe(path, container, scan, first)
        refuse_without_pictures(path, info)
        yield OpenedExamination(Examination(info, scan.streams), container, first)


def examine_samples(path: Path) -> Examination:
    """Like `examine`, from headers and a few samples of the packets, for files too large to read in a moment.

    Counts are the header's or estimated, and a warning says so.

    Raises:
        TaskFailedError: see `probe`.
    """
    with open_source(path) as container:
        refuse_unsuitable_streams(path, container)
        index = _main_index(container)
        assert index is not None, "files without a moving picture were refused above"
        scan = scan_samples(container, container.streams[index])
    with open_source(path) as container:
        info = describe(path, container, scan, _first_frames(path, container))
    refuse_without_pictures(path, info)
    note = "Large file: its pictures were not counted one by one yet."
    return Examination(info.model_copy(update={"warnings": (*info.warnings, note)}), scan.streams)


def refuse_unsuitable_streams(path: Path, container: av.container.InputContainer) -> None:
    """Check the header alone, before anything is read at length or decoded.

    Raises:
        TaskFailedError: no moving picture, no decoder for it, or sizes beyond the limits.
    """
    if len(container.streams) > MAX_STREAMS:
        raise TaskFailedError(
            ErrorCode.DIMENSIONS_OUT_OF_RANGE,
            f"“{path.name}” holds {len(container.streams)} streams; at most {MAX_STREAMS} are accepted.",
        )
    moving = [stream for stream in container.streams.video if not is_attached_picture(stream)]
    if not moving:
        found = "contains only sound, no video" if container.streams.audio else "contains no video"
        raise TaskFailedError(ErrorCode.NO_VIDEO_STREAM, f"“{path.name}” {found}.")
    if not any(has_decoder(stream) for stream in moving):
        raise _undecodable(path)
    for stream in container.streams.video:
        if has_decoder(stream):
            _refuse_absurd_size(path, stream.codec_context.width, stream.codec_context.height)


def _undecodable(path: Path) -> TaskFailedError:
    return TaskFailedError(
        ErrorCode.NOT_A_VIDEO, f"The video in “{path.name}” is in a format that cannot be decoded here."
    )


def _refuse_absurd_size(path: Path, width_px: int, height_px: int) -> None:
    if max(width_px, height_px) > MAX_SIDE_PX or width_px * height_px > MAX_PIXELS:
        raise TaskFailedError(
            ErrorCode.DIMENSIONS_OUT_OF_RANGE,
            f"“{path.name}” claims a picture of {width_px} × {height_px} pixels; at most {MAX_SIDE_PX} a side and "
            f"{MAX_PIXELS // 1_000_000} million in all are accepted.",
        )


def refuse_without_pictures(path: Path, info: MediaInfo) -> None:
    """Check what the scan found.

    Raises:
        TaskFailedError: the moving picture has no packet, or no size.
    """
    main = info.main_video
    if main is None or main.frame_count == 0:
        raise TaskFailedError(
            ErrorCode.NO_FRAMES, f"“{path.name}” announces a video but contains not one picture of it."
        )
    if main.width_px <= 0 or main.height_px <= 0:
        raise TaskFailedError(
            ErrorCode.DIMENSIONS_OUT_OF_RANGE,
            f"The picture in “{path.name}” has no usable size: it is missing, or beyond {MAX_SIDE_PX} pixels a side or "
            f"{MAX_PIXELS // 1_000_000} million in all.",
        )


def describe(
    path: Path, container: av.container.InputContainer, scan: FileScan, first: FirstFrames
) -> MediaInfo:
    """Join headers, scan and what the first frames of the main stream showed into one value."""
    tags = TagReader()
    file_tags = tags.read(container.metadata)
    video: list[VideoStreamInfo] = []
    audio: list[AudioStreamInfo] = []
    subtitles: list[SubtitleStreamInfo] = []
    others: list[OtherStreamInfo] = []
    for stream in container.streams:
        packets = scan.streams[stream.index]
        if isinstance(stream, VideoStream):
            looked_at = first if stream.index == _main_index(container) else FirstFrames()
            video.append(describe_video(stream, packets, looked_at, tags))
        elif isinstance(stream, AudioStream):
            audio.append(describe_audio(stream, packets, tags))
        elif isinstance(stream, SubtitleStream):
            subtitles.append(describe_subtitle(stream, packets, tags))
        else:
            others.append(describe_other(stream, packets, tags))
    size_bytes = path.stat().st_size
    duration_s = _duration_s(container, scan)
    missing = missing_bytes(path, container.format.name)
    return MediaInfo(
        format_name=container.format.name,
        format_long=container.format.long_name,
        size_bytes=size_bytes,
        duration_s=duration_s,
        start_s=_start_s(container),
        bit_rate=container.bit_rate or (round(size_bytes * 8 / duration_s) if duration_s else None),
        tags=file_tags,
        video=tuple(sorted(video, key=lambda entry: entry.is_attached_picture)),
        audio=tuple(audio),
        subtitles=tuple(subtitles),
        others=tuple(others),
        chapters=_chapters(container, tags),
        missing_bytes=missing,
        content_s=reached_s(scan),
        warnings=describe_faults(container, scan, FileSize(size_bytes, missing)),
    )


def summarise(info: MediaInfo) -> MediaSummary:
    """The few facts a table row shows; the size as displayed. Pure."""
    main = info.main_video
    width, height = displayed_size(main) if main is not None else (0, 0)
    duration_s = info.duration_s if info.duration_s is not None else (main.duration_s if main else None)
    return MediaSummary(
        width_px=width,
        height_px=height,
        duration_s=float(duration_s) if duration_s is not None else None,
        frame_count=main.frame_count if main is not None else 0,
        frames_per_s=float(main.average_rate) if main is not None and main.average_rate else None,
        video_codec=main.codec if main is not None else None,
        audio_tracks=len(info.audio),
        format_name=info.format_name,
    )


def displayed_size(stream: VideoStreamInfo) -> tuple[int, int]:
    """Width and height in px with squared pixels (the width is stretched) and after the turn."""
    width = max(1, round(stream.width_px * stream.sample_aspect_ratio))
    if stream.rotation_deg in {90, 270}:
        return stream.height_px, width
    return width, stream.height_px


def _main_index(container: av.container.InputContainer) -> int | None:
    moving = [stream for stream in container.streams.video if not is_attached_picture(stream)]
    default = next((stream for stream in moving if stream.disposition & 1), moving[0] if moving else None)
    return default.index if default is not None else None


def _first_frames(path: Path, container: av.container.InputContainer, threads: int = 0) -> FirstFrames:
    """The main stream's first frames; a decoder that exists and refuses this stream is found out here."""
    index = _main_index(container)
    stream = container.streams[index] if index is not None else None
    if not isinstance(stream, VideoStream) or not has_decoder(stream):
        return FirstFrames()
    stream.thread_type = "SLICE"  # frame threads would decode on behind the few frames that are looked at
    stream.thread_count = threads
    found = look_at_first_frames(container, stream)
    if codec_of(stream.codec_context) is None:
        raise _undecodable(path)
    return found


def _start_s(container: av.container.InputContainer) -> Fraction | None:
    start: int | None = (
        container.start_time
    )  # annotated without None, which it is where no stream has a start
    return start * _MICROSECOND if start is not None else None


def _duration_s(container: av.container.InputContainer, scan: FileScan) -> Fraction | None:
    if container.duration is not None and container.duration > 0:
        return container.duration * _MICROSECOND
    spans = [stream.span_s for stream in scan.streams.values() if stream.span_s is not None]
    return max(spans, default=None)


def _chapters(container: av.container.InputContainer, tags: TagReader) -> tuple[Chapter, ...]:
    chapters = []
    for entry in container.chapters()[:MAX_CHAPTERS]:
        time_base = rational(entry["time_base"])
        if time_base is None:
            continue
        said = entry["metadata"]
        title = said.get("title")
        chapters.append(
            Chapter(
                start_s=entry["start"] * time_base,
                end_s=entry["end"] * time_base,
                title=clean_text(title) if title is not None else None,
                id=entry["id"],
                time_base=time_base,
                tags=tags.read(said),
            )
        )
    return tuple(chapters)
