"""An enhancement in parts over stdio and over a real RabbitMQ: every kind of part, shared by workers that die."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.part_tasks import analysis_task, assembly_task, segment_task
from tests.fixtures.worker_peers import (
    JOBS,
    LIMIT_S,
    AmqpPeer,
    WorkerProgram,
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
from workers.protocol.codec import AnyFromWorker, encode
from workers.protocol.messages import (
    AnyWorkTask,
    AssemblyTask,
    ControlMessage,
    FileTask,
    SegmentTask,
    StatusMessage,
)
from workers.protocol.results import AnalysisResult, EnhancementResult, SegmentResult
from workers.protocol.states import ControlAction, ProcessType, Status
from workers.transport.hosting import HostOptions
from workers.transport.timing import LinkTiming
from workers.video_enhancement_worker import VideoEnhancementWorker

QUICK = LinkTiming(confirm_s=10, resend_s=0.3, watch_s=0.3, first_pause_s=0.05, longest_pause_s=0.3)
FINISHED = ["clip.mp4", "clip.poster.jpg", "clip.report.json"]


def a_file(tmp_path: Path, **orders: Any) -> FileTask:
    return make_task(make_source(tmp_path, **orders), tmp_path / "out")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def shared_out(final: StatusMessage) -> AnalysisResult:
    assert isinstance(final.result, AnalysisResult)
    return final.result


# ---------------------------------------------------------------- stdio


def arguments(tmp_path: Path, role: str) -> tuple[str, ...]:
    return (role, "--stdio", "--data-dir", str(tmp_path / "data"))


def is_final(message: AnyFromWorker) -> bool:
    return isinstance(message, StatusMessage) and message.status.is_final


def ask(program: WorkerProgram, task: AnyWorkTask) -> StatusMessage:
    program.send(task)
    final = program.receive_until(is_final)[-1]
    assert isinstance(final, StatusMessage)
    assert final.part == task.part
    return final


@pytest.mark.parametrize("role", ["enhance", "all"])
def test_a_program_does_every_part_over_stdio(tmp_path: Path, role: str) -> None:
    task = a_file(tmp_path, segments=2)
    with worker_program(*arguments(tmp_path, role)) as program:
        parts = shared_out(ask(program, analysis_task(task)))
        for number in range(2):
            assert isinstance(ask(program, segment_task(task, parts, number)).result, SegmentResult)
        assert isinstance(ask(program, assembly_task(task, parts)).result, EnhancementResult)
    assert names_in(tmp_path / "out") == FINISHED


def test_a_program_for_metadata_passes_parts_over(tmp_path: Path) -> None:
    task = a_file(tmp_path)
    wanted = make_task(
        tmp_path / "clip.mov", tmp_path / "out", process_types=(ProcessType.METADATA_EXTRACTION,)
    )
    with worker_program(*arguments(tmp_path, "metadata")) as program:
        program.send(analysis_task(task))
        final = ask(program, wanted)
    assert final.status is Status.COMPLETED
    assert names_in(tmp_path / "out") == ["clip.contact.jpg", "clip.metadata.json", "clip.thumb.jpg"]


async def test_the_end_of_input_in_a_segment_leaves_the_finished_ones(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    task = a_file(tmp_path, parts={"segment-00001": {"hang": True, "marker": str(marker)}})
    with worker_program(*arguments(tmp_path, "enhance")) as program:
        parts = shared_out(ask(program, analysis_task(task)))
        ask(program, segment_task(task, parts, 0))
        program.send(segment_task(task, parts, 1))
        await until(marker.exists)
        family = program.family
        assert program.process.stdin is not None
        program.process.stdin.close()
        await until(lambda: program.process.poll() is not None and not any(map(is_running, family)), 5.0)
    with worker_program(*arguments(tmp_path, "enhance")) as program:
        again = ask(program, segment_task(task, parts, 0)).result
    assert isinstance(again, SegmentResult)
    assert again.was_found_finished


def test_log_lines_name_the_part(tmp_path: Path) -> None:
    task = a_file(tmp_path, parts={"analysis": {"raise": "encoder_failed"}})
    with worker_program(*arguments(tmp_path, "enhance")) as program:
        final = ask(program, analysis_task(task))
    log = (tmp_path / "data" / "logs" / "worker-enhance-1.log").read_text()
    marked = f"[worker={final.worker_id} file=file-1 task=video_enhancement/analysis attempt=1]"
    assert any(marked in line and "attempt failed" in line for line in log.splitlines())


# ---------------------------------------------------------------- called directly


@pytest.fixture
async def direct(tmp_path: Path) -> AsyncIterator[VideoEnhancementWorker]:
    worker = VideoEnhancementWorker(options=HostOptions(make_config(tmp_path), jobs=JOBS, timing=QUICK))
    try:
        await worker.startup()
        yield worker
    finally:
        await worker.close()


async def test_enhance_video_takes_parts_as_tasks_and_as_tables(
    direct: VideoEnhancementWorker, tmp_path: Path
) -> None:
    task = a_file(tmp_path, segments=1)
    parts = AnalysisResult.model_validate(await direct.enhance_video(analysis_task(task).model_dump()))
    segment = await direct.enhance_video(segment_task(task, parts, 0))
    assert SegmentResult.model_validate(segment).pictures == parts.spans[0].count
    whole = await direct.enhance_video(assembly_task(task, parts).model_dump(mode="json"))
    found = await direct.enhance_video(task.model_dump(exclude={"type"}))
    assert EnhancementResult.model_validate(found).was_found_finished
    assert found["output_uri"] == whole["output_uri"]


async def test_a_table_that_is_no_task_is_refused(tmp_path: Path) -> None:
    task = a_file(tmp_path)
    worker = MetadataExtractionWorker(options=HostOptions(make_config(tmp_path), jobs=JOBS, timing=QUICK))
    try:
        await worker.startup()
        for wrong in (analysis_task(task).model_dump(), {"type": "probe"}, {}):
            with pytest.raises(ValueError, match=r"metadata|type|required"):
                await worker.extract_metadata(wrong)
    finally:
        await worker.close()


# ---------------------------------------------------------------- RabbitMQ

KEYS = {
    "analysis": topology.ANALYSIS_KEY,
    "segment": topology.SEGMENT_KEY,
    "assembly": topology.ASSEMBLY_KEY,
    "file": topology.FILE_KEY,
}


def options(url: str, folder: Path, **changes: Any) -> HostOptions:
    return HostOptions(make_config(folder, rabbitmq_url=url, **changes), jobs=JOBS, timing=QUICK)


@asynccontextmanager
async def attached[W: (VideoEnhancementWorker, MetadataExtractionWorker)](worker: W) -> AsyncIterator[W]:
    try:
        await worker.startup()
        async with asyncio.timeout(LIMIT_S):
            await worker.connect()
        await worker.start_consuming()
        yield worker
    finally:
        await worker.close()


def enhancing(url: str, folder: Path, **changes: Any) -> VideoEnhancementWorker:
    return VideoEnhancementWorker(options=options(url, folder, **changes))


def finals_of(peer: AmqpPeer, part: str) -> Iterator[StatusMessage]:
    return (final for final in peer.sink.finals if final.part == part)


async def published(peer: AmqpPeer, *tasks: AnyWorkTask) -> None:
    for task in tasks:
        await peer.publish(task, KEYS[task.type])


async def ended(peer: AmqpPeer, task: AnyWorkTask) -> StatusMessage:
    """The end of a part, as soon as it is told."""
    part = task.part
    assert part is not None

    def ends() -> list[StatusMessage]:
        return [final for final in finals_of(peer, part) if final.attempt == task.attempt]

    await peer.sink.wait_for(lambda: bool(ends()))
    return ends()[0]


async def test_parts_go_to_the_enhancement_queue_alone_and_come_back(
    broker_vhost: str, tmp_path: Path
) -> None:
    task = a_file(tmp_path, segments=3)
    metadata = MetadataExtractionWorker(options=options(broker_vhost, tmp_path))
    async with (
        attached(metadata),
        attached(enhancing(broker_vhost, tmp_path / "a")),
        attached(enhancing(broker_vhost, tmp_path / "b", slots=2)),
        amqp_peer(broker_vhost) as peer,
    ):
        analysis = analysis_task(task)
        await published(peer, analysis)
        parts = shared_out(await ended(peer, analysis))
        segments: list[SegmentTask] = [segment_task(task, parts, number) for number in range(3)]
        await published(peer, *segments)
        for segment in segments:
            assert (await ended(peer, segment)).status is Status.COMPLETED
        assembly: AssemblyTask = assembly_task(task, parts)
        await published(peer, assembly)
        assert isinstance((await ended(peer, assembly)).result, EnhancementResult)
        for queue in topology.SHARED_QUEUES:
            assert await peer.count(queue.name) == 0
    assert {final.process_type for final in peer.sink.finals} == {ProcessType.VIDEO_ENHANCEMENT}
    assert len(peer.sink.finals) == 5
    assert names_in(tmp_path / "out") == FINISHED


async def test_a_part_in_a_metadata_workers_own_queue_goes_to_the_dead_letters(
    broker_vhost: str, tmp_path: Path
) -> None:
    task = analysis_task(a_file(tmp_path))
    worker = MetadataExtractionWorker(options=options(broker_vhost, tmp_path))
    async with attached(worker), amqp_peer(broker_vhost) as peer:
        await peer.sink.wait_for(lambda: bool(peer.sink.heartbeats))
        await peer.publish(task, topology.worker_routing_key(peer.sink.heartbeats[0].worker_id))
        dead = await peer.channel.get_queue(topology.DEAD_LETTER_QUEUE.name)
        async with asyncio.timeout(LIMIT_S), dead.iterator() as messages:
            async for message in messages:
                assert message.body == encode(task)
                await message.ack()
                break
    assert peer.sink.finals == []


async def test_a_worker_killed_in_a_segment_loses_that_attempt_alone(
    broker_vhost: str, tmp_path: Path
) -> None:
    marker, gate = tmp_path / "marker", tmp_path / "gate"
    orders = {"marker": str(marker), "gate": str(gate)}
    task = a_file(tmp_path, segments=2, parts={"segment-00001": orders})
    program = ("enhance", "--broker", broker_vhost, "--data-dir", str(tmp_path / "data"))
    async with amqp_peer(broker_vhost) as peer:
        with worker_program(*program) as first:
            await published(peer, analysis_task(task))
            parts = shared_out(await ended(peer, analysis_task(task)))
            segments = [segment_task(task, parts, number) for number in range(2)]
            await published(peer, *segments)
            await ended(peer, segments[0])
            await until(marker.exists)
            family = first.family
            first.process.kill()
            await until(lambda: not any(map(is_running, family)), 5)
        gate.touch()
        async with attached(enhancing(broker_vhost, tmp_path / "second")):
            again = (await ended(peer, segments[1])).result
            assert isinstance(again, SegmentResult)
            assert not again.was_found_finished
            await published(peer, assembly_task(task, parts))
            assert (await ended(peer, assembly_task(task, parts))).status is Status.COMPLETED
    assert len(marker.read_text().splitlines()) == 2
    assert names_in(tmp_path / "out") == FINISHED


async def test_the_same_segment_at_two_workers_is_one_file(broker_vhost: str, tmp_path: Path) -> None:
    marker, gate = tmp_path / "marker", tmp_path / "gate"
    orders = {"marker": str(marker), "gate": str(gate)}
    task = a_file(tmp_path, segments=1, parts={"segment-00000": orders})
    async with (
        attached(enhancing(broker_vhost, tmp_path / "a")),
        attached(enhancing(broker_vhost, tmp_path / "b")),
        amqp_peer(broker_vhost) as peer,
    ):
        await published(peer, analysis_task(task))
        parts = shared_out(await ended(peer, analysis_task(task)))
        segment = segment_task(task, parts, 0)
        await published(peer, segment, segment)
        await until(lambda: marker.exists() and len(marker.read_text().splitlines()) == 2)
        gate.touch()
        await peer.sink.wait_for(lambda: len(list(finals_of(peer, "segment-00000"))) == 2)
    results = [final.result for final in finals_of(peer, "segment-00000")]
    made = [result for result in results if isinstance(result, SegmentResult)]
    assert sorted(result.was_found_finished for result in made) == [False, True]
    assert len({result.video_uri for result in made}) == 1


async def test_one_part_is_cancelled_over_the_broker_and_the_others_go_on(
    broker_vhost: str, tmp_path: Path
) -> None:
    marker, gate = tmp_path / "marker", tmp_path / "gate"
    orders = {"marker": str(marker), "gate": str(gate)}
    task = a_file(tmp_path, segments=2, parts={f"segment-0000{n}": orders for n in range(2)})
    async with (
        attached(enhancing(broker_vhost, tmp_path, slots=2)),
        amqp_peer(broker_vhost) as peer,
    ):
        await published(peer, analysis_task(task))
        parts = shared_out(await ended(peer, analysis_task(task)))
        segments = [segment_task(task, parts, number) for number in range(2)]
        await published(peer, *segments)
        await until(lambda: marker.exists() and len(marker.read_text().splitlines()) == 2)
        await peer.control(
            ControlMessage(
                action=ControlAction.CANCEL, client_id="client-1", file_id="file-1", part="segment-00001"
            )
        )
        assert (await ended(peer, segments[1])).status is Status.CANCELLED
        gate.touch()
        assert (await ended(peer, segments[0])).status is Status.COMPLETED
