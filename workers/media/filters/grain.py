"""Synthetic film grain: the same in a picture whatever segment it is made in, and another in every picture.

Grain comes from one field of correlated Gaussian noise that wraps around; the number of a picture decides which part
of the field it gets, and which way round. Strength follows the light as in film: strongest in the middle tones, weak
where the film is clear or dense.
"""

from typing import Any, Final

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from workers.media.filters.clip import Clip, VideoNode
from workers.protocol.steps import GrainStep

_FIELD_PX: Final = 1024
_SEED: Final = 0x5EED_0F_F11A
_SIZE_PX: Final = 0.65
"""Radius (σ of the Gaussian) of a grain in a picture of 1080 lines; larger pictures have larger grains."""

_SIZE_LINES: Final = 1080
_CODES_PER_SIGMA: Final = 4096
_NEUTRAL: Final = 32768
_LARGEST: Final = 7.9
"""In σ: what fits into 16 bits around the middle."""

_FLOOR: Final = 0.3
"""Share of the full strength that is left in black and in white."""


def grain(clip: Clip, step: GrainStep, *, first_number: int = 0) -> Clip:
    """Luma with grain, in the depth it came in; chroma as it was.

    `first_number` is the number in the whole film of the clip's first picture.
    """
    node = clip.node
    luma = vs.core.std.ShufflePlanes(node, 0, vs.GRAY)
    field = _noise(luma, first_number)
    unit = 1 << (clip.bits - 8)
    black, white = (0, 255) if clip.is_full_range else (16, 235)
    light = f"x {black * unit} - {1 / ((white - black) * unit)} * 0 max 1 min"
    # 4 t (1 − t): 1 in the middle, 0 at both ends.
    strength = f"{light} dup 1 swap - * {4 * (1 - _FLOOR)} * {_FLOOR} +"
    # What rounding to whole codes adds is taken off beforehand.
    variance = max((step.sigma * unit) ** 2 - 1 / 12, 0.01)
    scale = variance**0.5 / _CODES_PER_SIGMA
    grainy = vs.core.std.Expr([luma, field], f"x y {_NEUTRAL} - {scale} * {strength} * +")
    if node.format.color_family == vs.GRAY:
        return clip.with_node(grainy)
    return clip.with_node(vs.core.std.ShufflePlanes([grainy, node, node], [0, 1, 2], vs.YUV))


def _noise(luma: VideoNode, first_number: int) -> VideoNode:
    """16-bit gray of the clip's size, `_CODES_PER_SIGMA` for each σ around `_NEUTRAL`."""
    height, width = luma.height, luma.width
    field = grain_field(_SIZE_PX * max(1.0, height / _SIZE_LINES))
    wide = np.tile(field, (height // _FIELD_PX + 2, width // _FIELD_PX + 2))
    blank = vs.core.std.BlankClip(luma, format=vs.GRAY16, keep=True)

    def fill(n: int, f: Any) -> Any:
        target = f.copy()
        top, left, turn = _place(n + first_number)
        part = wide[top : top + height, left : left + width]
        np.asarray(target[0])[:] = part[:: 1 - 2 * (turn & 1), :: 1 - (turn & 2)]
        return target

    return vs.core.std.ModifyFrame(blank, blank, fill)


def _place(number: int) -> tuple[int, int, int]:
    """Where in the field picture `number` finds its grain (px) and how it is flipped (0 to 3)."""
    raw = int(np.random.Philox(key=_SEED, counter=number).random_raw())
    return raw % _FIELD_PX, raw // _FIELD_PX % _FIELD_PX, raw >> 32 & 3


def grain_field(radius_px: float) -> NDArray[np.uint16]:
    """Gaussian noise with the spatial correlation of a Gaussian of `radius_px`, wrapping around.

    Returns:
        Shape (1024, 1024), mean 32768, standard deviation 4096.
    """
    raw = np.random.Philox(key=_SEED).random_raw(2 * _FIELD_PX * _FIELD_PX)
    # Bits of the generator are the same in every version of numpy; its normal distribution need not be.
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius, angle = uniform.reshape(2, _FIELD_PX, _FIELD_PX)
    white = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
    frequency = np.fft.fftfreq(_FIELD_PX)
    along = np.exp(-2 * (np.pi * radius_px * frequency) ** 2)
    smooth = np.fft.ifft2(np.fft.fft2(white) * np.outer(along, along)).real
    smooth = (smooth - smooth.mean()) / smooth.std()
    codes = np.clip(smooth, -_LARGEST, _LARGEST) * _CODES_PER_SIGMA + _NEUTRAL
    return np.rint(codes).astype(np.uint16)
