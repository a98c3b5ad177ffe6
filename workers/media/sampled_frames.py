"""A few frames spread over a file, cheaply: by seeking where that works, by decoding on where it does not.

It chooses and decodes; what the frames are for is not known here.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import av.container
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workers.media.packet_scan import DemuxErrors, PacketScan, packets
from workers.media.source import CODEC_OPTIONS, open_source

_MAX_PACKETS_PER_TARGET = 3_000
"""So many packets after a seek without the wanted frame: the seek is taken to have failed."""

_SHORT_FILE_FRAMES = 3_000
"""Up to this length a file is decoded in full rather than shown with gaps."""

_DECODE_BUDGET_PX = 96 << 20
"""Pixels that may be decoded for all samples together: about 40 pictures of 1080 lines, 300 of 360."""

_PX_PER_BYTE = 30
"""Decoding one byte of a packet takes as long as 30 pixels (measured: H.264 and FFV1, 1080 lines)."""

_KEYFRAME_COST = 2
"""A keyframe takes about twice as long to decode as another picture (measured: H.264, 1080 lines)."""

_LARGE_PICTURE_PX = 1_500_000
_FEW_SAMPLES = 8
"""So many samples have to do for pictures above that size."""

_HOLD_BACK = frozenset({"h264", "hevc"})
"""Their decoders keep pictures until later ones have come; told that nothing comes any more, they give them at once."""

_PROGRESSIVE = 1
"""AV_FIELD_PROGRESSIVE. Otherwise the second field of a picture may be in the packet behind it."""


@dataclass(frozen=True, slots=True)
class SampledFrame:
    """One decoded frame and when it is shown, counted from the stream's first picture."""

    time_s: Fraction
    frame: VideoFrame


def choose_targets(pts: Sequence[int], keyframe_pts: Sequence[int], count: int) -> list[int]:
    """Timestamps of about `count` pictures, evenly spread.

    The file is cut into `count` equal parts; of each the keyframe nearest its middle is taken, because a seek lands
    on it without decoding anything else, or else the middle picture. Both inputs ascend.
    """
    total = len(pts)
    count = min(count, total)
    targets = []
    for part in range(count):
        first, last = part * total // count, (part + 1) * total // count - 1
        middle = pts[(first + last) // 2]
        at = bisect_left(keyframe_pts, pts[first])
        until = bisect_right(keyframe_pts, pts[last])
        inside = keyframe_pts[at:until]
        targets.append(min(inside, key=lambda key, wanted=middle: abs(key - wanted), default=middle))  # type: ignore[misc]  # mypy cannot type a lambda's default argument
    return sorted(set(targets))


def affordable_targets(scan: PacketScan, count: int, picture_px: int) -> list[int]:
    """Like `choose_targets`, with no more decoding than the budget allows, whatever the size of the pictures.

    Keyframes are cheap to reach; the pictures behind each of them are taken only as far as the budget for it goes.

    Args:
        scan: the packets of the stream.
        count: how many are wanted at most.
        picture_px: pixels of one picture.
    """
    pts, keyframe_pts = scan.shown_pts, scan.keyframe_pts
    wanted = count if picture_px < _LARGE_PICTURE_PX else min(count, _FEW_SAMPLES)
    allowed = affordable_pictures(scan, picture_px)
    if len(pts) <= allowed:
        return choose_targets(pts, keyframe_pts, wanted)
    if not keyframe_pts:
        return choose_targets(pts[:allowed], keyframe_pts, wanted)
    keyframe_cost = _KEYFRAME_COST if len(keyframe_pts) < len(pts) else 1
    starts = _spread(keyframe_pts, max(1, min(wanted, allowed // keyframe_cost)))
    reach = max(1, allowed // len(starts) - keyframe_cost + 1)
    within: list[int] = []
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        at = bisect_left(pts, start)
        until = len(pts) if following is None else bisect_left(pts, following)
        within.extend(pts[at : min(until, at + reach)])
    return choose_targets(within, starts, wanted if reach > 1 else len(starts))


def affordable_pictures(scan: PacketScan, picture_px: int) -> int:
    """How many pictures of a stream the budget for samples allows to decode; at least two."""
    bytes_each = scan.size_bytes // max(1, scan.count + scan.hidden)
    return max(2, _DECODE_BUDGET_PX // max(1, picture_px + _PX_PER_BYTE * bytes_each))


def _spread(values: Sequence[int], count: int) -> list[int]:
    """At most `count` of them, evenly spread by number, each from the middle of its part."""
    if len(values) <= count:
        return list(values)
    return [values[(2 * part + 1) * len(values) // (2 * count)] for part in range(count)]


@dataclass(frozen=True, slots=True)
class OpenedStream:
    """A stream that is open already, and frames that were decoded of it."""

    container: av.container.InputContainer
    frames: Sequence[VideoFrame] = ()


def sample_frames(
    path: Path,
    scan: PacketScan,
    targets: Sequence[int],
    *,
    threads: int = 0,
    opened: OpenedStream | None = None,
) -> Iterator[SampledFrame]:
    """Decode one frame for each ascending target; targets for which there is no intact frame are passed over.

    Frames come in ascending order, except that those which seeking did not reach follow at the end. With `opened`
    the file need not be opened again, and what was decoded of it is not decoded a second time.

    Raises:
        TaskFailedError: the file can no longer be opened.
    """
    if not scan.pts:
        yield from _decode_on(path, scan, targets, threads=threads)
        return
    start = scan.pts[0]
    missed: list[int] = []
    taken: set[int] = set()
    known = {frame.pts: frame for frame in opened.frames if not frame.is_corrupt} if opened else {}
    with ExitStack() as stack:
        container = opened.container if opened else stack.enter_context(open_source(path))
        stream = _open_decoder(container, scan.stream_index, threads)
        if scan.count > affordable_pictures(scan, stream.codec_context.width * stream.codec_context.height):
            stream.codec_context.skip_frame = "NONREF"  # what no other picture needs; the rest stays exact
        walk = _Walk(container, stream, scan, targets, opened.frames if opened else ())
        for target, following in zip(targets, [*targets[1:], None], strict=True):
            frame = known.get(target) or walk.frame_at(target, following)
            if frame is None or frame.pts is None:
                missed.append(target)
            else:
                taken.add(frame.pts)
                yield SampledFrame((frame.pts - start) * scan.time_base, frame)
    if missed and (scan.count <= _SHORT_FILE_FRAMES or len(missed) == len(targets)):
        for sample in _decode_on(path, scan, missed, threads=threads):
            if sample.frame.pts not in taken:
                yield sample


def _open_decoder(container: av.container.InputContainer, index: int, threads: int) -> VideoStream:
    stream = container.streams[index]
    assert isinstance(stream, VideoStream)
    if not stream.codec_context.is_open:
        stream.codec_context.options = dict(CODEC_OPTIONS)
        stream.codec_context.thread_type = "SLICE"  # frame threads would have to fill up after every seek
        stream.codec_context.thread_count = threads
    return stream


class _Walk:
    """Goes forward through a stream from target to target and seeks only past keyframes it need not decode.

    Args:
        container: open.
        stream: in it, its decoder set up.
        scan: of the stream.
        targets: everything that will be asked for, ascending.
        decoded: what was decoded last from where the container and the decoder now are; the walk goes on behind it.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: VideoStream,
        scan: PacketScan,
        targets: Sequence[int],
        decoded: Sequence[VideoFrame],
    ) -> None:
        self._container = container
        self._stream = stream
        self._keyframe_pts = scan.keyframe_pts
        self._targets = targets
        self._frames: Iterator[VideoFrame] | None = None
        self._position = 0
        self._was_cut = False
        reached = [frame.pts for frame in decoded if frame.pts is not None]
        if reached and len(reached) == len(decoded):
            self._position = max(reached)
            self._frames = _intact_frames(container, stream, _MAX_PACKETS_PER_TARGET)

    def frame_at(self, target: int, following: int | None) -> VideoFrame | None:
        """The first intact frame from `target` on and before `following`; None when there is none to be reached."""
        if self._frames is None or target <= self._position or self._is_keyframe_ahead(target):
            self._frames = self._seek(target, self._last_before_keyframe(target))
        frame = self._next(target, following)
        # Damaged, or not where the scan says: what comes behind it may do.
        if frame is None and self._was_cut:
            self._frames = self._seek(target, None)
            frame = self._next(target, following)
        return frame

    def _next(self, target: int, following: int | None) -> VideoFrame | None:
        for frame in self._frames or ():
            if frame.pts is None:
                continue
            self._position = frame.pts
            if frame.pts >= target:
                if following is None or frame.pts < following:
                    return frame
                break
        self._frames = None
        return None

    def _is_keyframe_ahead(self, target: int) -> bool:
        at = bisect_right(self._keyframe_pts, target) - 1
        return at >= 0 and self._keyframe_pts[at] > self._position

    def _last_before_keyframe(self, target: int) -> int | None:
        """The last target that is reached without another seek; None where the decoder has to be fed on behind it."""
        context = self._stream.codec_context
        if context.codec.canonical_name not in _HOLD_BACK or context.field_order != _PROGRESSIVE:
            return None
        behind = bisect_right(self._keyframe_pts, target)
        if behind == len(self._keyframe_pts):
            return self._targets[-1]
        return self._targets[bisect_left(self._targets, self._keyframe_pts[behind]) - 1]

    def _seek(self, target: int, last: int | None) -> Iterator[VideoFrame] | None:
        self._was_cut = last is not None
        try:
            self._container.seek(target, stream=self._stream, backward=True)
        except av.FFmpegError:
            return None  # not seekable; the caller decodes from the beginning instead
        return _intact_frames(self._container, self._stream, _MAX_PACKETS_PER_TARGET, last)


def _intact_frames(
    container: av.container.InputContainer,
    stream: VideoStream,
    max_packets: int | None,
    last: int | None = None,
) -> Iterator[VideoFrame]:
    """Frames from the current position on, damaged ones left out, the decoder's last ones included.

    With `last`, the picture of that timestamp is the last one that is decoded; everything it refers to is before it.
    """
    for packet in islice(packets(container, DemuxErrors(), (stream,)), max_packets):
        pts = packet.pts
        try:
            frames = stream.decode(packet)
        except av.FFmpegError:
            continue  # a damaged packet; the frames after it may be whole
        yield from (frame for frame in frames if not frame.is_corrupt)
        if last is not None and pts == last:
            break
    try:
        yield from (frame for frame in stream.decode(None) if not frame.is_corrupt)
    except av.FFmpegError:
        return  # nothing more to come


def _decode_on(
    path: Path, scan: PacketScan, targets: Sequence[int], *, threads: int
) -> Iterator[SampledFrame]:
    """The same by decoding everything once; frames without a timestamp are counted along."""
    start = scan.pts[0] if scan.pts else 0
    waiting = list(reversed(targets))
    with open_source(path) as container:
        stream = _open_decoder(container, scan.stream_index, threads)
        for number, frame in enumerate(_intact_frames(container, stream, None)):
            if not waiting:
                return
            pts = frame.pts if frame.pts is not None else start + number * max(1, scan.typical_step)
            if pts >= waiting[-1]:
                yield SampledFrame((pts - start) * scan.time_base, frame)
                while waiting and waiting[-1] <= pts:
                    waiting.pop()
