"""Whether high dynamic range is mapped to standard range. Pure."""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.media.decisions.encoding import keeps_hdr
from workers.protocol.media import HdrKind, VideoStreamInfo
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import (
    StepKind,
    ToneMapStep,
)

_DEFAULT_PEAK_NITS: Final = 1000.0

_MAX_PEAK_NITS: Final = 10_000.0


def decide_tone_map(video: VideoStreamInfo, settings: EnhancementSettings | None = None) -> Decision:
    """HDR becomes SDR, since browsers and most screens show it wrongly otherwise; unless `settings` keep it."""
    kind = StepKind.TONE_MAP
    hdr = video.hdr
    if hdr.kind is HdrKind.SDR:
        return Decision(kind, None, "The picture is standard dynamic range.")
    if settings is not None and keeps_hdr(video, settings):
        return Decision(kind, None, "High dynamic range is kept, as was asked for.")
    peak = _DEFAULT_PEAK_NITS
    if video.colour.transfer != "arib-std-b67":
        if hdr.content_light is not None and hdr.content_light.max_content > 0:
            peak = float(hdr.content_light.max_content)
        elif hdr.mastering_display is not None and hdr.mastering_display.max_luminance:
            peak = float(hdr.mastering_display.max_luminance)
    peak = min(_MAX_PEAK_NITS, max(203.0, peak))
    reason = f"{hdr.kind.value} is mapped from {peak:.0f} cd/m² to standard range, which every screen shows rightly."
    return Decision(kind, ToneMapStep(source=hdr.kind, peak_nits=peak, reason=reason), reason)
