"""Rows on noise removal: gain over the noisy input on clips whose clean form is known, against ffmpeg's denoisers.

Ours is the default preset (without colour) at the strength that our own analysis finds. ffmpeg's filters are set by
looking at the clean form: for every clip the best of all filters and settings counts. ffmpeg's bm3d is left out: at
every setting tried it either leaves the noise untouched or fails, in 10 s a clip.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality_chain import FAITHFUL, enhanced
from benchmarks.quality_clips import camera, load, names, psnr_db, read_luma, white, write
from benchmarks.quality_peers import best_peer, vmaf_neg
from benchmarks.quality_row import Row, Verdict, at_least, at_most, is_quick
from workers.protocol.settings import ChainSpeed

_AT_ONCE: Final = 2
_DEFAULT: Final = FAITHFUL.speed


@dataclass(frozen=True, slots=True)
class Degradation:
    """What was done to a clip.

    Attributes:
        name: as the table shows it.
        sigma: of the added noise.
        crf: of H.264, after camera noise; None: white noise, stored losslessly.
        has_peers: whether ffmpeg's filters are tried.
        is_judged: whether the goals are meant for it.
    """

    name: str
    sigma: float
    crf: int | None
    has_peers: bool = True
    is_judged: bool = True


DEGRADATIONS: Final = (
    Degradation("white σ 10", 10, None),
    Degradation("white σ 20", 20, None),
    Degradation("camera σ 10, H.264 crf 23", 10, 23),
    Degradation("camera σ 16, H.264 crf 23", 16, 23),
    Degradation("white σ 5", 5, None, has_peers=False, is_judged=False),
    Degradation("white σ 40", 40, None, has_peers=False, is_judged=False),
    Degradation("camera σ 6, H.264 crf 20", 6, 20, has_peers=False, is_judged=False),
)
_FOR_SPEEDS: Final = (DEGRADATIONS[0], DEGRADATIONS[2])
"""What the other speeds are compared on."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What became of one degraded clip; dB and VMAF-NEG points over the degraded input, seconds of one processor."""

    clip: str
    degradation: Degradation
    speed: ChainSpeed
    db: float
    vmaf: float
    cpu_s: float
    sigma: float
    passed_gate: bool
    peer: str = ""
    peer_db: float = 0.0
    peer_vmaf: float = 0.0
    peer_cpu_s: float = 1.0


def rows() -> list[Row]:
    """All rows."""
    tasks = [task for task in _all_tasks() if not is_quick() or (task[1].is_judged and task[2] is _DEFAULT)]
    with ProcessPoolExecutor(_AT_ONCE, mp_context=get_context("spawn")) as pool:
        gains = list(pool.map(_measured, *zip(*tasks, strict=True)))
    natural = [gain for gain in gains if gain.clip in names(natural=True)]
    balanced = [gain for gain in natural if gain.speed is _DEFAULT]
    made = _judged_rows([gain for gain in balanced if gain.degradation.is_judged])
    made += _gate_row([gain for gain in gains if gain.db])
    drawn = [gain for gain in gains if gain not in natural]
    for degradation in DEGRADATIONS:
        for kind, chosen in (("natural", balanced), ("animation", drawn)):
            made += _detail_rows([gain for gain in chosen if gain.degradation == degradation], kind)
    return [*made, *([] if is_quick() else _speed_rows(natural))]


def _all_tasks() -> list[tuple[str, Degradation, ChainSpeed]]:
    """The default speed on everything, the others on what they are compared on."""
    filmed = names(natural=True)
    return [
        (name, degradation, speed)
        for name in (*filmed, *names(natural=False))
        for degradation in DEGRADATIONS
        for speed in ChainSpeed
        if speed is _DEFAULT or (degradation in _FOR_SPEEDS and name in filmed)
    ]


def _measured(name: str, degradation: Degradation, speed: ChainSpeed) -> Gain:
    cv2.setNumThreads(1)
    clip = load(name)
    truth = [np.asarray(planes[0] / clip.unit, np.float32) for planes in clip.frames]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mkv"
        if degradation.crf is None:
            write(white(clip, degradation.sigma), path)
        else:
            coded = {"crf": str(degradation.crf), "preset": "medium"}
            write(camera(clip, degradation.sigma), path, codec="libx264", options=coded)
        noisy = [np.asarray(luma / clip.unit, np.float32) for luma in read_luma(path)]
        ours = enhanced(path, FAITHFUL.model_copy(update={"speed": speed}))
        pictures = [picture.astype(np.float32) for picture in ours.pictures]
        is_default = speed is _DEFAULT
        before_db, before_vmaf = psnr_db(truth, noisy), vmaf_neg(truth, noisy) if is_default else 0.0
        gain = Gain(
            clip=name,
            degradation=degradation,
            speed=speed,
            db=psnr_db(truth, pictures) - before_db,
            vmaf=vmaf_neg(truth, pictures) - before_vmaf if is_default else 0.0,
            cpu_s=ours.filter_cpu_s,
            sigma=ours.analysis.noise_sigma,
            passed_gate=ours.gate is None or ours.gate.passed,
        )
        if not (degradation.has_peers and clip.is_natural and is_default):
            return gain
        return _with_peer(gain, path, truth, clip.bits, (before_db, before_vmaf))


def _with_peer(
    gain: Gain, path: Path, truth: Sequence[NDArray[np.float32]], bits: int, before: tuple[float, float]
) -> Gain:
    peer = best_peer(path, gain.degradation.sigma, truth, bits=bits)
    return replace(
        gain,
        peer=peer.filter_name,
        peer_db=peer.psnr_db - before[0],
        peer_vmaf=vmaf_neg(truth, peer.pictures) - before[1],
        peer_cpu_s=peer.cpu_s,
    )


def _judged_rows(gains: list[Gain]) -> list[Row]:
    whites = [gain for gain in gains if gain.degradation.crf is None]
    coded = [gain for gain in gains if gain.degradation.crf is not None]
    ours, theirs = mean(gain.db for gain in whites), mean(gain.peer_db for gain in whites)
    cpu = sum(gain.cpu_s for gain in whites) / sum(gain.peer_cpu_s for gain in whites)
    best = f"best of ffmpeg, tuned: {theirs:+.2f} dB"
    db, vmaf = mean(gain.db for gain in coded), mean(gain.vmaf for gain in coded)
    their_db, their_vmaf = mean(gain.peer_db for gain in coded), mean(gain.peer_vmaf for gain in coded)
    return [
        _row(
            "white noise σ 10 and 20, mean gain, dB",
            "≥ 9 / ≥ 11",
            f"{ours:+.2f}",
            best,
            at_least(ours, 9, 11),
        ),
        _row(
            "the same over ffmpeg's best, dB", "≥ 2", f"{ours - theirs:+.2f}", "", at_least(ours - theirs, 2)
        ),
        _row("processor time relative to it", "≤ 0.6", f"{cpu:.2f}", "", at_most(cpu, 0.6)),
        _row(
            "camera + H.264, mean gain, dB", "≥ 5 / ≥ 6", f"{db:+.2f}", f"{their_db:+.2f}", at_least(db, 5, 6)
        ),
        _row(
            "camera + H.264, VMAF-NEG",
            "≥ 6 / ≥ 8",
            f"{vmaf:+.1f}",
            f"{their_vmaf:+.1f}",
            at_least(vmaf, 6, 8),
        ),
    ]


def _row(what: str, goals: str, value: str, peer: str, verdict: Verdict) -> Row:
    goal, _, stretch = goals.partition(" / ")
    return Row("denoise", what, goal, stretch, value, peer, verdict)


def _gate_row(gains: list[Gain]) -> list[Row]:
    passed = sum(gain.passed_gate for gain in gains)
    verdict = Verdict.GOAL if passed == len(gains) else Verdict.MISSED
    return [
        Row(
            "denoise",
            "runs that pass the do-no-harm gate",
            "all",
            "",
            f"{passed} of {len(gains)}",
            "",
            verdict,
        )
    ]


def _detail_rows(gains: list[Gain], kind: str) -> list[Row]:
    if not gains:
        return []
    each = ", ".join(f"{gain.clip} {gain.db:+.1f} (σ {gain.sigma:.1f})" for gain in gains)
    total = f"{mean(gain.db for gain in gains):+.2f} dB, VMAF-NEG {mean(gain.vmaf for gain in gains):+.1f}: {each}"
    peer = ""
    if gains[0].peer:
        chosen = ", ".join(f"{gain.peer} {gain.peer_db:+.1f}" for gain in gains)
        vmaf = mean(gain.peer_vmaf for gain in gains)
        peer = f"{mean(gain.peer_db for gain in gains):+.2f} dB, {vmaf:+.1f}: {chosen}"
    return [Row("denoise", f"{gains[0].degradation.name}, {kind}", "", "", total, peer)]


def _speed_rows(natural: list[Gain]) -> list[Row]:
    made = []
    for speed in ChainSpeed:
        chosen = [gain for gain in natural if gain.speed is speed and gain.degradation in _FOR_SPEEDS]
        parts = [
            f"{degradation.name} {mean(gain.db for gain in chosen if gain.degradation == degradation):+.2f} dB"
            for degradation in _FOR_SPEEDS
        ]
        milliseconds = mean(gain.cpu_s for gain in chosen) * 1000
        made.append(
            Row(
                "denoise", f"speed {speed.value}", "", "", f"{', '.join(parts)}; {milliseconds:.0f} ms a clip"
            )
        )
    return made
