"""Both workers against a real RabbitMQ node: confirmed ends, no redelivery storm, a broker that comes and goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aio_pika.exceptions import DeliveryError

from tests.fixtures.rabbitmq_node import RabbitMQNode
from tests.fixtures.worker_peers import (
    JOBS,
    LIMIT_S,
    AmqpPeer,
    amqp_peer,
    is_running,
    make_config,
    make_source,
    make_task,
    until,
    worker_program,
)
from workers.metadata_extraction_worker import MetadataExtractionWorker
from workers.protocol import topology
from workers.protocol.messages import ControlMessage, FileTask, OutputTarget
from workers.protocol.results import EnhancementResult
from workers.protocol.states import ControlAction, ErrorCode, ProcessType, Status, WorkerState
from workers.runtime.sources import uri_from_path
from workers.transport.hosting import HostOptions
from workers.transport.timing import LinkTiming
from workers.video_enhancement_worker import VideoEnhancementWorker

QUICK = LinkTiming(confirm_s=10, resend_s=0.3, watch_s=0.3, first_pause_s=0.05, longest_pause_s=0.3)
BOTH = (ProcessType.VIDEO_ENHANCEMENT, ProcessType.METADATA_EXTRACTION)


def _options(url: str, folder: Path, **changes: Any) -> HostOptions:
    return HostOptions(make_config(folder, rabbitmq_url=url, **changes), jobs=JOBS, timing=QUICK)


@asynccontextmanager
async def _worker(url: str, folder: Path, **changes: Any) -> AsyncIterator[VideoEnhancementWorker]:
    worker = VideoEnhancementWorker(options=_options(url, folder, **changes))
    try:
        await worker.startup()
        async with asyncio.timeout(LIMIT_S):
            await worker.connect()
        await worker.start_consuming()
        yield worker
    finally:
        await worker.close()


async def test_one_publish_reaches_both_workers_and_both_results_come_back(
    broker_vhost: str, tmp_path: Path
) -> None:
    task = make_task(make_source(tmp_path), tmp_path / "out", process_types=BOTH)
    metadata = MetadataExtractionWorker(options=_options(broker_vhost, tmp_path))
    async with _worker(broker_vhost, tmp_path), amqp_peer(broker_vhost) as peer:
        try:
            await metadata.startup()
            await metadata.connect()
            await metadata.start_consuming()
            await peer.publish(task)
            await peer.sink.wait_for(lambda: len(peer.sink.finals) == 2)
            await until(lambda: len(peer.sink.heartbeats) > 2)
        finally:
            await metadata.close()
    assert {final.status for final in peer.sink.finals} == {Status.COMPLETED}
    assert {final.process_type for final in peer.sink.finals} == set(BOTH)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [
        "clip.contact.jpg",
        "clip.metadata.json",
        "clip.mp4",
        "clip.poster.jpg",
        "clip.report.json",
        "clip.thumb.jpg",
    ]


async def test_statuses_are_ordered_and_progress_reaches_the_client(
    broker_vhost: str, tmp_path: Path
) -> None:
    task = make_task(make_source(tmp_path, steps=10, step_s=0.05), tmp_path / "out")
    async with _worker(broker_vhost, tmp_path), amqp_peer(broker_vhost) as peer:
        await peer.publish(task)
        await peer.sink.wait_for(lambda: bool(peer.sink.finals))
    sequences = [status.sequence for status in peer.sink.statuses]
    assert sequences == sorted(set(sequences))
    assert [status.status for status in peer.sink.statuses[:1]] == [Status.PROCESSING]
    percents = [status.progress for status in peer.sink.statuses]
    assert percents == sorted(percents)


async def test_a_failing_task_is_delivered_once_and_acknowledged(broker_vhost: str, tmp_path: Path) -> None:
    marker = tmp_path / "begun"
    source = make_source(tmp_path, die="SIGKILL", marker=str(marker))
    async with _worker(broker_vhost, tmp_path), amqp_peer(broker_vhost) as peer:
        await peer.publish(make_task(source, tmp_path / "out"))
        await peer.sink.wait_for(lambda: bool(peer.sink.finals))
        good = make_source(tmp_path, "good.mov")
        await peer.publish(make_task(good, tmp_path / "out", file_id="file-2"))
        await peer.sink.wait_for(lambda: len(peer.sink.finals) == 2)
        assert await peer.count(topology.ENHANCEMENT_QUEUE.name) == 0
        assert await peer.count(topology.DEAD_LETTER_QUEUE.name) == 0
    failed = peer.sink.finals[0]
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert failed.error.code is ErrorCode.WORKER_CRASHED
    assert "SIGKILL" in failed.error.message
    assert len(marker.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "body", [b"no json", b'{"type":"file","version":99}', b'{"type":"control","action":"pause"}']
)
async def test_what_nobody_can_read_goes_to_the_dead_letters(
    broker_vhost: str, tmp_path: Path, body: bytes
) -> None:
    async with _worker(broker_vhost, tmp_path), amqp_peer(broker_vhost) as peer:
        await peer.publish(body, "enhance.segment")
        dead = await peer.channel.get_queue(topology.DEAD_LETTER_QUEUE.name)
        async with asyncio.timeout(LIMIT_S), dead.iterator() as messages:
            async for message in messages:
                assert message.body == body
                await message.ack()
                break
        await until(lambda: True)
        assert await peer.count(topology.ENHANCEMENT_QUEUE.name) == 0


async def test_a_task_for_this_worker_alone_arrives_over_its_own_queue(
    broker_vhost: str, tmp_path: Path
) -> None:
    async with amqp_peer(broker_vhost) as peer, _worker(broker_vhost, tmp_path):
        await peer.sink.wait_for(lambda: bool(peer.sink.heartbeats))
        worker_id = peer.sink.heartbeats[0].worker_id
        task = make_task(make_source(tmp_path), tmp_path / "out", attempt=2)
        await peer.publish(task, topology.worker_routing_key(worker_id))
        await peer.sink.wait_for(lambda: bool(peer.sink.finals))
    assert peer.sink.finals[0].attempt == 2
    assert peer.sink.finals[0].status is Status.COMPLETED


async def test_a_running_and_a_queued_task_are_cancelled(broker_vhost: str, tmp_path: Path) -> None:
    marker = tmp_path / "begun"
    running = make_task(make_source(tmp_path, hang=True, marker=str(marker)), tmp_path / "out")
    queued = make_task(make_source(tmp_path, "b.mov", marker=str(marker)), tmp_path / "out", file_id="file-2")
    async with _worker(broker_vhost, tmp_path), amqp_peer(broker_vhost) as peer:
        await peer.publish(running)
        await peer.publish(queued)
        await until(marker.exists)
        await peer.control(
            ControlMessage(action=ControlAction.CANCEL, client_id="client-1", file_id="file-2", attempt=1)
        )
        await peer.control(
            ControlMessage(action=ControlAction.CANCEL, client_id="client-1", file_id="file-1")
        )
        await peer.sink.wait_for(lambda: len(peer.sink.finals) == 2)
        assert await peer.count(topology.ENHANCEMENT_QUEUE.name) == 0
    assert {final.status for final in peer.sink.finals} == {Status.CANCELLED}
    assert len(marker.read_text().splitlines()) == 1
    assert list((tmp_path / "out").iterdir()) == []


async def test_a_broker_restart_in_the_middle_costs_no_work_and_no_status(
    rabbitmq_node: RabbitMQNode, broker_vhost: str, tmp_path: Path
) -> None:
    marker, gate = tmp_path / "begun", tmp_path / "gate"
    task = make_task(make_source(tmp_path, marker=str(marker), gate=str(gate)), tmp_path / "out")
    async with _worker(broker_vhost, tmp_path) as worker:
        async with amqp_peer(broker_vhost) as peer:
            await peer.publish(task)
            await until(marker.exists)
        await asyncio.to_thread(rabbitmq_node.restart)
        async with amqp_peer(broker_vhost) as peer:
            await peer.sink.wait_for(
                lambda: any(beat.state is WorkerState.BUSY for beat in peer.sink.heartbeats)
            )
            gate.touch()
            await peer.sink.wait_for(lambda: bool(peer.sink.finals))
            await _until_empty(peer, worker)
    assert peer.sink.finals[0].status is Status.COMPLETED
    assert len(marker.read_text().splitlines()) == 1


async def _until_empty(peer: AmqpPeer, worker: VideoEnhancementWorker) -> None:
    """The redelivered task was acknowledged: nothing waits and nothing is in the worker's hands."""
    await until(lambda: worker.consumer.state is WorkerState.IDLE)
    assert await peer.count(topology.ENHANCEMENT_QUEUE.name) == 0


async def test_the_end_of_a_task_is_kept_while_the_broker_is_away(
    rabbitmq_node: RabbitMQNode, broker_vhost: str, tmp_path: Path
) -> None:
    marker, gate = tmp_path / "begun", tmp_path / "gate"
    task = make_task(make_source(tmp_path, marker=str(marker), gate=str(gate)), tmp_path / "out")
    async with _worker(broker_vhost, tmp_path) as worker:
        async with amqp_peer(broker_vhost) as peer:
            await peer.publish(task)
            await until(marker.exists)
        await asyncio.to_thread(rabbitmq_node.stop)
        gate.touch()
        await until((tmp_path / "out" / "clip.mp4").exists)
        await until(lambda: worker.consumer.state is WorkerState.IDLE)
        await asyncio.to_thread(rabbitmq_node.start)
        async with amqp_peer(broker_vhost) as peer:
            await peer.sink.wait_for(lambda: bool(peer.sink.finals))
            await until(lambda: worker.consumer.state is WorkerState.IDLE)
    assert {final.status for final in peer.sink.finals} == {Status.COMPLETED}
    assert len(marker.read_text().splitlines()) == 1


async def test_a_final_status_that_no_queue_takes_is_sent_when_the_client_is_back(
    broker_vhost: str, tmp_path: Path
) -> None:
    task = make_task(make_source(tmp_path), tmp_path / "out")
    async with _worker(broker_vhost, tmp_path) as worker:
        async with amqp_peer(broker_vhost, listens=False) as nobody:
            await nobody.publish(task)
            await until((tmp_path / "out" / "clip.mp4").exists)
            await until(lambda: worker.consumer.state is WorkerState.IDLE)
        async with amqp_peer(broker_vhost) as peer:
            await peer.sink.wait_for(lambda: bool(peer.sink.finals))
    assert peer.sink.finals[0].status is Status.COMPLETED


async def test_the_consumer_comes_back_when_its_queue_was_deleted(broker_vhost: str, tmp_path: Path) -> None:
    async with _worker(broker_vhost, tmp_path), amqp_peer(broker_vhost) as peer:
        await peer.sink.wait_for(lambda: any(beat.state is WorkerState.IDLE for beat in peer.sink.heartbeats))
        worker_id = peer.sink.heartbeats[0].worker_id
        await peer.channel.queue_delete(topology.worker_queue(worker_id).name)
        task = make_task(make_source(tmp_path), tmp_path / "out")
        await _publish_when_there(peer, task, topology.worker_routing_key(worker_id))
        await peer.sink.wait_for(lambda: bool(peer.sink.finals))
    assert peer.sink.finals[0].status is Status.COMPLETED


async def _publish_when_there(peer: AmqpPeer, task: FileTask, key: str) -> None:
    """Publish as soon as a queue takes it."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                await peer.publish(task, key)
            except DeliveryError:
                await asyncio.sleep(0.1)
            else:
                return


async def test_three_failures_in_a_row_set_the_worker_aside_until_it_is_released(
    broker_vhost: str, tmp_path: Path
) -> None:
    async with _worker(broker_vhost, tmp_path), amqp_peer(broker_vhost) as peer:
        for number in range(3):
            bad = make_source(tmp_path, f"{number}.mov", **{"raise": "encoder_failed"})
            await peer.publish(make_task(bad, tmp_path / "out", file_id=f"bad-{number}"))
        await peer.sink.wait_for(
            lambda: any(beat.state is WorkerState.SET_ASIDE for beat in peer.sink.heartbeats)
        )
        good = make_task(make_source(tmp_path), tmp_path / "out", file_id="good")
        await peer.publish(good)
        queue = topology.ENHANCEMENT_QUEUE.name
        await _until_count(peer, queue, 1)
        await peer.control(ControlMessage(action=ControlAction.RELEASE))
        await peer.sink.wait_for(lambda: len(peer.sink.finals) == 4)
    assert peer.sink.finals[-1].file_id == "good"
    assert peer.sink.finals[-1].status is Status.COMPLETED


async def _until_count(peer: AmqpPeer, queue: str, count: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        while await peer.count(queue) != count:  # noqa: ASYNC110 - the broker counts, and tells only when asked
            await asyncio.sleep(0.05)


async def test_a_worker_killed_with_9_loses_nothing(broker_vhost: str, tmp_path: Path) -> None:
    marker, gate = tmp_path / "begun", tmp_path / "gate"
    task = make_task(make_source(tmp_path, marker=str(marker), gate=str(gate)), tmp_path / "out")
    arguments = ("enhance", "--broker", broker_vhost, "--data-dir", str(tmp_path / "data"))
    async with amqp_peer(broker_vhost) as peer:
        with worker_program(*arguments) as first:
            await peer.publish(task)
            await until(marker.exists)
            family = first.family
            first.process.kill()
            await until(lambda: not any(map(is_running, family)), 5)
        gate.touch()
        async with _worker(broker_vhost, tmp_path / "second"):
            await peer.sink.wait_for(lambda: bool(peer.sink.finals))
    result = peer.sink.finals[0].result
    assert isinstance(result, EnhancementResult)
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [
        "clip.mp4",
        "clip.poster.jpg",
        "clip.report.json",
    ]
    assert len(marker.read_text().splitlines()) == 2


async def test_two_workers_with_the_same_task_publish_one_result(broker_vhost: str, tmp_path: Path) -> None:
    marker, gate = tmp_path / "begun", tmp_path / "gate"
    task = make_task(make_source(tmp_path, marker=str(marker), gate=str(gate)), tmp_path / "out")
    async with (
        _worker(broker_vhost, tmp_path / "a"),
        _worker(broker_vhost, tmp_path / "b"),
        amqp_peer(broker_vhost) as peer,
    ):
        await peer.publish(task)
        await peer.publish(task)
        await until(lambda: marker.exists() and len(marker.read_text().splitlines()) == 2)
        gate.touch()
        await peer.sink.wait_for(lambda: len(peer.sink.finals) == 2)
    results = [final.result for final in peer.sink.finals if isinstance(final.result, EnhancementResult)]
    assert sorted(result.was_found_finished for result in results) == [False, True]
    assert len({result.output_uri for result in results}) == 1
    assert len(list((tmp_path / "out").glob("*.mp4"))) == 1


async def test_a_broker_that_is_down_at_the_start_is_waited_for(
    rabbitmq_node: RabbitMQNode, tmp_path: Path
) -> None:
    url = rabbitmq_node.new_vhost_url()
    await asyncio.to_thread(rabbitmq_node.stop)
    worker = VideoEnhancementWorker(options=_options(url, tmp_path))
    try:
        await worker.startup()
        connecting = asyncio.create_task(worker.connect())
        done, _ = await asyncio.wait({connecting}, timeout=0.5)
        assert not done
        await asyncio.to_thread(rabbitmq_node.start)
        async with asyncio.timeout(LIMIT_S):
            await connecting
    finally:
        await worker.close()


async def test_a_signal_lets_the_running_task_finish(broker_vhost: str, tmp_path: Path) -> None:
    marker, gate = tmp_path / "begun", tmp_path / "gate"
    task = make_task(make_source(tmp_path, marker=str(marker), gate=str(gate)), tmp_path / "out")
    arguments = ("all", "--broker", broker_vhost, "--data-dir", str(tmp_path / "data"))
    async with amqp_peer(broker_vhost) as peer:
        with worker_program(*arguments) as program:
            await peer.publish(task)
            await until(marker.exists)
            family = program.family
            program.process.terminate()
            await peer.sink.wait_for(
                lambda: any(beat.state is WorkerState.STOPPING for beat in peer.sink.heartbeats)
            )
            gate.touch()
            assert await asyncio.to_thread(program.process.wait, 30) == 0
            assert not any(map(is_running, family))
        await peer.sink.wait_for(lambda: bool(peer.sink.finals))
    assert peer.sink.finals[0].status is Status.COMPLETED


async def test_logs_never_show_the_password(broker_vhost: str, tmp_path: Path) -> None:
    secret = "s3cr3t-pa55"
    address = broker_vhost.split("@", 1)[-1]
    arguments = (
        "enhance",
        "--broker",
        f"amqp://somebody:{secret}@{address}",
        "--data-dir",
        str(tmp_path / "data"),
    )
    with worker_program(*arguments, VIDPROC_LOG_LEVEL="DEBUG") as program:
        log = tmp_path / "data" / "logs" / "worker-enhance-1.log"
        await until(lambda: log.exists() and "refused the user name or the password" in log.read_text())
        program.process.terminate()
        assert await asyncio.to_thread(program.process.wait, 30) == 0
    assert secret not in log.read_text()


async def test_target_folders_outside_the_roots_are_refused(broker_vhost: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    task = make_task(make_source(inside), inside)
    task = task.model_copy(
        update={"output": OutputTarget(directory_uri=uri_from_path(tmp_path / "outside"), stem="clip")}
    )
    async with _worker(broker_vhost, tmp_path, roots=(inside,)), amqp_peer(broker_vhost) as peer:
        await peer.publish(task)
        await peer.sink.wait_for(lambda: bool(peer.sink.finals))
    error = peer.sink.finals[0].error
    assert error is not None
    assert error.code is ErrorCode.PATH_NOT_ALLOWED
