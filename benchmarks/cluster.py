"""How much faster two workers finish one long film than one does: each pinned to a core of its own, over RabbitMQ.

Usage: python benchmarks/cluster.py [--seconds 120] [--rounds 3] [--workers 1,2] [--out FILE]

Every run is the real command line and real worker programs on a private RabbitMQ node of this computer; analysis,
joining and verification are inside the measured time. The peer of two workers is one worker in the same round. Needs
`taskset` and the package rabbitmq-server. Exit code 1 when the goal is missed.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.quality import told
from benchmarks.quality_row import Row, at_least
from benchmarks.speed_clips import camera
from benchmarks.speed_runs import ROOT
from tests.fixtures.bound_process import start_bound
from tests.fixtures.rabbitmq_node import RabbitMQNode, why_unavailable

GOAL: Final = 1.85
_SIZE: Final = (640, 360)
_RATE: Final = 25
_NOISE: Final = 20
_READY: Final = "worker started"
_START_LIMIT_S: Final = 60.0
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Finished:
    """One run.

    Attributes:
        wall_s: of the command line, from its start to its end.
        making_s: sum over all segments, whoever made them.
        joining_s: of the last part: joining, sound, verification.
        segments: how many there were.
        workers: how many of the workers made one.
    """

    wall_s: float
    making_s: float
    joining_s: float
    segments: int
    workers: int


def main() -> int:
    """Alternate the numbers of workers; print each run and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=120, help="length of the film")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", default="1,2", help="numbers of workers, the peer first")
    parser.add_argument("--out", type=Path, help="write the table to this file, too")
    options = parser.parse_args()
    problem = why_unavailable()
    if problem is not None:
        parser.error(problem)
    counts = [int(text) for text in options.workers.split(",")]
    found: dict[int, list[Finished]] = {count: [] for count in counts}
    with tempfile.TemporaryDirectory(prefix="cluster-") as name, _node(Path(name) / "node") as url:
        folder = Path(name)
        film = camera(folder, *_SIZE, options.seconds * _RATE, noise=_NOISE)
        for number in range(max(1, options.rounds)):
            for count in counts:
                run = _run(film, folder / f"{number}-{count}", url, count)
                print(f"{count} workers: {run}", file=sys.stderr, flush=True)
                found[count].append(run)
    return told(
        "cluster", [_row(found, count, counts[0], options.seconds) for count in counts[1:]], options.out
    )


def _row(found: dict[int, list[Finished]], count: int, peer: int, seconds: int) -> Row:
    ours, theirs = found[count], found[peer]
    ratios = [one.wall_s / many.wall_s for one, many in zip(theirs, ours, strict=True)]
    ratio, last = statistics.median(ratios), ours[-1]
    each = ", ".join(f"{value:.2f}" for value in ratios)
    return Row(
        name="cluster",
        what=f"film of {seconds} s, {_SIZE[0]} × {_SIZE[1]}, noisy: {count} workers against {peer}, a core for each",
        goal=f"≥ {GOAL:.2f} ×" if (peer, count) == (1, 2) else "",
        stretch="",
        value=f"{ratio:.2f} × ({each}); {last.wall_s:.1f} s, of which joining and verifying {last.joining_s:.1f} s; "
        f"{last.segments} segments made by {last.workers} workers in {last.making_s:.1f} s together; shared folder: "
        "nothing is transferred",
        peer=f"{theirs[-1].wall_s:.1f} s",
        verdict=at_least(ratio, GOAL),
    )


@contextmanager
def _node(folder: Path) -> Iterator[str]:
    folder.mkdir()
    node = RabbitMQNode(folder)
    node.start()
    try:
        yield node.url
    finally:
        node.close()


def _run(film: Path, folder: Path, url: str, count: int) -> Finished:
    folder.mkdir()
    with ExitStack() as stack:
        for number in range(count):
            stack.enter_context(_worker(folder / f"worker-{number}", url, number))
        started = time.perf_counter()
        arguments = ["enhance", str(film), "-o", str(folder / "out"), "--data-dir", str(folder / "data")]
        command = start_bound(
            [*_PROGRAM, *arguments, "--broker", url, "--workers", "0"],
            log=folder / "enhance.log",
            env=_environment(),
        )
        code = command.process.wait()
        wall_s = time.perf_counter() - started
        command.stop()
    if code:
        raise RuntimeError((folder / "enhance.log").read_text("utf-8"))
    (path,) = (folder / "out").glob("*.report.json")
    report = json.loads(path.read_text("utf-8"))
    spent: dict[str, float] = {}
    for entry in report["timings"]:
        spent[entry["stage"]] = spent.get(entry["stage"], 0.0) + entry["seconds"]
    return Finished(
        wall_s,
        spent["enhancing"],
        spent["assembling"] + spent["verifying"],
        report["segments"],
        report["segment_workers"],
    )


@contextmanager
def _worker(folder: Path, url: str, core: int) -> Iterator[None]:
    """A worker program on one core, ready for tasks."""
    process = start_bound(
        ["taskset", "-c", str(core), *_PROGRAM, "worker", "--data-dir", str(folder)],
        log=folder.with_suffix(".log"),
        env=_environment() | {"VIDPROC_RABBITMQ_URL": url},
    )
    try:
        deadline = time.monotonic() + _START_LIMIT_S
        while not any(_READY in log.read_text("utf-8") for log in (folder / "logs").glob("*.log")):
            if not process.is_running or time.monotonic() > deadline:
                raise RuntimeError(f"the worker on core {core} did not start")
            time.sleep(_POLL_S)
        yield
    finally:
        process.stop()


_PROGRAM: Final = [sys.executable, "-m", "vidproc_desktop"]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    sys.exit(main())
