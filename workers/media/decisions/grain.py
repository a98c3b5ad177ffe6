"""Whether film grain is put back after noise was removed. Pure."""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.protocol.settings import EnhancementSettings, GrainChoice
from workers.protocol.steps import DenoiseStep, GrainStep, StepKind

_SHARE: Final = 1 / 3
"""Of the measured noise. A grain that fine hides banding and looks like film, and costs few bits."""

_LARGEST_SIGMA: Final = 20.0


def decide_grain(
    settings: EnhancementSettings, denoise: DenoiseStep | None, *, is_made_by_player: bool = False
) -> Decision:
    """Only on request, only where noise was removed, and not where the encoder has the player make it."""
    kind = StepKind.GRAIN
    if settings.grain is GrainChoice.KEEP:
        return Decision(kind, None, "The source's own grain is kept.")
    if settings.grain is not GrainChoice.RENEW:
        return Decision(kind, None, "Grain was not asked for.")
    if denoise is None:
        return Decision(kind, None, "No noise was removed, so no grain is missing.")
    if is_made_by_player:
        return Decision(kind, None, "The player makes the grain, as the encoder describes it.")
    sigma = min(_LARGEST_SIGMA, denoise.sigma * _SHARE)
    reason = f"Fine grain with σ {sigma:.1f}, a third of the noise that was removed, was asked for."
    return Decision(kind, GrainStep(sigma=sigma, reason=reason), reason)
