"""Statuses: every change of stage, the newest progress, rising numbers."""

import asyncio

from tests.fixtures.worker_peers import Sink
from workers.protocol.messages import AnalysisTask, FileTask, OutputTarget, SourceRef
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ProcessType, Stage, Status
from workers.runtime.progress import Measured
from workers.runtime.reporting import SequenceClock, StatusStream, Subject

_TASK = FileTask(
    file_id="file",
    client_id="client",
    process_types=(ProcessType.VIDEO_ENHANCEMENT,),
    attempt=3,
    source=SourceRef(uri="file:///a", size_bytes=1, mtime_ns=1),
    output=OutputTarget(directory_uri="file:///b", stem="a"),
    settings=EnhancementSettings(),
    timeout_s=1,
)


def _stream(sink: Sink) -> StatusStream:
    return StatusStream(Subject(_TASK, ProcessType.VIDEO_ENHANCEMENT, "worker"), sink, SequenceClock())


async def test_every_stage_is_told_and_a_burst_is_thinned_to_its_newest() -> None:
    sink = Sink()
    stages = (Stage.PROBING, Stage.ANALYSING, Stage.ENHANCING)
    async with _stream(sink) as stream:
        for stage in stages:
            for percent in range(1000):
                stream.observe(Measured(stage, percent / 10))
        await sink.wait_for(lambda: bool(sink.statuses) and sink.statuses[-1].progress > 99)
    assert list(dict.fromkeys(status.stage for status in sink.statuses)) == list(stages)
    assert len(sink.statuses) <= 2 * len(stages)
    assert sink.statuses[-1].progress == 99.9


async def test_a_sink_that_hangs_holds_nobody_up() -> None:
    class Hanging(Sink):
        async def send_progress(self, status: object) -> None:
            await asyncio.Event().wait()

    async with _stream(Hanging()) as stream:
        for percent in range(100):
            stream.observe(Measured(Stage.ENHANCING, float(percent)))
            await asyncio.sleep(0)
    assert stream.shown.percent == 99


def test_numbers_rise_within_a_process_and_beyond_it() -> None:
    clock = SequenceClock()
    numbers = [clock.next() for _ in range(10_000)]
    assert numbers == sorted(set(numbers))
    assert SequenceClock().next() > numbers[0]


def test_a_status_names_the_part_that_it_is_about() -> None:
    analysis = AnalysisTask(**_TASK.model_dump(exclude={"type", "process_types"}))
    for task, part in ((_TASK, None), (analysis, "analysis")):
        subject = Subject(task, ProcessType.VIDEO_ENHANCEMENT, "worker")
        assert subject.status(1, Status.PROCESSING).part == part
