import struct
from fractions import Fraction

import numpy as np
import pytest

from workers.media.display import turn
from workers.media.side_data import (
    Orientation,
    parse_content_light,
    parse_display_matrix,
    parse_dolby_vision_profile,
    parse_mastering_display,
)

ONE = 1 << 16


def matrix(a: int, b: int, c: int, d: int) -> bytes:
    return struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize(
    "a, b, c, d",
    [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0),
     (-1, 0, 0, 1), (0, 1, 1, 0), (1, 0, 0, -1), (0, -1, -1, 0)],
)  # fmt: skip
def test_turning_a_picture_does_what_the_matrix_says(a: int, b: int, c: int, d: int) -> None:
    orientation = parse_display_matrix(matrix(a * ONE, b * ONE, c * ONE, d * ONE))
    picture = np.zeros((3, 5, 3), dtype=np.uint8)
    picture[0, 1] = 255
    turned = turn(picture, orientation.rotation_deg, is_mirrored=orientation.is_mirrored)

    # The matrix moves the pixel (x, y) = (1, 0), counted from the centre of the picture.
    x, y = 1 - 2, 0 - 1
    height, width = turned.shape[:2]
    at = (b * x + d * y + (height - 1) // 2, a * x + c * y + (width - 1) // 2)
    assert [tuple(place) for place in np.argwhere(turned[..., 0] == 255)] == [at]


def test_other_angles_go_to_the_nearest_quarter_and_say_so() -> None:
    tilted = parse_display_matrix(matrix(64000, 14000, -14000, 64000))
    assert (tilted.rotation_deg, tilted.is_exact) == (0, False)


@pytest.mark.parametrize("data", [b"", b"\0" * 36, b"\1" * 8])
def test_a_useless_matrix_turns_nothing(data: bytes) -> None:
    assert parse_display_matrix(data) == Orientation()


def test_mastering_display() -> None:
    numbers = [34000, 50000, 16000, 50000, 13250, 50000, 34500, 50000, 7500, 50000, 3000, 50000, 15635, 50000,
               16450, 50000, 1, 10000, 1000, 1, 1, 1]  # fmt: skip
    display = parse_mastering_display(struct.pack("=22i", *numbers))
    assert display is not None
    assert display.red == (Fraction(17, 25), Fraction(8, 25))
    assert display.white_point == (Fraction(3127, 10000), Fraction(329, 1000))
    assert (display.min_luminance, display.max_luminance) == (Fraction(1, 10000), Fraction(1000))


def test_mastering_display_says_nothing_where_its_flags_are_off() -> None:
    assert parse_mastering_display(struct.pack("=22i", *[1] * 20, 0, 0)) is None
    luminance_only = parse_mastering_display(struct.pack("=22i", *[1] * 20, 0, 1))
    assert luminance_only is not None
    assert luminance_only.red is None
    assert luminance_only.max_luminance == 1
    assert parse_mastering_display(b"short") is None


def test_content_light_and_dolby_vision() -> None:
    light = parse_content_light(struct.pack("=2I", 1000, 180))
    assert light is not None
    assert (light.max_content, light.max_frame_average) == (1000, 180)
    assert parse_content_light(b"") is None
    assert parse_dolby_vision_profile(bytes([1, 0, 8, 2])) == 8
    assert parse_dolby_vision_profile(b"") is None
