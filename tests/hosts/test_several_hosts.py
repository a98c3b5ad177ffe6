"""One film over several computers without a shared folder: broker, desktop and three workers in network namespaces.

The workers' hosts do not even have the desktop's folders. The film's length and how long a cable is pulled are short
here; `make test-hosts` takes ten minutes of film and 90 s.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import pytest

from resources.sample_maker import SampleSpec, ffmpeg_program, make_sample
from tests.e2e.command_line import environment, wait_until
from tests.fixtures.bound_process import BoundProcess
from tests.fixtures.hosts import Host, Network, why_unavailable

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(3600),
]

FILM_S: Final = int(os.environ.get("HOSTS_FILM_S", "24"))
CUT_S: Final = float(os.environ.get("HOSTS_CUT_S", "8"))
SHORT_S: Final = 24
SEGMENT_S: Final = 30 if FILM_S > 120 else 3
LIMIT_S: Final = 120 + 6 * FILM_S + CUT_S
PORT: Final = 5672
PROGRAM: Final = (sys.executable, "-m", "vidproc_desktop")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The hosts and what runs on them."""

    network: Network
    desktop: Host
    workers: dict[str, Host]
    url: str
    folder: Path


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    reason = why_unavailable()
    if reason is not None:
        pytest.skip(reason)
    with ExitStack() as stack:
        network = Network()
        stack.callback(network.close)
        network.open()
        desk = tmp_path / "desk"
        desk.mkdir()
        broker, desktop = network.add("broker"), network.add("desktop")
        workers = {name: network.add(name, hidden=(desk,)) for name in ("first", "second", "third")}
        url = f"amqp://guest:guest@{broker.address}:{PORT}/"
        arguments = [sys.executable, "-m", "tests.fixtures.hosted_broker"]
        folder = tmp_path / "broker"
        folder.mkdir()
        node = broker.start(
            [*arguments, str(folder / "node"), broker.address, str(PORT)],
            log=folder / "broker.log",
            env=environment(),
        )
        stack.callback(node.stop)
        wait_until(lambda: "ready" in _text(folder / "broker.log"))
        for name, host in workers.items():
            stack.callback(_start_worker(host, tmp_path / name, url).stop)
        yield Cluster(network, desktop, workers, url, tmp_path)


def _start_worker(host: Host, folder: Path, url: str) -> BoundProcess:
    folder.mkdir(exist_ok=True)
    argv = [*PROGRAM, "worker", "--broker", url, "--data-dir", str(folder / "data")]
    return host.start(argv, log=folder / "worker.log", env=environment(VIDPROC_LOG_LEVEL="INFO"))


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.exists() else ""


def _start_desktop(cluster: Cluster, film: Path) -> BoundProcess:
    desk = cluster.folder / "desk"
    argv = [
        *PROGRAM,
        "enhance",
        str(film),
        "-o",
        str(desk / "out"),
        "--data-dir",
        str(desk / "data"),
        "--json",
    ]
    env = environment(
        VIDPROC_FILE_EXCHANGE="media_server",
        VIDPROC_MEDIA_SERVER_HOST=cluster.desktop.address,
        VIDPROC_SEGMENT_FROM_SECONDS="6",
        VIDPROC_SEGMENT_SECONDS=str(SEGMENT_S),
    )
    argv += ["--broker", cluster.url, "--workers", "0"]
    return cluster.desktop.start(argv, log=desk / "enhance.log", env=env)


def _finished_segments(cluster: Cluster) -> int:
    folder = cluster.folder / "desk" / "out" / ".vidproc"
    return len(list(folder.glob("parts-*/segment-0*.json")))


def _times(path: Path) -> list[int]:
    """When each picture is shown; lengths are not compared, MP4 keeps those of the decoding order."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        return sorted(packet.pts for packet in container.demux(video) if packet.pts is not None)


def _decoded(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def _make_film(path: Path) -> None:
    """A long one is a short one again and again: the fractal takes ever longer."""
    short = SampleSpec(width_px=192, height_px=108, duration_s=min(FILM_S, SHORT_S), keyframe_every=25)
    if FILM_S <= SHORT_S:
        make_sample(path, short)
        return
    once = path.with_name("once.mp4")
    make_sample(once, short)
    loop = ["-stream_loop", str(FILM_S // SHORT_S - 1), "-i", str(once), "-c", "copy", "-fflags", "+genpts"]
    subprocess.run([ffmpeg_program(), "-v", "error", *loop, str(path)], check=True)
    once.unlink()


def test_a_film_over_hosts_that_share_nothing_and_one_is_cut_off(cluster: Cluster) -> None:
    desk = cluster.folder / "desk"
    film = desk / "film.mp4"
    _make_film(film)
    before = hashlib.sha256(film.read_bytes()).hexdigest()
    desktop = _start_desktop(cluster, film)
    try:
        wait_until(lambda: _finished_segments(cluster) >= 1 or not desktop.is_running, LIMIT_S)
        assert desktop.is_running, _text(desk / "enhance.log")[-4000:]
        victim = cluster.workers["second"]
        cluster.network.cut(victim)
        time.sleep(CUT_S)
        cluster.network.mend(victim)
        assert desktop.process.wait(LIMIT_S) == 0, _text(desk / "enhance.log")[-4000:]
    finally:
        desktop.stop()
    out = desk / "out"
    (video,) = out.glob("*.mp4")
    report = json.loads((out / f"{video.stem}.report.json").read_text("utf-8"))
    assert hashlib.sha256(video.read_bytes()).hexdigest() == report["output_sha256"]
    assert all(check["passed"] for check in report["checks"])
    assert report["segments"] >= FILM_S // SEGMENT_S - 1
    assert report["segment_workers"] >= 2
    assert _times(video) == _times(film)
    assert _decoded(video) == _decoded(film) == FILM_S * 25
    assert not (out / ".vidproc").exists()
    assert (out / f"{video.stem}.metadata.json").exists()
    assert hashlib.sha256(film.read_bytes()).hexdigest() == before
    size = film.stat().st_size
    fetched = {name: cluster.network.received_bytes(host) / size for name, host in cluster.workers.items()}
    sys.stdout.write(f"bytes that reached each host, in lengths of the film of {size} bytes: {fetched}\n")
