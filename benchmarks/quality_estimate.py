"""Rows on the noise estimate: what the quick analysis finds in clips to which a known noise was added.

White noise is stored losslessly; blocks that it clips do not count for the estimate. Film grain has clumps. What
a codec leaves of camera noise is what differs between two takes of the same scene, each with noise of its own and coded
the same way: the difference's standard deviation over √2, in blocks that are not clipped. Against the clean clip one
would also count what the codec took from the picture, which is not there to be found. Noise that the references have
of their own is not allowed for.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality_chain import opened
from benchmarks.quality_clips import CleanClip, camera, grain, load, names, read_luma, white, write
from benchmarks.quality_row import Row, Verdict
from workers.media.noise import estimate_noise
from workers.media.quick_analysis import quick_analysis

_AT_ONCE: Final = 2
_BLOCK_PX: Final = 16
_FRAMES: Final = 12
_BLACK: Final = 16
_WHITE_END: Final = 235
_MAX_CLIPPED_SHARE: Final = 0.02
_WHITE: Final = (2.0, 5.0, 10.0, 20.0, 40.0)
_GRAIN: Final = (3.0, 6.0, 12.0)
_CODED: Final = ((6.0, 20), (10.0, 23), (16.0, 23), (24.0, 26))
"""σ of camera noise and H.264's rate factor."""

_CODED_ELSEWHERE: Final = ((5.0, 18), (8.0, 22), (12.0, 21), (20.0, 28))
"""The same for parts of the clips on which nothing was tuned."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found in one clip; σ in 8-bit code values."""

    clip: str
    kind: str
    label: str
    truth: float
    found: float
    confidence: float


def rows() -> list[Row]:
    """All rows."""
    tasks = [
        (name, kind, sigma, crf)
        for name in names(natural=True)
        for kind, sigma, crf in (
            *(("white", sigma, 0) for sigma in _WHITE),
            *(("grain", sigma, 0) for sigma in _GRAIN),
            *(("coded", sigma, crf) for sigma, crf in _CODED),
            *(("elsewhere", sigma, crf) for sigma, crf in _CODED_ELSEWHERE),
        )
    ]
    with ProcessPoolExecutor(_AT_ONCE, mp_context=get_context("spawn")) as pool:
        readings = list(pool.map(_read, *zip(*tasks, strict=True)))
    by_kind = {
        kind: [entry for entry in readings if entry.kind == kind]
        for kind in ("white", "grain", "coded", "elsewhere")
    }
    return [
        _row("white noise σ 2–40, clips within max(0.5, 5 %)", by_kind["white"], 0.5, 0.05),
        _row("film grain σ 3–12, clips within 20 %", by_kind["grain"], 0.0, 0.2),
        _row("camera noise after H.264, clips within 20 %", by_kind["coded"], 0.0, 0.2),
        _row("the same in other parts of the clips", by_kind["elsewhere"], 0.0, 0.2),
        _speed_row(),
    ]


def _read(name: str, kind: str, sigma: float, crf: int) -> Reading:
    cv2.setNumThreads(1)
    whole = load(name, is_elsewhere=kind == "elsewhere")
    clip = replace(whole, frames=whole.frames[:_FRAMES])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mkv"
        if crf:
            first, second = (
                _coded(camera(clip, sigma, take=take), crf, Path(folder) / f"{take}.mkv") for take in (1, 0)
            )
            truth, path = _remaining(clip.unit, first[1], second[1]), second[0]
        else:
            write((white if kind == "white" else grain)(clip, sigma), path)
            truth = sigma
        analysis = quick_analysis(opened(path)[0], threads=1)
    label = f"{sigma:g}, crf {crf}" if crf else f"{sigma:g}"
    return Reading(name, kind, label, truth, analysis.noise_sigma, analysis.noise_confidence)


def _coded(clip: CleanClip, crf: float, path: Path) -> tuple[Path, list[NDArray[np.float32]]]:
    write(clip, path, codec="libx264", options={"crf": str(crf), "preset": "medium"})
    return path, read_luma(path)


def _remaining(
    unit: float, one: Sequence[NDArray[np.float32]], other: Sequence[NDArray[np.float32]]
) -> float:
    """σ of what differs between two takes, in the blocks that are clipped in neither; 8-bit code values."""
    squares = []
    for pair in zip(one, other, strict=True):
        first, second = (_blocks(luma / unit) for luma in pair)
        ends = (first <= _BLACK) | (first >= _WHITE_END) | (second <= _BLACK) | (second >= _WHITE_END)
        free = ends.mean(axis=1) <= _MAX_CLIPPED_SHARE
        squares.append(((first - second) ** 2).mean(axis=1)[free])
    return float(np.sqrt(np.concatenate(squares).mean() / 2))


def _blocks(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shape (blocks, pixels of a block)."""
    rows, columns = (size // _BLOCK_PX for size in luma.shape)
    whole = luma[: rows * _BLOCK_PX, : columns * _BLOCK_PX]
    parts = whole.reshape(rows, _BLOCK_PX, columns, _BLOCK_PX).swapaxes(1, 2)
    return parts.reshape(-1, _BLOCK_PX**2)


def _row(what: str, readings: list[Reading], least: float, share: float) -> Row:
    far = [entry for entry in readings if abs(entry.found - entry.truth) > max(least, share * entry.truth)]
    verdict = Verdict.MISSED if far else Verdict.GOAL
    errors = [abs(entry.found / entry.truth - 1) for entry in readings]
    value = f"{len(readings) - len(far)} of {len(readings)}; median error {np.median(errors):.1%}"
    beyond = "; ".join(
        f"{entry.clip} {entry.label}: {entry.found:.2f} for {entry.truth:.2f}" for entry in far
    )
    return Row("estimate", what, "all", "", f"{value}. {beyond}" if beyond else value, "", verdict)


def _speed_row() -> Row:
    random = np.random.default_rng(1)
    x, y = np.arange(1280), np.arange(720)[:, None]
    spent = []
    for number in range(7):
        pair = [
            np.clip(
                110 + 40 * np.sin((x + 3 * at) / 31) + 30 * np.cos(y / 23) + random.normal(0, 8, (720, 1280)),
                0,
                255,
            )
            for at in (number, number + 1)
        ]
        first, second = (np.asarray(np.rint(picture), np.uint8) for picture in pair)
        started = time.thread_time()
        estimate_noise(first, second)
        spent.append((time.thread_time() - started) * 1000)
    value = float(np.median(spent))
    verdict = Verdict.GOAL if value <= 10 else Verdict.MISSED
    return Row("estimate", "processor time of a pair at 720p, ms", "≤ 10", "", f"{value:.1f}", "", verdict)
