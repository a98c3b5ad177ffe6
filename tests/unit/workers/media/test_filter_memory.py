"""What a graph holds: as many pictures as averaging looks at, however many have come by."""

from collections.abc import Iterator

import pytest
import vapoursynth as vs
from av.video.frame import VideoFrame

from workers.media.filters.formats import planar_format
from workers.media.filters.graph import FilterGraph, SourcePicture, searches_motion
from workers.media.frame_map import OneToOne
from workers.media.frames import TimedFrame
from workers.media.timestamps import FrameTime
from workers.protocol.plan import EnhancementPlan, OutputColour
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import ColourStep, DebandStep, DehaloStep, DenoiseStep, PlanStep

WIDTH, HEIGHT = 320, 192
PICTURE_BYTES = WIDTH * HEIGHT * 3 // 2
DENOISE = DenoiseStep(
    sigma=8, effective_sigma=8, is_correlated=False, degrain_radius=3, radius=4, reason="a test"
)
COLOUR = ColourStep(
    black=0.02,
    white=0.98,
    gamma=0.97,
    local_contrast=0.5,
    cb_shift=1,
    cr_shift=-1,
    saturation=1.05,
    reason="a test",
)


class Pictures:
    """A film of one picture that remembers what was released and refuses to give it out."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._picture = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        self.released = 0

    def frame_or_last(self, number: int) -> TimedFrame:
        number = min(number, self._count - 1)
        assert number >= self.released
        return TimedFrame(number, self._picture, FrameTime(number, 1))

    def each_time(self) -> Iterator[FrameTime]:
        return (FrameTime(number, 1) for number in range(self._count))

    def release(self, below: int) -> None:
        self.released = max(self.released, below)


def planned(*steps: PlanStep) -> EnhancementPlan:
    return EnhancementPlan(
        settings=EnhancementSettings(),
        steps=steps,
        skipped=(),
        width_px=WIDTH,
        height_px=HEIGHT,
        colour=OutputColour(primaries="bt709", transfer="bt709", matrix="bt709", is_assumed=True),
        remux=False,
        remux_reason="a test",
    )


def graph_over(pictures: Pictures, *steps: PlanStep) -> FilterGraph:
    source = SourcePicture(planar_format("yuv420p"), WIDTH, HEIGHT, 1, 1, 1, is_full_range=False)
    return FilterGraph(planned(*steps), source, pictures, OneToOne(), matrix=1, threads=2)


def made(pictures: Pictures, *steps: PlanStep) -> Iterator[object]:
    """Every filtered picture, in order."""
    graph = graph_over(pictures, *steps)
    return graph.run(graph.nodes.filtered, OneToOne().pictures(pictures.each_time()))


@pytest.mark.parametrize(
    "steps, most",
    [
        ((DENOISE,), 95),
        ((COLOUR,), 17),
        ((DENOISE, COLOUR), 104),
        ((DehaloStep(amount=0.5, reason="a test"),), 15),
        ((DebandStep(threshold=2, reason="a test"),), 48),
    ],
)
def test_a_graph_holds_no_more_the_longer_it_runs(steps: tuple[PlanStep, ...], most: int) -> None:
    """With room for what is in flight on a quick or a slow machine; unbounded it is 20 for colour, 160 for deband."""
    before = vs.core.used_cache_size
    held = [(vs.core.used_cache_size - before) / PICTURE_BYTES for _ in made(Pictures(60), *steps)]
    assert max(held[30:]) <= max(held[:30]) + 12
    assert max(held) <= most


def test_source_pictures_are_let_go_when_their_last_neighbour_is_made() -> None:
    pictures = Pictures(30)
    released = [pictures.released for _ in made(pictures, DENOISE)]
    assert released == [max(0, number - DENOISE.radius) for number in range(30)]


@pytest.mark.parametrize("steps, expected", [((DENOISE,), True), ((COLOUR,), False)])
def test_only_averaging_along_motion_searches_it(steps: tuple[PlanStep, ...], *, expected: bool) -> None:
    assert searches_motion(planned(*steps)) is expected
    alone = DENOISE.model_copy(update={"degrain_radius": 0, "radius": 1})
    assert not searches_motion(planned(alone))
