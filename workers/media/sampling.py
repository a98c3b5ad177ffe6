"""A few pairs of consecutive pictures, spread over a file, without decoding all of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workers.media.packet_scan import DemuxErrors, PacketScan, packets
from workers.media.source import open_source

_PAIRS: Final = 16
_DECODE_BUDGET_PX: Final = 90 * 1280 * 720
"""Pixels that may be decoded for all samples together: 90 pictures of 720 lines, all of a short small file."""

_SETTLED: Final = 2
"""Pictures after a keyframe that are passed over: a keyframe is coded better or worse than what follows it."""


@dataclass(frozen=True, slots=True)
class PicturePair:
    """Two consecutive pictures."""

    first: VideoFrame
    second: VideoFrame


def sample_pairs(path: Path, stream_index: int, scan: PacketScan, *, threads: int) -> Iterator[PicturePair]:
    """Pairs from evenly spread keyframes on; from the beginning on where the file has no usable keyframes.

    A file too short for a pair yields its only picture twice.
    """
    with open_source(path) as container:
        stream = cast(VideoStream, container.streams[stream_index])
        stream.thread_type = "AUTO"
        stream.thread_count = threads
        starts = _spread(scan.keyframe_pts, _PAIRS)
        runs = max(1, len(starts))
        per_run = max(1, _PAIRS // runs)
        pixels = max(1, stream.codec_context.width * stream.codec_context.height)
        budget = max(_SETTLED + 2, min(_DECODE_BUDGET_PX // pixels, scan.count) // runs)
        found = 0
        for start in starts or [None]:
            for pair in _pairs_of_run(_pictures(container, stream, start), per_run, budget):
                found += 1
                yield pair
        if not found:
            yield from _only_picture(container, stream)


def _spread(values: Sequence[int], count: int) -> list[int | None]:
    if len(values) <= count:
        return list(values)
    return [values[number * (len(values) - 1) // (count - 1)] for number in range(count)]


def _pictures(
    container: av.container.InputContainer, stream: VideoStream, start: int | None
) -> Iterator[VideoFrame]:
    """Pictures from a keyframe on; errors end the run."""
    try:
        if start is not None:
            container.seek(start, stream=stream)
    except av.FFmpegError:
        return
    stream.codec_context.flush_buffers()
    for packet in packets(container, DemuxErrors(), (stream,)):
        try:
            yield from stream.codec_context.decode(packet)
        except av.FFmpegError:
            return
    try:
        yield from stream.codec_context.decode(None)
    except av.FFmpegError:
        return


def _pairs_of_run(pictures: Iterator[VideoFrame], count: int, budget: int) -> Iterator[PicturePair]:
    """Up to `count` pairs, evenly spaced over the first `budget` pictures."""
    spacing = max(2, budget // count)
    previous: VideoFrame | None = None
    made = 0
    for number, picture in enumerate(pictures):
        if previous is not None and number >= _SETTLED + 1 + made * spacing:
            made += 1
            yield PicturePair(previous, picture)
        if made == count or number >= budget:
            return
        previous = picture
    if previous is not None and made == 0:
        yield PicturePair(previous, previous)


def _only_picture(container: av.container.InputContainer, stream: VideoStream) -> Iterator[PicturePair]:
    container.seek(0)
    for picture in _pictures(container, stream, None):
        yield PicturePair(picture, picture)
        return
