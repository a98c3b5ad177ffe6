"""Decoding one track of sound to its end: the proof that it can be heard, and when."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from workers.media.packet_scan import DemuxErrors, packets
from workers.media.ticks import fraction


@dataclass(frozen=True, slots=True)
class AudioAudit:
    """What decoding a track to its end showed; times on the file's own clock."""

    broken_packets: int
    first_s: Fraction | None
    end_s: Fraction | None


def audit(container: InputContainer, stream: AudioStream) -> AudioAudit:
    """Decode one track of an open file to its end."""
    broken = 0
    first_s: Fraction | None = None
    end_s: Fraction | None = None
    stated_end_s: Fraction | None = None
    for packet in chain(packets(container, DemuxErrors(), (stream,)), (None,)):
        if packet is not None and packet.pts is not None and packet.duration:
            stated_end_s = (packet.pts + packet.duration) * fraction(packet.time_base)
        try:
            frames = stream.codec_context.decode(packet)
        except av.FFmpegError:
            broken += 1
            continue
        for frame in frames:
            if frame.pts is None:
                continue
            start_s = frame.pts * fraction(stream.time_base)
            first_s = start_s if first_s is None else first_s
            end_s = start_s + Fraction(frame.samples, frame.sample_rate)
    if end_s is not None and stated_end_s is not None:
        # A decoder always fills its last frame; where the container ends earlier, so does the sound.
        end_s = min(end_s, stated_end_s)
    return AudioAudit(broken, first_s, end_s)
