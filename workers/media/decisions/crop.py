"""Whether black borders are cut off. Pure."""

from typing import Final

from workers.media.decisions.decision import Decision
from workers.protocol.analysis import Analysis, Borders
from workers.protocol.media import VideoStreamInfo
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import CropStep, StepKind

_SURE: Final = 0.8
"""Confidence from which on borders are believed; a dark scene must never lose its edge."""

_LARGEST_SHARE: Final = 0.6
"""No more than this of width or height is border: more would be a small window in the dark, and that is content."""

_SMALLEST_PX: Final = 32
"""Width and height that are left at least."""

_CHROMA_UNIT_PX: Final = 2
_WIDE_CHROMA_UNIT_PX: Final = 4
"""Side of the area that shares one chroma sample, for 4:1:1 and 4:1:0."""


def decide_crop(video: VideoStreamInfo, analysis: Analysis, settings: EnhancementSettings) -> Decision:
    """Only on request, only where every sample agrees, and never part of the picture's own pixels but a row."""
    kind = StepKind.CROP
    borders = analysis.borders
    if not borders.any:
        return Decision(kind, None, "There are no black borders.")
    found = _in_words(borders)
    if not settings.crop_borders:
        return Decision(
            kind, None, f"Black borders were found ({found}); cutting them off was not asked for."
        )
    if borders.confidence < _SURE:
        return Decision(kind, None, f"What looks like black borders ({found}) may be dark scenes; it stays.")
    unit = _unit(video.pixel_format)
    left, right = _aligned(video.width_px, borders.left_px, borders.right_px, unit)
    top, bottom = _aligned(video.height_px, borders.top_px, borders.bottom_px, unit)
    if _is_too_much(video.width_px, left + right) or _is_too_much(video.height_px, top + bottom):
        return Decision(
            kind, None, f"The borders ({found}) would leave too little of the picture; they stay."
        )
    reason = f"Black borders are cut off: {found}."
    step = CropStep(left_px=left, top_px=top, right_px=right, bottom_px=bottom, reason=reason)
    return Decision(kind, step, reason)


def _in_words(borders: Borders) -> str:
    sides = (
        ("left", borders.left_px),
        ("top", borders.top_px),
        ("right", borders.right_px),
        ("bottom", borders.bottom_px),
    )
    return ", ".join(f"{size} px {name}" for name, size in sides if size)


def _unit(pixel_format: str | None) -> int:
    name = pixel_format or ""
    return _WIDE_CHROMA_UNIT_PX if "411" in name or "410" in name else _CHROMA_UNIT_PX


def _aligned(size_px: int, before_px: int, after_px: int, unit: int) -> tuple[int, int]:
    """Rounded inwards, so that nothing of a border is left and whole samples of chroma stay together."""
    if not before_px and not after_px:
        return 0, 0
    before = -(-before_px // unit) * unit
    kept = max(0, size_px - before - after_px) // unit * unit
    return before, max(0, size_px - before - kept)


def _is_too_much(size_px: int, cut_px: int) -> bool:
    return cut_px > _LARGEST_SHARE * size_px or size_px - cut_px < min(_SMALLEST_PX, size_px)
