"""What the user asked for: the same for every file of a batch, and exactly what a preset file holds."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from workers.protocol.model import Rational, WireModel


class EncoderSpeed(StrEnum):
    """libx264 preset names that are offered; other encoders map them to their own scale."""

    ULTRAFAST = "ultrafast"
    VERYFAST = "veryfast"
    FAST = "fast"
    MEDIUM = "medium"
    SLOW = "slow"


class VideoCodec(StrEnum):
    """Coded form of the output. H.264 plays in every browser; the others are smaller and play in fewer."""

    H264 = "h264"
    HEVC = "hevc"
    AV1 = "av1"


class EncoderChoice(StrEnum):
    """Who encodes."""

    SOFTWARE = "software"
    """libx264, libx265 or SVT-AV1: the same result on every machine."""
    HARDWARE = "hardware"
    """The graphics processor where a trial shows that it really encodes, otherwise software."""


class ChainSpeed(StrEnum):
    """How much time the picture steps may take."""

    FAST = "fast"
    BALANCED = "balanced"
    BEST = "best"


class DeinterlaceOutput(StrEnum):
    """What becomes of the two fields of an interlaced picture."""

    FRAME = "frame"
    """One picture for each picture of the source."""
    FIELD = "field"
    """One picture for each field: twice the rate, the motion of the original kept."""


class GrainChoice(StrEnum):
    """What becomes of film grain, which a noise filter cannot tell from noise."""

    REMOVE = "remove"
    KEEP = "keep"
    """Noise is left alone."""
    RENEW = "renew"
    """Noise is removed, and synthetic grain of a third of its strength put back."""


class UpscaleMethod(StrEnum):
    """How missing pixels are made."""

    EDGE_DIRECTED = "edge_directed"
    """nnedi3: doubles along edges; the everyday answer."""
    NETWORK = "network"
    """SPAN, a neural network: better and very much slower without a graphics processor."""


class EnhancementSettings(WireModel):
    """What the user chose; a preset file is exactly this. `strength` scales every picture step."""

    preset: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = "balanced"
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0
    speed: ChainSpeed = ChainSpeed.BALANCED
    denoise: bool = True
    grain: GrainChoice = GrainChoice.REMOVE
    deblock: bool = True
    deband: bool = True
    dehalo: bool = False
    """Off, because fine lines can look like halos; for old tapes and their sharpening."""
    deflicker: bool = True
    stabilise: bool = False
    """Costs a border of the picture, so it is never done unasked."""
    stabilise_crop: Annotated[float, Field(ge=0, le=0.2)] = 0.08
    """Share of width and height that stabilising may cut away at most."""
    colour: bool = True
    sharpen: bool = True
    deinterlace: bool = True
    deinterlace_output: DeinterlaceOutput = DeinterlaceOutput.FRAME
    inverse_telecine: bool = True
    crop_borders: bool = False
    """Cut black borders off; off, because they may belong to the film."""
    upscale: Annotated[int, Field(ge=1, le=4)] = 1
    """Factor for width and height; 1 leaves the size."""
    upscale_method: UpscaleMethod = UpscaleMethod.EDGE_DIRECTED
    frame_rate: Annotated[Rational, Field(gt=0, le=240)] | None = None
    """Pictures per second of the output; None keeps every picture at its own time."""
    keep_hdr: bool = False
    """Only with HEVC or AV1: no tone mapping, 10 bits, the HDR description kept."""
    remux_when_clean: bool = True
    """Copy the streams when nothing would change the picture and they already fit the output profile."""
    codec: VideoCodec = VideoCodec.H264
    encoder: EncoderChoice = EncoderChoice.SOFTWARE
    crf: Annotated[float, Field(ge=0, le=40)] = 18.0
    """x264 constant rate factor; other encoders get the value of like quality on their own scale."""
    cap_bit_rate: bool = True
    """No more bits than the source's resolution and bit rate justify."""
    encoder_speed: EncoderSpeed = EncoderSpeed.MEDIUM
    audio_bit_rate_per_channel: Annotated[int, Field(ge=32_000, le=256_000)] = 80_000
    """bit/s for each channel of a track that has to be encoded."""
