"""The pictures that go to the encoder, in order: filtered, or as they were decoded where nothing has to be done.

It is the same for a whole file and for a stretch of it: which output pictures are made, its caller says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from av.video.frame import VideoFrame

from workers.media.colour_names import MATRICES
from workers.media.encode import OUTPUT_PIXEL_FORMAT, code_point
from workers.media.filters.graph import FilterGraph, SourcePicture, luma, to_libav
from workers.media.frame_map import FrameMap, OutputPicture
from workers.media.frames import FrameWindow
from workers.media.gate import Gate, GateSample, sample_numbers
from workers.media.material import Material
from workers.media.tables import FrameTables
from workers.media.timestamps import FrameTime
from workers.protocol.plan import EnhancementPlan

type TimedPicture = tuple[VideoFrame, FrameTime]


def needs_graph(plan: EnhancementPlan, picture: SourcePicture) -> bool:
    """False when decoded pictures can go to the encoder untouched."""
    return bool(plan.steps) or picture.form.name != OUTPUT_PIXEL_FORMAT or picture.is_full_range


@dataclass(frozen=True, slots=True)
class Making:
    """What pictures are made from and how.

    Attributes:
        source: what is read.
        plan: what is done.
        map: which output picture is made of which source pictures.
        tables: of the full analysis, where the plan needs them.
        threads: of the filters; 0: one for each core.
    """

    source: Material
    plan: EnhancementPlan
    map: FrameMap
    tables: FrameTables | None
    threads: int

    def pictures(
        self,
        window: FrameWindow,
        outputs: Iterator[OutputPicture],
        gate: Gate | None = None,
        *,
        begins_at: int = 0,
        successor: OutputPicture | None = None,
    ) -> Iterator[TimedPicture]:
        """Make output pictures.

        Args:
            window: where decoded pictures come from.
            outputs: what is made, in ascending order.
            gate: told of the sampled ones among them.
            begins_at: number in the filtered clip of the first of them.
            successor: the picture after the last of them, which a sample may need; None at the end of the film.
        """
        plan = self.plan
        if not needs_graph(plan, self.source.picture):
            return _unfiltered(window, outputs, plan.width_px, plan.height_px)
        matrix = code_point(MATRICES, plan.colour.matrix)
        graph = FilterGraph(
            plan,
            self.source.picture,
            window,
            self.map,
            matrix=matrix,
            threads=self.threads,
            tables=self.tables,
            begins_at=begins_at,
        )
        if gate is None:
            return _filtered(graph, outputs)
        expected = self.map.expected_count(self.source.video.frame_count)
        return _judged(graph, outputs, gate, sample_numbers(expected), successor)


def _unfiltered(
    window: FrameWindow, outputs: Iterator[OutputPicture], width: int, height: int
) -> Iterator[TimedPicture]:
    """Decoded pictures as they are; only one that differs from the first in size or format is converted."""
    for output in outputs:
        picture = window.frame_or_last(output.number).picture
        if (picture.width, picture.height, picture.format.name) != (width, height, OUTPUT_PIXEL_FORMAT):
            picture = picture.reformat(
                width=width, height=height, format=OUTPUT_PIXEL_FORMAT, interpolation="BICUBIC"
            )
        yield picture, output.time
        window.release(output.number + 1)


def _filtered(graph: FilterGraph, outputs: Iterator[OutputPicture]) -> Iterator[TimedPicture]:
    for output, frame in graph.run(graph.nodes.filtered, outputs):
        yield to_libav(frame), output.time


@dataclass(slots=True)
class _Sampling:
    """Takes the pairs of pictures that the gate looks at, as they come by."""

    graph: FilterGraph
    gate: Gate
    samples: frozenset[int]
    pending: tuple[Any, Any, Any] | None = None

    def look(self, number: int, filtered: Any) -> None:
        """Picture `number` of the filtered clip."""
        nodes = self.graph.nodes
        is_sampled = number in self.samples
        if self.pending is None and not is_sampled:
            return
        plain = luma(self.graph.picture(nodes.reference, number))
        if self.pending is not None:
            before, expected, plain_before = self.pending
            self.gate.add(GateSample((before, luma(filtered)), (plain_before, plain), expected))
            self.pending = None
        if is_sampled:
            is_same = nodes.expected is nodes.reference
            intended = plain if is_same else luma(self.graph.picture(nodes.expected, number))
            self.pending = (luma(filtered), intended, plain)


def _judged(
    graph: FilterGraph,
    outputs: Iterator[OutputPicture],
    gate: Gate,
    samples: frozenset[int],
    successor: OutputPicture | None,
) -> Iterator[TimedPicture]:
    sampling = _Sampling(graph, gate, samples)
    for output, frame in graph.run(graph.nodes.filtered, outputs):
        sampling.look(output.number, frame)
        yield to_libav(frame), output.time
    if sampling.pending is not None and successor is not None:
        sampling.samples = frozenset()
        sampling.look(successor.number, graph.picture(graph.nodes.filtered, successor.number))
