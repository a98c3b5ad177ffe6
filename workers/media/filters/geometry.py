"""Turning and mirroring, without touching a sample's value."""

import vapoursynth as vs

from workers.media.filters.clip import Clip
from workers.protocol.steps import GeometryStep


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
