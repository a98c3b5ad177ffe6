"""What becomes of an audio track: a pure decision from what is known about it."""

from dataclasses import dataclass
from typing import Final

from av.audio.layout import AudioLayout

from workers.protocol.media import AudioStreamInfo

OUTPUT_RATE_HZ: Final = 48_000

_STANDARD_LAYOUTS: Final = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1")
"""Layouts with a channel configuration of their own in AAC, which every browser knows."""


@dataclass(frozen=True, slots=True)
class AudioPlan:
    """What becomes of one track."""

    info: AudioStreamInfo
    is_copied: bool
    layout: str | None = None
    """Of an encoded track."""
    is_mixed_down: bool = False


def is_browser_aac(info: AudioStreamInfo) -> bool:
    """True for AAC-LC at up to 48 kHz in a layout AAC has a number for."""
    return (
        info.codec == "aac"
        and info.profile == "LC"
        and 0 < info.sample_rate_hz <= OUTPUT_RATE_HZ
        and info.layout in _STANDARD_LAYOUTS
    )


def output_layout(info: AudioStreamInfo) -> str:
    """The smallest standard layout that has every channel of the source, else 7.1."""
    if info.layout is None:
        return {1: "mono", 2: "stereo"}.get(info.channels, "5.1" if info.channels <= 6 else "7.1")
    speakers = _speakers(info.layout)
    for name in _STANDARD_LAYOUTS:
        if info.channels <= AudioLayout(name).nb_channels and speakers <= _speakers(name):
            return name
    return "5.1" if info.channels <= 6 else "7.1"


def _speakers(layout: str) -> set[str]:
    """Names of a layout's channels; a single pair of surrounds is one pair, at the side or at the back."""
    pair = {"SL": "BL", "SR": "BR"}
    return {pair.get(channel.name, channel.name) for channel in AudioLayout(layout).channels}


def plan_track(info: AudioStreamInfo, *, is_damaged: bool) -> AudioPlan:
    """Copy AAC-LC that is whole; encode everything else, larger layouts mixed down to 7.1."""
    if is_browser_aac(info) and not is_damaged:
        return AudioPlan(info, is_copied=True)
    layout = output_layout(info)
    return AudioPlan(
        info, is_copied=False, layout=layout, is_mixed_down=info.channels > AudioLayout(layout).nb_channels
    )
