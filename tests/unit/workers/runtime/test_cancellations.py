"""Cancels that come before their tasks."""

from typing import Any

from workers.protocol.messages import AnalysisTask, ControlMessage, FileTask, OutputTarget, SourceRef
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ControlAction, ProcessType
from workers.runtime.cancellations import REMEMBERED_S, Cancellations, concerns

OURS = ProcessType.VIDEO_ENHANCEMENT


def _task(attempt: int = 1, **changes: Any) -> FileTask:
    fields: dict[str, Any] = {
        "file_id": "file",
        "client_id": "client",
        "process_types": (OURS,),
        "attempt": attempt,
        "source": SourceRef(uri="file:///a", size_bytes=1, mtime_ns=1),
        "output": OutputTarget(directory_uri="file:///b", stem="a"),
        "settings": EnhancementSettings(),
        "timeout_s": 1,
    }
    return FileTask(**{**fields, **changes})


def _cancel(**fields: Any) -> ControlMessage:
    return ControlMessage(action=ControlAction.CANCEL, **fields)


def test_a_cancel_covers_its_attempt_and_earlier_ones() -> None:
    cancellations = Cancellations()
    cancellations.remember(_cancel(client_id="client", file_id="file", attempt=2), OURS, 0.0)
    assert cancellations.covers(_task(1), 1.0)
    assert cancellations.covers(_task(2), 1.0)
    assert not cancellations.covers(_task(3), 1.0)


def test_without_an_attempt_the_first_that_arrives_is_meant() -> None:
    cancellations = Cancellations()
    cancellations.remember(_cancel(file_id="file"), OURS, 0.0)
    assert cancellations.covers(_task(4), 1.0)
    cancellations.settle(_task(4))
    assert cancellations.covers(_task(4), 1.0)
    assert not cancellations.covers(_task(5), 1.0)


def test_others_are_not_concerned() -> None:
    cancellations = Cancellations()
    cancellations.remember(_cancel(client_id="other", file_id="file"), OURS, 0.0)
    cancellations.remember(_cancel(file_id="another"), OURS, 0.0)
    cancellations.remember(_cancel(file_id="file", process_type=ProcessType.METADATA_EXTRACTION), OURS, 0.0)
    assert not cancellations.covers(_task(), 1.0)


def test_it_is_forgotten_after_some_hours() -> None:
    cancellations = Cancellations()
    cancellations.remember(_cancel(file_id="file"), OURS, 0.0)
    assert not cancellations.covers(_task(), REMEMBERED_S + 1)


def _analysis(attempt: int = 1) -> AnalysisTask:
    fields = _task(attempt).model_dump(exclude={"type", "process_types"})
    return AnalysisTask(**fields)


def test_a_cancel_concerns_the_whole_file_or_one_part_of_it() -> None:
    cancellations = Cancellations()
    cancellations.remember(_cancel(file_id="file", part="segment-00001"), OURS, 0.0)
    assert not cancellations.covers(_task(), 1.0)
    assert not cancellations.covers(_analysis(), 1.0)
    cancellations.remember(_cancel(file_id="file", part="analysis"), OURS, 0.0)
    assert cancellations.covers(_analysis(), 1.0)
    assert not cancellations.covers(_task(), 1.0)
    cancellations.settle(_analysis())
    assert not cancellations.covers(_analysis(2), 1.0)
    cancellations.remember(_cancel(file_id="file"), OURS, 0.0)
    assert cancellations.covers(_task(), 1.0)
    assert not cancellations.covers(_analysis(2), 1.0)


def test_whom_a_cancel_concerns_that_is_in_hand() -> None:
    assert concerns(_cancel(file_id="file"), _task())
    assert not concerns(_cancel(file_id="file"), _analysis())
    assert concerns(_cancel(file_id="file", part="analysis"), _analysis())
    assert not concerns(_cancel(file_id="file", part="assembly"), _analysis())
    assert not concerns(_cancel(file_id="another", part="analysis"), _analysis())
    assert not concerns(_cancel(file_id="file", part="analysis", client_id="other"), _analysis())
    assert not concerns(_cancel(file_id="file", part="analysis", attempt=1), _analysis(2))
    assert concerns(_cancel(client_id="client"), _task())
    assert concerns(_cancel(client_id="client"), _analysis())
