"""Levels, contrast and colour: small, explained, reversible. Pure."""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.media.decisions.encoding import keeps_hdr
from workers.protocol.analysis import Analysis
from workers.protocol.media import HdrKind, VideoStreamInfo
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import (
    ColourStep,
    StepKind,
)

_DULL_BLACK: Final = 0.06

_DULL_WHITE: Final = 0.87

_MAX_BLACK: Final = 0.034

_FLAT: Final = 0.15

_LIGHT_BY_NATURE: Final = 0.25

_DARK_BY_NATURE: Final = 0.5
"""Beyond these, a picture has no dark or no light parts that were meant to be black or white."""

_MIN_WHITE: Final = 0.966

_DARK_MEAN: Final = 0.22

_BRIGHTEST_GAMMA: Final = 0.955
"""Together these leave changes of mean luma from frame to frame at no more than 1.1 times the source's (at most 1.095
on eight references made dull or dark): a light that flickers a little must not flicker visibly afterwards. Contrast
comes from `_LOCAL_CONTRAST`, which keeps the mean."""

_LOCAL_CONTRAST: Final = 1.0

_LEVEL_MARGIN: Final = 0.01

_CAST_CODES: Final = 3.0

_CAST_CONFIDENCE: Final = 0.75

_MAX_CAST_SHIFT: Final = 6.0


def decide_colour(video: VideoStreamInfo, analysis: Analysis, settings: EnhancementSettings) -> Decision:
    """A gentle stretch of unused range, a lift of dark pictures, and a sure cast taken out by half."""
    kind = StepKind.COLOUR
    strength = min(1.0, settings.strength)
    if not settings.colour or strength == 0:
        return Decision(kind, None, "Colour correction was switched off.")
    if keeps_hdr(video, settings):
        return Decision(kind, None, "High dynamic range is kept as it was graded.")
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
