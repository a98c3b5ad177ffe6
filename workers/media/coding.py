"""Pictures to a file whose coded form is known to decode: encoded, decoded on trial and written at the same time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame

from workers.media.assemble import Mp4Writer, Surroundings
from workers.media.decisions.encoding import kept_hdr
from workers.media.encode import VideoEncoder, VideoForm
from workers.media.frame_map import output_rate
from workers.media.material import Material
from workers.media.pace import pace_of
from workers.media.picture_stream import TimedPicture
from workers.media.pipeline import EncoderThread, PacketSink
from workers.media.proof import Proof, TrialDecoder
from workers.media.ticks import MediaPacket
from workers.media.timestamps import FrameTime, TrackClock
from workers.protocol.plan import EnhancementPlan

type FrameCallback = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class CodedPictures:
    """What went into a file.

    Attributes:
        times: of every picture, in ticks of the clock.
        proof: that they decode.
        poster: the picture that was asked for; None when there was no picture at all.
    """

    times: tuple[FrameTime, ...]
    proof: Proof
    poster: VideoFrame | None


@dataclass(frozen=True, slots=True)
class CodedFile:
    """A file that pictures are written to.

    Attributes:
        path: does not exist yet.
        clock: of the pictures' times.
        surroundings: everything that goes in beside them.
        zero: the tick of that clock at which the file begins.
        poster_number: of the picture to keep, or the last one before it.
    """

    path: Path
    clock: TrackClock
    surroundings: Surroundings
    zero: int = 0
    poster_number: Fraction = Fraction(0)


def code_pictures(
    made: Iterator[TimedPicture],
    file: CodedFile,
    source: Material,
    plan: EnhancementPlan,
    *,
    threads: int,
    on_frame: FrameCallback,
) -> CodedPictures:
    """Encode pictures as they are made, and finish the file.

    Args:
        made: in order.
        file: where they go.
        source: decides on rate and dynamic range.
        plan: decides on the encoder.
        threads: upper bound for every pool; 0: one for each core.
        on_frame: called with the number of pictures encoded so far.
    """
    form = VideoForm(
        plan.width_px,
        plan.height_px,
        file.clock.timescale,
        output_rate(plan, source.average_rate),
        plan.colour,
        kept_hdr(plan, source.video),
    )
    pace = pace_of(plan, source.picture, threads)
    with Mp4Writer(file.path, file.clock.timescale, file.surroundings) as writer:
        encoder = VideoEncoder(
            writer.container,
            form,
            plan.encoding,
            threads=pace.encoder_threads,
            is_beside_search=pace.is_beside_search,
        )
        writer.add_surroundings(encoder.stream, source.video)

        def write(packets: list[MediaPacket]) -> None:
            writer.write(_moved(packet, file.zero) for packet in packets)

        with (
            TrialDecoder(encoder.stream.codec_context, threads=threads) as trial,
            EncoderThread(encoder, _both(trial.add, write), on_frame, waiting=pace.waiting) as sink,
        ):
            times, poster = _hand_over(made, sink, file.poster_number)
            sink.finish()
            proof = trial.finish()
        writer.finish()
    return CodedPictures(times, proof, poster)


def _moved(packet: MediaPacket, zero: int) -> MediaPacket:
    if packet.pts is not None:
        packet.pts -= zero
    if packet.dts is not None:
        packet.dts -= zero
    return packet


def _hand_over(
    made: Iterator[TimedPicture], sink: EncoderThread, for_poster: Fraction
) -> tuple[tuple[FrameTime, ...], VideoFrame | None]:
    """Give every picture to the encoder; keep the times of all and the picture for the poster."""
    times: list[FrameTime] = []
    poster: VideoFrame | None = None
    for picture, time in made:
        if len(times) <= for_poster:
            poster = picture
        times.append(time)
        sink.put(picture, time)
    return tuple(times), poster


def _both(first: PacketSink, second: PacketSink) -> PacketSink:
    """One sink for two; the second may use the packets up."""

    def sink(packets: list[MediaPacket]) -> None:
        first(packets)
        second(packets)

    return sink
