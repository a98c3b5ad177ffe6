"""Whether noise is removed, and how much. Pure."""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.protocol.analysis import Analysis
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import (
    DenoiseStep,
    StepKind,
)

_BYPASS_SIGMA: Final = 1.5
"""Below this, denoising costs more than it gains (measured on clean clips)."""

_MAX_SIGMA: Final = 60.0

_CORRELATED_FACTOR: Final = 1.8

_DEGRAIN_RADIUS: Final = 2

_SURE: Final = 0.8
"""Confidence of a noise estimate from which on it is taken as it is."""


def decide_denoise(analysis: Analysis, settings: EnhancementSettings) -> Decision:
    """Only measured noise is removed, and only as much as was measured."""
    kind = StepKind.DENOISE
    sigma = min(_MAX_SIGMA, analysis.noise_sigma)
    if not settings.denoise or settings.strength == 0:
        return Decision(kind, None, "Noise removal was switched off.")
    trust = min(1.0, analysis.noise_confidence / _SURE)
    # Moving texture looks like noise: the less sure the estimate, the more of it has to be there.
    threshold = _BYPASS_SIGMA / max(0.05, trust) ** 3
    if sigma < threshold:
        doubt = "" if trust == 1 else " and could be fine texture in motion"
        return Decision(kind, None, f"The noise (σ {sigma:.1f}) is too little to be worth a change{doubt}.")
    factor = _CORRELATED_FACTOR if analysis.noise_is_correlated else 1.0
    effective = min(200.0, sigma * factor * settings.strength)
    shape = "shaped by a codec" if analysis.noise_is_correlated else "fine-grained"
    reason = f"Noise with σ {sigma:.1f} was measured, {shape}; that much is removed."
    step = DenoiseStep(
        sigma=sigma,
        effective_sigma=effective,
        is_correlated=analysis.noise_is_correlated,
        degrain_radius=_DEGRAIN_RADIUS,
        radius=_DEGRAIN_RADIUS + 1,
        reason=reason,
    )
    return Decision(kind, step, reason)
