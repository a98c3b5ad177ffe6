"""A worker that has nothing new to say says so again and again: silence means that it is lost."""

import asyncio
from pathlib import Path

import pytest

from tests.fixtures.worker_peers import SharedFeed, Sink
from workers.protocol.states import ProcessType, WorkerState
from workers.runtime import heart
from workers.runtime.heart import Heart
from workers.runtime.identity import WorkerIdentity
from workers.runtime.standing import Standing
from workers.runtime.turns import Turns

IDENTITY = WorkerIdentity(
    worker_id="worker-1",
    role="enhance",
    place=1,
    host="here",
    pid=1,
    process_type=ProcessType.VIDEO_ENHANCEMENT,
    program_version="0",
    started_at="2026-01-01T00:00:00Z",
    folder=Path("nowhere"),
)


async def test_it_beats_on_while_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heart, "INTERVAL_S", 0.01)
    sink = Sink()
    beating = Heart(IDENTITY, Standing(), Turns(), sink, SharedFeed())
    beating.start()
    try:
        await sink.wait_for(lambda: len(sink.heartbeats) >= 4, 8)
    finally:
        await beating.aclose()
    assert [beat.sequence for beat in sink.heartbeats] == list(range(1, len(sink.heartbeats) + 1))


async def test_a_change_is_told_at_once_and_the_end_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heart, "INTERVAL_S", 3600.0)
    sink, standing = Sink(), Standing()
    standing.is_starting = False
    beating = Heart(IDENTITY, standing, Turns(), sink, SharedFeed())
    beating.start()
    await sink.wait_for(lambda: len(sink.heartbeats) == 1, 20)
    standing.is_paused = True
    beating.note_change()
    await sink.wait_for(lambda: len(sink.heartbeats) == 2, 20)
    standing.is_draining = True
    await asyncio.sleep(0)
    await beating.aclose()
    assert [beat.state for beat in sink.heartbeats] == [
        WorkerState.IDLE,
        WorkerState.PAUSED,
        WorkerState.STOPPING,
    ]
