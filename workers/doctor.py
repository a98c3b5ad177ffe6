"""What works on this computer: libraries, encoders that really encode, filters, programs. For `vidproc doctor`.

Runs in a process of its own, so that a library that crashes is a finding and not the end of the report. Prints one
JSON object; knows nothing of tasks and brokers.
"""

import importlib
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from io import BytesIO
from typing import Final

from workers.media.encoders.catalogue import ENCODERS, PIXEL_FORMAT_8

_PACKAGES: Final = (
    "av",
    "numpy",
    "opencv-python-headless",
    "vapoursynth",
    "imageio-ffmpeg",
    "pydantic",
    "aio-pika",
    "platformdirs",
    "psutil",
)
_NEEDED_ENCODER: Final = "libx264"
_FILTERS: Final = (("resize",), ("std",), ("bwdif",), ("cas",), ("mvu",), ("dfttest2_cpu", "dfttest2_gcc"))
"""Namespaces of the filters that are used; of several, one is enough."""
_FRAMES: Final = 8
_TRIAL_SIZE_PX: Final = (640, 360)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    name: str
    is_ok: bool
    is_needed: bool
    detail: str


def main(argv: Sequence[str] = ()) -> int:
    """Print one JSON line for each finding, and one with `done` after each check.

    Args:
        argv: the number of the check to begin with; a caller goes on behind a check that crashed.

    Returns:
        0 when everything needed works, otherwise 1.
    """
    begin = int(argv[0]) if argv else 0
    is_ok = True
    for number, check in list(enumerate(CHECKS))[begin:]:
        for finding in check():
            is_ok = is_ok and (finding.is_ok or not finding.is_needed)
            _say({"check": number, **asdict(finding)})
        _say({"check": number, "done": True})
    return 0 if is_ok else 1


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _check_versions() -> Iterator[Finding]:
    yield Finding("system", "Python", sys.version_info >= (3, 12), True, platform.python_version())
    for package in _PACKAGES:
        try:
            found, version = True, metadata.version(package)
        except metadata.PackageNotFoundError:
            found, version = False, "not installed"
        yield Finding("package", package, found, True, version)


def _check_libav() -> Iterator[Finding]:
    import av

    versions = ", ".join(f"{name} {'.'.join(map(str, parts))}" for name, parts in av.library_versions.items())
    yield Finding("library", "libav", True, True, versions)


def _check_encoder(name: str) -> Iterator[Finding]:
    """Code a few pictures and look at them; a driver that ends this process is what the caller reckons with."""
    import av

    from workers.media import encoder_probe

    av.logging.set_level(av.logging.ERROR)
    is_needed = name == _NEEDED_ENCODER
    with av.logging.Capture(local=False) as log:
        try:
            detail = encoder_probe.try_encoder(name, _TRIAL_SIZE_PX, PIXEL_FORMAT_8)
        except Exception as error:  # noqa: BLE001 - whatever an encoder runs into is the finding
            yield Finding("encoder", name, False, is_needed, encoder_probe.in_words(error, log))
        else:
            yield Finding("encoder", name, True, is_needed, detail)


def _check_aac() -> Iterator[Finding]:
    import av
    import numpy as np

    try:
        memory = BytesIO()
        with av.open(memory, "w", format="matroska") as output:
            stream = output.add_stream("aac", rate=48_000, layout="stereo")
            silence = np.zeros((2, 1024), dtype=np.float32)
            for number in range(_FRAMES):
                frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = 48_000, number * 1024
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    except Exception as error:  # noqa: BLE001 - whatever an encoder runs into is the finding
        yield Finding("encoder", "aac", False, True, f"{type(error).__name__}: {error}"[:200])
    else:
        yield Finding("encoder", "aac", True, True, f"{len(memory.getvalue())} bytes")


def _check_filters() -> Iterator[Finding]:
    import vapoursynth as vs

    yield Finding("library", "VapourSynth", True, True, f"R{vs.core.core_version.release_major}")
    loaded = {plugin.namespace for plugin in vs.core.plugins()}
    for namespaces in _FILTERS:
        name = next((namespace for namespace in namespaces if namespace in loaded), None)
        detail = "loaded" if name is not None else "not loaded"
        yield Finding("filter", name or namespaces[0], name is not None, True, detail)


def _check_opencv() -> Iterator[Finding]:
    cv2 = importlib.import_module("cv2")
    yield Finding("library", "OpenCV", True, True, str(cv2.__version__))


def _check_programs() -> Iterator[Finding]:
    path = shutil.which("ffmpeg")
    yield Finding(
        "program", "ffmpeg", path is not None, False, path or "not on the PATH; the shipped one is used"
    )
    path = shutil.which("ffprobe")
    yield Finding(
        "program", "ffprobe", path is not None, False, path or "not on the PATH; probing works without it"
    )
    try:
        shipped = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
        done = subprocess.run([shipped, "-version"], capture_output=True, text=True, timeout=20, check=True)
        yield Finding("program", "ffmpeg (shipped)", True, True, done.stdout.splitlines()[0][:100])
    except Exception as error:  # noqa: BLE001 - missing, not executable, no download: each is the finding
        yield Finding("program", "ffmpeg (shipped)", False, True, f"{type(error).__name__}: {error}"[:200])


CHECKS: Final[tuple[Callable[[], Iterator[Finding]], ...]] = (
    _check_versions,
    _check_libav,
    *(partial(_check_encoder, name) for name in ENCODERS),
    _check_aac,
    _check_filters,
    _check_opencv,
    _check_programs,
)
