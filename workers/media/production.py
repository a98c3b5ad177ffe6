"""Making one output file from one source and one plan: filtered and encoded, or copied."""

from dataclasses import dataclass
from pathlib import Path

import av
from av.video.frame import VideoFrame

from workers.media.assemble import Mp4Writer, Surroundings
from workers.media.audio import AudioTrack
from workers.media.coding import CodedFile, FrameCallback, code_pictures
from workers.media.decisions.encoding import kept_hdr
from workers.media.decode import DecodeStatistics, VideoDecoder
from workers.media.filters.graph import is_judged
from workers.media.frame_map import frame_map, output_clock
from workers.media.frames import FrameWindow, repaired
from workers.media.freed_memory import return_freed_memory
from workers.media.gate import Gate
from workers.media.material import Material
from workers.media.pace import pace_of
from workers.media.picture_stream import Making
from workers.media.poster import POSITION
from workers.media.proof import Proof
from workers.media.remux import CopiedVideo, UncopyableError
from workers.media.source import open_source
from workers.media.tabled_steps import planned_film
from workers.media.tables import FrameTables
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
    pace = pace_of(plan, source.picture, threads)
    decoder = VideoDecoder(source.path, source.video.index, threads=pace.decoder_threads)
    clock = output_clock(plan, source.clock)
    pictures = frame_map(plan, clock.timescale, planned_film(plan, tables))
    repair = TimestampRepair(clock, source.nominal_s)
    gate = Gate(plan) if is_judged(plan) else None
    making = Making(source, plan, pictures, tables, threads)
    file = CodedFile(
        output, clock, surroundings, poster_number=pictures.expected_count(source.scan.count) * POSITION
    )
    with FrameWindow(repaired(decoder, repair), read_ahead=pace.read_ahead) as window:
        made = making.pictures(window, pictures.pictures(window.each_time()), gate)
        coded = code_pictures(made, file, source, plan, threads=threads, on_frame=on_frame)
    return Production(
        clock=clock,
        times=coded.times,
        decoded=decoder.statistics,
        repairs=repair.counts,
        gate=None if gate is None else gate.result(),
        audio=surroundings.audio,
        proof=coded.proof,
        form=coded_form(source, plan),
        poster=coded.poster,
    )


def coded_form(source: Material, plan: EnhancementPlan) -> CodedForm:
    """What coded pictures of a plan are."""
    hdr = kept_hdr(plan, source.video)
    return CodedForm(plan.encoding.codec, plan.encoding.pixel_format, hdr)


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
