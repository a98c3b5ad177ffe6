"""One segment of an enhancement in parts: its share of the output, the very pictures that a run over the whole makes.

The source is entered at a keyframe; the filters are built as in the whole run and asked for the segment's pictures by
their numbers in the film, so that everything that is looked up or seeded by number is what it is there.
"""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av

from workers.errors import TaskFailedError
from workers.media.assemble import Surroundings
from workers.media.coding import CodedFile, CodedPictures, code_pictures
from workers.media.failures import failures_in_words
from workers.media.filters.graph import first_needed, is_judged
from workers.media.frame_map import OutputPicture
from workers.media.frames import FrameWindow, TimedFrame
from workers.media.freed_memory import return_freed_memory
from workers.media.gate import Gate
from workers.media.job_stages import JobStages
from workers.media.jobs import ProgressCallback, SegmentJob, SegmentOutcome
from workers.media.pace import pace_of
from workers.media.picture_stream import Making
from workers.media.readback import read_pictures
from workers.media.side_files import TakenUp, take_up
from workers.media.sought_frames import Stretch, sought_frames
from workers.media.verify import sha256_of
from workers.protocol.media import VideoStreamInfo
from workers.protocol.segments import SegmentRecord, segment_part
from workers.protocol.states import ErrorCode, Stage

_NOTHING_BESIDE: Final = Surroundings((), (), (), {})
_MADE: Final = 0.97


def enhance_segment(job: SegmentJob, on_progress: ProgressCallback) -> SegmentOutcome:
    """Decode, filter and encode the pictures of one span, and check what came out.

    Raises:
        TaskFailedError: PARTS_MISSING when the side files are not those of the plan; NOT_IN_PARTS when the source
            cannot be decoded for certain from there; others as for a whole file.
    """
    with failures_in_words(job.workspace):
        return _enhance_segment(job, JobStages(on_progress))


@dataclass(slots=True)
class _SourcePictures:
    """What is decoded for a segment, counted in the thread that decodes.

    Attributes:
        stretch: where.
        video: says what the first picture of the file is like.
        own: source pictures that belong to this segment and to no other.
    """

    stretch: Stretch
    video: VideoStreamInfo
    own: range
    count: int = 0
    changed: int = 0

    def frames(self, *, threads: int, check: Callable[[], None]) -> Generator[TimedFrame, None, None]:
        """Every frame of the stretch."""
        first = (self.video.width_px, self.video.height_px, self.video.pixel_format)
        with closing(sought_frames(self.stretch, threads=threads, check=check)) as sought:
            for frame in sought:
                self.count += 1
                picture = frame.picture
                is_changed = (picture.width, picture.height, picture.format.name) != first
                self.changed += is_changed and frame.number in self.own
                yield frame


@dataclass(frozen=True, slots=True)
class _Share:
    """The pictures of one segment.

    Attributes:
        pictures: at least one.
        successor: the first one after them; None at the end of the film.
    """

    pictures: tuple[OutputPicture, ...]
    successor: OutputPicture | None

    @property
    def zero(self) -> int:
        """The tick at which the segment's file begins."""
        return self.pictures[0].time.ticks


def _enhance_segment(job: SegmentJob, stages: JobStages) -> SegmentOutcome:
    started = time.monotonic()
    stages.report(Stage.ENHANCING, 0.0)
    taken = take_up(job.source, job.parts, job.segment_plan)
    span = job.segment_plan.spans[job.number]
    chosen = tuple(taken.pictures(span.first, span.count + 1))
    share = _Share(chosen[: span.count], chosen[span.count] if len(chosen) > span.count else None)
    gate = Gate(job.segment_plan.plan) if is_judged(job.segment_plan.plan) else None
    video = job.workspace / f"{segment_part(span.number)}.mp4"
    coded, decoded = _encode(job, taken, share, gate, video=video, stages=stages)
    _check(video, share, coded)
    proof = coded.proof
    record = SegmentRecord(
        plan_sha256=job.plan_sha256,
        number=span.number,
        file_name=video.name,
        size_bytes=video.stat().st_size,
        sha256=sha256_of(video),
        pictures=len(share.pictures),
        first_tick=share.zero,
        end_tick=share.pictures[-1].time.end,
        packet_digests=tuple(digest.hex() for digest in proof.digests),
        parameters=proof.parameters.hex(),
        decoded_pictures=proof.frames,
        decode_errors=proof.errors,
        source_pictures=decoded.count,
        changed_pictures=decoded.changed,
        gate=None if gate is None else gate.measures(),
        seconds=round(time.monotonic() - started, 3),
        worker_id=job.worker_id,
    )
    stages.report(Stage.ENHANCING, 1.0, span.count, span.count)
    return SegmentOutcome(video, record)


def _encode(
    job: SegmentJob, taken: TakenUp, share: _Share, gate: Gate | None, *, video: Path, stages: JobStages
) -> tuple[CodedPictures, _SourcePictures]:
    return_freed_memory()
    source, schedule, plan = taken.source, taken.schedule, job.segment_plan.plan
    times = schedule.source_times
    needed = first_needed(schedule.map, plan.radius, share.pictures[0].number - 1)
    stretch = Stretch(job.source, source.scan, times, max(0, min(needed, len(times) - 1)))
    end = len(times) if share.successor is None else min(share.successor.sources)
    decoded = _SourcePictures(stretch, source.video, range(min(share.pictures[0].sources), end))

    making = Making(source, plan, schedule.map, taken.tables, job.threads)
    file = CodedFile(video, schedule.clock, _NOTHING_BESIDE, zero=share.zero)
    pace = pace_of(plan, source.picture, job.threads)
    frames = closing(decoded.frames(threads=pace.decoder_threads, check=stages.go_on))
    with FrameWindow(frames, read_ahead=pace.read_ahead, first=stretch.first) as window:
        begins_at = share.pictures[0].number
        made = making.pictures(
            window, iter(share.pictures), gate, begins_at=begins_at, successor=share.successor
        )
        counter = stages.counter(Stage.ENHANCING, 0.0, _MADE, len(share.pictures))
        coded = code_pictures(made, file, source, plan, threads=job.threads, on_frame=counter)
    return coded, decoded


def _check(video: Path, share: _Share, coded: CodedPictures) -> None:
    """The finished file holds the pictures of the share, each at its time.

    Raises:
        TaskFailedError: VERIFICATION_FAILED.
    """
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        found = read_pictures(container, stream, coded.proof, threads=1, on_frame=lambda _count: None)
    wanted = [picture.time.ticks - share.zero for picture in share.pictures]
    differing = sum(have != want for have, want in zip(found.pts, wanted, strict=False))
    if found.errors or differing or len(found.pts) != len(wanted):
        raise TaskFailedError(
            ErrorCode.VERIFICATION_FAILED,
            "A finished segment did not pass its checks and was thrown away.",
            detail=f"{len(found.pts)} of {len(wanted)} pictures, {differing} at another time, {found.errors} errors",
        )
