"""Clean clips, and what cameras and codecs do to them. Made anew for every run, always the same: seeded by name.

It knows nothing of the product; files are written with PyAV and read by whatever is to be measured.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from benchmarks.quality_row import is_quick

type Planes = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Y, Cb, Cr in code values of the clip's depth, each of shape (height, width)."""

REFERENCES: Final = Path(__file__).resolve().parents[2] / "shared" / "media" / "reference"
_NATURAL: Final = {
    "desk": "ref_8k_desk_1920x1080_8f",
    "hdr10": "ref_hdr10_pq_640x360_28f",
    "motorway": "ref_motorway24p_720x480_24f",
    "park": "ref_park_640x360_60f",
    "pegboard": "ref_pegboard60p_720x480_18f",
    "portrait": "ref_portrait4k60_540x960_18f",
}
_ANIMATED: Final = {"bbb": "ref_bbb_640x360_48f", "sintel": "ref_sintel_640x272_48f"}
_FRAMES: Final = 30
_QUICK_FRAMES: Final = 12
_CROP_PX: Final = (480, 320)
_SENSOR_KERNEL: Final = np.outer([0.15, 0.7, 0.15], [0.15, 0.7, 0.15])
"""How demosaicing spreads the noise of one sensor cell over its neighbours."""


@dataclass(frozen=True, slots=True)
class CleanClip:
    """A lossless excerpt, 4:2:0 limited range.

    Attributes:
        name: of the material.
        is_natural: filmed, not drawn.
        bits: of a sample.
        frames: the pictures in order.
    """

    name: str
    is_natural: bool
    bits: int
    frames: tuple[Planes, ...]

    @property
    def unit(self) -> float:
        """Code values of this depth for one of 8 bits."""
        return float(1 << (self.bits - 8))


def names(*, natural: bool) -> tuple[str, ...]:
    """Of all clips of a kind; only filmed ones in a quick run."""
    if natural:
        return tuple(_NATURAL)
    return () if is_quick() else tuple(_ANIMATED)


def load(name: str, *, is_elsewhere: bool = False) -> CleanClip:
    """The middle of the picture at its own resolution; short clips go forth and back to 30 pictures.

    `is_elsewhere`: the upper left corner of the second half instead, on which nothing was tuned.
    """
    file = (_NATURAL | _ANIMATED)[name]
    wanted = _QUICK_FRAMES if is_quick() else _FRAMES
    frames: list[Planes] = []
    bits = 8
    with av.open(str(REFERENCES / f"{file}.mkv")) as container:
        for picture in container.decode(video=0):
            assert isinstance(picture, VideoFrame)
            bits = 10 if picture.format.name == "yuv420p10le" else 8
            frames.append(_cropped(picture, is_elsewhere=is_elsewhere))
            if len(frames) == wanted and not is_elsewhere:
                break
    if is_elsewhere:
        frames = frames[len(frames) // 2 :]
    forth_and_back = [*frames, *frames[-2:0:-1]]
    repeated = [forth_and_back[number % len(forth_and_back)] for number in range(wanted)]
    called = f"{name}, elsewhere" if is_elsewhere else name
    return CleanClip(called, name in _NATURAL, bits, tuple(repeated))


def _cropped(picture: VideoFrame, *, is_elsewhere: bool) -> Planes:
    planes = []
    for number, values in enumerate(_values(picture)):
        shift = number > 0
        width, height = (
            min(size, full) >> shift
            for size, full in zip(_CROP_PX, (picture.width, picture.height), strict=True)
        )
        top, left = (
            (0, 0) if is_elsewhere else ((values.shape[0] - height) // 2, (values.shape[1] - width) // 2)
        )
        planes.append(values[top : top + height, left : left + width].astype(np.float32))
    return planes[0], planes[1], planes[2]


def _values(picture: VideoFrame) -> list[NDArray[np.generic]]:
    kind = np.uint16 if picture.format.name.endswith("10le") else np.uint8
    found: list[NDArray[np.generic]] = []
    for plane in picture.planes:
        rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
        found.append(rows[:, : plane.width])
    return found


def read_luma(path: Path) -> list[NDArray[np.float32]]:
    """Luma of every picture of a 4:2:0 file in its own code values."""
    with av.open(str(path)) as container:
        return [_values(picture)[0].astype(np.float32) for picture in container.decode(video=0)]


def white(clip: CleanClip, sigma: float) -> CleanClip:
    """Gaussian noise, half as strong on chroma."""
    random = _random(clip, sigma)

    def spoilt(planes: Planes) -> Planes:
        made = [
            plane
            + random.normal(0, clip.unit * sigma * (0.5 if number else 1.0), plane.shape).astype(np.float32)
            for number, plane in enumerate(planes)
        ]
        return made[0], made[1], made[2]

    return replace(clip, frames=tuple(spoilt(planes) for planes in clip.frames))


def camera(clip: CleanClip, sigma: float, *, take: int = 0) -> CleanClip:
    """A sensor's noise: stronger where there is more light, spread by demosaicing; σ at middle grey.

    Every take has noise of its own.
    """
    random = _random(clip, sigma + 1000 + 500 * take)
    gain = 1 / float(np.sqrt((_SENSOR_KERNEL**2).sum()))

    def spread(shape: tuple[int, ...]) -> NDArray[np.float32]:
        noise = random.normal(0, 1, shape).astype(np.float32)
        return np.asarray(cv2.filter2D(noise, -1, _SENSOR_KERNEL) * gain, np.float32)

    def spoilt(planes: Planes) -> Planes:
        light = np.clip(planes[0] / clip.unit - 16, 0, 219) / 110
        luma = planes[0] + clip.unit * sigma * np.sqrt(0.3 + 0.7 * light) * spread(planes[0].shape)
        blue, red = (plane + clip.unit * 0.5 * sigma * spread(plane.shape) for plane in planes[1:])
        return luma.astype(np.float32), blue.astype(np.float32), red.astype(np.float32)

    return replace(clip, frames=tuple(spoilt(planes) for planes in clip.frames))


def grain(clip: CleanClip, sigma: float) -> CleanClip:
    """Film grain on luma: clumps of about two pixels, as strong everywhere."""
    random = _random(clip, sigma + 2000)
    width = 0.7
    probe = np.zeros((15, 15), np.float32)
    probe[7, 7] = 1
    gain = 1 / float(np.sqrt((cv2.GaussianBlur(probe, (0, 0), width) ** 2).sum()))

    def spoilt(planes: Planes) -> Planes:
        noise = cv2.GaussianBlur(random.normal(0, 1, planes[0].shape).astype(np.float32), (0, 0), width)
        return (
            (planes[0] + np.float32(clip.unit * sigma * gain) * noise).astype(np.float32),
            planes[1],
            planes[2],
        )

    return replace(clip, frames=tuple(spoilt(planes) for planes in clip.frames))


def _random(clip: CleanClip, salt: float) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(clip.name.encode()), round(salt * 10)])


def write(clip: CleanClip, path: Path, *, codec: str = "ffv1", options: dict[str, str] | None = None) -> None:
    """Store a clip, 30 pictures a second, rounded and clipped, tagged BT.709 limited range; FFV1 is lossless."""
    height, width = clip.frames[0][0].shape
    form = "yuv420p10le" if clip.bits == 10 else "yuv420p"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=options or {})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, form
        context = stream.codec_context
        context.thread_count = 1
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = 1, 1, 1, 1
        if codec == "ffv1":
            context.gop_size = 1
        for number, planes in enumerate(clip.frames):
            picture = _picture(planes, form, clip.bits)
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _picture(planes: Sequence[NDArray[np.float32]], form: str, bits: int) -> VideoFrame:
    height, width = planes[0].shape
    picture = VideoFrame(width, height, form)
    kind = np.uint8 if bits == 8 else np.uint16
    for values, plane in zip(planes, picture.planes, strict=True):
        into = np.frombuffer(plane, kind).reshape(plane.height, -1)
        into[:, : plane.width] = np.clip(np.rint(values), 0, (1 << bits) - 1)
    return picture


def psnr_db(
    truth: Sequence[NDArray[np.float32]], other: Sequence[NDArray[np.float32]], peak: float = 255.0
) -> float:
    """Of all pictures together; both in the same code values."""
    error = float(np.mean([np.mean((one - two) ** 2) for one, two in zip(truth, other, strict=True)]))
    return float(10 * np.log10(peak**2 / max(error, 1e-9)))
