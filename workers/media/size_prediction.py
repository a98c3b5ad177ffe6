"""How large the coded pictures will be: short runs of them are coded as planned, and the rest is taken to be like them.

Knows pictures and the encoder; where the runs come from is its caller's business. Sound is not in the figure.

Measured against the whole coding of real clips of 48 to 250 pictures, two to six runs of each: x264 medium at 18 on
fifteen clips, error in the median 3 %, at worst 14 %; x265 veryfast on eleven, 9 % and 19 %; SVT-AV1 preset 8 on four
only, 12 % and 25 %. The corrections of `_SHORTNESS` come from the same clips. In a long film scenes differ, and the
choice of the runs adds its own error.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import Final

import av
from av.video.frame import VideoFrame

from workers.media.encode import VideoEncoder, VideoForm, keyframe_interval
from workers.media.encoders.catalogue import ENCODERS, EncoderFamily
from workers.media.timestamps import FrameTime
from workers.protocol.plan import EncoderPlan

_SHARE: Final = Fraction(3, 100)
"""Of the film's pictures that a prediction may code, and so about its share of the time."""

_MOST_RUNS: Final = 24
_FEWEST_RUNS: Final = 2
_RUN: Final = 16
_AV1_RUN: Final = 33
"""A keyframe and one whole pyramid of SVT-AV1."""

_SHORTNESS: Final = {EncoderFamily.X264: 1.10, EncoderFamily.X265: 1.16, EncoderFamily.SVT_AV1: 1.15}
"""Coded alone, the pictures of a short run come out smaller: nothing that follows refers to them, so they are given
fewer bits. The median of the real size over the uncorrected one, for each encoder."""

_INDEX_BYTES: Final = 20
"""Of a sample in MP4's tables: size, times and its share of the chunks."""


@dataclass(frozen=True, slots=True)
class TrialRuns:
    """How many runs of how many pictures a prediction asks for."""

    count: int
    length: int


class NothingToPredictFromError(Exception):
    """Not one picture was given."""


def trial_runs(plan: EncoderPlan, frame_count: int) -> TrialRuns:
    """Runs that code at most 3 % of the film; short films get two, which is more.

    Args:
        plan: encoder and speed.
        frame_count: pictures of the whole output.
    """
    length = _AV1_RUN if ENCODERS[plan.encoder].family is EncoderFamily.SVT_AV1 else _RUN
    count = int(frame_count * _SHARE / length)
    return TrialRuns(max(_FEWEST_RUNS, min(_MOST_RUNS, count)), length)


def predict_size(
    samples: Iterable[list[VideoFrame]],
    plan: EncoderPlan,
    form: VideoForm,
    *,
    seconds: float,
    frame_count: int,
    cuts: int = 0,
    threads: int = 1,
) -> int:
    """Bytes of all coded pictures with their entries in the file's index.

    Args:
        samples: runs of neighbouring pictures as the encoder will get them, in the plan's pixel format; changed.
        plan: how they will be coded.
        form: of the output.
        seconds: length of the output.
        frame_count: pictures of the output.
        cuts: scene cuts in it: each one costs a keyframe.
        threads: upper bound; 0: the encoder decides.

    Raises:
        NothingToPredictFromError: no picture was given.
    """
    free = plan.model_copy(update={"max_bit_rate": None})
    keyframes: list[int] = []
    others: list[int] = []
    for run in samples:
        first, rest = _coded(run, free, form, threads)
        keyframes += first
        others += rest
    if not keyframes:
        raise NothingToPredictFromError("there is no picture to predict a size from")
    key_bytes = sum(keyframes) / len(keyframes)
    other_bytes = sum(others) / len(others) if others else key_bytes
    key_count = min(frame_count, math.ceil(frame_count / keyframe_interval(form.average_rate)) + cuts)
    bits_only = key_bytes * key_count + other_bytes * (frame_count - key_count)
    size = bits_only * _SHORTNESS.get(ENCODERS[plan.encoder].family, 1.0)
    if plan.max_bit_rate is not None:
        size = min(size, plan.max_bit_rate * seconds / 8)
    return round(size) + frame_count * _INDEX_BYTES


def _coded(
    run: list[VideoFrame], plan: EncoderPlan, form: VideoForm, threads: int
) -> tuple[list[int], list[int]]:
    """Sizes of the run's first picture and of the others in bytes."""
    if not run:
        return [], []
    step = max(1, round(form.timescale / form.average_rate))
    with av.open(BytesIO(), "w", format="matroska") as nowhere:
        encoder = VideoEncoder(nowhere, form, plan, threads=threads)
        packets = []
        for number, picture in enumerate(run):
            packets += encoder.encode(picture, FrameTime(number * step, step))
        packets += encoder.finish()
    first = [packet.size for packet in packets if packet.pts == 0]
    return first, [packet.size for packet in packets if packet.pts != 0]
