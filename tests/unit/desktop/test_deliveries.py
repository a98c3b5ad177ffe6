from tests.unit.desktop.values import CLIENT, ENHANCEMENT, METADATA, status
from vidproc_desktop.broker.deliveries import DeliveryQueue, concerns
from workers.protocol.messages import (
    AnalysisTask,
    AnyWorkTask,
    AssemblyTask,
    ControlMessage,
    FileTask,
    OutputTarget,
    SegmentTask,
    SourceRef,
)
from workers.protocol.model import WorkerId
from workers.protocol.segments import ANALYSIS, ASSEMBLY, SegmentSpan, segment_part
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ControlAction, Status

A, B = WorkerId("a"), WorkerId("b")


def task(file_id: str, attempt: int = 1) -> FileTask:
    return FileTask(
        file_id=file_id,
        client_id=CLIENT,
        process_types=(ENHANCEMENT, METADATA),
        attempt=attempt,
        source=SourceRef(uri="file:///in.mov", size_bytes=1, mtime_ns=1),
        output=OutputTarget(directory_uri="file:///out", stem="in"),
        settings=EnhancementSettings(),
        timeout_s=60,
    )


def segment(number: int, attempt: int = 1) -> SegmentTask:
    whole = task("1", attempt)
    return SegmentTask(
        file_id=whole.file_id,
        client_id=whole.client_id,
        attempt=attempt,
        source=whole.source,
        output=whole.output,
        settings=whole.settings,
        timeout_s=60,
        plan_sha256="0" * 64,
        span=SegmentSpan(number=number, first=number * 100, count=100, start_s=number * 4.0, duration_s=4.0),
    )


def other_parts() -> tuple[AnyWorkTask, AnyWorkTask]:
    fields = segment(0).model_dump(exclude={"type", "span", "plan_sha256"})
    return AnalysisTask(**fields), AssemblyTask(**fields, plan_sha256="0" * 64)


def taken(queue: DeliveryQueue, worker_id: WorkerId, *present: WorkerId) -> str | None:
    delivery = queue.take(worker_id, (ENHANCEMENT,), present)
    return delivery.task.file_id if delivery is not None else None


def test_every_process_is_delivered_once_and_in_order() -> None:
    queue = DeliveryQueue()
    queue.put(task("1"), None)
    queue.put(task("2"), None)
    assert [taken(queue, A, A) for _ in range(3)] == ["1", "2", None]
    metadata = queue.take(B, (METADATA,), (A, B))
    assert metadata is not None
    assert metadata.key == ("1", METADATA, None)
    assert isinstance(metadata.message, FileTask)
    assert metadata.message.process_types == (METADATA,)


def test_a_delivery_for_one_worker_waits_for_it_as_long_as_it_is_there() -> None:
    queue = DeliveryQueue()
    queue.put(task("1"), B)
    assert taken(queue, A, A, B) is None
    assert taken(queue, B, A, B) == "1"
    queue.put(task("2"), B)
    assert taken(queue, A, A) == "2"


def test_what_is_handed_back_comes_first() -> None:
    queue = DeliveryQueue()
    queue.put(task("1"), None)
    queue.put(task("2"), None)
    first = queue.take(A, (ENHANCEMENT,), (A,))
    assert first is not None
    queue.put_back([first])
    assert taken(queue, A, A) == "1"


def test_a_repeated_publish_does_not_double_the_work() -> None:
    queue = DeliveryQueue()
    queue.put(task("1"), None)
    queue.put(task("1", attempt=2), None)
    delivery = queue.take(A, (ENHANCEMENT,), (A,))
    assert delivery is not None
    assert delivery.task.attempt == 2
    assert taken(queue, A, A) is None


def test_a_cancel_concerns_its_attempt_and_those_before() -> None:
    queue = DeliveryQueue()
    queue.put(task("1", attempt=2), None)
    cancel = ControlMessage(action=ControlAction.CANCEL, client_id=CLIENT, file_id="1", attempt=1)
    assert queue.drop(lambda delivery: concerns(cancel, delivery)) == []
    other = cancel.model_copy(update={"client_id": "other", "attempt": None})
    assert queue.drop(lambda delivery: concerns(other, delivery)) == []
    dropped = queue.drop(lambda delivery: concerns(cancel.model_copy(update={"attempt": 2}), delivery))
    assert {delivery.key for delivery in dropped} == {("1", ENHANCEMENT, None), ("1", METADATA, None)}
    assert len(queue) == 0


def test_an_ending_in_a_workers_place_comes_after_everything_it_said() -> None:
    queue = DeliveryQueue()
    queue.put(task("1"), None)
    delivery = queue.take(A, (ENHANCEMENT,), (A,))
    assert delivery is not None
    delivery.note(status(10**18, progress=42))
    ending = delivery.ending(Status.FAILED, worker_id="a", now_us=5)
    assert (ending.sequence, ending.progress) == (10**18 + 1, 42)


def test_parts_of_one_file_are_deliveries_of_their_own() -> None:
    queue = DeliveryQueue()
    analysis, assembly = other_parts()
    for part in (analysis, segment(0), segment(1), segment(1, attempt=2), assembly):
        queue.put(part, None)
    queue.put(task("1"), None)
    found = [queue.take(A, (ENHANCEMENT,), (A,)) for _ in range(len(queue))]
    names = [delivery.key[2] for delivery in found if delivery is not None]
    assert names == [ANALYSIS, segment_part(0), segment_part(1), ASSEMBLY, None]
    again = found[2]
    assert again is not None
    assert again.message == segment(1, attempt=2)
    assert again.ending(Status.FAILED, worker_id="a", now_us=5).part == segment_part(1)


def test_a_part_never_goes_to_a_worker_that_only_reads_metadata() -> None:
    queue = DeliveryQueue()
    queue.put(segment(0), None)
    assert queue.take(A, (METADATA,), (A,)) is None


def test_a_cancel_concerns_one_part_or_the_whole_files_task() -> None:
    queue = DeliveryQueue()
    for part in (segment(0), segment(1), *other_parts(), task("1")):
        queue.put(part, None)

    def dropped(part: str | None) -> set[str | None]:
        message = ControlMessage(action=ControlAction.CANCEL, client_id=CLIENT, file_id="1", part=part)
        return {delivery.key[2] for delivery in queue.drop(lambda delivery: concerns(message, delivery))}

    assert dropped(segment_part(1)) == {segment_part(1)}
    assert dropped(None) == {None}
    assert dropped(ANALYSIS) == {ANALYSIS}
    assert dropped(segment_part(7)) == set()
    assert len(queue) == 2
