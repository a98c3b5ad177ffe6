"""Text subtitles on their way to `mov_text` (3GPP TS 26.245), the one text format MP4 players agree on.

Knows cues: a time, a length, plain text. Styles are not kept.
"""

import itertools
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.subtitles.stream import SubtitleStream

from workers.media.packet_scan import DemuxErrors, packets
from workers.media.source import open_source
from workers.media.ticks import MediaPacket, fraction
from workers.protocol.media import SubtitleStreamInfo

_CLOCK: Final = 1000
"""Ticks per second of a subtitle track; text formats write milliseconds at best."""

_DEFAULT_LENGTH_S: Final = Fraction(5)
_OVERRIDE: Final = re.compile(r"\{[^}]*\}")
_TAG: Final = re.compile(r"</?[a-zA-Z][^>]*>")
_MAX_TEXT_BYTES: Final = 65_535
"""The length of a sample's text is a 16-bit number."""

_HEADER: Final = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n"
    b"Style: Default,Arial,18\n\n[Events]\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


@dataclass(frozen=True, slots=True)
class Cue:
    """A text and when it is shown, in milliseconds of the output's clock."""

    start_ms: int
    end_ms: int
    text: str


def plain_text(dialogue: str) -> str:
    """The text of an ASS event as libav's decoders give it, without overrides and markup."""
    fields = dialogue.split(",", 8)
    text = fields[8] if len(fields) == 9 else dialogue
    text = _TAG.sub("", _OVERRIDE.sub("", text))
    return (
        text.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", "\u00a0").replace("\r", "").strip("\n")
    )


def without_overlaps(cues: list[Cue]) -> list[Cue]:
    """One text at a time, as a sample table needs it: where cues overlap, both texts are shown together."""
    edges = sorted({edge for cue in cues for edge in (cue.start_ms, cue.end_ms)})
    ordered = sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms))
    flat: list[Cue] = []
    active: list[Cue] = []
    upcoming = iter(ordered)
    following = next(upcoming, None)
    for start, end in itertools.pairwise(edges):
        active = [cue for cue in active if cue.end_ms > start]
        while following is not None and following.start_ms <= start:
            if following.end_ms > start:
                active.append(following)
            following = next(upcoming, None)
        if not active:
            continue
        text = "\n".join(cue.text for cue in active)
        if flat and flat[-1].end_ms == start and flat[-1].text == text and len(active) == 1:
            flat[-1] = Cue(flat[-1].start_ms, end, text)
        else:
            flat.append(Cue(start, end, text))
    return flat


def within(cues: list[Cue], end_s: Fraction | None) -> list[Cue]:
    """The cues that a film of this length shows, none of them longer than it; all of them where that is unknown."""
    if end_s is None:
        return cues
    end_ms = math.ceil(end_s * _CLOCK)
    return [replace(cue, end_ms=min(cue.end_ms, end_ms)) for cue in cues if cue.start_ms < end_ms]


def read_cues(path: Path, info: SubtitleStreamInfo, origin_s: Fraction) -> list[Cue]:
    """All cues of one text track; what cannot be decoded is left out."""
    cues: list[Cue] = []
    with open_source(path) as container:
        stream = cast(SubtitleStream, container.streams[info.index])
        for packet in packets(container, DemuxErrors(), (stream,)):
            cue = _cue(stream, packet, origin_s)
            if cue is not None:
                cues.append(cue)
    return cues


def _cue(stream: SubtitleStream, packet: MediaPacket, origin_s: Fraction) -> Cue | None:
    if packet.pts is None:
        return None
    try:
        decoded = stream.codec_context.decode2(packet)
    except av.FFmpegError:
        return None
    if decoded is None:
        return None
    text = "\n".join(
        plain_text(rect.ass.decode("utf-8", "replace")) for rect in decoded.rects if hasattr(rect, "ass")
    )
    tick_s = fraction(packet.time_base)
    start_s = packet.pts * tick_s - origin_s
    length_s = packet.duration * tick_s if packet.duration else _DEFAULT_LENGTH_S
    start_ms, end_ms = round(start_s * _CLOCK), round((start_s + length_s) * _CLOCK)
    if not text or end_ms <= max(0, start_ms):
        return None
    return Cue(max(0, start_ms), end_ms, text)


class SubtitleTrack:
    """One text track of the output.

    Args:
        info: the source's track.
        cues: what to show; may overlap.
    """

    def __init__(self, info: SubtitleStreamInfo, cues: list[Cue]) -> None:
        self.info = info
        self.cues = without_overlaps(cues)
        self._output: SubtitleStream | None = None

    def open(self, container: OutputContainer) -> SubtitleStream:
        """Add the output's stream."""
        output = container.add_stream("mov_text")
        output.codec_context.subtitle_header = _HEADER
        output.time_base = Fraction(1, _CLOCK)
        self._output = output
        return output

    def packets(self) -> Iterator[MediaPacket]:
        """One sample for each cue; the muxer fills the time between with empty ones."""
        for cue in self.cues:
            encoded = cue.text.encode()[:_MAX_TEXT_BYTES].decode("utf-8", "ignore").encode()
            packet = Packet(struct.pack(">H", len(encoded)) + encoded)
            packet.pts = packet.dts = cue.start_ms
            packet.duration = cue.end_ms - cue.start_ms
            packet.time_base = Fraction(1, _CLOCK)
            assert self._output is not None, "open() comes first"
            packet.stream = self._output
            yield packet
