"""Decoded frames by their number, anywhere in a file that stays open: the same frames that decoding all of it gives.

Numbers are those of `VideoDecoder`: frames in presentation order. Decoding starts at a keyframe; where that does not
give every frame that follows (the stream refers to what was before it, or the index is wrong), it starts earlier, in
the end at the beginning. Pictures that nothing refers to are passed over on the way. Frames that their
timestamps do not tell apart are counted from the beginning. It knows nothing of filters.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workers.media.frames import TimedFrame
from workers.media.packet_scan import DemuxErrors, PacketScan, packets
from workers.media.source import open_source
from workers.media.timestamps import FrameTime

_WHOLE: Final = "DEFAULT"
_REFERENCES_ONLY: Final = "NONREF"


_DECIDES_WHEN_OPENED: Final = frozenset({"libdav1d"})
"""Decoders that look only once at what they may pass over."""


class _GapError(Exception):
    """A frame that should have come did not."""


class SeekableFrames:
    """Frames of one stream by number. Any thread may ask; `close()` at the end.

    Args:
        path: an existing file.
        scan: of the stream.
        times: of every frame, in order.
        threads: of the decoder; 0: one for each core.
        check: called for every decoded picture; what it raises reaches whoever asked.
    """

    def __init__(
        self,
        path: Path,
        scan: PacketScan,
        times: Sequence[FrameTime],
        *,
        threads: int,
        check: Callable[[], None],
    ) -> None:
        self._scan = scan
        self._times = times
        self._check = check
        self._lock = threading.RLock()
        self._frames: dict[int, TimedFrame] = {}
        self._path = path
        self._threads = threads
        self._open()
        self._run: Iterator[tuple[int, VideoFrame]] | None = None
        self._next = 0
        self._keep_from = 0
        self._counted = 0
        self._is_sought = can_seek(scan)

    def _open(self) -> None:
        self._container = open_source(self._path)
        self._stream = cast(VideoStream, self._container.streams[self._scan.stream_index])
        self._stream.thread_type = "AUTO"
        self._stream.thread_count = self._threads

    def close(self) -> None:
        """Close the file and forget the frames."""
        with self._lock:
            self._run = None
            self._frames.clear()
            self._container.close()

    def release(self, below: int) -> None:
        """Forget frames with smaller numbers. They can be asked for again, at the cost of decoding."""
        with self._lock:
            for number in [number for number in self._frames if number < below]:
                del self._frames[number]

    def keep_only(self, first: int, last: int) -> None:
        """Have the frames of this range, both ends included, and no others."""
        with self._lock:
            first, last = self._bounded(first), self._bounded(last)
            for number in [number for number in self._frames if not first <= number <= last]:
                del self._frames[number]
            missing = [number for number in range(first, last + 1) if number not in self._frames]
            if missing:
                self._decode(missing[0], missing[-1])

    def frame_or_last(self, number: int) -> TimedFrame:
        """A frame; past the end the last one stands in for it.

        Raises:
            Exception: whatever opening, decoding or the check raised.
        """
        with self._lock:
            number = self._bounded(number)
            if number not in self._frames:
                self._decode(number, number)
            return self._frames[number]

    def _bounded(self, number: int) -> int:
        return max(0, min(number, len(self._times) - 1))

    def _decode(self, first: int, last: int) -> None:
        """Add the frames of a range."""
        keyframe = -1
        if self._is_sought:
            keyframe = bisect_right(self._scan.keyframe_pts, self._scan.pts[first]) - 1
        is_ahead = keyframe >= 0 and self._number(self._scan.keyframe_pts[keyframe]) > self._next
        if self._run is not None and self._next <= first and not is_ahead:
            try:
                self._take(self._run, first, last)
            except _GapError:
                self._run = None
            else:
                return
        step = 1
        while keyframe >= 0:
            try:
                self._take(self._started(self._scan.keyframe_pts[keyframe]), first, last)
            except (_GapError, av.FFmpegError):
                keyframe -= step
                step *= 2
            else:
                return
        self._take(self._started(None), first, last, may_repeat=True)

    def _take(
        self, run: Iterator[tuple[int, VideoFrame]], first: int, last: int, *, may_repeat: bool = False
    ) -> None:
        """Move a run on to `last` and keep what was asked for.

        Raises:
            _GapError: a frame is missing and nothing may stand in for it.
        """
        self._run, self._keep_from = run, first
        expected, newest = first, None
        while expected <= last:
            number, picture = next(run, (None, None))
            self._check()
            if number is None or picture is None:
                self._run = None
                if not may_repeat or newest is None:
                    raise _GapError
                number, picture = last, newest
            self._next = number + 1
            if number < first:
                continue
            if number > expected and not may_repeat:
                self._run = None
                raise _GapError
            for missing in range(expected, number + 1):
                self._frames[missing] = TimedFrame(missing, picture, self._times[missing])
            expected, newest = max(expected, number + 1), picture

    def _started(self, keyframe_pts: int | None) -> Iterator[tuple[int, VideoFrame]]:
        """Numbers and pictures from a keyframe on, or from the beginning."""
        self._run = None
        self._next = 0
        self._counted = 0
        if keyframe_pts is None:
            self._container.close()
            self._open()  # not every demuxer finds its way back to the first packet
        else:
            self._container.seek(keyframe_pts, stream=self._stream)
            self._stream.codec_context.flush_buffers()
        return self._pictures()

    def _pictures(self) -> Iterator[tuple[int, VideoFrame]]:
        context = self._stream.codec_context
        for packet in packets(self._container, DemuxErrors(), (self._stream,)):
            self._check()
            is_needed = not self._is_sought or (packet.pts or 0) >= self._scan.pts[self._keep_from]
            pass_over(context, is_needed=is_needed)
            try:
                pictures = context.decode(packet)
            except av.FFmpegError:
                continue  # as in the whole run: what is missing then is noticed by its number
            yield from self._numbered(pictures)
        pass_over(context, is_needed=True)
        try:
            yield from self._numbered(context.decode(None))
        except av.FFmpegError:
            return

    def _numbered(self, pictures: Sequence[VideoFrame]) -> Iterator[tuple[int, VideoFrame]]:
        for picture in pictures:
            if not self._is_sought:
                yield self._counted, picture
                self._counted += 1
                continue
            if picture.pts is None:
                continue
            number = self._number(picture.pts)
            if number < len(self._scan.pts) and self._scan.pts[number] == picture.pts:
                yield number, picture

    def _number(self, pts: int) -> int:
        return bisect_left(self._scan.pts, pts)


def pass_over(context: VideoCodecContext, *, is_needed: bool) -> None:
    """Let a decoder leave out pictures that nothing refers to, until one is needed."""
    if context.codec.name not in _DECIDES_WHEN_OPENED:
        context.skip_frame = _WHOLE if is_needed else _REFERENCES_ONLY


def can_seek(scan: PacketScan) -> bool:
    """Whether every frame of the stream can be told by its timestamp."""
    is_ascending = all(earlier < later for earlier, later in zip(scan.pts, scan.pts[1:], strict=False))
    return (
        bool(scan.pts)
        and is_ascending
        and not (scan.without_timestamp or scan.damaged)
        and scan.count == len(scan.pts)
    )
