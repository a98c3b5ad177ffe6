"""Whether fields are taken apart, or put together again to the film they came from. Pure.

The pictures decide, not the file's flags: many progressive files are flagged interlaced, and many interlaced ones are
not flagged at all.
"""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.protocol.analysis import Analysis, ScanFinding, ScanKind
from workers.protocol.media import FieldOrder, VideoStreamInfo
from workers.protocol.settings import ChainSpeed, DeinterlaceOutput, EnhancementSettings
from workers.protocol.steps import DeinterlaceStep, InverseTelecineStep, StepKind

_KNOWN_ORDERS: Final = frozenset({FieldOrder.TOP_FIRST, FieldOrder.BOTTOM_FIRST})
_RADIUS: Final = {ChainSpeed.FAST: 1, ChainSpeed.BALANCED: 2, ChainSpeed.BEST: 2}
"""Source pictures on each side: bwdif looks one picture far, motion compensation one field further on both sides."""

_FOUND: Final = {
    ScanKind.INTERLACED: "Motion shows two moments in every picture",
    ScanKind.MIXED: "Motion shows two moments in the pictures of some scenes",
    ScanKind.TELECINE: "Motion shows two moments in some of the pictures",
}


def decide_deinterlace(video: VideoStreamInfo, analysis: Analysis, settings: EnhancementSettings) -> Decision:
    """Only where the pictures show two moments each, whatever the file says of them."""
    kind = StepKind.DEINTERLACE
    scan = analysis.scan
    if scan.kind not in _FOUND:
        return Decision(kind, None, _nothing_to_do(video, scan))
    if not settings.deinterlace:
        return Decision(kind, None, "Deinterlacing was switched off.")
    if scan.field_order not in _KNOWN_ORDERS:
        return Decision(kind, None, "The pictures are combed, but which field comes first cannot be told.")
    if _is_film(scan) and settings.inverse_telecine:
        return Decision(
            kind, None, "The fields are those of a film, whose own pictures are put together again."
        )
    step = _deinterlacing(scan, settings)
    return Decision(kind, step, step.reason)


def decide_inverse_telecine(analysis: Analysis, settings: EnhancementSettings) -> Decision:
    """Only where the fields of neighbouring pictures belong together."""
    kind = StepKind.INVERSE_TELECINE
    scan = analysis.scan
    if not _is_film(scan):
        return Decision(kind, None, "No film was spread over the fields of other pictures.")
    if not settings.inverse_telecine:
        return Decision(kind, None, "Putting films together again was switched off.")
    if scan.field_order not in _KNOWN_ORDERS:
        return Decision(kind, None, "It is a film spread over fields, but which comes first cannot be told.")
    reason = (
        "A film was spread over fields for television: its own pictures are put together again, "
        f"repeated ones left out ({_words(scan.field_order)})."
    )
    return Decision(kind, InverseTelecineStep(field_order=scan.field_order, reason=reason), reason)


def _deinterlacing(scan: ScanFinding, settings: EnhancementSettings) -> DeinterlaceStep:
    only_combed = scan.kind is not ScanKind.INTERLACED
    outcome = ""
    if settings.deinterlace_output is DeinterlaceOutput.FIELD:
        outcome = " Each becomes a picture of its own: twice the rate, all of the motion."
    elif only_combed:
        outcome = " The others stay as they are."
    return DeinterlaceStep(
        field_order=scan.field_order,
        output=settings.deinterlace_output,
        speed=settings.speed,
        only_combed=only_combed,
        reason=f"{_FOUND[scan.kind]}, {_words(scan.field_order)}.{outcome}",
        radius=_RADIUS[settings.speed],
    )


def _nothing_to_do(video: VideoStreamInfo, scan: ScanFinding) -> str:
    flagged = video.field_order in _KNOWN_ORDERS
    if scan.kind is ScanKind.UNKNOWN:
        return "Nothing moves enough to comb" + (", although the file says interlaced." if flagged else ".")
    if flagged:
        return "The file says interlaced, but its pictures are progressive."
    return "The pictures are progressive."


def _is_film(scan: ScanFinding) -> bool:
    return scan.kind is ScanKind.TELECINE


def _words(order: FieldOrder) -> str:
    return order.value.replace("_", " ")
