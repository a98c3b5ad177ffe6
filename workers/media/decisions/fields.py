"""Whether fields are taken apart. Pure."""

from workers.media.decisions.decision import Decision
from workers.protocol.analysis import Analysis, ScanKind
from workers.protocol.media import FieldOrder, VideoStreamInfo
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import DeinterlaceStep, StepKind


def decide_deinterlace(video: VideoStreamInfo, analysis: Analysis, settings: EnhancementSettings) -> Decision:
    """Only where the pictures show two moments each, whatever the file says of them."""
    kind = StepKind.DEINTERLACE
    scan = analysis.scan
    if scan.kind not in {ScanKind.INTERLACED, ScanKind.MIXED, ScanKind.TELECINE}:
        flagged = video.field_order in {FieldOrder.TOP_FIRST, FieldOrder.BOTTOM_FIRST}
        doubt = "The file says interlaced, but its pictures are progressive."
        return Decision(kind, None, doubt if flagged else "The pictures are progressive.")
    if not settings.deinterlace:
        return Decision(kind, None, "Deinterlacing was switched off.")
    if scan.field_order not in {FieldOrder.TOP_FIRST, FieldOrder.BOTTOM_FIRST}:
        return Decision(kind, None, "The pictures are combed, but which field comes first cannot be told.")
    reason = f"Motion shows two moments in every picture, {scan.field_order.value.replace('_', ' ')}."
    return Decision(kind, DeinterlaceStep(field_order=scan.field_order, reason=reason), reason)
