"""Whether lines beside edges are reduced. Pure."""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.protocol.analysis import Analysis
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import DehaloStep, StepKind

_STRONG: Final = 0.15
"""Overshoot as a share of the edge's height. Clean references stay below 0.13; strong sharpening makes 0.15 to 0.3."""

_SURE: Final = 0.4
_FINEST_PX: Final = 1.2
"""Width of the sharpest edges from which on a line beside an edge can be told from detail: in pictures made smaller,
dots and hair of two pixels look like halos (0.63 to 0.8 px in the clips that were taken for haloed)."""

_AMOUNT_PER_SHARE: Final = 1.8
_MOST: Final = 0.45


def decide_dehalo(analysis: Analysis, settings: EnhancementSettings) -> Decision:
    """Only strong halos that are sure to be ones: taken for halos, fine lines would be softened."""
    kind = StepKind.DEHALO
    halo = analysis.halo
    if not settings.dehalo or settings.strength == 0:
        return Decision(kind, None, "Removing halos was switched off.")
    if halo.value < _STRONG:
        return Decision(kind, None, "The edges have no strong halos.")
    if halo.confidence < _SURE:
        return Decision(kind, None, "What is beside the edges may be detail as well as halos.")
    if analysis.softness.value < _FINEST_PX:
        return Decision(kind, None, "Detail is as fine as halos would be: they cannot be told apart.")
    amount = round(min(_MOST, _AMOUNT_PER_SHARE * halo.value) * min(1.0, settings.strength), 3)
    if amount <= 0:
        return Decision(kind, None, "At this strength nothing would change.")
    reason = f"Edges overshoot by {halo.value:.0%} of their height: they were sharpened too much."
    return Decision(kind, DehaloStep(amount=amount, reason=reason), reason)
