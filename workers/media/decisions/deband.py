"""Whether coarse steps in gradients are spread out. Pure."""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.protocol.analysis import Analysis
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import DebandStep, StepKind

_VISIBLE: Final = 0.2
"""Share of the picture. Clean references reach 0.01, an old MPEG-4 animation 0.16, skies of 6 or 7 bits 0.6."""

_SURE: Final = 0.3
_THRESHOLD: Final = 2.5
"""8-bit code values: steps of up to four codes lie two codes from the mean; with 2 and with 3 the 7-bit and the 6-bit
sky, one each, gained less."""


def decide_deband(analysis: Analysis, settings: EnhancementSettings) -> Decision:
    """Only gradients whose steps are coarser than 8 bits make them."""
    kind = StepKind.DEBAND
    banding = analysis.banding
    if not settings.deband or settings.strength == 0:
        return Decision(kind, None, "Removing bands was switched off.")
    if banding.value < _VISIBLE or banding.confidence < _SURE:
        return Decision(kind, None, "Gradients are as smooth as 8 bits allow.")
    threshold = round(_THRESHOLD * min(1.0, settings.strength), 3)
    if threshold <= 0:
        return Decision(kind, None, "At this strength nothing would change.")
    reason = f"{banding.value:.0%} of the picture are gradients in coarse steps."
    return Decision(kind, DebandStep(threshold=threshold, reason=reason), reason)
