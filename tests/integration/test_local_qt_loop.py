"""The local broker on the window's loop: Qt's, through qasync."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.worker_peers import make_source

pytest.importorskip("PySide6.QtCore", reason="the window's libraries are not installed")

_PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
import qasync
from PySide6.QtCore import QCoreApplication
from tests.contract.benches import Hearing, stdio_commands, until_idle
from tests.fixtures.worker_peers import make_task
from vidproc_desktop.broker.local import LocalBroker

async def main():
    folder = Path(sys.argv[1])
    broker = LocalBroker(stdio_commands(folder / "data"), count=1)
    sink = Hearing()
    await broker.start(sink)
    await until_idle(sink, 1)
    await broker.publish(make_task(folder / "slow.mov", folder / "out"))
    await sink.until(lambda: any(beat.current for beat in sink.beats.values()))
    os.kill(next(beat.pid for beat in sink.beats.values() if beat.current), signal.SIGKILL)
    await sink.until_final()
    await broker.publish(make_task(folder / "clip.mov", folder / "out", attempt=2))
    print([status.status.value for status in await sink.until_final(2)], flush=True)
    await broker.aclose()

application = QCoreApplication([])
loop = qasync.QEventLoop(application)
with loop:
    loop.run_until_complete(asyncio.wait_for(main(), 60))
print("ended", flush=True)
"""


def test_workers_live_die_and_are_replaced_under_qt(tmp_path: Path) -> None:
    make_source(tmp_path, gate=str(tmp_path / "never"), name="slow.mov")
    make_source(tmp_path, "clip.mov")
    (tmp_path / "out").mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert ended.stdout.splitlines() == ["['failed', 'completed']", "ended"], ended.stderr
    assert ended.returncode == 0
