"""Whether the picture is sharpened. Pure.

Only pictures without one sharp edge. Sharpening what noise removal has smoothed was given up: it brings back more noise
than detail (six clips, σ 3 and 6, contrast-adaptive sharpening of 0.3 after denoising: 0.8 to 3.4 dB PSNR lost, 0.4 to
2.2 dB even at 0.05). References that were blurred with σ 1 to 2.2 px gain 0.1 to 1.4 dB with 0.6, and no halo grows by
more than 0.02 of an edge's height; above 0.6 a dark film lost 0.4 dB and more.
"""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.protocol.analysis import Analysis
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import SharpenStep, StepKind

_AMOUNT: Final = 0.45
_MOST: Final = 0.6
_STRONG_NOISE: Final = 8.0
_SOFT_PX: Final = 3.2
"""Width of the sharpest edges. Forty sources: 0.9 to 2.4, one out of focus 2.9; blurred by 2.2 px: 2.5 to 6."""

_SURE: Final = 0.5


def decide_sharpen(analysis: Analysis, settings: EnhancementSettings) -> Decision:
    """Soft pictures, less the noisier they are."""
    kind = StepKind.SHARPEN
    if not settings.sharpen or settings.strength == 0:
        return Decision(kind, None, "Sharpening was switched off.")
    softness = analysis.softness
    if softness.confidence < _SURE:
        return Decision(kind, None, "There are too few edges to tell whether the picture is soft.")
    if softness.value < _SOFT_PX:
        return Decision(kind, None, "The picture is sharp as it is.")
    if analysis.noise_sigma >= _STRONG_NOISE:
        return Decision(kind, None, "The noise is so strong that sharpening would bring some of it back.")
    amount = round(min(_MOST, _AMOUNT * settings.strength * (1 - analysis.noise_sigma / _STRONG_NOISE)), 3)
    if amount < 0.02:
        return Decision(kind, None, "There is too much noise for sharpening.")
    reason = f"The picture is soft: its sharpest edges are {softness.value:.1f} px wide."
    return Decision(kind, SharpenStep(amount=amount, reason=reason), reason)
