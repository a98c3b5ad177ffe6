"""The plan as a VapourSynth graph, and the frames that come out of it."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import vapoursynth as vs
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from workers.media.encoders.catalogue import PIXEL_FORMAT_8, PIXEL_FORMAT_10
from workers.media.filters.caches import in_the_making, keep, keep_none
from workers.media.filters.clip import Clip, VideoNode
from workers.media.filters.colour import correct_colour
from workers.media.filters.crop import crop
from workers.media.filters.deband import deband
from workers.media.filters.deblock import deblock
from workers.media.filters.deflicker import deflicker
from workers.media.filters.dehalo import dehalo
from workers.media.filters.deinterlace import deinterlace
from workers.media.filters.deliver import deliver, unify
from workers.media.filters.denoise import denoise
from workers.media.filters.feed import Feed, FrameSupply
from workers.media.filters.formats import PlanarFormat
from workers.media.filters.geometry import picture_size, turn
from workers.media.filters.grain import grain
from workers.media.filters.inverse_telecine import settle_combed
from workers.media.filters.sharpen import sharpen
from workers.media.filters.stabilise import stabilise
from workers.media.filters.tone_map import tone_map
from workers.media.filters.upscale import upscale
from workers.media.frame_map import FrameMap, OneToOne, OutputPicture
from workers.media.tabled_steps import source_position
from workers.media.tables import FrameTables, TablesError
from workers.protocol.plan import EnhancementPlan
from workers.protocol.steps import (
    DebandStep,
    DeblockStep,
    DeflickerStep,
    DehaloStep,
    DenoiseStep,
    PlanStep,
    SharpenStep,
    StabiliseStep,
    StepKind,
)

_CACHED_PICTURES: Final = 180
"""What VapourSynth may keep at most, in source pictures: motion search holds ten enlarged to nine times their size."""

_SMALLEST_CACHE_BYTES: Final = 64 << 20
_KEPT_BEHIND: Final = 2
"""Source pictures kept behind the last one that can still be needed, where several pictures are made of one: a radius
counts source pictures, not those."""


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """What decoded pictures are like, with every unknown decided; colour as code points of ITU-T H.273."""

    form: PlanarFormat
    width_px: int
    height_px: int
    matrix: int
    transfer: int
    primaries: int
    is_full_range: bool
    chroma_location: int = 0


@dataclass(frozen=True, slots=True)
class Nodes:
    """The output, and what it is compared with.

    Attributes:
        filtered: what is encoded.
        plain: the source in the output's format and size, without picture steps: what a person sees as before.
        reference: what the harm gate compares with: `plain`, enlarged as the output is.
        expected: `reference` with the intended change of colour, but nothing removed or sharpened.
    """

    filtered: VideoNode
    plain: VideoNode
    reference: VideoNode
    expected: VideoNode


def build(
    plan: EnhancementPlan,
    source: SourcePicture,
    node: VideoNode,
    matrix: int,
    tables: FrameTables | None = None,
) -> Nodes:
    """Chain the planned steps in their order.

    Args:
        plan: the steps and the output's size.
        source: what is in the source clip.
        node: the source clip.
        matrix: code point of the output's YUV.
        tables: of the full analysis, for plans that need them.

    Raises:
        TablesError: a step needs tables that are not there.
    """
    start = unify(
        Clip(
            node,
            source.matrix,
            source.transfer,
            source.primaries,
            source.is_full_range,
            source.chroma_location,
        ),
        matrix,
    )
    everything = plan.steps
    unavoidable = [step for step in everything if step.kind in _IN_REFERENCES]
    intended = [step for step in everything if not isinstance(step, _JUDGED)]

    def finish(steps: Sequence[PlanStep]) -> VideoNode:
        size = picture_size(source.width_px, source.height_px, steps)
        return _delivered(_applied(start, steps, plan, tables), plan, size, matrix)

    filtered, plain = finish(everything), finish(unavoidable)
    compared = [step for step in everything if step.kind in _COMPARED]
    reference = plain if len(compared) == len(unavoidable) else finish(compared)
    expected = reference if len(intended) == len(compared) else finish(intended)
    reach = max((step.radius for step in everything if not isinstance(step, DenoiseStep)), default=0)
    if reach or not searches_motion(plan):
        keep(start.node, reach)
    else:  # averaging along the motion holds the source in a form of its own; feeding it again is one copy
        keep_none(start.node)
    for made in (filtered, plain, reference, expected):
        if made is not start.node:
            keep_none(made)
    return Nodes(filtered, plain, reference, expected)


def is_judged(plan: EnhancementPlan) -> bool:
    """True when a step was chosen that could harm; size, rate and format were asked for or cannot be helped."""
    return any(step.kind not in _COMPARED for step in plan.steps)


def searches_motion(plan: EnhancementPlan) -> bool:
    """True when pictures are averaged along their motion: most of the work and of the memory is then there."""
    return any(isinstance(step, DenoiseStep) and step.degrain_radius for step in plan.steps)


_FILTERS: Final[Mapping[StepKind, Callable[[Clip, Any], Clip]]] = {
    StepKind.INVERSE_TELECINE: settle_combed,
    StepKind.DEINTERLACE: deinterlace,
    StepKind.CROP: crop,
    StepKind.DEBLOCK: deblock,
    StepKind.TONE_MAP: tone_map,
    StepKind.DENOISE: denoise,
    StepKind.DEHALO: dehalo,
    StepKind.DEBAND: deband,
    StepKind.COLOUR: correct_colour,
    StepKind.UPSCALE: upscale,
    StepKind.SHARPEN: sharpen,
    StepKind.GRAIN: grain,
    StepKind.GEOMETRY: turn,
}
"""Each is given the step of its kind. Steps that only the frame map follows are not among them."""


_JUDGED: Final = DeblockStep | DenoiseStep | DehaloStep | DebandStep | SharpenStep
"""Steps that must not harm what they find clean; whether they did is seen against a picture without them."""

_IN_REFERENCES: Final = frozenset(
    {
        StepKind.INVERSE_TELECINE,
        StepKind.DEINTERLACE,
        StepKind.CROP,
        StepKind.TONE_MAP,
        StepKind.STABILISE,
        StepKind.GEOMETRY,
        StepKind.FRAME_RATE,
    }
)
"""Steps that decide which pixels lie where, and on which scale: without them nothing could be compared."""

_COMPARED: Final = _IN_REFERENCES | {StepKind.UPSCALE}
"""An edge that was enlarged well is steeper than one that was resampled, and no harm: both sides are enlarged alike."""


def _applied(
    clip: Clip, steps: Sequence[PlanStep], plan: EnhancementPlan, tables: FrameTables | None
) -> Clip:
    for step in steps:
        if isinstance(step, DeflickerStep | StabiliseStep):
            if tables is None:
                raise TablesError(f"{step.kind.value} needs the tables of the full analysis")
            position = source_position(plan, tables)
            if isinstance(step, DeflickerStep):
                clip = deflicker(clip, step, tables, position=position)
            else:
                clip = stabilise(clip, step, tables, position=position)
        elif (apply := _FILTERS.get(step.kind)) is not None:
            clip = apply(clip, step)
    return clip


def _delivered(clip: Clip, plan: EnhancementPlan, size: tuple[int, int] | None, matrix: int) -> VideoNode:
    width, height = size or (clip.node.width, clip.node.height)
    return deliver(
        clip,
        width=plan.width_px,
        height=plan.height_px,
        matrix=matrix,
        bits=10 if plan.encoding.pixel_format == PIXEL_FORMAT_10 else 8,
        picture_width=width,
        picture_height=height,
    )


class FrameSource(FrameSupply, Protocol):
    """Decoded frames; as a rule a `FrameWindow`."""

    def release(self, below: int) -> None:
        """Promise that no frame with a smaller number will be asked for."""


def first_needed(pictures: FrameMap, radius: int, number: int) -> int:
    """The lowest source picture that filters may ask for once picture `number` of the filtered clip is made."""
    if isinstance(pictures, OneToOne):
        return max(0, number + 1 - radius)
    return pictures.oldest_source(max(0, number - radius)) - _KEPT_BEHIND


class FilterGraph:
    """Runs a plan over decoded frames.

    Args:
        plan: what is done.
        source: what decoded pictures are like.
        window: where they come from.
        pictures: which output picture is made of which of them.
        matrix: code point of the output's YUV.
        threads: of VapourSynth in this process; 0: one for each core.
        tables: of the full analysis, for plans that need them.
        begins_at: the first picture of the filtered clip that will be asked for.
    """

    def __init__(
        self,
        plan: EnhancementPlan,
        source: SourcePicture,
        window: FrameSource,
        pictures: FrameMap,
        *,
        matrix: int,
        threads: int,
        tables: FrameTables | None = None,
        begins_at: int = 0,
    ) -> None:
        vs.core.num_threads = threads or os.cpu_count() or 1
        vs.core.max_cache_size = _cache_mb(source)
        self._window = window
        self._map = pictures
        self._radius = plan.radius
        # Some filters look at the form of their clip's first pictures while they are built; when the run begins
        # somewhere else, those are neither there nor asked for again.
        blank_below = max(0, first_needed(pictures, plan.radius, begins_at - 1)) if begins_at else 0
        self._feed = Feed(
            window,
            source.form,
            source.width_px,
            source.height_px,
            recipe=pictures.recipe,
            blank_below=blank_below,
        )
        try:
            self.nodes = build(plan, source, self._feed.clip(), matrix, tables)
        except vs.Error as error:
            raise self._feed.error or error from error
        self._feed.end_blank()

    def run(self, node: VideoNode, outputs: Iterator[OutputPicture]) -> Iterator[tuple[OutputPicture, Any]]:
        """Output pictures in ascending order with their frames of `node`, several in the making at once."""
        pending: deque[tuple[OutputPicture, Future[Any]]] = deque()
        try:
            while True:
                while len(pending) < in_the_making() and (picture := next(outputs, None)) is not None:
                    pending.append((picture, node.get_frame_async(picture.number)))
                if not pending:
                    return
                picture, request = pending.popleft()
                yield picture, self._result(request)
                self._window.release(first_needed(self._map, self._radius, picture.number))
        finally:
            # No request may be left running when the window closes and the nodes go.
            for _, request in pending:
                request.exception()

    def picture(self, node: VideoNode, number: int) -> Any:
        """One frame of one of the nodes, made now; its source frames must still be in the window."""
        try:
            return node.get_frame(number)
        except vs.Error as error:
            raise self._feed.error or error from error

    def _result(self, request: "Future[Any]") -> Any:
        try:
            return request.result()
        except vs.Error as error:
            raise self._feed.error or error from error


def _cache_mb(source: SourcePicture) -> int:
    form = source.form
    samples = source.width_px * source.height_px
    if form.colour_planes == 3:
        samples += 2 * (samples >> (form.shift_w + form.shift_h))
    size_bytes = samples * np.dtype(form.dtype).itemsize
    return max(_SMALLEST_CACHE_BYTES, _CACHED_PICTURES * size_bytes) >> 20


def luma(frame: Any) -> NDArray[np.uint8]:
    """A copy of the luma of a VapourSynth frame in 8-bit codes, shape (height, width)."""
    bits = frame.format.bits_per_sample
    codes = np.array(frame[0])
    if bits > 8:
        codes = np.minimum((codes.astype(np.uint32) + (1 << (bits - 9))) >> (bits - 8), 255)
    copy: NDArray[np.uint8] = codes.astype(np.uint8, copy=False)
    return copy


def to_libav(frame: Any) -> VideoFrame:
    """Copy a 4:2:0 VapourSynth frame of 8 or 10 bits into a libav frame."""
    is_deep = frame.format.bits_per_sample > 8
    picture = VideoFrame(frame.width, frame.height, PIXEL_FORMAT_10 if is_deep else PIXEL_FORMAT_8)
    dtype = np.dtype(np.uint16 if is_deep else np.uint8)
    for number, plane in enumerate(picture.planes):
        into = np.frombuffer(plane, dtype).reshape(plane.height, plane.line_size // dtype.itemsize)
        into[:, : plane.width] = np.asarray(frame[number])
    return picture
