"""The side data of a stream or a frame, from libav's bytes to values. Pure: bytes in, values out.

The layouts are those of libavutil's public structures on this machine (native byte order): display.h,
mastering_display_metadata.h, dovi_meta.h.
"""

import math
import struct
from dataclasses import dataclass
from fractions import Fraction

from workers.protocol.media import ContentLight, MasteringDisplay

_MATRIX = struct.Struct("=9i")
_MASTERING = struct.Struct("=22i")
_CONTENT_LIGHT = struct.Struct("=2I")


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a player turns the picture: `rotation_deg` clockwise first, then the horizontal flip."""

    rotation_deg: int = 0
    is_mirrored: bool = False
    is_exact: bool = True
    """False when the matrix asks for another angle than a multiple of 90° and the nearest was taken."""


def parse_display_matrix(data: bytes) -> Orientation:
    """Split a 3×3 display matrix into a clockwise turn and a flip.

    A point (x, y), y down, goes to (a·x + c·y, b·x + d·y) with the matrix stored as a b u c d v x y w. A negative
    determinant is a flip; taking the horizontal flip (x → −x) away from the left leaves the turn.
    """
    if len(data) < _MATRIX.size:
        return Orientation()
    a, b, _, c, d, *_ = _MATRIX.unpack_from(data)
    determinant = a * d - b * c
    if determinant == 0:
        return Orientation()
    is_mirrored = determinant < 0
    if is_mirrored:
        a = -a
    angle = math.degrees(math.atan2(b, a))
    quarter = round(angle / 90)
    return Orientation(
        rotation_deg=quarter % 4 * 90, is_mirrored=is_mirrored, is_exact=abs(angle - quarter * 90) < 1
    )


def parse_mastering_display(data: bytes) -> MasteringDisplay | None:
    """AVMasteringDisplayMetadata: three primaries, white point, luminances, two flags saying which are set."""
    if len(data) < _MASTERING.size:
        return None
    numbers = _MASTERING.unpack_from(data)
    rationals = [_fraction(numbers[at], numbers[at + 1]) for at in range(0, 20, 2)]
    points = [(rationals[at], rationals[at + 1]) for at in range(0, 8, 2)]
    has_primaries, has_luminance = numbers[20], numbers[21]
    if not has_primaries and not has_luminance:
        return None
    return MasteringDisplay(
        red=points[0] if has_primaries else None,
        green=points[1] if has_primaries else None,
        blue=points[2] if has_primaries else None,
        white_point=points[3] if has_primaries else None,
        min_luminance=rationals[8] if has_luminance else None,
        max_luminance=rationals[9] if has_luminance else None,
    )


def parse_content_light(data: bytes) -> ContentLight | None:
    """AVContentLightMetadata: MaxCLL and MaxFALL."""
    if len(data) < _CONTENT_LIGHT.size:
        return None
    max_content, max_frame_average = _CONTENT_LIGHT.unpack_from(data)
    return ContentLight(max_content=max_content, max_frame_average=max_frame_average)


def parse_dolby_vision_profile(data: bytes) -> int | None:
    """AVDOVIDecoderConfigurationRecord: major and minor version, then the profile, one byte each."""
    return data[2] if len(data) >= 3 else None


def _fraction(numerator: int, denominator: int) -> Fraction:
    return Fraction(numerator, denominator) if denominator else Fraction(0)
