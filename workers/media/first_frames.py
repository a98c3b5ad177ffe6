"""The first few frames of a stream, decoded only for their flags and side data, never for their pixels."""

from dataclasses import dataclass, field
from itertools import islice

import av
import av.container
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workers.media.packet_scan import DemuxErrors, packets

_FRAMES_LOOKED_AT = 8
"""Enough for one soft-telecine cycle of five frames."""

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


def look_at_first_frames(container: av.container.InputContainer, stream: VideoStream) -> FirstFrames:
    """Decode up to eight frames from the container's current position; damaged packets are passed over."""
    flags: list[bool] = []
    side_data: dict[str, bytes] = {}
    colour_range = 0
    for packet in islice(packets(container, DemuxErrors(), (stream,)), _MAX_PACKETS):
        try:
            frames = stream.decode(packet)
        except av.FFmpegError:
            continue  # the first frames only add detail; errors are counted where every packet is read
        for frame in frames:
            flags.append(frame.interlaced_frame)
            colour_range = colour_range or int(frame.color_range)
            _take_side_data(frame, side_data)
        if len(flags) >= _FRAMES_LOOKED_AT:
            break
    return FirstFrames(tuple(flags[:_FRAMES_LOOKED_AT]), side_data, colour_range)


def _take_side_data(frame: VideoFrame, into: dict[str, bytes]) -> None:
    for kind, name in _FRAME_SIDE_DATA.items():
        entry = frame.side_data.get(kind)
        if entry is not None and name not in into:
            into[name] = bytes(entry)
