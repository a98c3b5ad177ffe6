"""Turning and mirroring, without touching a sample's value; and which part of a clip is picture."""

from collections.abc import Iterable

import vapoursynth as vs

from workers.media.filters.clip import Clip
from workers.protocol.steps import CropStep, GeometryStep, PlanStep, UpscaleStep


def turn(clip: Clip, step: GeometryStep) -> Clip:
    """Turn clockwise, then mirror left to right, as the container's display matrix asks."""
    std = vs.core.std
    node = clip.node
    if step.rotation_deg == 90:
        node = std.FlipHorizontal(std.Transpose(node))
    elif step.rotation_deg == 180:
        node = std.Turn180(node)
    elif step.rotation_deg == 270:
        node = std.FlipVertical(std.Transpose(node))
    if step.mirror:
        node = std.FlipHorizontal(node)
    return clip.with_node(node)


def picture_size(width_px: int, height_px: int, steps: Iterable[PlanStep]) -> tuple[int, int] | None:
    """Size in px of the picture after `steps`, without the padding that a clip of an odd source carries.

    None when the picture was turned: padding may then be on any side, and is part of the picture.
    """
    for step in steps:
        match step:
            case CropStep():
                width_px -= step.left_px + step.right_px
                height_px -= step.top_px + step.bottom_px
            case UpscaleStep():
                width_px *= step.factor
                height_px *= step.factor
            case GeometryStep() if step.rotation_deg != 0 or step.mirror:
                return None
            case _:
                pass
    return width_px, height_px
