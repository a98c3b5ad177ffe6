"""Rows of whole enhancements against ffmpeg with the same encoder settings: clean, and noisy against nlmeans.

Measured is the job in a process that has its libraries loaded, as the product keeps one waiting in every worker; what
the start of such a process adds stands beside it.
"""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.quality_row import Row, Verdict, at_most, is_quick
from benchmarks.speed_clips import clean, noisy
from benchmarks.speed_runs import Enhanced, Used, encoder_arguments, enhance, ffmpeg, psnr_db

_SIZES: Final = ((1280, 720, 20.0), (1920, 1080, 10.0))
_NOISE: Final = 25
_STRENGTHS: Final = (7, 9, 11, 13, 16)
"""Of nlmeans; the one nearest the truth on the first pictures is the peer's."""


def clean_rows(rounds: int) -> list[Row]:
    """Default preset on clean clips; the peer is plain ffmpeg."""
    rows = []
    for width, height, seconds in _SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            clip = clean(folder, width, height, 3.0 if is_quick() else seconds)
            ours, peers = [enhance(clip, folder)], []
            coding = encoder_arguments(clip, ours[0].plan)
            for _ in range(rounds):
                peers.append(ffmpeg("-i", clip, *coding, folder / "peer.mp4"))
                ours.append(enhance(clip, folder))
        what = f"clean {height}p, default preset: wall time to plain ffmpeg's"
        rows.append(_ratio_row("clean", what, ours[1:], peers, goals=(1.10, 1.00), note=ours[0].steps))
    return rows


def noisy_rows(rounds: int) -> list[Row]:
    """Default preset on a noisy clip; the peer is ffmpeg's nlmeans and the same encoder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip, truth = noisy(folder, 1280, 720, 1.0 if is_quick() else 4.0, _NOISE)
        ours, peers = [enhance(clip, folder)], []
        coding = encoder_arguments(clip, ours[0].plan)
        best = _best_nlmeans(clip, truth, folder)
        for _ in range(rounds):
            peers.append(ffmpeg("-i", clip, "-vf", best, *coding, folder / "peer.mp4"))
            ours.append(enhance(clip, folder))
        gains = [psnr_db(video, truth) for video in (clip, ours[-1].video, folder / "peer.mp4")]
    note = (
        f"{ours[0].steps}; {gains[1]:.2f} dB, {best} {gains[2]:.2f} dB, noisy {gains[0]:.2f} dB "
        "(luma, coded, to the truth)"
    )
    row = _ratio_row(
        "noisy",
        "noisy 720p, default preset: wall time to nlmeans and the same encoder",
        ours[1:],
        peers,
        goals=(0.8, 0.5),
        note=note,
    )
    if gains[1] <= gains[2]:
        row = Row(row.name, row.what, row.goal, row.stretch, row.value, row.peer, Verdict.MISSED)
    return [row]


def _best_nlmeans(clip: Path, truth: Path, folder: Path) -> str:
    def gain(chosen: str) -> float:
        trial = folder / "trial.mkv"
        ffmpeg("-i", clip, "-vf", chosen, "-frames:v", "4", "-c:v", "ffv1", trial)
        return psnr_db(trial, truth)

    return max((f"nlmeans=s={strength}:p=7:r=11" for strength in _STRENGTHS), key=gain)


def _ratio_row(
    name: str, what: str, ours: list[Enhanced], peers: list[Used], *, goals: tuple[float, float], note: str
) -> Row:
    def ratio(of: Callable[[Enhanced], float], of_peer: Callable[[Used], float]) -> float:
        return statistics.median(of(mine) / of_peer(peer) for mine, peer in zip(ours, peers, strict=True))

    wall = ratio(lambda mine: mine.job_s, lambda peer: peer.wall_s)
    cpu = ratio(lambda mine: mine.job_cpu_s, lambda peer: peer.cpu_s)
    cold = ratio(lambda mine: mine.used.wall_s, lambda peer: peer.wall_s)
    mine, peer = ours[-1], peers[-1]
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in mine.stages.items())
    return Row(
        name=name,
        what=what,
        goal=f"≤ {goals[0]:.2f}",
        stretch=f"{goals[1]:.2f}",
        value=f"wall {wall:.3f}, processor {cpu:.3f} in a warm worker; wall {cold:.3f} with the start of the process; "
        f"{mine.job_s:.1f} s ({stages}); {note}",
        peer=f"ffmpeg {peer.wall_s:.1f} s, {peer.cpu_s:.1f} s of processor time",
        verdict=at_most(wall, *goals),
    )
