"""ffmpeg's denoisers on a file, each at several settings, and VMAF's NEG model; with the program of imageio-ffmpeg.

Peers may look at the reference: the setting that fits best is chosen for every clip and every degradation.
"""

import json
import resource
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality_clips import psnr_db

type Luma = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PeerResult:
    """One filter at one setting.

    Attributes:
        filter_name: ffmpeg's.
        arguments: as given to `-vf`.
        psnr_db: of luma.
        cpu_s: processor time with decoding.
        pictures: luma in 8-bit code values.
    """

    filter_name: str
    arguments: str
    psnr_db: float
    cpu_s: float
    pictures: list[Luma]


def settings(sigma: float) -> Iterator[str]:
    """The grid around what each filter wants for noise of this σ."""
    for share in (0.8, 1.0, 1.3):
        yield f"nlmeans=s={min(30, share * sigma):.2f}:p=7:r=11"
    for share in (1.6, 2.4, 3.6):
        yield f"fftdnoiz=sigma={min(100, share * sigma):.2f}:block=32:overlap=0.5:prev=1:next=1"
    for share in (0.8, 1.4):
        strength = share * sigma
        yield f"hqdn3d={strength:.2f}:{strength:.2f}:{1.5 * strength:.2f}:{1.5 * strength:.2f}"
    for share in (1.0, 2.0):
        yield f"vaguedenoiser=threshold={share * sigma:.2f}:percent=100"
    for share in (2.0, 4.0):
        fine, coarse = min(0.3, share * sigma / 255), min(5.0, 4 * share * sigma / 255)
        yield "atadenoise=" + ":".join(f"{plane}a={fine:.4f}:{plane}b={coarse:.4f}" for plane in range(3))


def best_peer(path: Path, sigma: float, truth: Sequence[Luma], *, bits: int) -> PeerResult:
    """The filter and setting nearest the truth; arguments as of `run_peer`."""
    results = (run_peer(path, arguments, truth, bits=bits) for arguments in settings(sigma))
    return max(results, key=lambda result: result.psnr_db)


def run_peer(path: Path, arguments: str, truth: Sequence[Luma], *, bits: int) -> PeerResult:
    """Filter a file with one thread.

    Args:
        path: 4:2:0 file of the same depth as the truth had.
        arguments: a filter with its settings.
        truth: luma in 8-bit code values, shape (height, width) each.
        bits: of the file.
    """
    height, width = truth[0].shape
    form = "gray10le" if bits == 10 else "gray"
    before = _children_cpu_s()
    command = [*_ffmpeg(), "-threads", "1", "-filter_threads", "1", "-i", str(path), "-vf", arguments]
    # extractplanes keeps the values; a conversion to gray would change the range
    command[-1] += ",extractplanes=y"
    raw = subprocess.run(
        [*command, "-pix_fmt", form, "-f", "rawvideo", "-"], check=True, capture_output=True
    ).stdout
    spent = _children_cpu_s() - before
    kind = "<u2" if bits == 10 else "u1"
    values = np.frombuffer(raw, kind).astype(np.float32).reshape(-1, height, width)
    pictures = [picture / np.float32(1 << (bits - 8)) for picture in values]
    return PeerResult(arguments.partition("=")[0], arguments, psnr_db(truth, pictures), spent, pictures)


def vmaf_neg(truth: Sequence[Luma], pictures: Sequence[Luma]) -> float:
    """Mean of VMAF v0.6.1 NEG of luma in 8-bit code values."""
    height, width = truth[0].shape
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs: list[str] = []
        for file, values in (("other", pictures), ("truth", truth)):
            with (folder / file).open("wb") as stream:
                for picture in values:
                    stream.write(np.clip(np.rint(picture), 0, 255).astype(np.uint8).tobytes())
            inputs += [
                "-f",
                "rawvideo",
                "-pix_fmt",
                "gray",
                "-s",
                f"{width}x{height}",
                "-i",
                str(folder / file),
            ]
        log = folder / "log.json"
        graph = f"libvmaf=model=version=vmaf_v0.6.1neg:log_fmt=json:log_path={log}:n_threads=1"
        subprocess.run(
            [*_ffmpeg(), *inputs, "-lavfi", f"[0:v][1:v]{graph}", "-f", "null", "-"],
            check=True, capture_output=True,
        )  # fmt: skip
        pooled = json.loads(log.read_text("utf-8"))["pooled_metrics"]["vmaf"]["mean"]
    return float(pooled)


def _ffmpeg() -> list[str]:
    return [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-nostdin"]


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
