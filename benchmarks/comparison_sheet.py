"""A sheet of six clips to look at: before, as this program makes it, as ffmpeg makes it at its best; a PNG.

Usage: python benchmarks/comparison_sheet.py SHEET.png

Clips are spoilt on purpose, enhanced by the whole program with its default preset (enlarging is asked for where it is
the subject), and by the ffmpeg filter that fits; where ffmpeg has several, the one and the setting that come closest to
the clean original. Figures under the pictures are luma PSNR against that original, for the whole clip; there is none
where the subject has no right answer.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import av
import cv2
import imageio_ffmpeg
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.quality_clips import CleanClip, camera, load, psnr_db, read_luma, white, write
from benchmarks.quality_peers import run_peer, settings
from workers.media.enhance import enhance
from workers.media.jobs import EnhancementJob
from workers.protocol.settings import EnhancementSettings

type Image = NDArray[np.uint8]
"""Shape (height, width, 3), blue, green, red."""

_TILE_PX: Final = (420, 280)
_MARGIN_PX: Final = 14
_TEXT_PX: Final = 30
_SHOWN: Final = 12
"""Number of the picture that is shown: temporal filters have found their stride by then."""

_FAITHFUL: Final = EnhancementSettings(colour=False)
"""Where there is a right answer, colours are left alone: changing them is wanted, and would count as an error."""

_COLUMNS: Final = ("before", "this program", "ffmpeg's best")


@dataclass(frozen=True, slots=True)
class Subject:
    """One row of the sheet.

    Attributes:
        title: what is wrong with the clip.
        spoilt: writes the clip to a file and gives back the clean luma to compare with, or None.
        filters: what ffmpeg may use.
        wanted: how this program is asked.
    """

    title: str
    spoilt: Callable[[Path], list[NDArray[np.float32]] | None]
    filters: tuple[str, ...]
    wanted: EnhancementSettings = _FAITHFUL


def _clean(clip: CleanClip) -> list[NDArray[np.float32]]:
    return [planes[0] / clip.unit for planes in clip.frames]


def _noisy(name: str, sigma: float) -> Callable[[Path], list[NDArray[np.float32]]]:
    def spoil(path: Path) -> list[NDArray[np.float32]]:
        clip = load(name)
        write(white(clip, sigma), path)
        return _clean(clip)

    return spoil


def _filmed(path: Path) -> list[NDArray[np.float32]]:
    clip = load("portrait")
    write(camera(clip, 10), path, codec="libx264", options={"crf": "24", "preset": "fast"})
    return _clean(clip)


def _dull(path: Path) -> None:
    clip = load("desk")
    flat = [
        (40 + 0.55 * (y - 16), 128 + 0.6 * (u - 128) + 5, 128 + 0.6 * (v - 128) - 4)
        for y, u, v in clip.frames
    ]
    write(replace(clip, frames=tuple(flat)), path)


def _woven(path: Path) -> list[NDArray[np.float32]]:
    """Top field of one moment, bottom field of the next, as a 60p camera's clip becomes 30i."""
    clip = load("pegboard")
    pictures = []
    for first, second in zip(clip.frames[::2], clip.frames[1::2], strict=False):
        planes = []
        for top, bottom in zip(first, second, strict=True):
            woven = top.copy()
            woven[1::2] = bottom[1::2]
            planes.append(woven)
        pictures.append((planes[0], planes[1], planes[2]))
    write(replace(clip, frames=tuple(pictures)), path)
    return _clean(clip)[::2]


def _small(path: Path) -> list[NDArray[np.float32]]:
    clip = load("motorway")
    small = []
    for planes in clip.frames:
        halves = [
            cv2.resize(p, (p.shape[1] // 2, p.shape[0] // 2), interpolation=cv2.INTER_AREA) for p in planes
        ]
        small.append(tuple(np.asarray(half, np.float32) for half in halves))
    write(replace(clip, frames=tuple(small)), path, codec="libx264", options={"crf": "20"})  # type: ignore[arg-type]  # three planes each
    return _clean(clip)


SUBJECTS: Final = (
    Subject("white noise, sigma 15", _noisy("park", 15), tuple(settings(15))),
    Subject("camera noise, then H.264", _filmed, tuple(settings(10))),
    Subject("drawn, white noise, sigma 10", _noisy("bbb", 10), tuple(settings(10))),
    Subject("dull and tinted", _dull, ("normalize=smoothing=30:independence=0.5",), EnhancementSettings()),
    Subject("interlaced", _woven, ("bwdif=mode=0:parity=0:deint=0", "yadif=mode=0:parity=0:deint=0")),
    Subject(
        "half the size",
        _small,
        ("scale=iw*2:ih*2:flags=lanczos",),
        EnhancementSettings(upscale=2, colour=False),
    ),
)


def row(subject: Subject, folder: Path) -> Image:
    """One subject's three pictures with their figures."""
    spoilt, peer = folder / "spoilt.mkv", folder / "peer.mkv"
    truth = subject.spoilt(spoilt)
    best = _best_filter(subject, spoilt, truth)
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(spoilt), "-vf", best, "-c:v", "libx264",
         "-crf", "18", "-pix_fmt", "yuv420p", str(peer)], check=True)  # fmt: skip
    settings_wanted = subject.wanted.model_copy(update={"remux_when_clean": False})
    job = EnhancementJob(file_id="sheet", attempt=1, worker_id="sheet", source=spoilt, workspace=folder,
                         output_name="ours.mp4", settings=settings_wanted, settings_key="sheet")  # fmt: skip
    outcome = enhance(job, lambda _: None)
    steps = ", ".join(step.kind.value for step in outcome.report.plan.steps) or "no step"
    captions = [f"{subject.title}", f"{steps}", best.partition("=")[0]]
    tiles = []
    for path, caption in zip((spoilt, outcome.output, peer), captions, strict=True):
        figure = _figure(truth, path)
        tiles.append(_tile(_picture(path), f"{caption}{figure}"))
    return np.hstack(tiles)


def _best_filter(subject: Subject, spoilt: Path, truth: list[NDArray[np.float32]] | None) -> str:
    if truth is None or len(subject.filters) == 1:
        return subject.filters[0]
    results = [run_peer(spoilt, arguments, truth, bits=8) for arguments in subject.filters]
    return max(results, key=lambda result: result.psnr_db).arguments


def _figure(truth: list[NDArray[np.float32]] | None, path: Path) -> str:
    if truth is None:
        return ""
    found = read_luma(path)
    if found[0].shape != truth[0].shape or len(found) != len(truth):
        return ""
    return f"  {psnr_db(truth, found):.1f} dB"


def _picture(path: Path) -> Image:
    with av.open(str(path)) as container:
        chosen: VideoFrame | None = None
        for number, frame in enumerate(container.decode(video=0)):
            assert isinstance(frame, VideoFrame)
            chosen = frame
            if number == _SHOWN:
                break
    assert chosen is not None, "clips have pictures"
    return np.asarray(chosen.to_ndarray(format="bgr24"), np.uint8)


def _tile(picture: Image, caption: str) -> Image:
    """The middle of a picture, twice its size where it is small, over its caption."""
    width, height = _TILE_PX
    factor = 2 if picture.shape[1] >= width // 2 * 2 else 4
    part_w, part_h = width // factor, height // factor
    if factor == 4:
        part_w, part_h = min(part_w, picture.shape[1]), min(part_h, picture.shape[0])
    top, left = (picture.shape[0] - part_h) // 2, (picture.shape[1] - part_w) // 2
    part = picture[top : top + part_h, left : left + part_w]
    large = cv2.resize(part, (width, height), interpolation=cv2.INTER_NEAREST)
    tile = np.full((height + _TEXT_PX + _MARGIN_PX, width + _MARGIN_PX, 3), 255, np.uint8)
    tile[:height, :width] = large
    cv2.putText(tile, caption, (2, height + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return tile


def main() -> int:
    """Make the sheet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sheet", type=Path)
    options = parser.parse_args()
    rows = []
    for subject in SUBJECTS:
        with tempfile.TemporaryDirectory() as name:
            rows.append(row(subject, Path(name)))
        print(f"{subject.title}: done", flush=True)
    sheet = np.vstack(rows)
    head = np.full((_TEXT_PX, sheet.shape[1], 3), 255, np.uint8)
    for number, title in enumerate(_COLUMNS):
        place = (number * (_TILE_PX[0] + _MARGIN_PX) + 2, 20)
        cv2.putText(head, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.imwrite(str(options.sheet), np.vstack([head, sheet]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
