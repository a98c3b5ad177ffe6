"""Every frame of a stream from some number on: the same frames that decoding all of it gives, or none.

Numbers are those of `VideoDecoder`: frames in presentation order, told by their timestamps. Decoding starts at a
keyframe and, where that does not give every frame that follows, earlier, in the end at the beginning. Whatever could
make a picture another one than in a run over the whole file ends it: a packet that is refused, a picture that is
flagged as damaged or is missing.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import av
from av.container import InputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from workers.errors import TaskFailedError
from workers.media.frames import TimedFrame
from workers.media.packet_scan import DemuxErrors, PacketScan, packets
from workers.media.seeking import pass_over
from workers.media.source import open_source
from workers.media.timestamps import FrameTime
from workers.protocol.states import ErrorCode

_MOST_SEEKS: Final = 4
"""Further and further back; then the whole file up to the wanted frame is decoded."""


_WAIT_FOR_AN_ENTRANCE: Final = frozenset({"h264", "hevc"})
"""Their decoders give nothing before a picture from which on all is right; others take a container's word for it."""

_REFERRING: Final = frozenset({PictureType.P, PictureType.B, PictureType.S})


class _InexactError(Exception):
    """What comes from here is not what a run over the whole file gives."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where to decode.

    Attributes:
        path: an existing file.
        scan: of its stream; its timestamps ascend and every frame has one.
        times: of every frame of the stream, in order.
        first: number of the first frame that is wanted.
        is_near: give up rather than go back to the beginning of the file from far away.
    """

    path: Path
    scan: PacketScan
    times: Sequence[FrameTime]
    first: int
    is_near: bool = False


def sought_frames(
    stretch: Stretch, *, threads: int, check: Callable[[], None]
) -> Generator[TimedFrame, None, None]:
    """The frames from `stretch.first` to the end of the stream.

    Args:
        stretch: where.
        threads: of the decoder; 0: one for each core.
        check: called for every packet; what it raises ends the iteration.

    Raises:
        TaskFailedError: NOT_IN_PARTS: what can be decoded from there is not sure to be what the whole run gives.
    """
    expected = stretch.first
    for start in _starts(stretch):
        try:
            for number, picture in _decoded(stretch, start, expected, threads, check):
                if number < expected:
                    continue
                if number > expected:
                    break
                yield TimedFrame(number, picture, stretch.times[number])
                expected += 1
        except _InexactError:
            continue
        if expected == len(stretch.times):
            return
    raise TaskFailedError(
        ErrorCode.NOT_IN_PARTS,
        f"“{stretch.path.name}” is damaged: it can only be enhanced as a whole.",
        detail=f"picture {expected} of {len(stretch.times)} cannot be decoded for certain",
    )


def _starts(stretch: Stretch) -> Iterator[int | None]:
    """Timestamps of keyframes to start at, further and further back; None: the beginning of the file."""
    keyframes = stretch.scan.keyframe_pts
    keyframe = bisect_right(keyframes, stretch.scan.pts[stretch.first]) - 1
    for attempt in range(_MOST_SEEKS):
        if keyframe <= 0:
            break
        yield keyframes[keyframe]
        keyframe -= 1 << attempt
    if keyframe <= 0 or not stretch.is_near:
        yield None


def _decoded(
    stretch: Stretch, start: int | None, first: int, threads: int, check: Callable[[], None]
) -> Iterator[tuple[int, VideoFrame]]:
    """Numbers and pictures from a keyframe on; before `first` only those that others refer to.

    Raises:
        _InexactError: something is not as it should be.
    """
    with open_source(stretch.path) as container:
        stream = cast(VideoStream, container.streams[stretch.scan.stream_index])
        stream.thread_type, stream.thread_count = "AUTO", threads
        if start is not None:
            _seek(container, stream, start)
        context, pts = stream.codec_context, stretch.scan.pts
        since = pts[0] if start is None else start
        errors = DemuxErrors()
        has_entered = start is None or context.codec.canonical_name in _WAIT_FOR_AN_ENTRANCE
        for packet in packets(container, errors, (stream,)):
            check()
            if errors.count or packet.pts is None:
                raise _InexactError
            pass_over(context, is_needed=packet.pts >= pts[first])
            try:
                pictures = context.decode(packet)
            except av.FFmpegError as error:
                if packet.pts < since:
                    continue  # a leading picture, which refers to what was not decoded
                raise _InexactError from error
            for number, picture in _numbered(pictures, pts, since):
                if not has_entered and not _is_entrance(picture, stretch.scan.keyframe_pts):
                    raise _InexactError
                has_entered = True
                yield number, picture
        pass_over(context, is_needed=True)
        try:
            pictures = context.decode(None)
        except av.FFmpegError as error:
            raise _InexactError from error
        yield from _numbered(pictures, pts, since)


def _is_entrance(picture: VideoFrame, keyframe_pts: Sequence[int]) -> bool:
    """True for the picture of a keyframe when it refers to no other; the one that was sought may be missed."""
    pts = picture.pts or 0
    place = bisect_left(keyframe_pts, pts)
    is_keyframe = place < len(keyframe_pts) and keyframe_pts[place] == pts
    return is_keyframe and picture.pict_type not in _REFERRING


def _seek(container: InputContainer, stream: VideoStream, pts: int) -> None:
    try:
        container.seek(pts, stream=stream)
    except av.FFmpegError as error:
        raise _InexactError from error


def _numbered(
    pictures: Sequence[VideoFrame], pts: Sequence[int], since: int
) -> Iterator[tuple[int, VideoFrame]]:
    for picture in pictures:
        if picture.pts is None:
            raise _InexactError
        if picture.pts < since:
            continue
        number = bisect_left(pts, picture.pts)
        if picture.is_corrupt or number == len(pts) or pts[number] != picture.pts:
            raise _InexactError
        yield number, picture
