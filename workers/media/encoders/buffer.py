"""How far a capped bit rate may swing. Pure.

A cap that held for every second would starve the scenes that need bits most. So the buffer is as long as the level of
H.264 that the picture's size and rate demand anyway allows (ITU-T H.264 table A-1, MaxCPB; times 1.25 for the High
profile, table A-2), up to eight seconds: a larger one would make x264 write a higher level than players need to know.
"""

from fractions import Fraction
from typing import Final

_LONGEST_S: Final = 8
_MACROBLOCK_PX: Final = 16
_HIGH_PROFILE: Final = Fraction(5, 4)
_LEVELS: Final = (
    # macroblocks a second, macroblocks a picture, buffer in kbit
    (11_880, 396, 2_000),
    (40_500, 1_620, 10_000),
    (108_000, 3_600, 14_000),
    (245_760, 8_192, 25_000),
    (522_240, 8_704, 62_500),
    (983_040, 36_864, 240_000),
)
"""2, 3, 3.1, 4, 4.2 and 5.1; anything larger has at least the last one's."""


def buffer_bits(bit_rate: int, width_px: int, height_px: int, rate: Fraction) -> int:
    """Size of the rate control's buffer in bits.

    Args:
        bit_rate: the cap, bit/s.
        width_px: of the picture.
        height_px: of the picture.
        rate: pictures per second.
    """
    blocks = -(-width_px // _MACROBLOCK_PX) * -(-height_px // _MACROBLOCK_PX)
    allowed = next(
        (
            kbit
            for per_second, per_picture, kbit in _LEVELS
            if blocks <= per_picture and blocks * rate <= per_second
        ),
        _LEVELS[-1][2],
    )
    return max(1, min(bit_rate * _LONGEST_S, int(allowed * 1000 * _HIGH_PROFILE)))
