"""Single decoded pictures as the analysis wants them: 8-bit code values, limited range, tone-mapped."""

from typing import Any

import numpy as np
import vapoursynth as vs
from av.video.frame import VideoFrame

from workers.media.analysis import Picture, SamplePicture
from workers.media.filters.clip import Clip
from workers.media.filters.deliver import unify
from workers.media.filters.feed import Feed
from workers.media.filters.graph import SourcePicture
from workers.media.filters.tone_map import tone_map
from workers.media.frames import TimedFrame
from workers.media.timestamps import FrameTime
from workers.protocol.steps import ToneMapStep


class _OnePicture:
    """Stands in for a window of decoded frames: every frame is the one picture."""

    def __init__(self) -> None:
        self.picture: VideoFrame | None = None

    def frame_or_last(self, number: int) -> TimedFrame:
        """The picture, whatever the number."""
        assert self.picture is not None, "a picture is set before it is asked for"
        return TimedFrame(number, self.picture, FrameTime(number, 1))


class SampleReader:
    """Turns decoded pictures into sample pictures.

    Args:
        source: what decoded pictures are like.
        tone: how HDR is mapped; None for SDR.
        matrix: code point of the YUV that gray and RGB are brought to.
    """

    def __init__(self, source: SourcePicture, tone: ToneMapStep | None, *, matrix: int) -> None:
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

    def read(self, picture: VideoFrame) -> SamplePicture:
        """Convert one picture."""
        self._window.picture = picture
        # A new number every time: VapourSynth would answer a repeated one from its cache.
        self._number += 1
        try:
            frame = self._clip.node.get_frame(self._number)
        except vs.Error as error:
            raise self._feed.error or error from error
        unit = float(1 << (self._clip.bits - 8))
        full = self._clip.is_full_range
        return SamplePicture(
            luma=_luma(frame[0], unit, is_full=full),
            cb=_chroma(frame[1], unit, is_full=full),
            cr=_chroma(frame[2], unit, is_full=full),
        )


def _luma(plane: Any, unit: float, *, is_full: bool) -> Picture:
    codes = np.asarray(plane).astype(np.float32)
    if unit != 1:
        codes /= np.float32(unit)
    return codes * np.float32(219 / 255) + np.float32(16) if is_full else codes


def _chroma(plane: Any, unit: float, *, is_full: bool) -> Picture:
    codes = np.asarray(plane).astype(np.float32)
    if unit != 1:
        codes /= np.float32(unit)
    return (codes - np.float32(128)) * np.float32(224 / 255) + np.float32(128) if is_full else codes
