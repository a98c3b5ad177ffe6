"""What enhancing would do to one picture or a few seconds: made by the real chain around the wanted moment.

The process that calls it stays warm: the last sources remain open, with what was measured in them and with the filters
of the last plan. A picture is made as in the whole run, with every neighbour that the filters look at. A job that
nobody waits for any more is stopped where it reports progress; measuring goes on beside it, for the next one.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from workers.media.colour_names import MATRICES
from workers.media.encode import code_point
from workers.media.filters.graph import FilterGraph
from workers.media.filters.network import is_installed
from workers.media.frame_map import FrameMap, OutputPicture, frame_map, output_clock
from workers.media.jobs import PreviewJob, PreviewOutcome, Progress, ProgressCallback
from workers.media.plan import plan_enhancement
from workers.media.preview_files import Shown, write_clips, write_pictures
from workers.media.preview_source import Check, Known, Looking
from workers.media.seeking import SeekableFrames, can_seek
from workers.media.source import require_readable
from workers.media.timestamps import FrameTime, SourceTime, TimestampRepair, TrackClock
from workers.protocol.plan import EnhancementPlan
from workers.protocol.states import Stage
from workers.protocol.steps import DeflickerStep, InverseTelecineStep, StabiliseStep

_KEPT_SOURCES: Final = 2
_BESIDE: Final = 2
"""Decoded pictures kept beyond those that the filters look at, for the next request nearby."""

_NEED_TABLES: Final = (InverseTelecineStep, DeflickerStep, StabiliseStep)

type _Identity = tuple[Path, int, int]


def preview(job: PreviewJob, on_progress: ProgressCallback) -> PreviewOutcome:
    """Make the pictures before and after.

    Raises:
        TaskFailedError: the file is not one that can be worked on; the message says why.
        JobStoppedError: raised by `on_progress`, passed on.
    """

    def check() -> None:
        on_progress(Progress(Stage.ENHANCING, 0.0))

    source = _studio().source(job, check)
    try:
        return source.show(job, check)
    except BaseException:
        source.forget_filters()  # they may have kept the error
        raise


@cache
def _studio() -> "_Studio":
    return _Studio()


class _Studio:
    """The sources that were asked about last."""

    def __init__(self) -> None:
        self._sources: OrderedDict[_Identity, _Source] = OrderedDict()

    def source(self, job: PreviewJob, check: Check) -> "_Source":
        """The source of a job, measured."""
        status = require_readable(job.source)
        identity = (job.source, status.st_size, status.st_mtime_ns)
        found = self._sources.get(identity)
        if found is None:
            found = self._sources[identity] = _Source(Looking(job.source, threads=job.threads))
        self._sources.move_to_end(identity)
        while len(self._sources) > _KEPT_SOURCES:
            self._sources.popitem(last=False)[1].close()
        try:
            found.wait(check)
        except Exception:
            if found.looking.has_failed:
                del self._sources[identity]
            raise
        return found


@dataclass(slots=True)
class _Chain:
    """Everything that depends on the plan."""

    plan: EnhancementPlan
    frames: SeekableFrames
    map: FrameMap
    graph: FilterGraph
    clock: TrackClock
    pictures: Sequence[OutputPicture]
    starts: Sequence[int]
    """Tick of each picture."""


@dataclass(slots=True)
class _Source:
    """One source with what is kept of it."""

    looking: Looking
    chain: _Chain | None = None
    check: Check = field(default=lambda: None)

    def wait(self, check: Check) -> None:
        """Return when it was measured."""
        self.looking.wait(check)

    def show(self, job: PreviewJob, check: Check) -> PreviewOutcome:
        """Make the pictures of a job."""
        self.check = check
        known = self.looking.known
        full_plan = plan_enhancement(known.info, known.analysis, job.settings, has_network=is_installed())
        plan, notes = _without_tables(full_plan)
        if not can_seek(known.material.scan):
            notes = (
                *notes,
                "The file's timestamps are damaged: the moment shown may not be quite the one asked for.",
            )
        chain = self._chain(known, plan, job.threads)
        chosen = _chosen(chain, job)
        radius = plan.radius
        first = chain.map.oldest_source(max(0, chosen[0].number - radius))
        last = max(chosen[0].sources) + radius
        chain.frames.keep_only(first - _BESIDE, last + _BESIDE)
        check()
        shown = Shown(chain.graph, plan, chosen, chain.clock, known.material.average_rate)
        write = write_clips if job.duration_s else write_pictures
        files = write(shown, job, check)
        return PreviewOutcome(
            before=files.before,
            after=files.after,
            is_clip=bool(job.duration_s),
            width_px=files.width_px,
            height_px=files.height_px,
            at_s=float(chosen[0].time.ticks * chain.clock.time_base),
            frames=len(chosen),
            plan=full_plan,
            notes=notes,
        )

    def forget_filters(self) -> None:
        """Begin anew with the next job; what was measured stays."""
        chain, self.chain = self.chain, None
        if chain is not None:
            chain.frames.close()

    def close(self) -> None:
        """Let go of the file."""
        self.looking.abandon()
        self.forget_filters()

    def _go_on(self) -> None:
        self.check()

    def _chain(self, known: Known, plan: EnhancementPlan, threads: int) -> _Chain:
        if self.chain is not None and self.chain.plan == plan:
            return self.chain
        self.forget_filters()
        material = known.material
        clock = output_clock(plan, material.clock)
        times = _times(known, clock)
        pictures_map = frame_map(plan, clock.timescale, None)
        frames = SeekableFrames(material.path, material.scan, times, threads=threads, check=self._go_on)
        matrix = code_point(MATRICES, plan.colour.matrix)
        graph = FilterGraph(plan, material.picture, frames, pictures_map, matrix=matrix, threads=threads)
        pictures = list(pictures_map.pictures(times))
        starts = [picture.time.ticks for picture in pictures]
        self.chain = _Chain(plan, frames, pictures_map, graph, clock, pictures, starts)
        return self.chain


def _times(known: Known, clock: TrackClock) -> list[FrameTime]:
    """The time of every source picture, as the whole run finds it in a sound file."""
    scan = known.material.scan
    stated = [SourceTime(pts, 0) for pts in scan.pts]
    if stated:
        stated[-1] = SourceTime(scan.pts[-1], scan.last_duration)
    unknown = [SourceTime(None, 0)] * max(0, scan.count - len(stated))
    return list(TimestampRepair(clock, known.material.nominal_s).times([*stated, *unknown]))


def _chosen(chain: _Chain, job: PreviewJob) -> list[OutputPicture]:
    """The picture shown at the wanted moment, and those that follow within the wanted time."""
    wanted = int(job.at_s * chain.clock.timescale)
    first = max(0, bisect_right(chain.starts, wanted) - 1)
    end = chain.starts[first] + int(job.duration_s * chain.clock.timescale)
    behind = first + 1
    while behind < len(chain.starts) and chain.starts[behind] < end:
        behind += 1
    return list(chain.pictures[first:behind])


def _without_tables(plan: EnhancementPlan) -> tuple[EnhancementPlan, tuple[str, ...]]:
    """The plan without the steps that need to have seen the whole file, and a note for each of them."""
    left = tuple(step for step in plan.steps if not isinstance(step, _NEED_TABLES))
    dropped = [step.kind.value.replace("_", " ") for step in plan.steps if isinstance(step, _NEED_TABLES)]
    if not dropped:
        return plan, ()
    note = f"Not shown here, because it needs to have seen the whole file: {', '.join(dropped)}."
    return plan.model_copy(update={"steps": left}), (note,)
