"""The quick analysis of one source: samples read, cut down and measured, the same for a whole run and for a preview."""

from collections.abc import Callable, Iterator

from workers.media.analysis import analyse
from workers.media.colour_names import MATRICES
from workers.media.decisions.tone_map import decide_tone_map
from workers.media.encode import code_point
from workers.media.filters.samples import SampleReader
from workers.media.material import Material
from workers.media.plan import output_colour
from workers.media.sampling import SampledFrame, sample_frames
from workers.protocol.analysis import Analysis
from workers.protocol.steps import ToneMapStep


def quick_analysis(source: Material, *, threads: int, check: Callable[[], None] = lambda: None) -> Analysis:
    """Look at about twenty places of a file.

    Args:
        source: what is looked at.
        threads: upper bound for the decoder; 0: one for each core.
        check: called for every sample; what it raises ends the analysis.
    """
    video = source.video
    tone = decide_tone_map(video).step
    matrix = code_point(MATRICES, output_colour(video).matrix)
    reader = SampleReader(source.picture, tone if isinstance(tone, ToneMapStep) else None, matrix=matrix)

    def frames() -> Iterator[SampledFrame]:
        for frame in sample_frames(source.path, video.index, source.scan, threads=threads):
            check()
            yield frame

    return analyse(reader.runs(frames()), video)
