"""How large the output is, and whether the picture is turned, squared or made even for it. Pure."""

from fractions import Fraction
from typing import Final

from workers.media.decisions.decision import Decision
from workers.protocol.media import VideoStreamInfo
from workers.protocol.steps import CropStep, GeometryStep, StepKind

_MAX_SIDE_PX: Final = 16_384


def output_size(video: VideoStreamInfo, *, crop: CropStep | None = None, factor: int = 1) -> tuple[int, int]:
    """Width and height in px after cutting borders off, squaring the pixels, turning, enlarging, making both even.

    Pixels are squared by stretching the narrower axis, so that no detail is lost. `factor` enlarges width and height.
    """
    width, height = (Fraction(factor * size) for size in kept_size(video, crop))
    ratio = video.sample_aspect_ratio if video.sample_aspect_ratio > 0 else Fraction(1)
    if ratio > 1:
        width *= ratio
    else:
        height /= ratio
    if video.rotation_deg in {90, 270}:
        width, height = height, width
    return _even(width), _even(height)


def kept_size(video: VideoStreamInfo, crop: CropStep | None) -> tuple[int, int]:
    """Width and height in px of what is left of the coded picture."""
    if crop is None:
        return video.width_px, video.height_px
    return (
        video.width_px - crop.left_px - crop.right_px,
        video.height_px - crop.top_px - crop.bottom_px,
    )


def decide_geometry(video: VideoStreamInfo, *, crop: CropStep | None = None, factor: int = 1) -> Decision:
    """Turned as the file asks, square pixels, an even size: what every player shows rightly."""
    kind = StepKind.GEOMETRY
    width, height = output_size(video, crop=crop, factor=factor)
    own_width, own_height = (factor * size for size in kept_size(video, crop))
    reasons = []
    if video.rotation_deg or video.is_mirrored:
        mirrored = " and mirrored" if video.is_mirrored else ""
        reasons.append(f"the file asks players to turn it by {video.rotation_deg}°{mirrored}")
    if video.sample_aspect_ratio not in {0, 1}:
        reasons.append(f"its pixels are not square ({video.sample_aspect_ratio})")
    if own_width % 2 or own_height % 2:
        reasons.append("H.264 for browsers needs an even size")
    if not reasons and (width, height) == (own_width, own_height):
        return Decision(kind, None, "The picture is upright, its pixels are square and its size is even.")
    reason = "; ".join(reasons) or "the size changes"
    reason = f"{reason[0].upper()}{reason[1:]}."
    rotation = video.rotation_deg if video.rotation_deg in {90, 180, 270} else 0
    step = GeometryStep(
        rotation_deg=rotation,  # type: ignore[arg-type]  # checked in the line above
        mirror=video.is_mirrored,
        width_px=width,
        height_px=height,
        reason=reason,
    )
    return Decision(kind, step, reason)


def _even(size: Fraction) -> int:
    up = -(-size.numerator // size.denominator) if size.denominator == 1 else round(size)
    return min(_MAX_SIDE_PX, max(2, up + up % 2))
