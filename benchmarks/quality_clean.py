"""Rows on harm: clips that need no help, lossless and coded well, must come out as they went in."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import cv2
import numpy as np

from benchmarks.quality_chain import FAITHFUL, enhanced
from benchmarks.quality_clips import load, names, psnr_db, read_luma, write
from benchmarks.quality_peers import vmaf_neg
from benchmarks.quality_row import Row, Verdict, at_most, is_quick

_AT_ONCE: Final = 2
_RATE_FACTORS: Final = (0, 18, 24)
"""Of H.264; 0: stored losslessly."""

_LEAST_DB: Final = 50.0


@dataclass(frozen=True, slots=True)
class Harm:
    """What the picture steps did to one clip; `lost` is VMAF-NEG points against the clean form."""

    clip: str
    crf: int
    steps: tuple[str, ...]
    db: float
    lost: float


def rows() -> list[Row]:
    """All rows."""
    tasks = [
        (name, crf)
        for name in (*names(natural=True), *names(natural=False))
        for crf in _RATE_FACTORS
        if crf != 24 or not is_quick()
    ]
    with ProcessPoolExecutor(_AT_ONCE, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(_measured, *zip(*tasks, strict=True)))
    changed = [entry for entry in found if entry.steps]
    spoilt = [entry for entry in changed if entry.db < _LEAST_DB]
    worst = max(entry.lost for entry in found)
    text = "; ".join(
        f"{entry.clip} crf {entry.crf}: {entry.db:.1f} dB ({', '.join(entry.steps)})" for entry in changed
    )
    exact = f"{len(found) - len(changed)} of {len(found)} not touched"
    return [
        Row(
            "clean",
            f"clean clips, lossless and H.264 crf {_RATE_FACTORS[1:]}: not touched, or PSNR to the source",
            f"≥ {_LEAST_DB:.0f} dB",
            "",
            f"{exact}. {text}" if text else exact,
            "",
            Verdict.MISSED if spoilt else Verdict.GOAL,
        ),
        Row(
            "clean",
            "loss of VMAF-NEG, worst clip",
            "≤ 0.5",
            "≤ 0.1",
            f"{worst:.2f}",
            "",
            at_most(worst, 0.5, 0.1),
        ),
    ]


def _measured(name: str, crf: int) -> Harm:
    cv2.setNumThreads(1)
    clip = load(name)
    truth = [np.asarray(planes[0] / clip.unit, np.float32) for planes in clip.frames]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mkv"
        if crf:
            write(clip, path, codec="libx264", options={"crf": str(crf), "preset": "medium"})
        else:
            write(clip, path)
        source = [np.asarray(luma / clip.unit, np.float32) for luma in read_luma(path)]
        ours = enhanced(path, FAITHFUL)
    if not ours.plan.changes_picture:
        return Harm(name, crf, (), float("inf"), 0.0)
    pictures = [picture.astype(np.float32) for picture in ours.pictures]
    lost = vmaf_neg(truth, source) - vmaf_neg(truth, pictures)
    return Harm(
        name, crf, tuple(step.kind.value for step in ours.plan.steps), psnr_db(source, pictures), lost
    )
