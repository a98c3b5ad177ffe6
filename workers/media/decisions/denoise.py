"""Whether noise is removed, and how much. Pure."""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.protocol.analysis import Analysis
from workers.protocol.settings import ChainSpeed, EnhancementSettings, GrainChoice
from workers.protocol.steps import (
    DenoiseStep,
    StepKind,
)

_BYPASS_SIGMA: Final = 1.5
"""Below this, denoising costs more than it gains (measured on clean clips)."""

_MAX_SIGMA: Final = 60.0

_CORRELATED_FACTOR: Final = 1.4
"""What a codec leaves is coarse, and the spectrum's threshold is meant for white noise. Mean gain on six clips with
camera noise (σ 6, 10, 16) after H.264: 6.70, 6.74 and 6.69 dB with 1.2, 1.4 and 1.6; on eight other clips and settings
5.69, 5.76 and 5.75 dB."""

_DEGRAIN_RADIUS: Final = {ChainSpeed.FAST: 1, ChainSpeed.BALANCED: 3, ChainSpeed.BEST: 3}
"""Pictures on each side that are averaged along the motion."""

_SPECTRUM_RADIUS: Final = 1
"""Pictures on each side that the frequency-domain filter looks at."""

_SURE: Final = 0.8
"""Confidence of a noise estimate from which on it is taken as it is."""

_DOUBT_EXPONENT_WHITE: Final = 3
_DOUBT_EXPONENT_CORRELATED: Final = 1
"""How fast the least σ grows with doubt. Texture in motion reads as white: clean clips of leaves and of a printed
pattern gave σ 0.8–1.4 with a confidence of 0.15–0.3. Codec-shaped noise has little in the high band that confidence
looks at, 0.35–0.6 on the same clips, and removing it gained on all of 25 clips where it was found."""


def decide_denoise(analysis: Analysis, settings: EnhancementSettings) -> Decision:
    """Only measured noise is removed, and only as much as was measured."""
    kind = StepKind.DENOISE
    refused = _refused(analysis, settings)
    if refused is not None:
        return Decision(kind, None, refused)
    sigma = min(_MAX_SIGMA, analysis.noise_sigma)
    factor = _CORRELATED_FACTOR if analysis.noise_is_correlated else 1.0
    effective = min(200.0, sigma * factor * settings.strength)
    shape = "shaped by a codec" if analysis.noise_is_correlated else "fine-grained"
    reason = f"Noise with σ {sigma:.1f} was measured, {shape}; that much is removed."
    radius = _DEGRAIN_RADIUS[settings.speed]
    step = DenoiseStep(
        sigma=sigma,
        effective_sigma=effective,
        is_correlated=analysis.noise_is_correlated,
        degrain_radius=radius,
        speed=settings.speed,
        radius=radius + _SPECTRUM_RADIUS,
        reason=reason,
    )
    return Decision(kind, step, reason)


def _refused(analysis: Analysis, settings: EnhancementSettings) -> str | None:
    """Why nothing is removed; None when something is."""
    if not settings.denoise or settings.strength == 0:
        return "Noise removal was switched off."
    sigma = analysis.noise_sigma
    if settings.grain is GrainChoice.KEEP:
        return f"Film grain is to be kept, and noise cannot be told from it: σ {sigma:.1f} stays."
    if sigma < least_sigma(analysis):
        doubt = "" if analysis.noise_confidence >= _SURE else " and could be fine texture in motion"
        return f"The noise (σ {sigma:.1f}) is too little to be worth a change{doubt}."
    return None


def least_sigma(analysis: Analysis) -> float:
    """How much noise has to be there. Moving texture looks like noise: the less sure the estimate, the more."""
    trust = min(1.0, max(0.05, analysis.noise_confidence / _SURE))
    exponent = _DOUBT_EXPONENT_CORRELATED if analysis.noise_is_correlated else _DOUBT_EXPONENT_WHITE
    return float(_BYPASS_SIGMA / trust**exponent)
