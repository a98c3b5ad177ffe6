"""The full analysis: every picture of a file decoded once, reduced and measured, for the steps that need it.

It numbers pictures as the production does, because both count what `VideoDecoder` gives. Of each picture only a few
numbers are kept (about 150 bytes), so memory does not depend on the film's size and hardly on its length.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from workers.media import camera_path, scene_cuts
from workers.media.camera_path import CameraPath, steady
from workers.media.decode import VideoDecoder
from workers.media.exposure import ExposureMeter
from workers.media.field_match import FieldMatcher
from workers.media.filters.formats import Family, Plane, planes
from workers.media.filters.graph import SourcePicture
from workers.media.material import Material
from workers.media.scene_cuts import SceneCuts
from workers.media.tabled_steps import needs
from workers.media.tables import FrameTables, TableKind, tables_of
from workers.protocol.plan import EnhancementPlan
from workers.protocol.steps import CropStep, InverseTelecineStep

type Luma = NDArray[np.uint8]

_SMALLEST_SIDE_PX: Final = 16


def full_analysis(
    source: Material, plan: EnhancementPlan, *, threads: int, on_frame: Callable[[int], None]
) -> FrameTables:
    """Measure what the plan's steps need.

    Args:
        source: what is read.
        plan: the tables that its steps need are made, scene cuts always.
        threads: upper bound for the decoder; 0: one for each core.
        on_frame: called with the number of pictures measured so far; what it raises ends the analysis.

    Raises:
        TaskFailedError: the file cannot be opened.
    """
    measuring = _Measuring(source, plan)
    with VideoDecoder(source.path, source.video.index, threads=threads) as decoder:
        for number, picture in enumerate(decoder.frames()):
            measuring.add(picture)
            on_frame(number + 1)
    return measuring.finish()


@dataclass(frozen=True, slots=True)
class _Region:
    """The part of the coded picture that is kept, px."""

    left: int
    top: int
    width: int
    height: int

    def of(self, plane: Plane) -> Plane:
        return plane[self.top : self.top + self.height, self.left : self.left + self.width]


class _Measuring:
    """All measurements of one pass."""

    def __init__(self, source: Material, plan: EnhancementPlan) -> None:
        self._plan = plan
        self._needed = needs(plan)
        self._picture = source.picture
        self._rate = float(source.average_rate)
        self._region = _region(source.picture, plan)
        ratio = source.video.sample_aspect_ratio
        self._aspect = float(ratio) if ratio > 0 else 1.0
        self._count = 0
        self._cuts = SceneCuts()
        black, white = (0, 255) if source.picture.is_full_range else (16, 235)
        self._meter = ExposureMeter(black, white)
        self._path = CameraPath()
        telecine = next((step for step in plan.steps if isinstance(step, InverseTelecineStep)), None)
        self._fields = None if telecine is None else FieldMatcher(telecine.field_order)

    def add(self, picture: VideoFrame) -> None:
        """The next picture."""
        self._count += 1
        luma, bits = _luma(picture, self._picture)
        if self._fields is not None:
            self._fields.add(_to_8_bits(luma, bits))
        part = self._region.of(luma)
        if TableKind.PATH in self._needed:
            part = self._reduced(part, camera_path.LONG_SIDE_PX)
            self._path.add(_to_8_bits(part, bits))
        small = _to_8_bits(self._reduced(part, scene_cuts.LONG_SIDE_PX), bits)
        self._cuts.add(small)
        if TableKind.EXPOSURE in self._needed:
            self._meter.add(small)

    def finish(self) -> FrameTables:
        """The tables."""
        cuts = self._cuts.finish()
        columns: dict[str, NDArray[Any]] = {}
        if TableKind.EXPOSURE in self._needed:
            columns["mean_luma"] = self._meter.mean_luma
            columns["gain"] = self._meter.gains(cuts, self._rate)
        if TableKind.PATH in self._needed:
            width, height = size = self._size(camera_path.LONG_SIDE_PX)
            crop = self._plan.settings.stabilise_crop
            paths = self._path.steps(), self._path.shifts()
            found = steady(*paths, cuts, size=size, pictures_per_s=self._rate, crop=crop)
            scale = np.array([self._region.width / width, self._region.height / height, 1, 1])
            columns["correction"], columns["zoom"] = found.correction * scale, found.zoom
        if self._fields is not None:
            film = self._fields.finish()
            columns["film_top"], columns["film_bottom"] = film.top, film.bottom
            columns["film_shown_with"], columns["film_is_combed"] = film.shown_with, film.is_combed
        return tables_of(self._count, cuts, **columns)

    def _size(self, long_side: int) -> tuple[int, int]:
        """Width and height of the reduced region with square pixels."""
        width, height = (
            self._region.width * max(1.0, self._aspect),
            self._region.height / min(1.0, self._aspect),
        )
        scale = min(1.0, long_side / max(width, height))
        return (
            max(_SMALLEST_SIDE_PX, round(width * scale)),
            max(_SMALLEST_SIDE_PX, round(height * scale)),
        )

    def _reduced(self, luma: Plane, long_side: int) -> Plane:
        reduced: Any = cv2.resize(luma, self._size(long_side), interpolation=cv2.INTER_AREA)
        found: Plane = reduced
        return found


def _luma(picture: VideoFrame, source: SourcePicture) -> tuple[Plane, int]:
    """Luma and its bits; of RGB green, which is most of it."""
    form = source.form
    every = planes(picture, form, source.width_px, source.height_px)
    return every[1 if form.family is Family.RGB else 0], form.bits


def _to_8_bits(luma: Plane, bits: int) -> Luma:
    return luma.astype(np.uint8) if bits == 8 else (luma >> (bits - 8)).astype(np.uint8)


def _region(source: SourcePicture, plan: EnhancementPlan) -> _Region:
    for step in plan.steps:
        if isinstance(step, CropStep):
            width = source.width_px - step.left_px - step.right_px
            height = source.height_px - step.top_px - step.bottom_px
            return _Region(step.left_px, step.top_px, width, height)
    return _Region(0, 0, source.width_px, source.height_px)
