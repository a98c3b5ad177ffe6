"""Decisions of an attempt that need no disk."""

from typing import Any

import pytest

from workers.config import WorkerConfig
from workers.protocol.messages import FileTask, OutputTarget, SourceRef
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ProcessType
from workers.runtime.attempts import settings_key, thread_limit, time_limit_s
from workers.runtime.executor import describe_ending
from workers.runtime.workspace import in_words, needed_bytes

_TASK = FileTask(
    file_id="file",
    client_id="client",
    process_types=(ProcessType.VIDEO_ENHANCEMENT,),
    attempt=1,
    source=SourceRef(uri="file:///a", size_bytes=1, mtime_ns=1),
    output=OutputTarget(directory_uri="file:///b", stem="a"),
    settings=EnhancementSettings(),
    timeout_s=100,
)


def test_the_key_follows_what_shapes_the_output_and_nothing_else() -> None:
    key = settings_key(_TASK)
    same: list[dict[str, Any]] = [
        {"attempt": 2},
        {"client_id": "other"},
        {"timeout_s": 5.0},
        {"gentle": True},
    ]
    other: list[dict[str, Any]] = [
        {"settings": EnhancementSettings(strength=0.5)},
        {"source": SourceRef(uri="file:///a", size_bytes=2, mtime_ns=1)},
        {"source": SourceRef(uri="file:///a", size_bytes=1, mtime_ns=2)},
    ]
    assert {settings_key(_TASK.model_copy(update=change)) for change in same} == {key}
    assert len({settings_key(_TASK.model_copy(update=change)) for change in other} | {key}) == 4


def test_limits() -> None:
    config = WorkerConfig.model_validate({"processing_timeout_s": 60})
    assert time_limit_s(_TASK, config) == 60
    assert time_limit_s(_TASK.model_copy(update={"timeout_s": 5.0}), config) == 5
    assert thread_limit(_TASK, config) == 0
    assert thread_limit(_TASK.model_copy(update={"gentle": True}), config) == 1
    assert thread_limit(_TASK, WorkerConfig.model_validate({"slots": 64})) == 1


@pytest.mark.parametrize(
    "size, words",
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (999_999, "1.0 MB"), (2_500_000_000, "2.5 GB")],
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert in_words(size) == words


def test_room_for_an_enhancement_grows_with_the_source() -> None:
    assert needed_bytes(ProcessType.VIDEO_ENHANCEMENT, 1000, 50) == 1050
    assert needed_bytes(ProcessType.METADATA_EXTRACTION, 10**12, 50) == 50


@pytest.mark.parametrize(
    "code, words", [(-11, "SIGSEGV"), (-9, "SIGKILL"), (3, "exit code 3"), (-99, "signal 99")]
)
def test_endings_in_words(code: int, words: str) -> None:
    assert describe_ending(code) == words
