"""Which planes a decoded picture has, and how a picture is brought into planes at all.

Every component keeps its depth and its subsampling; only the arrangement in memory may change. Pure, but for the
conversion of a picture itself.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

type Plane = NDArray[np.uint8] | NDArray[np.uint16]
"""One plane of samples, shape (height, width), as stored: 8 bits in uint8, 9 to 16 bits in uint16."""


class Family(StrEnum):
    """What the planes mean."""

    YUV = "yuv"
    GRAY = "gray"
    RGB = "rgb"


@dataclass(frozen=True, slots=True)
class PlanarFormat:
    """A little-endian planar integer format.

    Attributes:
        name: libav's name of it.
        shift_w: log2 of the horizontal chroma subsampling.
        shift_h: log2 of the vertical chroma subsampling.
    """

    name: str
    family: Family
    bits: int
    shift_w: int
    shift_h: int
    has_alpha: bool

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """Type of one stored sample."""
        return np.uint8 if self.bits == 8 else np.uint16

    @property
    def colour_planes(self) -> int:
        """Planes without alpha."""
        return 1 if self.family is Family.GRAY else 3


_SUBSAMPLINGS: Final = {
    (1, 1): "420",
    (1, 0): "422",
    (0, 0): "444",
    (0, 1): "440",
    (2, 0): "411",
    (2, 2): "410",
}
_ALPHA_SUBSAMPLINGS: Final = {"420", "422", "444"}


def planar_format(pixel_format: str) -> PlanarFormat:
    """The planar format that holds everything `pixel_format` holds; alpha only where libav has such a format.

    Raises:
        ValueError: libav does not know the format, or its subsampling has no planar form.
    """
    source = VideoFormat(pixel_format)
    components = source.components
    bits = max(8, *(component.bits for component in components)) if components else 8
    bits = bits if bits in {8, 9, 10, 12, 14, 16} else 16
    name = pixel_format.removesuffix("le").removesuffix("be")
    has_alpha = any(component.is_alpha for component in components) or source.has_palette
    if source.is_rgb or source.has_palette or name.startswith("xyz") or name in {"monow", "monob"}:
        return _rgb(bits, has_alpha=has_alpha)
    if len(components) < 3:
        return PlanarFormat(f"gray{_suffix(bits)}", Family.GRAY, bits, 0, 0, has_alpha=False)
    shifts = _shift(source, "width"), _shift(source, "height")
    subsampling = _SUBSAMPLINGS.get(shifts)
    if subsampling is None:
        raise ValueError(f"no planar form of {pixel_format}")
    has_alpha = has_alpha and subsampling in _ALPHA_SUBSAMPLINGS
    depth = f"p{_suffix(bits)}"
    return PlanarFormat(
        f"yuv{'a' if has_alpha else ''}{subsampling}{depth}", Family.YUV, bits, *shifts, has_alpha
    )


def _rgb(bits: int, *, has_alpha: bool) -> PlanarFormat:
    if has_alpha:
        bits = 8 if bits == 8 else 16
    return PlanarFormat(f"gbr{'a' if has_alpha else ''}p{_suffix(bits)}", Family.RGB, bits, 0, 0, has_alpha)


def _suffix(bits: int) -> str:
    return "" if bits == 8 else f"{bits}le"


def _shift(source: VideoFormat, axis: str) -> int:
    full = 1 << 8
    part = source.chroma_width(full) if axis == "width" else source.chroma_height(full)
    return (full // part).bit_length() - 1


def planes(picture: VideoFrame, form: PlanarFormat, width: int, height: int) -> list[Plane]:
    """The colour planes of a picture, views where that is possible; alpha is flattened on black.

    Args:
        picture: of any format and size; what differs from `form`, `width` and `height` is converted.
        form: wanted arrangement.
        width: px.
        height: px.

    Returns:
        `form.colour_planes` arrays in the order Y, U, V or R, G, B.
    """
    same_size = picture.width == width and picture.height == height
    if not (same_size and _is_arranged_as(picture.format.name, form)):
        picture = picture.reformat(width=width, height=height, format=form.name, interpolation="BICUBIC")
    views = [_view(plane, form.dtype) for plane in picture.planes]
    if form.family is Family.RGB:
        views[:3] = [views[2], views[0], views[1]]
    colour = views[: form.colour_planes]
    return _flattened(colour, views[3], form) if form.has_alpha else colour


def _is_arranged_as(name: str, form: PlanarFormat) -> bool:
    return name.replace("yuvj", "yuv", 1) == form.name


def _view(plane: Any, dtype: type[np.uint8] | type[np.uint16]) -> Plane:
    samples: Any = np.frombuffer(plane, dtype)
    per_line = plane.line_size // samples.itemsize
    view: Plane = samples[: per_line * plane.height].reshape(plane.height, per_line)[:, : plane.width]
    return view


def _flattened(colour: list[Plane], alpha: Plane, form: PlanarFormat) -> list[Plane]:
    """Blend over black: luma towards its black level (limited range is assumed for YUV), chroma towards neutral."""
    top = (1 << form.bits) - 1
    unit = 1 << (form.bits - 8)
    is_yuv = form.family is Family.YUV
    flattened: list[Plane] = []
    for number, plane in enumerate(colour):
        rest = 0 if not is_yuv else (16 if number == 0 else 128) * unit
        weight = alpha if number == 0 or not is_yuv else alpha[:: 1 << form.shift_h, :: 1 << form.shift_w]
        blended: Any = rest + (plane.astype(np.int32) - rest) * weight.astype(np.int64) / top
        flattened.append(np.rint(blended).astype(form.dtype))
    return flattened
