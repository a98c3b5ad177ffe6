"""The row on cancelling: from the control message to the worker's word that it has stopped, in every stage."""

import json
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.quality_row import Row, at_most
from benchmarks.speed_clips import clean, looped, small
from benchmarks.speed_runs import ROOT, ffmpeg
from workers.protocol.messages import ControlMessage, FileTask, OutputTarget, SourceRef
from workers.protocol.model import WireModel
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ControlAction, ProcessType

_LIMIT_S: Final = 120.0


class _Worker:
    """The worker program over stdio."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "workers", "enhance", "--stdio", "--data-dir", str(folder / "data")]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
        )
        self._lines: queue.Queue[tuple[float, dict[str, Any]]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="worker-lines")
        self._reader.start()

    def send(self, message: WireModel) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(message.model_dump_json().encode() + b"\n")
        self._process.stdin.flush()

    def wait_for(self, is_it: Callable[[dict[str, Any]], bool]) -> tuple[float, dict[str, Any]]:
        """The first line that fits, and when it came."""
        while True:
            moment, line = self._lines.get(timeout=_LIMIT_S)
            if is_it(line):
                return moment, line

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._lines.put((time.perf_counter(), json.loads(line)))


def rows(rounds: int) -> list[Row]:
    """Cancel in each stage, `rounds` times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        worker = _Worker(folder)
        try:
            worker.wait_for(lambda line: line["type"] == "worker" and line["state"] == "idle")
            taken = {
                stage: [_cancelled(worker, case, folder, f"{stage}{number}") for number in range(rounds)]
                for stage, case in _cases(folder).items()
            }
        finally:
            worker.close()
    worst = max(statistics.median(times) for times in taken.values())
    each = ", ".join(f"{stage} {statistics.median(times):.3f}" for stage, times in taken.items())
    return [
        Row(
            name="cancel",
            what="from the control message to the final status, slowest stage",
            goal="≤ 0.30 s",
            stretch="",
            value=f"{worst:.3f} s ({each})",
            verdict=at_most(worst, 0.30),
        )
    ]


type _Case = tuple[Path, EnhancementSettings, Callable[[dict[str, Any]], bool]]


def _cases(folder: Path) -> dict[str, _Case]:
    """Clip, settings, and the status at which to cancel."""
    film = looped(small(folder, 640, 360, 250), 20_000, folder)
    large = clean(folder, 1920, 1080, 4.0)
    short = folder / "short.mp4"
    ffmpeg("-i", large, "-t", "1", "-c", "copy", short)
    plain = EnhancementSettings(remux_when_clean=False)
    steady = plain.model_copy(update={"stabilise": True})

    def in_stage(stage: str, frames: int = 0) -> Callable[[dict[str, Any]], bool]:
        return lambda status: bool(status["stage"] == stage and status["frames_done"] >= frames)

    return {
        "probing": (film, plain, in_stage("probing")),
        "analysing": (large, plain, in_stage("analysing")),
        "full analysis": (film, steady, in_stage("analysing", 1)),
        "enhancing": (large, plain, in_stage("enhancing", 5)),
        "verifying": (short, plain, in_stage("verifying")),
    }


def _cancelled(worker: _Worker, case: _Case, folder: Path, file_id: str) -> float:
    """Seconds until the worker says that it has stopped."""
    clip, settings, is_time = case
    found = clip.stat()
    file_id = file_id.replace(" ", "-")
    task = FileTask(
        file_id=file_id,
        client_id="bench",
        process_types=(ProcessType.VIDEO_ENHANCEMENT,),
        attempt=1,
        source=SourceRef(uri=clip.as_uri(), size_bytes=found.st_size, mtime_ns=found.st_mtime_ns),
        output=OutputTarget(directory_uri=(folder / "out").as_uri(), stem=file_id),
        settings=settings,
        timeout_s=600.0,
    )

    def mine(line: dict[str, Any]) -> bool:
        return bool(line["type"] == "status" and line["file_id"] == file_id)

    worker.send(task)
    worker.wait_for(
        lambda line: mine(line) and (is_time(line) or line["status"] not in {"pending", "processing"})
    )
    started = time.perf_counter()
    worker.send(ControlMessage(action=ControlAction.CANCEL, client_id="bench", file_id=file_id))
    moment, line = worker.wait_for(
        lambda line: mine(line) and line["status"] in {"cancelled", "completed", "failed"}
    )
    if line["status"] != "cancelled":
        raise RuntimeError(f"{file_id} was {line['status']} before it could be cancelled: {line['error']}")
    return moment - started
