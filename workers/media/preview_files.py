"""Previews as files: two PNG pictures or two small MP4 clips of the same moments, before and after."""

import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Self

import av
import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from workers.errors import TaskFailedError
from workers.media.colour_names import MATRICES
from workers.media.encode import VideoEncoder, VideoForm, code_point
from workers.media.filters.clip import VideoNode
from workers.media.filters.graph import FilterGraph, to_libav
from workers.media.frame_map import OutputPicture
from workers.media.jobs import PreviewJob
from workers.media.preview_source import Check
from workers.media.timestamps import FrameTime, TrackClock
from workers.protocol.plan import EncoderPlan, EnhancementPlan
from workers.protocol.states import ErrorCode

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_CLIP: Final = EncoderPlan(
    quality=14.0, preset="veryfast", reason="A preview: soon there, and without visible loss."
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What is written.

    Attributes:
        graph: makes the pictures.
        plan: it was built from.
        pictures: wanted ones, ascending, at least one.
        clock: of their times.
        rate: of the source, for the encoder.
    """

    graph: FilterGraph
    plan: EnhancementPlan
    pictures: Sequence[OutputPicture]
    clock: TrackClock
    rate: Fraction


@dataclass(frozen=True, slots=True)
class Written:
    """The files and the size of the pictures in them."""

    before: Path
    after: Path
    width_px: int
    height_px: int


def fitted(width: int, height: int, max_side: int) -> tuple[int, int]:
    """Even width and height in px of the same shape, neither side above `max_side`; never enlarged."""
    scale = min(1.0, max_side / max(width, height))
    if scale == 1.0:
        return width, height
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def write_pictures(shown: Shown, job: PreviewJob, check: Check) -> Written:
    """Two PNG files of the first picture.

    Raises:
        TaskFailedError: they cannot be written.
    """
    size = fitted(shown.plan.width_px, shown.plan.height_px, job.max_side_px)
    number = shown.pictures[0].number
    nodes = shown.graph.nodes
    paths = job.folder / f"{job.stem}-before.png", job.folder / f"{job.stem}-after.png"
    with ThreadPoolExecutor(1, "preview-png") as pool:
        writing = []
        for node, path in zip((nodes.plain, nodes.filtered), paths, strict=True):
            check()
            frame = shown.graph.picture(_as_rgb(node, size, shown.plan), number)
            writing.append(pool.submit(_write_png, frame, path))
        for one in writing:
            one.result()
    return Written(*paths, *size)


def write_clips(shown: Shown, job: PreviewJob, check: Check) -> Written:
    """Two MP4 files of all pictures.

    Raises:
        TaskFailedError: they cannot be written.
    """
    size = fitted(shown.plan.width_px, shown.plan.height_px, job.max_side_px)
    nodes = shown.graph.nodes
    before, after = (_as_yuv(node, size) for node in (nodes.plain, nodes.filtered))
    paths = job.folder / f"{job.stem}-before.mp4", job.folder / f"{job.stem}-after.mp4"
    origin = shown.pictures[0].time.ticks
    with ExitStack() as stack:
        writers = [stack.enter_context(_Clip(path, size, shown, job.threads)) for path in paths]
        for picture, filtered in shown.graph.run(after, iter(shown.pictures)):
            check()
            time = FrameTime(picture.time.ticks - origin, picture.time.duration)
            writers[0].add(shown.graph.picture(before, picture.number), time)
            writers[1].add(filtered, time)
        for writer in writers:
            writer.finish()
    return Written(*paths, *size)


def _as_rgb(node: VideoNode, size: tuple[int, int], plan: EnhancementPlan) -> VideoNode:
    return vs.core.resize.Spline36(
        node,
        width=size[0],
        height=size[1],
        format=vs.RGB24,
        matrix_in=code_point(MATRICES, plan.colour.matrix),
        range_in_s="limited",
    )


def _as_yuv(node: VideoNode, size: tuple[int, int]) -> VideoNode:
    if (node.width, node.height) == size and node.format.id == vs.YUV420P8:
        return node
    return vs.core.resize.Spline36(node, width=size[0], height=size[1], format=vs.YUV420P8)


def _write_png(frame: Any, path: Path) -> None:
    height, width = frame.height, frame.width
    lines = np.zeros((height, 1 + 3 * width), np.uint8)  # each begins with 0: not filtered
    pixels = lines[:, 1:].reshape(height, width, 3)
    for plane in range(3):
        pixels[..., plane] = np.asarray(frame[plane])
    try:
        path.write_bytes(_png(lines, width, height))
    except OSError as error:
        raise _unwritable(error) from error


def _png(lines: NDArray[np.uint8], width: int, height: int) -> bytes:
    """A PNG file (ISO/IEC 15948) whose lines are stored, not compressed: 15 ms for 1080 lines instead of 180.

    Args:
        lines: shape (height, 1 + 3 * width): the filter's number, then 8-bit R'G'B'.
        width: px.
        height: px.
    """
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(lines.data, 0)), (b"IEND", b""))
    )


def _unwritable(error: OSError) -> TaskFailedError:
    return TaskFailedError(
        ErrorCode.OUTPUT_NOT_WRITABLE, "The preview could not be written.", detail=str(error)
    )


class _Clip:
    """One MP4 file being written; use as a context manager."""

    def __init__(self, path: Path, size: tuple[int, int], shown: Shown, threads: int) -> None:
        form = VideoForm(*size, shown.clock.timescale, shown.rate, shown.plan.colour)
        try:
            self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        except OSError as error:
            raise _unwritable(error) from error
        self._encoder = VideoEncoder(self._container, form, _CLIP, threads=threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def add(self, frame: Any, time: FrameTime) -> None:
        """Encode one picture."""
        self._container.mux(self._encoder.encode(to_libav(frame), time))

    def finish(self) -> None:
        """Encode what the encoder still holds."""
        self._container.mux(list(self._encoder.finish()))
