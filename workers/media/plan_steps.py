"""One decision for each picture step: taken with these numbers, or left out, and why. Pure."""

from dataclasses import dataclass
from typing import Final

from workers.protocol.media import FieldOrder, HdrKind, VideoStreamInfo
from workers.protocol.plan import (
    Analysis,
    ColourStep,
    DeinterlaceStep,
    DenoiseStep,
    EnhancementSettings,
    PlanStep,
    SharpenStep,
    StepKind,
    ToneMapStep,
)

_BYPASS_SIGMA: Final = 1.5
"""Below this, denoising costs more than it gains (measured on clean clips)."""

_MAX_SIGMA: Final = 60.0
_CORRELATED_FACTOR: Final = 1.8
_DEGRAIN_RADIUS: Final = 2
_SURE: Final = 0.8
"""Confidence of a noise estimate from which on it is taken as it is."""

_DEFAULT_PEAK_NITS: Final = 1000.0
_MAX_PEAK_NITS: Final = 10_000.0
_COMBED_SHARE: Final = 0.2

_DULL_BLACK: Final = 0.06
_DULL_WHITE: Final = 0.87
_MAX_BLACK: Final = 0.045
_FLAT: Final = 0.15
_LIGHT_BY_NATURE: Final = 0.25
_DARK_BY_NATURE: Final = 0.5
"""Beyond these, a picture has no dark or no light parts that were meant to be black or white."""

_MIN_WHITE: Final = 0.955
_DARK_MEAN: Final = 0.22
_BRIGHTEST_GAMMA: Final = 0.955
"""Together these leave changes of mean luma from frame to frame at no more than 1.1 times the source's: a light that
flickers a little must not flicker visibly afterwards. Contrast comes from `_LOCAL_CONTRAST`, which keeps the mean."""

_LOCAL_CONTRAST: Final = 1.0
_LEVEL_MARGIN: Final = 0.01
_CAST_CODES: Final = 3.0
_CAST_CONFIDENCE: Final = 0.75
_MAX_CAST_SHIFT: Final = 6.0

_SHARPEN: Final = 0.3
_STRONG_NOISE: Final = 8.0
_SOFT: Final = 2.0
"""Variance of the Laplacian (8-bit code values) below which a picture with some contrast looks soft."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, or None and the reason."""

    kind: StepKind
    step: PlanStep | None
    reason: str


def decide_tone_map(video: VideoStreamInfo) -> Decision:
    """HDR always becomes SDR: browsers and most screens show it wrongly otherwise."""
    kind = StepKind.TONE_MAP
    hdr = video.hdr
    if hdr.kind is HdrKind.SDR:
        return Decision(kind, None, "The picture is standard dynamic range.")
    peak = _DEFAULT_PEAK_NITS
    if video.colour.transfer != "arib-std-b67":
        if hdr.content_light is not None and hdr.content_light.max_content > 0:
            peak = float(hdr.content_light.max_content)
        elif hdr.mastering_display is not None and hdr.mastering_display.max_luminance:
            peak = float(hdr.mastering_display.max_luminance)
    peak = min(_MAX_PEAK_NITS, max(203.0, peak))
    reason = f"{hdr.kind.value} is mapped from {peak:.0f} cd/m² to standard range, which every screen shows rightly."
    return Decision(kind, ToneMapStep(source=hdr.kind, peak_nits=peak, reason=reason), reason)


def decide_deinterlace(video: VideoStreamInfo, analysis: Analysis, settings: EnhancementSettings) -> Decision:
    """Only where the file says interlaced and the pictures show it."""
    kind = StepKind.DEINTERLACE
    combed = f"{analysis.combing:.0%} of the sampled pictures show comb lines"
    if video.field_order not in {FieldOrder.TOP_FIRST, FieldOrder.BOTTOM_FIRST}:
        if analysis.combing >= _COMBED_SHARE:
            return Decision(kind, None, f"{combed}, but the file does not say which field comes first.")
        return Decision(kind, None, "The pictures are progressive.")
    if not settings.deinterlace:
        return Decision(kind, None, "Deinterlacing was switched off.")
    if analysis.combing < _COMBED_SHARE:
        return Decision(kind, None, f"The file says interlaced, but only {combed}: they are progressive.")
    reason = f"The file is interlaced and {combed}."
    return Decision(kind, DeinterlaceStep(field_order=video.field_order, reason=reason), reason)


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


def decide_colour(video: VideoStreamInfo, analysis: Analysis, settings: EnhancementSettings) -> Decision:
    """A gentle stretch of unused range, a lift of dark pictures, and a sure cast taken out by half."""
    kind = StepKind.COLOUR
    strength = min(1.0, settings.strength)
    if not settings.colour or strength == 0:
        return Decision(kind, None, "Colour correction was switched off.")
    if video.hdr.kind is not HdrKind.SDR:
        return Decision(kind, None, "Tone mapping has already set the levels.")
    black, white, levels = _levels(analysis, strength)
    gamma = 1.0 if levels else _gamma(analysis, strength)
    is_dull = bool(levels) or gamma != 1.0
    cb, cr = _cast_shift(analysis, strength)
    reasons = list(levels)
    if gamma != 1.0:
        reasons.append(f"the pictures are dark (mean {analysis.mean_level:.0%}) and are lifted a little")
    if cb or cr:
        reasons.append("greys have a cast, half of it is taken out")
    if not reasons:
        return Decision(kind, None, "Levels and colours are sound: the range is used and greys are grey.")
    reason = "; ".join(reasons)
    reason = f"{reason[0].upper()}{reason[1:]}."
    stretch = 1 / (white - black)
    step = ColourStep(
        black=black,
        white=white,
        gamma=gamma,
        local_contrast=round(_LOCAL_CONTRAST * strength, 3) if is_dull else 0.0,
        cb_shift=cb,
        cr_shift=cr,
        saturation=round(min(1.1, 1 + (stretch - 1) / 2), 4),
        reason=reason,
    )
    return Decision(kind, step, reason)


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


def _levels(analysis: Analysis, strength: float) -> tuple[float, float, list[str]]:
    black, white = 0.0, 1.0
    reasons: list[str] = []
    if analysis.contrast_spread < _FLAT:
        return black, white, reasons
    if _DULL_BLACK < analysis.black_level < _LIGHT_BY_NATURE:
        black = min(_MAX_BLACK, analysis.black_level - _LEVEL_MARGIN) * strength
        reasons.append(f"black is only {analysis.black_level:.0%} dark")
    if _DARK_BY_NATURE < analysis.white_level < _DULL_WHITE:
        white = 1 - (1 - max(_MIN_WHITE, analysis.white_level + _LEVEL_MARGIN)) * strength
        reasons.append(f"the brightest parts reach only {analysis.white_level:.0%}")
    return round(black, 4), round(white, 4), reasons


def _gamma(analysis: Analysis, strength: float) -> float:
    if analysis.mean_level >= _DARK_MEAN or analysis.contrast_spread < 0.05:
        return 1.0
    lift = (1 - _BRIGHTEST_GAMMA) * min(1.0, (_DARK_MEAN - analysis.mean_level) / 0.12)
    # Lifting shadows lifts their noise too.
    lift *= max(0.0, 1 - analysis.noise_sigma / 20)
    return round(1 - lift * strength, 3)


def _cast_shift(analysis: Analysis, strength: float) -> tuple[float, float]:
    cast = analysis.cast
    if cast.confidence < _CAST_CONFIDENCE or max(abs(cast.cb), abs(cast.cr)) < _CAST_CODES:
        return 0.0, 0.0

    def half(value: float) -> float:
        return round(max(-_MAX_CAST_SHIFT, min(_MAX_CAST_SHIFT, -value / 2)) * strength, 3)

    return half(cast.cb), half(cast.cr)
