"""Workers on this computer for a broker: started, counted, restarted and ended; and all of it on Qt's loop."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.integration.broker_samples import LIMIT_S, Listener, file_task, running_broker
from vidproc_desktop.broker import rabbitmq
from vidproc_desktop.broker.rabbitmq import BrokerWorkers, RabbitMQBroker
from vidproc_desktop.domain.workers import BrokerState
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from workers.protocol.states import ProcessType, WorkerState


@asynccontextmanager
async def _workers(url: str, folder: Path, troubles: list[UserFacingError]) -> AsyncIterator[BrokerWorkers]:
    workers = BrokerWorkers(url, data_dir=folder, on_trouble=troubles.append)
    try:
        yield workers
    finally:
        await workers.aclose()


def _idle_pids(listener: Listener) -> set[int]:
    return {beat.pid for beat in listener.heartbeats if beat.state is WorkerState.IDLE}


def _pids_for(listener: Listener, process_type: ProcessType) -> set[int]:
    return {beat.pid for beat in listener.heartbeats if process_type in beat.process_types}


async def test_workers_come_and_go_as_wanted_and_ps_shows_no_password(
    broker_vhost: str, tmp_path: Path
) -> None:
    troubles: list[UserFacingError] = []
    async with (
        running_broker(broker_vhost, listener := Listener()),
        _workers(broker_vhost, tmp_path, troubles) as workers,
    ):
        await workers.set_count(2)
        await listener.until(lambda: len(workers.pids) == 2 and workers.pids <= _idle_pids(listener))
        # A process with both workers tells of each by itself, in either order.
        await listener.until(lambda: _pids_for(listener, ProcessType.VIDEO_ENHANCEMENT) == workers.pids)
        await listener.until(lambda: len(_pids_for(listener, ProcessType.METADATA_EXTRACTION)) == 1)
        await listener.until_state(BrokerState.READY)
        processes = [psutil.Process(pid) for pid in workers.pids]
        family = [*processes, *(child for one in processes for child in one.children(recursive=True))]
        assert not [one.cmdline() for one in family if "guest:guest" in " ".join(one.cmdline())]
        await workers.set_count(1)
        assert len(workers.pids) == workers.count == 1
        await workers.set_count(0)
        _, alive = await asyncio.to_thread(psutil.wait_procs, family, 2)
        assert alive == []
        await listener.until_state(BrokerState.NO_WORKER)
    assert troubles == []


async def test_a_worker_that_dies_is_started_again_and_told(broker_vhost: str, tmp_path: Path) -> None:
    troubles: list[UserFacingError] = []
    async with (
        running_broker(broker_vhost, listener := Listener()),
        _workers(broker_vhost, tmp_path, troubles) as workers,
    ):
        await workers.set_count(1)
        await listener.until(lambda: bool(workers.pids & _idle_pids(listener)))
        (first,) = workers.pids
        os.kill(first, signal.SIGKILL)
        await listener.until(lambda: bool((workers.pids - {first}) & _idle_pids(listener)))
    assert [error.code for error in troubles] == [UserErrorCode.WORKER_WILL_NOT_START]


async def test_a_worker_that_does_not_start_says_why(tmp_path: Path) -> None:
    told = asyncio.Event()
    troubles: list[UserFacingError] = []

    def on_trouble(error: UserFacingError) -> None:
        troubles.append(error)
        told.set()

    program = (sys.executable, "-c", "import sys; sys.exit('there is no room here')")
    workers = BrokerWorkers("amqp://127.0.0.1/", data_dir=tmp_path, on_trouble=on_trouble, program=program)
    await workers.set_count(1)
    await asyncio.wait_for(told.wait(), LIMIT_S)
    await workers.aclose()
    assert "there is no room here" in troubles[0].detail


async def test_a_worker_that_ignores_its_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidproc_desktop.broker.rabbitmq.worker_processes._END_LIMIT_S", 0.2)
    fifo = tmp_path / "begun"
    os.mkfifo(fifo)
    stubborn = f"import pathlib, time; pathlib.Path({str(fifo)!r}).write_text('begun'); time.sleep(600)"
    workers = BrokerWorkers("amqp://127.0.0.1/", program=(sys.executable, "-c", stubborn))
    await workers.set_count(1)
    assert await asyncio.to_thread(fifo.read_text) == "begun"
    await workers.aclose()
    assert workers.pids == frozenset()


def test_everything_works_on_qts_loop(broker_vhost: str, tmp_path: Path, qapp: object) -> None:
    """The window runs on qasync: the same client, the same workers, the same connection test."""
    from qasync import QEventLoop

    async def work() -> None:
        report = await rabbitmq.test_connection(broker_vhost)
        assert report.is_ok, report.message
        listener, troubles = Listener(), list[UserFacingError]()
        async with _workers(broker_vhost, tmp_path, troubles) as workers:
            broker = RabbitMQBroker(broker_vhost, client_id="client-1", workers=workers)
            await broker.start(listener)
            await workers.set_count(1)
            await listener.until(lambda: bool(workers.pids & _idle_pids(listener)))
            await broker.publish(file_task())
            await listener.until(lambda: len([s for s in listener.statuses if s.status.is_final]) == 2)
            await broker.aclose()
        assert troubles == []

    loop = QEventLoop(qapp)
    with loop:
        loop.run_until_complete(asyncio.wait_for(work(), LIMIT_S))
    # The loop's timers are objects of this thread, held by a cycle. Were they collected in another thread by a later
    # test that has some, Qt would crash at the next event (seen once).
    del loop
    gc.collect()
