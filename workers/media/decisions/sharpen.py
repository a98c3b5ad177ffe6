"""Whether the picture is sharpened. Pure."""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.protocol.analysis import Analysis
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import (
    SharpenStep,
    StepKind,
)

_SHARPEN: Final = 0.3

_STRONG_NOISE: Final = 8.0

_SOFT: Final = 2.0
"""Variance of the Laplacian (8-bit code values) below which a picture with some contrast looks soft."""


def decide_sharpen(analysis: Analysis, settings: EnhancementSettings, *, is_denoised: bool) -> Decision:
    """Soft or just denoised pictures, and never strong noise."""
    kind = StepKind.SHARPEN
    if not settings.sharpen or settings.strength == 0:
        return Decision(kind, None, "Sharpening was switched off.")
    if analysis.noise_sigma >= _STRONG_NOISE:
        return Decision(kind, None, "The noise is so strong that sharpening would bring some of it back.")
    is_soft = analysis.sharpness < _SOFT and analysis.contrast_spread > 0.2
    if not is_denoised and not is_soft:
        return Decision(kind, None, "The picture is sharp as it is.")
    amount = min(1.0, _SHARPEN * settings.strength * (1 - analysis.noise_sigma / _STRONG_NOISE))
    if amount < 0.02:
        return Decision(kind, None, "There is too much noise for sharpening.")
    reason = "Fine contrast that noise removal cost is given back." if is_denoised else "The picture is soft."
    return Decision(kind, SharpenStep(amount=amount, reason=reason), reason)
