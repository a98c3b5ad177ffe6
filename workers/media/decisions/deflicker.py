"""Whether brightness that pumps is made steady. Pure."""

from typing import Final

import numpy as np

from workers.media.decisions.decision import Decision
from workers.media.tables import FrameTables
from workers.protocol.analysis import Analysis
from workers.protocol.media import HdrKind, VideoStreamInfo
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import DeflickerStep, StepKind

_SUSPECT_CODES: Final = 0.6
"""Of mean luma, 8-bit code values; clean clips stay below 0.4. The samples only raise the suspicion: the curve of
every picture decides."""

_SURE: Final = 0.3


def decide_deflicker(
    video: VideoStreamInfo,
    analysis: Analysis,
    settings: EnhancementSettings,
    tables: FrameTables | None = None,
) -> Decision:
    """Strong, quick flicker only; the amount follows the strength up to all of it.

    Args:
        video: of the source.
        analysis: of samples; raises the suspicion.
        settings: what was asked for.
        tables: of all pictures, once they were measured; they have the last word.
    """
    kind = StepKind.DEFLICKER
    if not settings.deflicker or settings.strength == 0:
        return Decision(kind, None, "Steadying the brightness was switched off.")
    flicker = analysis.flicker
    if flicker.confidence < _SURE:
        return Decision(kind, None, "Whether the brightness flickers could not be measured.")
    if flicker.value < _SUSPECT_CODES:
        return Decision(kind, None, f"The brightness is steady (it varies by {flicker.value:.1f} codes).")
    if video.hdr.kind is not HdrKind.SDR:
        return Decision(kind, None, "The brightness varies, but steadying it is only done for SDR.")
    reason = f"The brightness varies by {flicker.value:.1f} codes from picture to picture"
    if tables is not None and len(tables.gain):
        share = float(np.mean(tables.gain != 1))
        if share == 0:
            return Decision(
                kind,
                None,
                f"{reason}, but measured on every picture it is no quick flicker: it is left alone.",
            )
        reason = f"{reason}; {share:.0%} of the pictures are evened out"
    amount = round(min(1.0, settings.strength), 3)
    if amount <= 0:
        return Decision(kind, None, "At this strength nothing would change.")
    reason = f"{reason}."
    return Decision(kind, DeflickerStep(amount=amount, reason=reason), reason)
