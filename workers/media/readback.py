"""Reading the pictures of a finished file back: every one decoded, or every one recognised as decoded already."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workers.media.coded_units import FRAMINGS
from workers.media.proof import Proof, digest_of_units


@dataclass(slots=True)
class PicturesRead:
    """What the pictures of a file are.

    Attributes:
        pts: of every picture in the order of display, in the stream's time base.
        errors: packets that do not decode, pictures flagged as damaged, and pictures unlike the first in size or
            sample format, which a file for every browser must not hold.
        last_duration: of the last picture, in the stream's time base.
        first: the first decoded picture; None when there is none.
    """

    pts: list[int]
    errors: int
    last_duration: Fraction
    first: VideoFrame | None


def read_pictures(
    container: InputContainer,
    video: VideoStream,
    proof: Proof | None,
    *,
    threads: int,
    on_frame: Callable[[int], None],
) -> PicturesRead:
    """Decode the stream to its end, unless a proof covers every packet in it.

    Args:
        container: at its beginning.
        video: one of its streams.
        proof: of the packets that were given to the file's writer.
        threads: upper bound for decoding; 0: one for each core.
        on_frame: called with the number of pictures read so far.
    """
    if proof is not None:
        recognised = _recognise(container, video, proof, on_frame)
        if recognised is not None:
            return recognised
        container.seek(0)
        video.codec_context.flush_buffers()
    return _decode(container, video, threads, on_frame)


def _recognise(
    container: InputContainer, video: VideoStream, proof: Proof, on_frame: Callable[[int], None]
) -> PicturesRead | None:
    """Pictures of a file whose packets are those of the proof, byte for byte; None when one differs."""
    name = video.codec_context.codec.canonical_name
    framing = next((entry for codec, entry in FRAMINGS.items() if codec.value == name), None)
    if framing is None:
        return None
    parameters = digest_of_units(framing.of_record(video.codec_context.extradata or b""))
    if parameters != proof.parameters or proof.frames != len(proof.digests):
        return None
    first: VideoFrame | None = None
    shown: list[tuple[int, int]] = []
    for packet in container.demux(video):
        if packet.size == 0:
            continue
        number = len(shown)
        coded = bytes(packet)
        if number >= len(proof.digests) or packet.pts is None:
            return None
        if digest_of_units(framing.of_sample(coded)) != proof.digests[number]:
            return None
        if first is None:
            first = _first_picture(video, coded)
        shown.append((packet.pts, packet.duration or 0))
        on_frame(len(shown))
    if len(shown) != len(proof.digests) or first is None:
        return None
    shown.sort()
    return PicturesRead([pts for pts, _ in shown], proof.errors, Fraction(shown[-1][1]), first)


def _first_picture(video: VideoStream, coded: bytes) -> VideoFrame | None:
    """The first packet is a keyframe and decodes by itself: its picture tells what every player will see."""
    context = video.codec_context
    context.thread_count = 1
    try:
        frames = context.decode(av.Packet(coded)) + context.decode(None)
    except av.FFmpegError:
        return None
    return frames[0] if frames else None


def _decode(
    container: InputContainer, video: VideoStream, threads: int, on_frame: Callable[[int], None]
) -> PicturesRead:
    context = video.codec_context
    if not context.is_open:
        video.thread_type = "AUTO"
        video.thread_count = threads
        # Every bit is still read and every picture built; only their smoothing, which cannot fail, is left out.
        context.options = {"skip_loop_filter": "all"}
    found = PicturesRead([], 0, Fraction(0), None)
    for packet in container.demux(video):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            found.errors += 1
            continue
        for frame in frames:
            found.first = found.first or frame
            found.errors += frame.is_corrupt or not _is_alike(frame, found.first)
            found.pts.append(frame.pts if frame.pts is not None else -1)
            found.last_duration = Fraction(frame.duration)
            on_frame(len(found.pts))
    return found


def _is_alike(frame: VideoFrame, first: VideoFrame) -> bool:
    return (frame.width, frame.height, frame.format.name) == (first.width, first.height, first.format.name)
