"""Rows on memory: the peak of a whole enhancement, and that it does not grow with the length of the film."""

import tempfile
from pathlib import Path
from typing import Final

from benchmarks.quality_row import Row, at_most, is_quick
from benchmarks.speed_clips import looped, small
from benchmarks.speed_runs import encoder_arguments, enhance, ffmpeg

_MEGABYTE: Final = 1_000_000
_LOOP: Final = 40
_NOISE: Final = 30
_SIZES: Final = ((1920, 1080, 600), (3840, 2160, 1600))
_HOUR: Final = 90_000
_GROWTH: Final = 1.05


def rows() -> list[Row]:
    """Peaks do not vary enough to be measured more than once."""
    peaks = [
        _peak_row(width, height, goal_mb, noise) for width, height, goal_mb in _SIZES for noise in (0, _NOISE)
    ]
    return [*peaks, _flat_row()]


def _peak_row(width: int, height: int, goal_mb: int, noise: int) -> Row:
    # Pictures with noise take seconds each; what they need is there after a few dozen.
    count = (100 if noise else 200) if is_quick() else (300 if noise else 2000)
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
