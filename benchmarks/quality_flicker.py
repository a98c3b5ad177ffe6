"""Rows on flicker: how much more the mean brightness jumps from picture to picture after the default preset.

Colour is on here: corrections that follow the picture are what could make a clip pump.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality_chain import enhanced
from benchmarks.quality_clips import camera, load, names, write
from benchmarks.quality_row import Row, at_most
from workers.protocol.settings import EnhancementSettings

_AT_ONCE: Final = 2
_CAMERA_SIGMA: Final = 8.0


def rows() -> list[Row]:
    """All rows."""
    tasks = [
        (name, is_noisy)
        for name in (*names(natural=True), *names(natural=False))
        for is_noisy in (False, True)
    ]
    with ProcessPoolExecutor(_AT_ONCE, mp_context=get_context("spawn")) as pool:
        ratios = list(pool.map(_ratio, *zip(*tasks, strict=True)))
    worst = max(ratios)
    each = ", ".join(
        f"{name}{' noisy' if is_noisy else ''} {ratio:.2f}"
        for (name, is_noisy), ratio in zip(tasks, ratios, strict=True)
    )
    what = "mean change of mean luma between pictures, relative to the source's, worst clip"
    return [Row("flicker", what, "≤ 1.1", "≤ 1.0", f"{worst:.2f} ({each})", "", at_most(worst, 1.1, 1.0))]


def _ratio(name: str, is_noisy: bool) -> float:
    cv2.setNumThreads(1)
    clip = load(name)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mkv"
        write(camera(clip, _CAMERA_SIGMA) if is_noisy else clip, path, codec="libx264", options={"crf": "20"})
        ours = enhanced(path, EnhancementSettings())
    if not ours.plan.changes_picture:
        return 1.0
    return _flicker(ours.pictures) / max(1e-3, _flicker(ours.plain))


def _flicker(pictures: list[NDArray[np.uint8]]) -> float:
    """Mean absolute change of mean luma, code values."""
    means = np.array([float(picture.mean()) for picture in pictures])
    return float(np.abs(np.diff(means)).mean())
