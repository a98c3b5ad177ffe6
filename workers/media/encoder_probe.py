"""Which encoders really encode here: a few pictures are coded, decoded again and compared, in a process of its own.

A driver that is listed need not work, and one that does not may take its process down. So the trial of a graphics
processor's encoder happens in a child: what it says, how it ends, or that it does not end at all is the finding.
Knows nothing of plans and files.
"""

import io
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

import workers
from workers.media.encode import VideoEncoder, VideoForm
from workers.media.encoders.catalogue import (
    ENCODERS,
    PIXEL_FORMAT_8,
    PIXEL_FORMAT_10,
    Availability,
    Encoder,
    EncoderFinding,
)
from workers.media.encoders.scales import native_preset, native_quality
from workers.media.timestamps import FrameTime
from workers.protocol.plan import EncoderPlan, OutputColour
from workers.protocol.settings import EncoderSpeed

_FRAMES: Final = 8
_CLOCK: Final = 90_000
_RATE: Final = 30
_CRF: Final = 18.0
_LEAST_PSNR_DB: Final = 30.0
"""At crf 18 a moving gradient comes back with well over 40 dB; a driver that mixes planes up gives less than 20."""

_TRIAL_SIZE_PX: Final = (640, 360)
_LIMIT_S: Final = 30.0
_NOT_BUILT: Final = "not part of this build of libav"
_LONGEST_DETAIL: Final = 200
_COLOUR: Final = OutputColour(primaries="bt709", transfer="bt709", matrix="bt709", is_assumed=False)
_CHILD_COMMAND: Final = "try-encoder"

_lock: Final = threading.Lock()
_findings: Final[dict[tuple[str, int, int, str], EncoderFinding]] = {}
"""What was tried in this process, by encoder, size and pixel format: a trial costs a second."""


class UnusableEncoderError(Exception):
    """The encoder does not do what it should; the message says what it did."""


def probe_encoders(
    encoders: Iterable[Encoder],
    *,
    size_px: tuple[int, int] = _TRIAL_SIZE_PX,
    pixel_format: str = PIXEL_FORMAT_8,
) -> Availability:
    """Try encoders with pictures of this kind, each once in this process's life; stops at the first that works.

    Args:
        encoders: the preferred ones first.
        size_px: width and height, as drivers have limits.
        pixel_format: of the pictures that will be coded.
    """
    findings: dict[str, EncoderFinding] = {}
    for encoder in encoders:
        finding = probe_encoder(encoder, size_px=size_px, pixel_format=pixel_format)
        findings[encoder.name] = finding
        if finding.is_usable:
            break
    return findings


def probe_encoder(
    encoder: Encoder, *, size_px: tuple[int, int] = _TRIAL_SIZE_PX, pixel_format: str = PIXEL_FORMAT_8
) -> EncoderFinding:
    """What one encoder does with pictures of this kind.

    Software encoders are only looked up: they have no driver that could fail.
    """
    key = (encoder.name, *size_px, pixel_format)
    with _lock:
        if key not in _findings:
            _findings[key] = _find(encoder, size_px, pixel_format)
        return _findings[key]


def try_encoder(name: str, size_px: tuple[int, int], pixel_format: str) -> str:
    """Encode and decode in this very process; a broken driver may end it.

    Returns:
        What was seen, in words.

    Raises:
        UnusableEncoderError: the result is not what went in.
        Exception: whatever libav says.
    """
    encoder = ENCODERS[name]
    plan = EncoderPlan(
        encoder=name,
        codec=encoder.codec,
        quality=native_quality(encoder.family, encoder.codec, _CRF),
        preset=native_preset(encoder.family, EncoderSpeed.MEDIUM),
        pixel_format=pixel_format,
    )
    shots = [_shot(number, size_px) for number in range(_FRAMES)]
    memory = io.BytesIO()
    form = VideoForm(*size_px, _CLOCK, Fraction(_RATE), _COLOUR)
    with av.open(memory, "w", format="mp4") as container:
        coder = VideoEncoder(container, form, plan, threads=2)
        for number, luma in enumerate(shots):
            time = FrameTime(number * _CLOCK // _RATE, _CLOCK // _RATE)
            container.mux(coder.encode(_picture(luma, pixel_format), time))
        container.mux(list(coder.finish()))
    return _compared(memory, shots)


def main(argv: Sequence[str]) -> int:
    """Try one encoder and print one line of JSON.

    Args:
        argv: name, width, height and pixel format.

    Returns:
        0 when it works, 1 when it does not.
    """
    name, width, height, pixel_format = argv
    av.logging.set_level(av.logging.ERROR)
    with av.logging.Capture(local=False) as log:
        try:
            detail = try_encoder(name, (int(width), int(height)), pixel_format)
            is_usable = True
        except Exception as error:  # noqa: BLE001 - whatever an encoder runs into is the finding
            detail, is_usable = in_words(error, log), False
    sys.stdout.write(json.dumps({"is_usable": is_usable, "detail": detail}) + "\n")
    return 0 if is_usable else 1


def _find(encoder: Encoder, size_px: tuple[int, int], pixel_format: str) -> EncoderFinding:
    if encoder.name not in av.codecs_available:
        return EncoderFinding(encoder.name, False, _NOT_BUILT)
    if pixel_format == PIXEL_FORMAT_10 and encoder.input_10 is None:
        return EncoderFinding(encoder.name, False, "it takes no pictures of 10 bits")
    if encoder.is_software:
        return EncoderFinding(encoder.name, True, "runs on every processor")
    command = [*_command(), encoder.name, *map(str, size_px), pixel_format]
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
            env=_environment(),
        )
    except subprocess.TimeoutExpired:
        return EncoderFinding(encoder.name, False, f"a trial did not end within {_LIMIT_S:.0f} s")
    except OSError as error:
        return EncoderFinding(encoder.name, False, f"a trial could not be started: {error}")
    return _read(encoder.name, ended)


def _read(name: str, ended: subprocess.CompletedProcess[str]) -> EncoderFinding:
    last = ended.stdout.strip().splitlines()[-1:]
    try:
        said = json.loads(last[0]) if last else {}
    except ValueError:  # a driver printed something of its own and took the process down
        said = {}
    if not isinstance(said, dict) or "detail" not in said:
        return EncoderFinding(name, False, f"a trial ended its process with code {ended.returncode}")
    return EncoderFinding(name, said.get("is_usable") is True and ended.returncode == 0, str(said["detail"]))


def _command() -> tuple[str, ...]:
    """How the child is started: as a module, or inside a frozen program by its `worker` command."""
    if getattr(sys, "frozen", False):
        return (sys.executable, "worker", _CHILD_COMMAND)
    return (sys.executable, "-m", "workers.media.encoder_probe")


def _environment() -> dict[str, str]:
    """This process's environment; the package is found from any working directory."""
    environment = dict(os.environ)
    if not getattr(sys, "frozen", False):
        root = str(Path(workers.__file__).resolve().parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    return environment


def _shot(number: int, size_px: tuple[int, int]) -> NDArray[np.uint8]:
    """Luma of a gradient that moves, shape (height, width)."""
    width, height = size_px
    across = np.sin(np.arange(width) / 40 + number / 3) * 60
    down = np.cos(np.arange(height) / 30 - number / 5) * 40
    luma: NDArray[np.uint8] = np.rint(across[np.newaxis, :] + down[:, np.newaxis] + 125).astype(np.uint8)
    return luma


def _picture(luma: NDArray[np.uint8], pixel_format: str) -> VideoFrame:
    height, width = luma.shape
    planes = np.vstack([luma, np.full((height // 2, width), 128, np.uint8)])
    if pixel_format == PIXEL_FORMAT_10:
        return VideoFrame.from_ndarray(planes.astype(np.uint16) * 4, format=pixel_format)
    return VideoFrame.from_ndarray(planes, format=pixel_format)


def _compared(memory: io.BytesIO, shots: Sequence[NDArray[np.uint8]]) -> str:
    size_bytes = memory.seek(0, io.SEEK_END)
    memory.seek(0)
    with av.open(memory, "r") as container:
        found = [_luma(frame) for frame in container.decode(video=0)]
    if len(found) != len(shots):
        raise UnusableEncoderError(f"{len(found)} of {len(shots)} pictures came back")
    errors = [float(np.mean((a - b) ** 2)) for a, b in zip(found, shots, strict=True)]
    psnr_db = 10 * math.log10(255**2 / max(1e-3, sum(errors) / len(errors)))
    if psnr_db < _LEAST_PSNR_DB:
        raise UnusableEncoderError(f"the pictures came back changed ({psnr_db:.0f} dB)")
    return f"{len(found)} frames, {size_bytes} bytes, {psnr_db:.0f} dB"


def _luma(frame: VideoFrame) -> NDArray[np.float64]:
    """Luma in 8-bit code values, shape (height, width)."""
    planes = frame.to_ndarray()[: frame.height].astype(np.float64)
    return planes / 4 if frame.format.name == PIXEL_FORMAT_10 else planes


def in_words(error: Exception, log: Sequence[tuple[int, str, str]]) -> str:
    """Why a trial failed: what the encoder logged first says more than libav's code, often "unknown error".

    Args:
        error: what ended the trial.
        log: what libav logged meanwhile: level, name, text.
    """
    if isinstance(error, av.codec.codec.UnknownCodecError):
        return _NOT_BUILT
    if isinstance(error, UnusableEncoderError):
        return str(error)
    logged = next((text.strip() for level, _, text in log if level <= av.logging.ERROR and text.strip()), "")
    said = error.strerror if isinstance(error, av.FFmpegError) else str(error)
    return (logged or said or type(error).__name__)[:_LONGEST_DETAIL]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
