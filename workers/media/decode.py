"""Decoding one video stream to frames, whatever state the file is in.

Yields every frame the decoder can give, in presentation order, with libav's frame threads. A packet that cannot
be decoded is counted and skipped. It knows nothing of timestamps beyond passing them on, and nothing of filters.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, cast

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workers.media.packet_scan import DemuxErrors, packets
from workers.media.source import open_source

_FRAMES: Final = "FRAME"
_SLICES: Final = "SLICE"
_WITHOUT_DISPLAY_TIMES: Final = "avi"
"""libav passes the places of packets in the file off as times; with reordered pictures they belong to others."""


@dataclass(slots=True)
class DecodeStatistics:
    """What happened while decoding; final once the iteration has ended."""

    packets: int = 0
    """Packets that should have been displayed."""
    frames: int = 0
    broken_packets: int = 0
    """Packets the decoder refused."""
    corrupt_frames: int = 0
    """Frames the decoder gave, but flagged as damaged."""
    demux_errors: int = 0
    changed_frames: int = 0
    """Frames of another size or sample format than the first one."""


class VideoDecoder:
    """Iterates over the frames of one stream; use as a context manager.

    libav's frame threads lose frames that are in flight when a packet is broken, at the end of the stream even
    without saying so. Whenever something is missing, the stream is therefore decoded a second time without frame
    threads, and the iteration goes on from there.

    Args:
        path: an existing file.
        stream_index: index of a video stream in it.
        threads: upper bound for libav's threads; 0: one for each core.
    """

    def __init__(self, path: Path, stream_index: int, *, threads: int = 0) -> None:
        self._path = path
        self._stream_index = stream_index
        self._threads = threads
        self._container: InputContainer | None = None
        self._shape: tuple[int, int, str] | None = None
        self._unshown: list[int] | None = None
        self.statistics = DecodeStatistics()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the iteration must not go on afterwards."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def frames(self) -> Iterator[VideoFrame]:
        """Every frame, once, in presentation order."""
        emitted = 0
        if self._threads != 1:
            for frame in self._decode(_FRAMES):
                emitted += 1
                yield frame
            if not self._may_have_lost(emitted):
                self.statistics.frames = emitted
                return
        for number, frame in enumerate(self._decode(_SLICES)):
            if number >= emitted:
                emitted += 1
                yield frame
        self.statistics.frames = emitted

    def _may_have_lost(self, emitted: int) -> bool:
        found = self.statistics
        return bool(found.broken_packets) or emitted < found.packets

    def _decode(self, threading: str) -> Iterator[VideoFrame]:
        self.close()
        statistics = self.statistics = DecodeStatistics()
        container = self._container = open_source(self._path)
        stream = cast(VideoStream, container.streams[self._stream_index])
        context = stream.codec_context
        stream.thread_type = threading
        stream.thread_count = self._threads
        errors = DemuxErrors()
        self._unshown = [] if container.format.name == _WITHOUT_DISPLAY_TIMES else None
        for packet in packets(container, errors, (stream,)):
            statistics.demux_errors = errors.count
            statistics.packets += not packet.is_discard
            self._expect(packet.pts)
            try:
                frames = context.decode(packet)
            except av.FFmpegError:
                self._forget(packet.pts)
                statistics.broken_packets += 1
                if threading == _FRAMES:
                    return
                continue
            yield from self._counted(frames)
        try:
            frames = context.decode(None)
        except av.FFmpegError:
            statistics.broken_packets += 1
            return
        yield from self._counted(frames)

    def _expect(self, pts: int | None) -> None:
        """Remember the place of a picture in a container whose packets only know their places in the file.

        The pictures leave the decoder in the order of display, so each takes the earliest place that is left.
        """
        if self._unshown is not None and pts is not None:
            heapq.heappush(self._unshown, pts)

    def _forget(self, pts: int | None) -> None:
        if self._unshown is not None and pts in self._unshown:
            self._unshown.remove(pts)
            heapq.heapify(self._unshown)

    def _counted(self, frames: list[VideoFrame]) -> Iterator[VideoFrame]:
        for frame in frames:
            shape = (frame.width, frame.height, frame.format.name)
            self._shape = self._shape or shape
            self.statistics.changed_frames += shape != self._shape
            if self._unshown:
                frame.pts = heapq.heappop(self._unshown)
            self.statistics.corrupt_frames += frame.is_corrupt
            yield frame
