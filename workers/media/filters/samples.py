"""Decoded pictures as the analysis wants them: 8-bit code values, limited range, tone-mapped, cut down."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import cv2
import numpy as np
import vapoursynth as vs
from av.video.frame import VideoFrame

from workers.media.analysis.pictures import (
    MIDDLE_COLUMNS,
    MIDDLE_LINES,
    PROFILE_SAMPLES,
    SMALL_PX,
    STRIP_PX,
    Crop,
    Detail,
    Plane8,
    SamplePicture,
    SampleRun,
)
from workers.media.filters.clip import Clip
from workers.media.filters.deliver import unify
from workers.media.filters.feed import Feed
from workers.media.filters.formats import Family, Plane, planes
from workers.media.filters.graph import SourcePicture
from workers.media.filters.tone_map import tone_map
from workers.media.frames import TimedFrame
from workers.media.sampling import SampledFrame
from workers.media.timestamps import FrameTime
from workers.protocol.steps import ToneMapStep

_ALIGNED_PX: Final = 16
"""Crops begin where a codec's block may begin."""

_DETAILED: Final = frozenset({0, 1, 5, 9})
"""Positions in a run: a pair for noise, and two more pictures."""


class _OnePicture:
    """Stands in for a window of decoded frames: every frame is the one picture."""

    def __init__(self) -> None:
        self.picture: VideoFrame | None = None

    def frame_or_last(self, number: int) -> TimedFrame:
        """The picture, whatever the number."""
        assert self.picture is not None, "a picture is set before it is asked for"
        return TimedFrame(number, self.picture, FrameTime(number, 1))


class _Scale:
    """From stored samples to 8-bit code values of the limited range."""

    def __init__(self, bits: int, *, is_full: bool) -> None:
        unit = 1 << (bits - 8)
        self.luma = ((219 / 255 if is_full else 1.0) / unit, 16.0 if is_full else 0.0)
        self.chroma = ((224 / 255 if is_full else 1.0) / unit, 128 - 128 * 224 / 255 if is_full else 0.0)


class SampleReader:
    """Turns decoded pictures into samples.

    Args:
        source: what decoded pictures are like.
        tone: how HDR is mapped; None for SDR.
        matrix: code point of the YUV that RGB is brought to.
    """

    def __init__(self, source: SourcePicture, tone: ToneMapStep | None, *, matrix: int) -> None:
        self._source = source
        self._tone = tone
        self._window = _OnePicture()
        self._number = 0
        self._feed = Feed(self._window, source.form, source.width_px, source.height_px)
        clip = unify(
            Clip(
                self._feed.clip(),
                source.matrix,
                source.transfer,
                source.primaries,
                source.is_full_range,
                source.chroma_location,
            ),
            matrix,
        )
        self._clip = clip if tone is None else tone_map(clip, tone)

    def runs(self, frames: Iterable[SampledFrame]) -> Iterator[SampleRun]:
        """Cut down every picture as soon as it comes; one run at a time is kept."""
        current = -1
        pictures: list[SamplePicture] = []
        for frame in frames:
            if frame.run != current and pictures:
                yield SampleRun(tuple(pictures))
                pictures = []
            current = frame.run
            pictures.append(self.read(frame.picture, is_detailed=frame.position in _DETAILED))
        if pictures:
            yield SampleRun(tuple(pictures))

    def read(self, picture: VideoFrame, *, is_detailed: bool = True) -> SamplePicture:
        """Cut down one picture; only details are tone-mapped."""
        source = self._source
        if source.form.family is Family.RGB:
            stored, scale = self._converted(picture)
        else:
            stored = planes(picture, source.form, source.width_px, source.height_px)
            scale = _Scale(source.form.bits, is_full=source.is_full_range)
        strip = _whole(_middle_columns(stored[0]), *scale.luma, must_copy=True)
        small = _whole(_reduced(stored[0]), *scale.luma, must_copy=True)
        if not is_detailed:
            return SamplePicture(strip, small, None)
        if self._tone is not None:
            stored, scale = self._converted(picture)
        return SamplePicture(strip, small, _detail(stored, scale))

    def _converted(self, picture: VideoFrame) -> tuple[list[Plane], _Scale]:
        """Planes of the unified, tone-mapped clip, without its padding."""
        self._window.picture = picture
        # A new number every time: VapourSynth would answer a repeated one from its cache.
        self._number += 1
        try:
            frame: Any = self._clip.node.get_frame(self._number)
        except vs.Error as error:
            raise self._feed.error or error from error
        size = np.s_[: self._source.height_px, : self._source.width_px]
        stored = [np.array(frame[0])[size], np.array(frame[1]), np.array(frame[2])]
        return stored, _Scale(self._clip.bits, is_full=self._clip.is_full_range)


def _detail(stored: list[Plane], scale: _Scale) -> Detail:
    luma = stored[0]
    height, width = luma.shape
    tone = _whole(_reduced(luma), *scale.luma, must_copy=True)
    size = (tone.shape[1], tone.shape[0])
    chroma: list[Plane8 | None] = [None, None]
    if len(stored) == 3:
        chroma = [_whole(_resized(plane, size), *scale.chroma, must_copy=False) for plane in stored[1:]]
    lines = luma[:, :: max(1, width // PROFILE_SAMPLES)]
    columns = luma[:: max(1, height // PROFILE_SAMPLES)]
    return Detail(
        middle=_middle(luma, *scale.luma),
        lines=_whole(lines, *scale.luma, must_copy=True),
        columns=_whole(columns, *scale.luma, must_copy=True),
        tone=tone,
        cb=chroma[0],
        cr=chroma[1],
    )


def _whole(plane: Plane, gain: float, offset: float, *, must_copy: bool) -> Plane8:
    """Rounded to whole code values; `must_copy` where the plane may be a view of the decoder's memory."""
    if gain == 1.0 and offset == 0.0:
        return np.array(plane, np.uint8) if must_copy else plane.astype(np.uint8, copy=False)
    scaled: Plane8 = cv2.convertScaleAbs(np.ascontiguousarray(plane), alpha=gain, beta=offset)  # type: ignore[assignment]  # always 8 bits
    return scaled


def _middle(luma: Plane, gain: float, offset: float) -> Crop:
    top, left = _first(luma.shape[0], MIDDLE_LINES), _first(luma.shape[1], MIDDLE_COLUMNS)
    crop = luma[top : top + MIDDLE_LINES, left : left + MIDDLE_COLUMNS]
    if gain == 1.0 and offset == 0.0:
        return np.array(crop, np.uint8)
    return crop.astype(np.float32) * np.float32(gain) + np.float32(offset)


def _middle_columns(luma: Plane) -> Plane:
    left = _first(luma.shape[1], STRIP_PX)
    return luma[:, left : left + STRIP_PX]


def _first(size: int, kept: int) -> int:
    return max(0, (size - kept) // 2 // _ALIGNED_PX * _ALIGNED_PX)


def _reduced(luma: Plane) -> Plane:
    """By a whole number, which averages exactly and fast."""
    factor = max(1, round(luma.shape[1] / SMALL_PX))
    height, width = luma.shape[0] // factor, luma.shape[1] // factor
    if factor == 1 or height == 0 or width == 0:
        return luma
    return _resized(luma[: height * factor, : width * factor], (width, height))


def _resized(plane: Plane, size: tuple[int, int]) -> Plane:
    if (plane.shape[1], plane.shape[0]) == size:
        return plane
    resized: Plane = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]  # the type of the input is kept
    return resized
