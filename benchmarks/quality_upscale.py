"""Rows on enlarging: twice the size of a compressed clip whose larger form is known, against ffmpeg's lanczos.

References are made half as large (ffmpeg's bicubic, its default) and coded as H.264 at crf 20. Ours is the default
preset (without colour) with `upscale = 2`; whatever else our own analysis decides belongs to it.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Final

import imageio_ffmpeg

from benchmarks.quality_chain import FAITHFUL, Luma, enhanced
from benchmarks.quality_clips import CleanClip, load, names, psnr_db, write
from benchmarks.quality_peers import run_peer, vmaf_neg
from benchmarks.quality_row import Row, Verdict, at_least
from workers.media.filters.network import is_installed
from workers.protocol.settings import ChainSpeed, EnhancementSettings, UpscaleMethod

_PICTURES: Final = 10


@dataclass(frozen=True, slots=True)
class Gain:
    """What became of one clip: luma PSNR in dB, VMAF-NEG points, processor seconds for each output megapixel."""

    clip: str
    is_natural: bool
    db: float
    vmaf: float
    cpu_s: float
    peer_db: float
    peer_vmaf: float
    passed_gate: bool

    @property
    def gain_db(self) -> float:
        """Over lanczos."""
        return self.db - self.peer_db


def rows() -> list[Row]:
    """Both methods and all three speeds."""
    found: list[Row] = []
    for speed in ChainSpeed:
        settings = FAITHFUL.model_copy(update={"upscale": 2, "speed": speed})
        gains = _gains(settings, _PICTURES)
        is_judged = speed is ChainSpeed.BALANCED
        found += _rows(f"nnedi3, {speed.value}", gains, 0.5 if is_judged else None)
    if is_installed():
        settings = FAITHFUL.model_copy(update={"upscale": 2, "upscale_method": UpscaleMethod.NETWORK})
        found += _rows("network", _gains(settings, _PICTURES), 2.0)
    return found


def _rows(method: str, gains: Sequence[Gain], goal: float | None) -> list[Row]:
    natural = [gain for gain in gains if gain.is_natural]
    drawn = [gain for gain in gains if not gain.is_natural]
    value = mean(gain.gain_db for gain in natural)
    each = ", ".join(f"{gain.clip} {gain.gain_db:+.2f}{_doubt(gain)}" for gain in gains)
    vmaf = mean(gain.vmaf - gain.peer_vmaf for gain in natural)
    cpu = mean(gain.cpu_s for gain in gains)
    peer = f"ffmpeg lanczos {mean(gain.peer_db for gain in natural):.2f} dB"
    text = f"{value:+.2f} dB, VMAF-NEG {vmaf:+.1f}, {cpu:.2f} s/MP ({each})"
    verdict = Verdict.INFO if goal is None else at_least(value, goal)
    wanted = "" if goal is None else f"≥ +{goal} dB"
    found = [
        Row(
            "upscale",
            f"2 × of crf 20, {method}, {len(natural)} natural clips",
            wanted,
            "",
            text,
            peer,
            verdict,
        )
    ]
    if drawn:
        value = mean(gain.gain_db for gain in drawn)
        found.append(Row("upscale", f"2 × of crf 20, {method}, animation", "", "", f"{value:+.2f} dB"))
    return found


def _doubt(gain: Gain) -> str:
    return "" if gain.passed_gate else " (gate failed)"


def _gains(settings: EnhancementSettings, pictures: int) -> list[Gain]:
    clips = [*names(natural=True), *names(natural=False)]
    with TemporaryDirectory() as folder:
        return [_measure(load(name), settings, pictures, Path(folder)) for name in clips]


def _measure(clip: CleanClip, settings: EnhancementSettings, pictures: int, folder: Path) -> Gain:
    clip = replace(clip, frames=clip.frames[:pictures])
    truth = [planes[0] / clip.unit for planes in clip.frames]
    small = _small(clip, folder)
    ours = enhanced(small, settings)
    made: list[Luma] = ours.pictures
    form = "yuv420p10le" if clip.bits == 10 else "yuv420p"
    peer = run_peer(small, f"scale=iw*2:ih*2:flags=lanczos,format={form}", truth, bits=clip.bits)
    pixels = sum(picture.size for picture in made) / 1e6
    lumas = [picture.astype("float32") for picture in made]
    return Gain(
        clip=clip.name,
        is_natural=clip.is_natural,
        db=psnr_db(truth, lumas),
        vmaf=vmaf_neg(truth, lumas),
        cpu_s=ours.filter_cpu_s / pixels,
        peer_db=peer.psnr_db,
        peer_vmaf=vmaf_neg(truth, peer.pictures),
        passed_gate=ours.gate is None or ours.gate.passed,
    )


def _small(clip: CleanClip, folder: Path) -> Path:
    """Half as large and compressed."""
    large, small = folder / f"{clip.name}.mkv", folder / f"{clip.name}.mp4"
    write(clip, large)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(large)]
    command += ["-vf", "scale=iw/2:ih/2:flags=bicubic", "-c:v", "libx264", "-crf", "20", "-threads", "1"]
    subprocess.run([*command, str(small)], check=True)
    return small
