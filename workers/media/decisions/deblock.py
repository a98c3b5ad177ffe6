"""Whether the blocks of the source's codec are smoothed. Pure."""

from math import sqrt
from typing import Final

from workers.media.decisions.decision import Decision
from workers.protocol.analysis import Analysis
from workers.protocol.media import VideoStreamInfo
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import DeblockStep, StepKind

_WITHOUT_LOOP_FILTER: Final = frozenset(
    {
        "mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "mjpeg", "mjpegb",
        "dvvideo", "h261", "h263", "h263p", "flv1", "svq1", "svq3", "cinepak", "theora", "amv", "thp",
    }
)  # fmt: skip
"""Decoders' names of codecs that leave their blocks as they are, or smooth them at the decoder's discretion."""

_VISIBLE: Final = 0.2
"""Blockiness in 8-bit code values; clean references reach 0.16."""

_SURE: Final = 0.6
_LEAST_VARIANCE: Final = 8.0
_VARIANCE_PER_CODE: Final = 10.0
"""Variance of the coding noise by measured blockiness: the best of a search over six references, MPEG-2, MPEG-4 and
Motion JPEG, quantisers 3 to 20. A blockiness of 0.3 wants 10, of 2 wants 30; half of that loses 0.1 dB."""

_MOST_VARIANCE: Final = 45.0


def decide_deblock(
    video: VideoStreamInfo, analysis: Analysis, settings: EnhancementSettings, *, is_denoised: bool
) -> Decision:
    """Only codecs without loop filter, only measured blocks, and not twice: noise removal smooths them as well."""
    kind = StepKind.DEBLOCK
    blockiness = analysis.blockiness
    if not settings.deblock or settings.strength == 0:
        return Decision(kind, None, "Deblocking was switched off.")
    if video.codec not in _WITHOUT_LOOP_FILTER:
        return Decision(kind, None, f"{video.codec} leaves no blocks, or has smoothed them itself.")
    if blockiness.value < _VISIBLE:
        return Decision(kind, None, f"No blocks of {video.codec} can be seen.")
    if blockiness.confidence < _SURE:
        reason = "There are blocks, but the picture was scaled after it was coded: they cannot be told from detail."
        return Decision(kind, None, reason)
    if is_denoised:
        return Decision(kind, None, "Noise removal smooths the blocks as well.")
    variance = min(_MOST_VARIANCE, _LEAST_VARIANCE + _VARIANCE_PER_CODE * blockiness.value)
    amount = round(sqrt(variance) * min(1.0, settings.strength), 3)
    if amount < 0.1:
        return Decision(kind, None, "At this strength nothing would change.")
    reason = (
        f"{video.codec} shows its blocks (steps of {blockiness.value:.1f}), and has no filter against them."
    )
    return Decision(kind, DeblockStep(amount=amount, reason=reason), reason)
