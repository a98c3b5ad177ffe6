"""A few runs of consecutive pictures, spread over a file, without decoding all of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workers.media.packet_scan import DemuxErrors, PacketScan, packets
from workers.media.source import open_source

_MOST_PLACES: Final = 12
"""Places in the file that are looked at; at every third one a run long enough to see motion, else a pair."""

_FEWEST_PLACES: Final = 3
_LONG_EVERY: Final = 3
_LONG: Final = 10
_SHORT: Final = 2
_STRETCH_BUDGET_PX: Final = 90 * 1280 * 720
"""Pixels from all keyframes on among which the places are spread: 90 pictures of 720 lines, a short small file."""

_PLACE_BUDGET_PX: Final = 23 * 1920 * 1080
"""Pixels for one place in the mean: above 1080 lines there are fewer places, so that decoding takes seconds."""

_SETTLED: Final = 2
"""Pictures after a keyframe that are passed over: a keyframe is coded better or worse than what follows it."""


@dataclass(frozen=True, slots=True)
class SampledFrame:
    """A decoded picture of a run.

    Attributes:
        run: number of the run.
        position: 0 for the first picture of its run.
        length: of the run as planned; the end of the file may cut it short.
        picture: it is not needed any more when the next one is asked for.
    """

    run: int
    position: int
    length: int
    picture: VideoFrame


@dataclass(frozen=True, slots=True)
class _Place:
    """Pictures `first` to `first + length`, counted from where decoding starts."""

    first: int
    length: int


def sample_frames(path: Path, stream_index: int, scan: PacketScan, *, threads: int) -> Iterator[SampledFrame]:
    """Runs from evenly spread keyframes on; from the beginning on where the file has no usable keyframes.

    A file of one picture yields that picture.
    """
    found = 0
    with open_source(path) as container:
        stream = cast(VideoStream, container.streams[stream_index])
        stream.thread_type = "AUTO"
        stream.thread_count = threads
        pixels = max(1, stream.codec_context.width * stream.codec_context.height)
        wanted = max(_FEWEST_PLACES, min(_MOST_PLACES, _MOST_PLACES * _PLACE_BUDGET_PX // (6 * pixels)))
        budget = max(_STRETCH_BUDGET_PX // pixels, _SETTLED + _LONG + _SHORT)
        # What is decoded whole anyway is decoded once, however many keyframes it has.
        starts = _spread(scan.keyframe_pts, wanted if scan.count > budget else 1) or [None]
        stretch = min(budget, scan.count) // len(starts)
        for number, start in enumerate(starts):
            here = range(number * wanted // len(starts), (number + 1) * wanted // len(starts))
            places = _places(here, stretch, is_only_start=len(starts) == 1)
            for frame in _runs(_pictures(container, stream, start), places, found):
                found = frame.run + 1
                yield frame
    if not found:
        yield from _first_picture(path, stream_index)


def _spread(values: Sequence[int], count: int) -> list[int | None]:
    if len(values) <= count:
        return list(values)
    if count == 1:
        return [values[0]]
    return [values[number * (len(values) - 1) // (count - 1)] for number in range(count)]


def _places(numbers: range, stretch: int, *, is_only_start: bool) -> list[_Place]:
    """Where to look among the pictures that follow one of the starts.

    Args:
        numbers: of the places, counted over the whole file.
        stretch: pictures among which they are spread.
        is_only_start: the first of all places must then be a long one: it may be the only one.
    """
    long_ones = 0 if is_only_start else 1
    lengths = [_LONG if number % _LONG_EVERY == long_ones else _SHORT for number in numbers]
    settled = 0 if is_only_start and stretch <= _SETTLED + _SHORT else _SETTLED
    gap = max(0, stretch - settled - sum(lengths)) // len(lengths)
    places: list[_Place] = []
    first = settled
    for length in lengths:
        if places and first + _SHORT > stretch:
            break
        places.append(_Place(first, length))
        first += length + gap
    return places


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


def _runs(pictures: Iterator[VideoFrame], places: list[_Place], run: int) -> Iterator[SampledFrame]:
    """The pictures of the places; where there are fewer than expected, the last one stands for all."""
    last: VideoFrame | None = None
    number = place = 0
    for number, picture in enumerate(pictures):  # how many there were is asked below
        if number >= places[place].first + places[place].length:
            place += 1
            if place == len(places):
                return
        wanted = places[place]
        if number >= wanted.first:
            yield SampledFrame(run + place, number - wanted.first, wanted.length, picture)
        last = picture
    if last is not None and number < places[0].first:
        yield SampledFrame(run, 0, 1, last)


def _first_picture(path: Path, stream_index: int) -> Iterator[SampledFrame]:
    """Where seeking leads nowhere: from the beginning, in a file that was never asked to seek."""
    with open_source(path) as container:
        stream = cast(VideoStream, container.streams[stream_index])
        yield from _runs(_pictures(container, stream, None), [_Place(0, _LONG)], 0)
