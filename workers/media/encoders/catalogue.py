"""The encoders that can be used, and what each wants to be fed. Pure tables: whether one works here, a trial says."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from workers.protocol.settings import VideoCodec

PIXEL_FORMAT_8: Final = "yuv420p"
PIXEL_FORMAT_10: Final = "yuv420p10le"


class EncoderFamily(StrEnum):
    """Encoders with the same options."""

    X264 = "x264"
    X265 = "x265"
    SVT_AV1 = "svt_av1"
    NVENC = "nvenc"
    QSV = "qsv"
    AMF = "amf"
    VIDEOTOOLBOX = "videotoolbox"
    VAAPI = "vaapi"


@dataclass(frozen=True, slots=True)
class Encoder:
    """One encoder of libav.

    Attributes:
        name: libav's.
        codec: what it makes.
        family: which options it knows.
        input_8: pixel format that it is fed with 8 bits a sample.
        input_10: the same with 10 bits; None where it takes none.
        min_side_px: smallest width and height that it takes.
        most_rate: pictures per second that it can be told of; timestamps go through it whatever they are.
    """

    name: str
    codec: VideoCodec
    family: EncoderFamily
    input_8: str = PIXEL_FORMAT_8
    input_10: str | None = PIXEL_FORMAT_10
    min_side_px: int = 2
    most_rate: int = 1000

    @property
    def is_software(self) -> bool:
        """True for encoders that run everywhere."""
        return self.family in {EncoderFamily.X264, EncoderFamily.X265, EncoderFamily.SVT_AV1}

    def input_format(self, pixel_format: str) -> str:
        """What the encoder is fed with when the plan's pictures have this format: the same samples, repacked."""
        return (self.input_10 or pixel_format) if pixel_format == PIXEL_FORMAT_10 else self.input_8


@dataclass(frozen=True, slots=True)
class EncoderFinding:
    """What a trial of an encoder showed; `detail` in words, for the plan's reason and for `vidproc doctor`."""

    name: str
    is_usable: bool
    detail: str


type Availability = Mapping[str, EncoderFinding]
"""Findings by name; an encoder that is not in it was not tried."""

_SOFTWARE: Final = (
    # x264 makes High of 4:2:0 with 10 bits only as High 10, which no browser plays.
    Encoder("libx264", VideoCodec.H264, EncoderFamily.X264, input_10=None),
    Encoder("libx265", VideoCodec.HEVC, EncoderFamily.X265, min_side_px=32),
    Encoder("libsvtav1", VideoCodec.AV1, EncoderFamily.SVT_AV1, most_rate=240),
)
_NAMES: Final = {VideoCodec.H264: "h264", VideoCodec.HEVC: "hevc", VideoCodec.AV1: "av1"}


def _of_hardware() -> tuple[Encoder, ...]:
    """Every vendor's encoder of every codec, in the order in which they are tried.

    AMF and QSV take planes of chroma interleaved, NVENC and VideoToolbox take both: all are given the interleaved
    form, which is the one their drivers work with.
    """
    families = (
        EncoderFamily.NVENC,
        EncoderFamily.QSV,
        EncoderFamily.AMF,
        EncoderFamily.VIDEOTOOLBOX,
        EncoderFamily.VAAPI,
    )
    return tuple(
        Encoder(
            f"{_NAMES[codec]}_{family.value}",
            codec,
            family,
            input_8="nv12",
            input_10=None if codec is VideoCodec.H264 else "p010le",
            min_side_px=16,
        )
        for codec in VideoCodec
        for family in families
        if not (codec is VideoCodec.AV1 and family is EncoderFamily.VIDEOTOOLBOX)
    )


ENCODERS: Final[Mapping[str, Encoder]] = {entry.name: entry for entry in (*_SOFTWARE, *_of_hardware())}

SOFTWARE_ONLY: Final[Availability] = {
    entry.name: EncoderFinding(entry.name, True, "part of every installation") for entry in _SOFTWARE
}
"""What is taken for granted where nothing was tried."""


def software_encoder(codec: VideoCodec) -> Encoder:
    """The encoder that makes this codec on every machine."""
    return next(entry for entry in _SOFTWARE if entry.codec is codec)


def hardware_encoders(codec: VideoCodec) -> tuple[Encoder, ...]:
    """Those of graphics processors, in the order in which they are tried."""
    return tuple(entry for entry in ENCODERS.values() if entry.codec is codec and not entry.is_software)
