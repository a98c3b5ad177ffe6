from tests.unit.desktop.values import CLIENT, ENHANCEMENT, METADATA, status
from vidproc_desktop.broker.deliveries import DeliveryQueue, concerns
from workers.protocol.messages import ControlMessage, FileTask, OutputTarget, SourceRef
from workers.protocol.model import WorkerId
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
    assert metadata.key == ("1", METADATA)


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
    assert {delivery.key for delivery in dropped} == {("1", ENHANCEMENT), ("1", METADATA)}
    assert len(queue) == 0


def test_an_ending_in_a_workers_place_comes_after_everything_it_said() -> None:
    queue = DeliveryQueue()
    queue.put(task("1"), None)
    delivery = queue.take(A, (ENHANCEMENT,), (A,))
    assert delivery is not None
    delivery.note(status(10**18, progress=42))
    ending = delivery.ending(Status.FAILED, worker_id="a", now_us=5)
    assert (ending.sequence, ending.progress) == (10**18 + 1, 42)
