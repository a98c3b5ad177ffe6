"""The command line against a broker: own workers, other people's workers, and brokers that are absent or die."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command_line import LONG, MIDDLING, SMALL, Ended, assert_gone, running, sample, vidproc
from tests.e2e.stage import wait_for
from tests.fixtures.rabbitmq_node import RabbitMQNode

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return sample(folder, SMALL, "clip.mp4"), sample(folder, LONG, "long.mp4")


def _enhance(clip: Path, folder: Path, url: str, *more: str, speed: str = "ultrafast") -> list[str | Path]:
    places: list[str | Path] = ["-o", folder / "out", "--data-dir", folder / "data"]
    return ["enhance", clip, *places, "--broker", url, "--json", "--speed", speed, *more]


def _check_done(ended: Ended, folder: Path) -> None:
    assert ended.code == 0, ended.err
    (finished,) = ended.of("finished")
    assert Path(finished["output"]) == folder / "out" / "clip.mp4"
    assert Path(finished["metadata"]).is_file()
    assert [path.name for path in (folder / "out").glob("*.mp4")] == ["clip.mp4"]


def _queues(node: RabbitMQNode, url: str) -> dict[str, int]:
    listed = node.ctl("-p", url.rsplit("/", 1)[1], "list_queues", "name", "messages")
    rows = [line.split("\t") for line in listed.splitlines()[1:] if "\t" in line]
    return {name: int(count) for name, count in rows}


def _wait_until_empty(node: RabbitMQNode, url: str) -> None:
    """The node counts the messages of a quorum queue anew every five seconds only (`quorum_tick_interval`)."""
    wait_for("every queue is empty", lambda: sum(_queues(node, url).values()) == 0, limit_s=20)


def test_own_workers_and_nothing_is_left_on_the_broker(
    clips: tuple[Path, Path], broker_vhost: str, rabbitmq_node: RabbitMQNode, tmp_path: Path
) -> None:
    ended = vidproc(*_enhance(clips[0], tmp_path, broker_vhost))
    _check_done(ended, tmp_path)
    queues = _queues(rabbitmq_node, broker_vhost)
    assert not [name for name in queues if name.startswith("processing_status.")]
    _wait_until_empty(rabbitmq_node, broker_vhost)
    logs = "".join(path.read_text() for path in (tmp_path / "data" / "logs").iterdir())
    assert "guest:guest" not in ended.out + ended.err + logs


@pytest.fixture
def cluster(broker_vhost: str, tmp_path: Path) -> Iterator[None]:
    """Somebody else's worker."""
    with running("worker", "--data-dir", tmp_path / "elsewhere", VIDPROC_RABBITMQ_URL=broker_vhost) as worker:
        yield
        family = worker.family()
        os.kill(worker.process.pid, signal.SIGTERM)
        assert worker.end().code == 0
        assert_gone(family, 2)


def test_no_own_workers_leaves_the_work_to_the_cluster(
    clips: tuple[Path, Path], broker_vhost: str, cluster: None, tmp_path: Path
) -> None:
    with running(*_enhance(clips[0], tmp_path, broker_vhost, "--workers", "0")) as command:
        command.until_line(lambda line: '"progress"' in line)
        assert not [one for one in command.family() if "until-stdin-closes" in " ".join(one.cmdline())]
        _check_done(command.end(), tmp_path)


def test_a_broker_that_is_down_at_the_start_is_said_and_waited_for(
    clips: tuple[Path, Path], broker_vhost: str, rabbitmq_node: RabbitMQNode, tmp_path: Path
) -> None:
    rabbitmq_node.stop()
    with running(*_enhance(clips[0], tmp_path, broker_vhost)) as command:
        line = command.until_line(lambda line: '"unreachable"' in line)
        assert f"port {rabbitmq_node.port}" in line
        rabbitmq_node.start()
        _check_done(command.end(), tmp_path)


def test_the_broker_timeout_gives_up(clips: tuple[Path, Path], tmp_path: Path) -> None:
    ended = vidproc(*_enhance(clips[0], tmp_path, "amqp://user:s3cret@127.0.0.1:1/", "--broker-timeout", "5"))
    assert ended.code == 1
    assert "could not be reached for 5 s" in ended.err
    assert "s3cret" not in ended.out + ended.err
    assert "never awaited" not in ended.err
    assert ended.events[-1]["stopped"] == 1


def test_a_broker_killed_in_the_middle_costs_only_time(
    broker_vhost: str, rabbitmq_node: RabbitMQNode, tmp_path: Path
) -> None:
    clip = sample(tmp_path, MIDDLING, "clip.mp4")
    with running(*_enhance(clip, tmp_path, broker_vhost, speed="slow")) as command:
        command.until_line(lambda line: '"analysing"' in line)
        rabbitmq_node.kill()
        command.until_line(lambda line: '"unreachable"' in line)
        rabbitmq_node.start()
        _check_done(command.end(), tmp_path)


def test_ctrl_c_takes_the_task_from_the_broker(
    clips: tuple[Path, Path], broker_vhost: str, rabbitmq_node: RabbitMQNode, tmp_path: Path
) -> None:
    with running(*_enhance(clips[1], tmp_path, broker_vhost, speed="slow")) as command:
        command.until_line(lambda line: '"enhancing"' in line)
        family = command.family()
        command.interrupt()
        ended = command.end()
    assert ended.code == 1
    assert "Stopped" in ended.err
    assert_gone(family, 2)
    assert not list((tmp_path / "out").rglob("*.mp4"))
    _wait_until_empty(rabbitmq_node, broker_vhost)


def test_killed_with_9_its_workers_end_with_it(
    clips: tuple[Path, Path], broker_vhost: str, tmp_path: Path
) -> None:
    with running(*_enhance(clips[1], tmp_path, broker_vhost, speed="slow")) as command:
        command.until_line(lambda line: '"enhancing"' in line)
        family = command.family()
        assert len(family) >= 3
        os.kill(command.process.pid, signal.SIGKILL)
        assert_gone(family, 2)
    assert not list((tmp_path / "out").glob("*.mp4"))
