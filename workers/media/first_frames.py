"""The first few frames of a stream, decoded for their flags and side data."""

from dataclasses import dataclass, field
from itertools import islice

import av
import av.container
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workers.media.packet_scan import DemuxErrors, codec_of, packets

_FRAMES_LOOKED_AT = 8
"""Enough for one soft-telecine cycle of five frames."""
_FRAMES_OF_LARGE_PROGRESSIVE = 4
_LARGE_PX = 1_500_000
"""From this size on a stream that declares itself progressive is believed sooner: decoding costs too much."""
_NEVER_INTERLACED = frozenset({"av1", "vp8", "vp9"})
"""Formats that know no fields."""
_PROGRESSIVE = 1
"""AV_FIELD_PROGRESSIVE."""

_MAX_PACKETS = 400
"""After so many packets of all streams without enough frames the look ends; a broken stream must not decode on."""

_FRAME_SIDE_DATA = {
    Type.DISPLAYMATRIX: "display_matrix",
    Type.MASTERING_DISPLAY_METADATA: "mastering_display_metadata",
    Type.CONTENT_LIGHT_LEVEL: "content_light_level",
}


@dataclass(frozen=True, slots=True)
class FirstFrames:
    """Flags of the first decoded frames; empty when none could be decoded."""

    interlaced_flags: tuple[bool, ...] = ()
    side_data: dict[str, bytes] = field(default_factory=dict)
    colour_range: int = 0
    has_captions: bool = False
    """Closed captions (CEA-608 or CEA-708) travel with the pictures."""
    side_data_names: frozenset[str] = frozenset()
    """What kinds of side data the frames carry."""
    frames: tuple[VideoFrame, ...] = ()
    """The frames themselves, for who wants to show them; not to be kept for long."""

    @property
    def intact(self) -> VideoFrame | None:
        """The first frame that is not damaged."""
        return next((frame for frame in self.frames if not frame.is_corrupt), None)


def look_at_first_frames(container: av.container.InputContainer, stream: VideoStream) -> FirstFrames:
    """Decode up to eight frames from the container's current position; damaged packets are passed over."""
    found: list[VideoFrame] = []
    wanted = _wanted(stream)
    for packet in islice(packets(container, DemuxErrors(), (stream,)), _MAX_PACKETS):
        try:
            found += stream.decode(packet)
        except (av.FFmpegError, ValueError):
            if codec_of(stream.codec_context) is None:
                break  # the decoder refused to open
            continue  # the first frames only add detail; errors are counted where every packet is read
        if len(found) >= wanted:
            break
    side_data: dict[str, bytes] = {}
    for frame in found:
        _take_side_data(frame, side_data)
    return FirstFrames(
        interlaced_flags=tuple(frame.interlaced_frame for frame in found[:wanted]),
        side_data=side_data,
        colour_range=next((int(frame.color_range) for frame in found if int(frame.color_range)), 0),
        has_captions=any(frame.side_data.get(Type.A53_CC) is not None for frame in found),
        side_data_names=frozenset(
            entry.type.name.lower().replace("displaymatrix", "display_matrix")
            for frame in found
            for entry in frame.side_data.values()
        ),
        frames=tuple(found),
    )


def _wanted(stream: VideoStream) -> int:
    context = stream.codec_context
    codec = codec_of(context)
    is_large = context.width * context.height >= _LARGE_PX
    knows_no_fields = codec is not None and codec.canonical_name in _NEVER_INTERLACED
    is_progressive = context.field_order == _PROGRESSIVE or knows_no_fields
    believed = is_large and is_progressive
    return _FRAMES_OF_LARGE_PROGRESSIVE if believed else _FRAMES_LOOKED_AT


def _take_side_data(frame: VideoFrame, into: dict[str, bytes]) -> None:
    for kind, name in _FRAME_SIDE_DATA.items():
        entry = frame.side_data.get(kind)
        if entry is not None and name not in into:
            into[name] = bytes(entry)
