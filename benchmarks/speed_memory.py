"""Rows on memory: the peak of a whole enhancement, and that it does not grow with the length of the film."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.quality_row import Row, at_most, is_quick
from benchmarks.speed_clips import looped, small
from benchmarks.speed_runs import encoder_arguments, enhance, ffmpeg

_MEGABYTE: Final = 1_000_000
_LOOP: Final = 40
_NOISE: Final = 30
_PEAKS: Final = {
    "clean-1080": (1920, 1080, 600, 0),
    "noisy-1080": (1920, 1080, 600, _NOISE),
    "clean-2160": (3840, 2160, 1600, 0),
    "noisy-2160": (3840, 2160, 1600, _NOISE),
}
"""Width and height in px, goal in MB, strength of the noise."""

_FLAT: Final = "flat"
CLIPS: Final = (*_PEAKS, _FLAT)
_HOUR: Final = 90_000
_GROWTH: Final = 1.05


def rows(clips: Sequence[str] = CLIPS, pictures: int | None = None) -> list[Row]:
    """Peaks do not vary enough to be measured more than once.

    Args:
        clips: which of `CLIPS`.
        pictures: of each clip but the flat one; None: as many as it takes to see a peak that grows.
    """
    peaks = [_peak_row(*_PEAKS[name], pictures) for name in clips if name != _FLAT]
    return [*peaks, *([_flat_row()] if _FLAT in clips else [])]


def _peak_row(width: int, height: int, goal_mb: int, noise: int, pictures: int | None) -> Row:
    # Pictures with noise take seconds each; what they need is there after a few dozen.
    count = pictures or ((100 if noise else 200) if is_quick() else (300 if noise else 2000))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = looped(small(folder, width, height, _LOOP, noise=noise), count, folder)
        ours = enhance(clip, folder)
        peer = ffmpeg("-i", clip, *encoder_arguments(clip, ours.plan), folder / "peer.mp4")
    peak_mb = ours.used.peak_bytes / _MEGABYTE
    kind = "noisy" if noise else "clean"
    return Row(
        name="memory",
        what=f"{kind} {height}p, {count} pictures: peak resident memory",
        goal=f"≤ {goal_mb} MB",
        stretch="",
        value=f"{peak_mb:.0f} MB; {ours.steps}",
        peer=f"plain ffmpeg with the same encoder {peer.peak_bytes / _MEGABYTE:.0f} MB",
        verdict=at_most(peak_mb, goal_mb),
    )


def _flat_row() -> Row:
    hour = _HOUR // 30 if is_quick() else _HOUR
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loop = small(folder, 320, 180, 250)
        short, long = (
            enhance(looped(loop, count, folder), folder, encoder_speed="veryfast")
            for count in (hour // 10, hour)
        )
    growth = long.used.peak_bytes / short.used.peak_bytes
    return Row(
        name="memory",
        what=f"320 × 180, {hour // 25} s: peak to that of a tenth of the length",
        goal=f"≤ {_GROWTH:.2f}",
        stretch="",
        value=f"{growth:.3f}; {long.used.peak_bytes / _MEGABYTE:.0f} MB in {long.used.wall_s:.0f} s; {long.steps}",
        peer=f"a tenth: {short.used.peak_bytes / _MEGABYTE:.0f} MB",
        verdict=at_most(growth, _GROWTH),
    )
