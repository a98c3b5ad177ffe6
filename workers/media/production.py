"""Making one output file from one source and one plan: filtered and encoded, or copied."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.frame import VideoFrame

from workers.media.assemble import Mp4Writer, Surroundings
from workers.media.audio import AudioTrack
from workers.media.colour_names import MATRICES
from workers.media.decisions.encoding import kept_hdr
from workers.media.decode import DecodeStatistics, VideoDecoder
from workers.media.encode import OUTPUT_PIXEL_FORMAT, VideoEncoder, VideoForm, code_point
from workers.media.encoders.options import keeps_up
from workers.media.filters.graph import (
    FilterGraph,
    SourcePicture,
    is_judged,
    luma,
    searches_motion,
    to_libav,
)
from workers.media.frame_map import FrameMap, frame_map, output_clock, output_rate
from workers.media.frames import FrameWindow
from workers.media.freed_memory import return_freed_memory
from workers.media.gate import Gate, GateSample, sample_numbers
from workers.media.material import Material
from workers.media.packet_scan import PacketScan
from workers.media.pipeline import (
    EncoderThread,
    PacketSink,
    TimedPicture,
    beside_search,
    unfiltered_pictures,
    waiting_pictures,
)
from workers.media.poster import POSITION
from workers.media.proof import Proof, TrialDecoder
from workers.media.remux import CopiedVideo, UncopyableError
from workers.media.source import open_source
from workers.media.tabled_steps import planned_film
from workers.media.tables import FrameTables
from workers.media.ticks import MediaPacket
from workers.media.timestamps import (
    FrameTime,
    RepairCounts,
    SourceTime,
    TimestampRepair,
    TrackClock,
)
from workers.media.verify_form import BROWSER_FORM, CodedForm
from workers.protocol.plan import EnhancementPlan
from workers.protocol.report import GateResult

type FrameCallback = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Production:
    """What was made, for the report and for verification."""

    clock: TrackClock
    """Of the output's video track."""
    times: tuple[FrameTime, ...]
    """Of every output picture, in ticks of it."""
    decoded: DecodeStatistics | None
    """None when pictures were copied."""
    repairs: RepairCounts | None
    gate: GateResult | None
    audio: tuple[AudioTrack, ...]
    proof: Proof | None = None
    """That the coded pictures decode; None when they were copied."""
    form: CodedForm = BROWSER_FORM
    """Of the coded pictures; only what plays everywhere is copied."""
    poster: VideoFrame | None = None
    """The picture for the poster as it went to the encoder; None when pictures were copied."""


def needs_graph(plan: EnhancementPlan, picture: SourcePicture) -> bool:
    """False when decoded pictures can go to the encoder untouched."""
    return bool(plan.steps) or picture.form.name != OUTPUT_PIXEL_FORMAT or picture.is_full_range


def encode_file(
    source: Material,
    plan: EnhancementPlan,
    output: Path,
    surroundings: Surroundings,
    *,
    threads: int,
    on_frame: FrameCallback,
    tables: FrameTables | None = None,
) -> Production:
    """Decode, filter and encode every picture; write everything else beside it.

    Args:
        source: what is read.
        plan: what is done.
        output: does not exist yet.
        surroundings: everything that is not video.
        threads: upper bound for every pool; 0: one for each core.
        on_frame: called with the number of pictures encoded so far.
        tables: of the full analysis, where the plan needs them.
    """
    return_freed_memory()
    is_searched = searches_motion(plan)
    others = beside_search(threads) if is_searched else threads
    decoder = VideoDecoder(source.path, source.video.index, threads=others)
    clock = output_clock(plan, source.clock)
    pictures = frame_map(plan, clock.timescale, planned_film(plan, tables))
    repair = TimestampRepair(clock, source.nominal_s)
    rate = output_rate(plan, source.average_rate)
    hdr = kept_hdr(plan, source.video)
    form = VideoForm(plan.width_px, plan.height_px, clock.timescale, rate, plan.colour, hdr)
    gate = Gate(plan) if is_judged(plan) else None
    picture = source.picture
    read_ahead = 1 if is_searched else waiting_pictures(picture.width_px, picture.height_px)
    waiting = 1 if is_searched else waiting_pictures(plan.width_px, plan.height_px)
    with (
        FrameWindow(decoder, repair, read_ahead=read_ahead) as window,
        Mp4Writer(output, clock.timescale, surroundings) as writer,
    ):
        is_waiting = is_searched and keeps_up(plan.encoding)
        encoder = VideoEncoder(
            writer.container,
            form,
            plan.encoding,
            threads=others if is_waiting else threads,
            is_beside_search=is_waiting,
        )
        writer.add_surroundings(encoder.stream, source.video)
        with (
            TrialDecoder(encoder.stream.codec_context, threads=threads) as trial,
            EncoderThread(encoder, _both(trial.add, writer.write), on_frame, waiting=waiting) as sink,
        ):
            made = _pictures(source, plan, window, pictures, gate=gate, threads=threads, tables=tables)
            times, poster = _hand_over(made, sink, pictures.expected_count(source.scan.count) * POSITION)
            sink.finish()
            proof = trial.finish()
        writer.finish()
    return Production(
        clock=clock,
        times=times,
        decoded=decoder.statistics,
        repairs=repair.counts,
        gate=None if gate is None else gate.result(),
        audio=surroundings.audio,
        proof=proof,
        form=CodedForm(plan.encoding.codec, plan.encoding.pixel_format, hdr),
        poster=poster,
    )


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


def _pictures(
    source: Material,
    plan: EnhancementPlan,
    window: FrameWindow,
    pictures: FrameMap,
    *,
    gate: Gate | None,
    threads: int,
    tables: FrameTables | None,
) -> Iterator[TimedPicture]:
    if not needs_graph(plan, source.picture):
        return unfiltered_pictures(window, plan.width_px, plan.height_px)
    matrix = code_point(MATRICES, plan.colour.matrix)
    graph = FilterGraph(plan, source.picture, window, pictures, matrix=matrix, threads=threads, tables=tables)
    expected = pictures.expected_count(source.video.frame_count)
    return _filtered_pictures(graph, gate, sample_numbers(expected))


def _filtered_pictures(
    graph: FilterGraph, gate: Gate | None, samples: frozenset[int]
) -> Iterator[TimedPicture]:
    pending: tuple[Any, Any, Any] | None = None
    nodes = graph.nodes
    for frame, filtered in graph.frames():
        if gate is not None and pending is not None:
            plain = luma(graph.picture(nodes.reference, frame.number))
            before, expected, plain_before = pending
            gate.add(GateSample((before, luma(filtered)), (plain_before, plain), expected))
            pending = None
        if gate is not None and frame.number in samples:
            plain_now = luma(graph.picture(nodes.reference, frame.number))
            is_same = nodes.expected is nodes.reference
            expected_now = plain_now if is_same else luma(graph.picture(nodes.expected, frame.number))
            pending = (luma(filtered), expected_now, plain_now)
        yield to_libav(filtered), frame.time


def copy_file(
    source: Material,
    plan: EnhancementPlan,
    output: Path,
    surroundings: Surroundings,
    *,
    on_frame: FrameCallback,
) -> Production:
    """Copy the coded pictures; write everything else beside them.

    Raises:
        UncopyableError: they have to be encoded after all.
    """
    try:
        _copy_packets(source, plan, output, surroundings, on_frame)
    except av.InvalidDataError as error:
        raise UncopyableError(f"the MP4 writer refused its packets ({error.strerror})") from error
    stated = (SourceTime(pts, 0) for pts in source.scan.pts[:-1])
    last = SourceTime(source.scan.pts[-1], source.scan.last_duration)
    repair = TimestampRepair(source.clock, source.nominal_s)
    return Production(
        clock=source.clock,
        times=tuple(repair.times([*stated, last])),
        decoded=None,
        repairs=None,
        gate=None,
        audio=surroundings.audio,
    )


def _copy_packets(
    source: Material, plan: EnhancementPlan, output: Path, surroundings: Surroundings, on_frame: FrameCallback
) -> None:
    with (
        open_source(source.path) as container,
        Mp4Writer(output, source.clock.timescale, surroundings) as writer,
    ):
        video = CopiedVideo(container, source.video.index, source.clock, plan.colour)
        with open_source(source.path) as again:
            video.plan_times(again, max(1, round(source.nominal_s / source.scan.time_base)))
        writer.add_surroundings(video.open(writer.container), source.video)
        for packet in video.packets(on_frame):
            writer.write([packet])
        writer.finish()


def can_be_copied(scan: PacketScan) -> bool:
    """True when every packet has a sound timestamp and none is hidden by an edit list or damaged."""
    clean = not (scan.hidden or scan.without_timestamp or scan.out_of_order or scan.damaged)
    return clean and bool(scan.pts) and bool(scan.keyframe_pts) and scan.keyframe_pts[0] == scan.pts[0]
