"""Whether the camera's path is made smooth. Pure."""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.media.tables import FrameTables
from workers.protocol.analysis import Analysis
from workers.protocol.media import VideoStreamInfo
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import StabiliseStep, StepKind

_STEADY: Final = 0.03
"""Thousandths of the width, root mean square over short runs. Cameras on a stand show up to 0.02; one that is carried
with a steady hand showed 0.10 and swayed over longer times, so everything above is measured on every picture."""

_SURE: Final = 0.9
_LEAST_CROP: Final = 0.01
_SMALLEST_SIDE_PX: Final = 64


def decide_stabilise(
    video: VideoStreamInfo,
    analysis: Analysis,
    settings: EnhancementSettings,
    tables: FrameTables | None = None,
) -> Decision:
    """Only when asked for: it costs a border of the picture, and its sharpness a little.

    Args:
        video: of the source.
        analysis: of samples.
        settings: what was asked for.
        tables: of all pictures, once they were measured; they say how much has to be cut away.
    """
    kind = StepKind.STABILISE
    if not settings.stabilise or settings.strength == 0:
        return Decision(kind, None, "Stabilising was not asked for; it would cut off a border.")
    if settings.stabilise_crop < _LEAST_CROP:
        return Decision(kind, None, "Stabilising needs a border to cut off, and none may be.")
    if min(video.width_px, video.height_px) < _SMALLEST_SIDE_PX:
        return Decision(kind, None, "The picture is too small to follow the camera in it.")
    shake = analysis.shake
    if shake.confidence >= _SURE and shake.value < _STEADY:
        return Decision(
            kind, None, f"The camera is steady (it moves by {shake.value / 10:.2f} % of the width)."
        )
    zoom = 1 / (1 - settings.stabilise_crop)
    reason = f"Asked for; up to {settings.stabilise_crop:.1%} of width and height are cut off"
    if tables is not None and len(tables.zoom):
        zoom = float(tables.zoom.max())
        if zoom <= 1:
            return Decision(kind, None, "Asked for, but measured on every picture the camera is steady.")
        reason = f"Asked for; the path of the camera is smoothed and {1 - 1 / zoom:.1%} of width and height cut off"
    reason = f"{reason}."
    aspect = float(video.sample_aspect_ratio) if video.sample_aspect_ratio > 0 else 1.0
    step = StabiliseStep(
        zoom=min(1.3, round(zoom, 4)), pixel_aspect=min(16.0, max(1 / 16, aspect)), reason=reason
    )
    return Decision(kind, step, reason)
