"""The real chain of one plan around any moment of one source, ready to make single pictures.

It is the chain of the whole run, fed with frames by their number. It writes nothing and knows no job.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from workers.media.colour_names import MATRICES
from workers.media.encode import code_point
from workers.media.filters.graph import FilterGraph
from workers.media.frame_map import FrameMap, OutputPicture
from workers.media.material import Material
from workers.media.output_pictures import output_schedule
from workers.media.preview_source import Check
from workers.media.seeking import SeekableFrames
from workers.media.tables import FrameTables
from workers.media.timestamps import TrackClock
from workers.protocol.plan import EnhancementPlan
from workers.protocol.steps import DeflickerStep, InverseTelecineStep, StabiliseStep

_BESIDE: Final = 2
"""Decoded pictures kept beyond those that the filters look at, for the next request nearby."""

_NEED_TABLES: Final = (InverseTelecineStep, DeflickerStep, StabiliseStep)


@dataclass(slots=True)
class Chain:
    """Everything that depends on the plan; `close()` at the end.

    Attributes:
        plan: with the steps that are shown.
        pictures: of the whole output.
        starts: tick of each of them.
    """

    plan: EnhancementPlan
    frames: SeekableFrames
    map: FrameMap
    graph: FilterGraph
    clock: TrackClock
    pictures: Sequence[OutputPicture]
    starts: Sequence[int]

    def chosen(self, at_s: float, duration_s: float) -> list[OutputPicture]:
        """The picture shown at a moment, and those that follow within some time; past the end the last one."""
        wanted = int(at_s * self.clock.timescale)
        first = max(0, bisect_right(self.starts, wanted) - 1)
        end = self.starts[first] + int(duration_s * self.clock.timescale)
        behind = first + 1
        while behind < len(self.starts) and self.starts[behind] < end:
            behind += 1
        return list(self.pictures[first:behind])

    def prepare(self, picture: OutputPicture) -> None:
        """Decode what the filters will look at, in one go."""
        radius = self.plan.radius
        first = self.map.oldest_source(max(0, picture.number - radius))
        self.frames.keep_only(first - _BESIDE, max(picture.sources) + radius + _BESIDE)

    def close(self) -> None:
        """Let go of the file."""
        self.frames.close()


def build_chain(
    source: Material, plan: EnhancementPlan, tables: FrameTables | None, *, threads: int, check: Check
) -> Chain:
    """The chain of a plan.

    Args:
        source: what is read.
        plan: what is done.
        tables: of the full analysis, for plans that need them.
        threads: upper bound for every pool; 0: one for each core.
        check: called for every decoded picture; what it raises reaches whoever asked for one.
    """
    schedule = output_schedule(source, plan, tables)
    frames = SeekableFrames(source.path, source.scan, schedule.source_times, threads=threads, check=check)
    matrix = code_point(MATRICES, plan.colour.matrix)
    graph = FilterGraph(
        plan, source.picture, frames, schedule.map, matrix=matrix, threads=threads, tables=tables
    )
    pictures = list(schedule.pictures())
    starts = [picture.time.ticks for picture in pictures]
    return Chain(plan, frames, schedule.map, graph, schedule.clock, pictures, starts)


def without_tables(plan: EnhancementPlan) -> tuple[EnhancementPlan, tuple[str, ...]]:
    """The plan without the steps that need to have seen the whole file, and a note that names them."""
    left = tuple(step for step in plan.steps if not isinstance(step, _NEED_TABLES))
    dropped = [step.kind.value.replace("_", " ") for step in plan.steps if isinstance(step, _NEED_TABLES)]
    if not dropped:
        return plan, ()
    note = f"Not shown here, because it needs to have seen the whole file: {', '.join(dropped)}."
    return plan.model_copy(update={"steps": left, "tables_sha256": None}), (note,)
