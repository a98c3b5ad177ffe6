"""A long file in parts, through the real program: whoever is killed, finished segments stay and the result is whole."""

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
import psutil
import pytest

from resources.sample_maker import SampleSpec
from tests.e2e.command_line import Command, Ended, assert_gone, running, sample, vidproc, wait_until
from tests.fixtures.rabbitmq_node import RabbitMQNode

pytestmark = pytest.mark.e2e

_FILM = SampleSpec(width_px=256, height_px=144, duration_s=12, keyframe_every=25)
_SEGMENTS = 4
_IN_PARTS = {"VIDPROC_SEGMENT_FROM_SECONDS": "6", "VIDPROC_SEGMENT_SECONDS": "3"}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("film"), _FILM, "film.mp4")


def _enhance(film: Path, folder: Path, *more: str) -> list[str | Path]:
    return ["enhance", film, "-o", folder / "out", "--data-dir", folder / "data", "--json", *more]


def _records(folder: Path) -> dict[str, bytes]:
    """The finished segments: name of each video, and its bytes."""
    found: dict[str, bytes] = {}
    for record in (folder / "out" / ".vidproc").glob("parts-*/segment-0*.json"):
        name = json.loads(record.read_bytes())["file_name"]
        found[name] = (record.parent / name).read_bytes()
    return found


def _wait_for_segments(folder: Path, count: int) -> None:
    wait_until(lambda: len(_records(folder)) >= count)


def _packets(path: Path) -> list[tuple[int | None, int | None]]:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert len(container.streams.audio) == 1
        return sorted((packet.pts, packet.duration) for packet in container.demux(video) if packet.size)


def _assert_whole(ended: Ended, folder: Path, film: Path) -> dict[str, Any]:
    """One verified result with every picture of the source at its time, and nothing beside it; returns its report."""
    assert ended.code == 0, ended.err
    out = folder / "out"
    (finished,) = ended.of("finished")
    video = Path(finished["output"])
    assert list(out.glob("*.mp4")) == [video]
    report: dict[str, Any] = json.loads(video.with_name(f"{video.stem}.report.json").read_text())
    assert hashlib.sha256(video.read_bytes()).hexdigest() == report["output_sha256"]
    assert all(check["passed"] for check in report["checks"])
    assert report["segments"] == _SEGMENTS
    assert _packets(video) == _packets(film)
    assert not (out / ".vidproc").exists()
    return report


def _enhancers(command: Command) -> list[psutil.Process]:
    return [process for process in command.family() if {"enhance", "--stdio"} <= set(process.cmdline())]


def test_a_killed_program_goes_on_with_the_segments_that_were_finished(film: Path, tmp_path: Path) -> None:
    with running(*_enhance(film, tmp_path, "--workers", "1"), **_IN_PARTS) as command:
        _wait_for_segments(tmp_path, 2)
        family = command.family()
        command.process.kill()
        assert_gone(family, 2)
    finished = _records(tmp_path)
    assert len(finished) in {2, 3}
    assert not list((tmp_path / "out").glob("*.mp4"))
    with running(*_enhance(film, tmp_path, "--workers", "1"), **_IN_PARTS) as command:
        _wait_for_segments(tmp_path, len(finished) + 1)
        kept = _records(tmp_path)
        ended = command.end()
    # The same files, byte for byte: nothing was made twice.
    assert finished.items() <= kept.items()
    _assert_whole(ended, tmp_path, film)


def test_another_preset_begins_anew(film: Path, tmp_path: Path) -> None:
    with running(*_enhance(film, tmp_path, "--workers", "1"), **_IN_PARTS) as command:
        _wait_for_segments(tmp_path, 1)
        command.process.kill()
    finished = set(_records(tmp_path))
    with running(*_enhance(film, tmp_path, "--workers", "1", "--preset", "light"), **_IN_PARTS) as command:
        wait_until(lambda: len(list((tmp_path / "out" / ".vidproc").glob("parts-*"))) == 2)
        wait_until(lambda: len(set(_records(tmp_path)) - finished) >= 1)
        ended = command.end()
    assert ended.code == 0, ended.err
    # What the other settings left waits for whoever comes back with them.
    assert set(_records(tmp_path)) == finished


@pytest.mark.parametrize("victim", ["worker", "child"])
def test_a_killed_worker_costs_its_segment_and_no_more(film: Path, tmp_path: Path, victim: str) -> None:
    with running(*_enhance(film, tmp_path, "--workers", "2"), **_IN_PARTS) as command:
        _wait_for_segments(tmp_path, 1)
        worker = _enhancers(command)[0]
        for process in worker.children() if victim == "child" else [worker]:
            process.kill()
        ended = command.end()
    report = _assert_whole(ended, tmp_path, film)
    assert ended.of("finished")[0]["tasks"]["video_enhancement"]["status"] == "completed"
    assert report["frames_out"] == 300


@pytest.fixture
def cluster(broker_vhost: str, tmp_path: Path) -> Iterator[list[Command]]:
    """Three workers of other people."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                running("worker", "--data-dir", tmp_path / name, VIDPROC_RABBITMQ_URL=broker_vhost)
            )
            for name in ("first", "second", "third")
        ]
        yield workers
        for worker in workers:
            if worker.process.poll() is None:
                os.kill(worker.process.pid, signal.SIGTERM)
                worker.end()


def test_three_machines_share_a_film_and_one_of_them_dies(
    film: Path, broker_vhost: str, cluster: list[Command], tmp_path: Path
) -> None:
    arguments = _enhance(film, tmp_path, "--workers", "0", "--broker", broker_vhost)
    with running(*arguments, **_IN_PARTS) as command:
        _wait_for_segments(tmp_path, 1)
        family = cluster[0].family()
        cluster[0].process.kill()
        assert_gone(family, 2)
        ended = command.end()
    report = _assert_whole(ended, tmp_path, film)
    assert report["segment_workers"] in {2, 3}


def test_the_broker_dies_between_two_segments(
    film: Path, broker_vhost: str, rabbitmq_node: RabbitMQNode, tmp_path: Path
) -> None:
    with running(
        *_enhance(film, tmp_path, "--workers", "1", "--broker", broker_vhost), **_IN_PARTS
    ) as command:
        _wait_for_segments(tmp_path, 1)
        rabbitmq_node.kill()
        command.until_line(lambda line: '"unreachable"' in line)
        rabbitmq_node.start()
        ended = command.end()
    _assert_whole(ended, tmp_path, film)


def test_a_short_film_is_one_task(film: Path, tmp_path: Path) -> None:
    ended = vidproc(*_enhance(film, tmp_path), VIDPROC_SEGMENT_FROM_SECONDS="13")
    assert ended.code == 0, ended.err
    (finished,) = ended.of("finished")
    video = Path(finished["output"])
    report = json.loads(video.with_name(f"{video.stem}.report.json").read_text())
    assert not report["segments"]
