"""The row on overlapping stages: the whole of decode, filter and encode against the slowest of them alone."""

import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.quality_row import Row, at_most, is_quick
from benchmarks.speed_clips import noisy
from benchmarks.speed_runs import python

_CHILD: Final = """
import json, resource, sys, time
from pathlib import Path
import av
from workers.media.assemble import Surroundings
from workers.media.decode import VideoDecoder
from workers.media.encode import VideoEncoder, VideoForm
from workers.media.filters.graph import FilterGraph, to_libav
from workers.media.frame_map import frame_map
from workers.media.frames import TimedFrame
from workers.media.colour_names import MATRICES
from workers.media.encode import code_point
from workers.media.plan import plan_enhancement
from workers.media.probe import examine
from workers.media.material import material
from workers.media.production import encode_file
from workers.media.quick_analysis import quick_analysis
from workers.media.timestamps import FrameTime
from workers.protocol.settings import EnhancementSettings

def timed(work):
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    value = work()
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    return value, (wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

path, folder = Path(sys.argv[1]), Path(sys.argv[2])
examination = examine(path)
video = examination.info.main_video
source = material(path, examination.info, video, examination.main_scan)
plan = plan_enhancement(examination.info, quick_analysis(source, threads=0), EnhancementSettings())
with VideoDecoder(path, video.index) as decoder:
    pictures, decode = timed(lambda: list(decoder.frames()))

class Ready:
    def frame_or_last(self, number):
        number = min(number, len(pictures) - 1)
        return TimedFrame(number, pictures[number], FrameTime(number, 1))
    def each_time(self):
        return (FrameTime(number, 1) for number in range(len(pictures)))
    def release(self, below):
        pass

map_ = frame_map(plan, source.clock.timescale, None)
graph = FilterGraph(plan, source.picture, Ready(), map_,
                    matrix=code_point(MATRICES, plan.colour.matrix), threads=0)
outputs = map_.pictures(Ready().each_time())
filtered, filter_ = timed(lambda: [to_libav(frame) for _, frame in graph.run(graph.nodes.filtered, outputs)])

def encode_all():
    with av.open(str(folder / "alone.mp4"), "w") as container:
        form = VideoForm(plan.width_px, plan.height_px, source.clock.timescale, source.average_rate, plan.colour)
        encoder = VideoEncoder(container, form, plan.encoding, threads=0)
        step = round(source.nominal_s * source.clock.timescale)
        for number, picture in enumerate(filtered):
            container.mux(encoder.encode(picture, FrameTime(number * step, step)))
        container.mux(list(encoder.finish()))

_, encode = timed(encode_all)
filtered = None
_, whole = timed(lambda: encode_file(source, plan, folder / "whole.mp4", Surroundings((), (), (), {}), threads=0,
                                     on_frame=lambda count: None))
print(json.dumps({"decode": decode, "filter": filter_, "encode": encode, "whole": whole,
                  "steps": [step.kind.value for step in plan.steps]}))
"""


def rows(rounds: int) -> list[Row]:
    """Measure a noisy 720p clip."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip, _ = noisy(folder, 1280, 720, 1.0 if is_quick() else 8.0, 25)
        found = [json.loads(python(_CHILD, clip, folder).output.splitlines()[0]) for _ in range(rounds)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ratios, overheads = [], []
    for entry in found:
        stages = [entry[stage] for stage in ("decode", "filter", "encode")]
        bound = max(*(wall for wall, _ in stages), sum(cpu for _, cpu in stages) / cores)
        ratios.append(entry["whole"][0] / bound)
        overheads.append(entry["whole"][1] / sum(cpu for _, cpu in stages))
    ratio, last = statistics.median(ratios), found[-1]
    alone = ", ".join(
        f"{stage} {last[stage][0]:.1f} s ({last[stage][1]:.1f} s of processor)"
        for stage in ("decode", "filter", "encode")
    )
    return [
        Row(
            name="pipeline",
            what="noisy 720p: wall time to max(slowest stage alone, processor time of all / cores)",
            goal="≤ 1.10",
            stretch="1.05",
            value=f"wall {ratio:.3f}, processor {statistics.median(overheads):.3f} of the stages' sum; "
            f"{last['whole'][0]:.1f} s, proof of the output inside; {', '.join(last['steps'])}",
            peer=f"alone: {alone}; {cores} cores",
            verdict=at_most(ratio, 1.10, 1.05),
        )
    ]
