"""How much two fields comb when they are woven into one picture. Pure; knows nothing of files or decisions."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

type Luma = NDArray[np.uint8]
type BlockMap = NDArray[np.float32]

BLOCK_PX: Final = 16
"""Side of a block in px of the picture: small enough for a moving mouth, large enough to average noise out."""

SMALLEST_LINES: Final = 2 * BLOCK_PX

_COMBED_SHARE: Final = 1.6
_COMBED_CODES: Final = 2.0
"""A block is combed where it sticks out this much more between fields than inside a field. Noise does both alike,
and a natural texture less."""

_COMBED_BLOCKS: Final = 6


@dataclass(frozen=True, slots=True)
class PairCombing:
    """What the fields of two consecutive pictures say, each a map of blocks, shape (rows, columns), in code values.

    Attributes:
        own: combing of the later picture as it is.
        later_top: combing of the later picture's top field woven with the earlier one's bottom field.
        later_bottom: combing of the earlier picture's top field woven with the later one's bottom field.
        top_change: mean absolute difference of the two top fields.
        bottom_change: of the two bottom fields.
    """

    own: BlockMap
    later_top: BlockMap
    later_bottom: BlockMap
    top_change: BlockMap
    bottom_change: BlockMap


def own_combing(picture: Luma) -> BlockMap:
    """Combing of a picture as it is, shape (rows, columns) of blocks; needs `SMALLEST_LINES` lines."""
    return woven_combing(picture[::2], picture[1::2])


def pair_combing(earlier: Luma, later: Luma) -> PairCombing:
    """Weave the fields of two pictures every way.

    Args:
        earlier: luma, shape (height, width), at least `SMALLEST_LINES` high.
        later: the next picture, same shape.
    """
    return PairCombing(
        own=own_combing(later),
        later_top=woven_combing(later[::2], earlier[1::2]),
        later_bottom=woven_combing(earlier[::2], later[1::2]),
        top_change=field_change(earlier[::2], later[::2]),
        bottom_change=field_change(earlier[1::2], later[1::2]),
    )


def combs(picture: Luma) -> bool:
    """Whether lines of a picture's two fields stick out between one another where those of a field do not.

    A property of the one picture: motion, noise and natural texture are in both alike. None of the progressive test
    clips has such a picture; of woven ones nearly every moving picture is.

    Args:
        picture: luma, shape (height, width), 8-bit code values.
    """
    if picture.shape[0] < SMALLEST_LINES:
        return False
    lines = picture.shape[0] // 2
    top, bottom = picture[: 2 * lines : 2], picture[1 : 2 * lines : 2]
    texture = np.maximum(field_texture(top), field_texture(bottom))
    return sticks_out(woven_combing(top, bottom), texture)


def sticks_out(weave: BlockMap, texture: BlockMap) -> bool:
    """Whether a weave combs visibly.

    Args:
        weave: of two fields, as `woven_combing` gives it.
        texture: of the fields themselves, as `field_texture` gives it.
    """
    return int((excess_over_texture(weave, texture) > 0).sum()) >= _COMBED_BLOCKS


def excess_over_texture(weave: BlockMap, texture: BlockMap) -> BlockMap:
    """By how many codes each block of a weave combs more than texture and noise could."""
    return np.maximum(weave - _COMBED_SHARE * texture - _COMBED_CODES, 0)


def woven_combing(top: Luma, bottom: Luma) -> BlockMap:
    """How far lines stick out from both neighbours in the same direction, mean over blocks.

    Args:
        top: lines 0, 2, …, shape (height, width).
        bottom: lines 1, 3, …; one line fewer where the picture's height is odd.
    """
    lines = min(len(top), len(bottom))
    top, bottom = top[:lines], bottom[:lines]
    # Saturating subtraction of bytes: what does not stick out is 0, and at most one of the two is not.
    odd = _sticking_out(bottom[:-2], top[:-2], top[1:-1])
    even = _sticking_out(top[1:-1], bottom[:-2], bottom[1:-1])
    return _blocks(odd) + _blocks(even)


def field_texture(field: Luma) -> BlockMap:
    """The same of the lines of one field among themselves, on the scale of `woven_combing`: for noise both are equal.

    Args:
        field: shape (height, width).
    """
    return 2 * _blocks(_sticking_out(field[1:-1], field[:-2], field[2:]))


def field_change(earlier: Luma, later: Luma) -> BlockMap:
    """Mean absolute difference of two fields of the same parity over blocks, in code values."""
    return _blocks(np.asarray(cv2.absdiff(earlier[1:-1], later[1:-1]), np.uint8))


def _sticking_out(line: Luma, above: Luma, below: Luma) -> Luma:
    over = cv2.subtract(line, cv2.max(above, below))
    under = cv2.subtract(cv2.min(above, below), line)
    return np.asarray(cv2.add(over, under), np.uint8)


def _blocks(field: NDArray[np.uint8]) -> BlockMap:
    """Mean over blocks of a map of one field, which has half the picture's lines; all maps cover the same lines."""
    lines = BLOCK_PX // 2
    rows, columns = max(1, field.shape[0] // lines), max(1, field.shape[1] // BLOCK_PX)
    whole = np.ascontiguousarray(field[: rows * lines, : columns * BLOCK_PX], np.float32)
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
