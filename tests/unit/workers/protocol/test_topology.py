"""What of the topology outlives a program and a broker, and which queue each kind of task reaches."""

import pytest

from workers.protocol import topology
from workers.protocol.topology import Queue

TWO_WEEKS_MS = 14 * 24 * 60 * 60 * 1000


def _name(queue: Queue) -> str:
    return queue.name


@pytest.mark.parametrize(
    "queue", [*topology.SHARED_QUEUES, topology.status_queue("c"), topology.worker_queue("w")], ids=_name
)
def test_what_holds_work_or_its_outcome_survives_programs_and_brokers(queue: Queue) -> None:
    assert not queue.is_exclusive
    assert queue.arguments()["x-queue-type"] == "quorum"


def test_a_client_may_be_away_for_two_weeks() -> None:
    assert topology.status_queue("c").arguments()["x-expires"] == TWO_WEEKS_MS


@pytest.mark.parametrize("queue", [topology.heartbeat_queue("c"), topology.control_queue("w")], ids=_name)
def test_what_is_only_for_now_goes_with_its_connection(queue: Queue) -> None:
    assert queue.is_exclusive


def test_a_file_reaches_both_queues_and_a_part_of_one_only_enhancement() -> None:
    reached: dict[str, set[str]] = {}
    for binding in topology.SHARED_BINDINGS:
        if binding.exchange == "video_tasks":
            reached.setdefault(binding.routing_key, set()).add(binding.queue)
    both = {"video_enhancement_queue", "metadata_extraction_queue"}
    assert reached.pop("file") == both
    assert set(reached) == {"enhance.analysis", "enhance.segment", "enhance.assembly"}
    assert all(queues == {"video_enhancement_queue"} for queues in reached.values())


def test_only_task_queues_lead_to_the_dead_letters() -> None:
    task_queues = (topology.ENHANCEMENT_QUEUE, topology.METADATA_QUEUE, topology.worker_queue("w"))
    assert {queue.arguments().get("x-dead-letter-exchange") for queue in task_queues} == {"video_tasks.dead"}
    assert "x-dead-letter-exchange" not in topology.DEAD_LETTER_QUEUE.arguments()
    assert "x-dead-letter-exchange" not in topology.status_queue("c").arguments()
