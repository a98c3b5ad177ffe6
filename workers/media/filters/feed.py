"""Decoded pictures as a VapourSynth clip.

The clip is as long as VapourSynth allows, because nobody knows how many frames a file really holds until it has
been decoded; past the end the last picture repeats, so that temporal filters find neighbours there.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import vapoursynth as vs

from workers.media.filters.clip import VideoNode
from workers.media.filters.formats import Family, PlanarFormat, planes
from workers.media.filters.inverse_telecine import COMBED
from workers.media.frame_map import Recipe
from workers.media.frames import TimedFrame

_FAMILIES: Final = {Family.YUV: vs.YUV, Family.GRAY: vs.GRAY, Family.RGB: vs.RGB}
_LENGTH: Final = 2**31 - 1
_BOTTOM_LINES: Final = slice(1, None, 2)

type RecipeOf = Callable[[int], Recipe]


class FrameSupply(Protocol):
    """Where decoded pictures come from."""

    def frame_or_last(self, number: int) -> TimedFrame:
        """Wait for a frame; past the end the last one stands in for it."""


class Feed:
    """Copies pictures of a window into VapourSynth's frames.

    Args:
        window: where decoded pictures come from.
        form: of the clip; pictures that differ are converted to it.
        width: px of the clip.
        height: px of the clip.
        recipe: what each picture is woven from; None: picture n is source picture n.
        blank_below: pictures woven from source pictures with smaller numbers are blank, until `end_blank`.
    """

    def __init__(
        self,
        window: FrameSupply,
        form: PlanarFormat,
        width: int,
        height: int,
        *,
        recipe: RecipeOf | None = None,
        blank_below: int = 0,
    ) -> None:
        self._window = window
        self._recipe = recipe
        self._form = form
        self._width = width
        self._height = height
        self._blank_below = blank_below
        self.error: BaseException | None = None
        """What went wrong on this side of VapourSynth, which passes on only its text."""

    def clip(self) -> VideoNode:
        """The source clip."""
        core = vs.core
        form = core.query_video_format(
            _FAMILIES[self._form.family], vs.INTEGER, self._form.bits, self._form.shift_w, self._form.shift_h
        )
        # Subsampled chroma of an odd size is rounded up by libav and refused by VapourSynth: pad to a whole one.
        width = _padded(self._width, self._form.shift_w)
        height = _padded(self._height, self._form.shift_h)
        blank = core.std.BlankClip(
            width=width, height=height, format=form.id, length=_LENGTH, fpsnum=25, fpsden=1, keep=True
        )
        return core.std.ModifyFrame(blank, blank, self._fill)

    def end_blank(self) -> None:
        """From now on every picture is asked for."""
        self._blank_below = 0

    def _fill(self, n: int, f: Any) -> Any:
        try:
            recipe = Recipe(n, n) if self._recipe is None else self._recipe(n)
            if min(recipe.top, recipe.bottom) < self._blank_below:
                return f
            target = f.copy()
            self._write(recipe.top, target, slice(None))
            if recipe.bottom != recipe.top:
                self._write(recipe.bottom, target, _BOTTOM_LINES)
            if recipe.is_combed:
                target.props[COMBED] = 1
        except BaseException as error:
            if self.error is None:
                self.error = error
            raise
        return target

    def _write(self, source: int, target: Any, lines: slice) -> None:
        """Copy some lines of a source picture, and repeat its edge where the clip is larger."""
        picture = self._window.frame_or_last(source).picture
        for number, plane in enumerate(planes(picture, self._form, self._width, self._height)):
            into = np.asarray(target[number])
            height, width = plane.shape
            into[:height, :width][lines] = plane[lines]
            into[:height, width:][lines] = plane[lines, -1:]
            into[height:] = into[height - 1]


def _padded(size: int, shift: int) -> int:
    return -(-size >> shift) << shift
