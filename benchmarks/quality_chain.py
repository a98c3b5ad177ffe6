"""The product's own way from a file to enhanced pictures, without encoding them: examine, analyse, plan, filter.

What comes out is stored losslessly, so that figures tell of the picture steps alone. Processor time is that of the
filters with decoding, as ffmpeg's filters are measured with decoding.
"""

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from workers.media.colour_names import MATRICES
from workers.media.decode import VideoDecoder
from workers.media.encode import code_point
from workers.media.filters.formats import planes
from workers.media.filters.graph import Nodes, build, is_judged, luma
from workers.media.filters.network import is_installed
from workers.media.gate import Gate, GateSample, sample_numbers
from workers.media.material import Material, material
from workers.media.plan import plan_enhancement
from workers.media.probe import examine
from workers.media.quick_analysis import quick_analysis
from workers.protocol.analysis import Analysis
from workers.protocol.media import MediaInfo
from workers.protocol.plan import EnhancementPlan
from workers.protocol.report import GateResult
from workers.protocol.settings import EnhancementSettings

type Luma = NDArray[np.uint8]

FAITHFUL: Final = EnhancementSettings(colour=False)
"""The default preset but for colour, whose changes are wanted and would count as errors."""


@dataclass(frozen=True, slots=True)
class Enhanced:
    """What became of a file.

    Attributes:
        analysis: what was found.
        plan: what was done.
        pictures: luma of the output, shape (height, width) each.
        plain: the same without picture steps, in the size of the output.
        gate: the judgement; None when there was nothing to judge.
        filter_cpu_s: processor time of decoding and filtering.
        analysis_cpu_s: processor time of the analysis, decoding included.
    """

    analysis: Analysis
    plan: EnhancementPlan
    pictures: list[Luma]
    plain: list[Luma]
    gate: GateResult | None
    filter_cpu_s: float
    analysis_cpu_s: float


def cpu_s() -> float:
    """Processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def opened(path: Path) -> tuple[Material, MediaInfo]:
    """A file as an enhancement sees it."""
    examination = examine(path)
    video = examination.info.main_video
    assert video is not None, "clips have pictures"
    return material(path, examination.info, video, examination.main_scan), examination.info


def enhanced(path: Path, settings: EnhancementSettings = FAITHFUL) -> Enhanced:
    """Run a file through."""
    source, info = opened(path)
    started = cpu_s()
    analysis = quick_analysis(source, threads=1)
    analysis_cpu = cpu_s() - started
    plan = plan_enhancement(info, analysis, settings, has_network=is_installed())
    vs.core.num_threads = 1
    started = cpu_s()
    nodes = _nodes(source, plan)
    pictures = _pictures(nodes.filtered)
    spent = cpu_s() - started
    plain = _pictures(nodes.reference)
    expected = plain if nodes.expected is nodes.reference else _pictures(nodes.expected)
    gate = _judged(plan, pictures, plain, expected)
    return Enhanced(analysis, plan, pictures, plain, gate, spent, analysis_cpu)


def _nodes(source: Material, plan: EnhancementPlan) -> Nodes:
    """The planned graph over all decoded pictures."""
    form, picture = source.picture.form, source.picture
    with VideoDecoder(source.path, source.video.index, threads=1) as decoder:
        decoded = [
            [plane.copy() for plane in planes(frame, form, picture.width_px, picture.height_px)]
            for frame in decoder.frames()
        ]
    wanted = vs.core.query_video_format(vs.YUV, vs.INTEGER, form.bits, form.shift_w, form.shift_h)
    blank = vs.core.std.BlankClip(
        width=picture.width_px, height=picture.height_px, format=wanted.id, length=len(decoded), keep=True
    )

    def fill(n: int, f: Any) -> Any:
        target = f.copy()
        for number, plane in enumerate(decoded[n]):
            np.asarray(target[number])[:] = plane
        return target

    clip = vs.core.std.ModifyFrame(blank, blank, fill)
    return build(plan, source.picture, clip, code_point(MATRICES, plan.colour.matrix))


def _pictures(node: Any) -> list[Luma]:
    return [luma(frame) for frame in node.frames(close=True)]


def _judged(
    plan: EnhancementPlan, made: list[Luma], plain: list[Luma], expected: list[Luma]
) -> GateResult | None:
    if not is_judged(plan):
        return None
    gate = Gate(plan)
    for number in sorted(sample_numbers(len(made))):
        if number + 1 < len(made):
            pairs = (made[number], made[number + 1]), (plain[number], plain[number + 1])
            gate.add(GateSample(pairs[0], pairs[1], expected[number]))
    return gate.result()
