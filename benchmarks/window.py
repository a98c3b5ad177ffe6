"""How smoothly the window runs under load: 10,000 rows and 5,000 status messages a second.

The messages enter at `services.dispatch.Dispatch.apply` and go the whole way: reduce, catalogue, SQLite (a real file,
WAL), event, bridge, model, and a shown window whose table is painted by the delegate and scrolled while it runs.
The stall of the event loop is measured by a heartbeat every millisecond on the same loop, first idle, then under
load, in the same process and minute. Goal: longest stall under load less longest idle stall at most 50 ms.

    QT_QPA_PLATFORM=offscreen python -m benchmarks.window [--rows N] [--rate N] [--seconds S]
"""

import argparse
import asyncio
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import qasync
from PySide6.QtCore import QEvent, QObject, qVersion
from PySide6.QtWidgets import QApplication

from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState, ConnectionReport
from vidproc_desktop.services.ports import BrokerSink, SaveFiles, Transport
from vidproc_desktop.services.session import Session, SessionOptions, SessionPorts
from vidproc_desktop.store.database import Database
from vidproc_desktop.ui.bridge import Bridge
from vidproc_desktop.ui.collector import favour_this_thread, keep_collections_short
from vidproc_desktop.ui.main_window import MainWindow
from vidproc_desktop.ui.preferences import Preferences
from vidproc_desktop.ui.task_model import TaskModel
from vidproc_desktop.ui.theme import Theme
from vidproc_desktop.ui.window_state import WindowState
from workers.protocol.messages import AnyWorkTask, ControlMessage, ProbeReply, StatusMessage
from workers.protocol.model import FileId, WorkerId
from workers.protocol.results import EnhancementResult, MediaSummary
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ProcessType, Stage, Status

GOAL_MS = 50.0
HEARTBEAT_S = 0.001
SLICE_S = 0.004
"""Messages arrive in slices this long, as a socket delivers them."""
STATUSES_PER_FILE = 10
_BROKER = "benchmark"


@dataclass(frozen=True)
class Stalls:
    """Gaps between heartbeats beyond their period, in milliseconds."""

    longest_ms: float
    p999_ms: float
    median_ms: float
    beats: int


def summarise(gaps_s: Sequence[float]) -> Stalls:
    """Longest, 99.9th percentile and median of the gaps."""
    ordered = sorted(max(0.0, gap - HEARTBEAT_S) * 1000 for gap in gaps_s)
    return Stalls(
        longest_ms=ordered[-1],
        p999_ms=ordered[min(len(ordered) - 1, int(len(ordered) * 0.999))],
        median_ms=ordered[len(ordered) // 2],
        beats=len(ordered),
    )


class SilentBroker:
    """Takes every task and answers nothing: the benchmark speaks for the workers."""

    async def start(self, sink: BrokerSink) -> None:
        """Say that all is well."""
        sink.on_health(BrokerHealth(BrokerState.READY, "Benchmark", time.time()))

    async def aclose(self) -> None:
        """Nothing was started."""

    async def publish(self, task: AnyWorkTask, *, worker_id: WorkerId | None = None) -> None:
        """Taken."""

    async def control(self, message: ControlMessage) -> None:
        """Heard."""


class NoProber:
    """Nothing is dropped here."""

    async def start(self) -> None:
        """Nothing to start."""

    async def aclose(self) -> None:
        """Nothing to stop."""

    async def probe(self, path: Path, thumbnail: Path | None) -> ProbeReply:
        """Never called."""
        raise NotImplementedError(f"{path} {thumbnail}")


class PaintCounter(QObject):
    """Counts how often the table was really painted."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.paints = 0

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Look, and let it pass."""
        self.paints += event.type() is QEvent.Type.Paint
        return False


def make_rows(count: int) -> tuple[FileRecord, ...]:
    """Rows whose tasks are with the broker."""
    summary = MediaSummary(
        width_px=1920, height_px=1080, duration_s=120.0, frame_count=3600, frames_per_s=30.0,
        video_codec="h264", audio_tracks=1, format_name="mov,mp4",
    )  # fmt: skip
    settings = EnhancementSettings()
    return tuple(
        FileRecord(
            file_id=FileId(f"f{number:06}"),
            position=number,
            source_path=f"/videos/holiday {number // 500}/clip {number:06}.mp4",
            name=f"clip {number:06}.mp4",
            size_bytes=10_000_000 + number,
            mtime_ns=number,
            added_at=0.0,
            output_directory="/videos/Vidproc",
            stem=f"clip {number:06}",
            settings=settings,
            enhancement=TaskRecord(FileId(f"f{number:06}"), ProcessType.VIDEO_ENHANCEMENT, is_published=True),
            metadata=TaskRecord(FileId(f"f{number:06}"), ProcessType.METADATA_EXTRACTION, is_published=True),
            summary=summary,
        )
        for number in range(1, count + 1)
    )


def make_statuses(rows: Sequence[FileRecord], count: int, client_id: str) -> list[StatusMessage]:
    """For every file a start, progress, and a result: one message in five changes a state. Files are mixed."""
    chance = random.Random(1)
    sequences = dict.fromkeys((row.file_id for row in rows), 0)
    active = [row.file_id for row in rows]
    chance.shuffle(active)
    messages: list[StatusMessage] = []
    while len(messages) < count and active:
        place = chance.randrange(min(len(active), 2000))
        file_id = active[place]
        sequence = sequences[file_id] = sequences[file_id] + 1
        is_last = sequence >= STATUSES_PER_FILE
        if is_last:
            active[place] = active[-1]
            active.pop()
        messages.append(_status(file_id, client_id, sequence, is_last=is_last))
    return messages


def _status(file_id: FileId, client_id: str, sequence: int, *, is_last: bool) -> StatusMessage:
    result = EnhancementResult(
        output_uri=f"file:///videos/Vidproc/{file_id}.mp4",
        report_uri=f"file:///videos/Vidproc/{file_id}.json",
        poster_uri=None, size_bytes=1, frames=3600, duration_s=120.0,
        was_remuxed=False, was_found_finished=False,
    )  # fmt: skip
    return StatusMessage(
        file_id=file_id,
        client_id=client_id,
        process_type=ProcessType.VIDEO_ENHANCEMENT,
        status=Status.COMPLETED if is_last else Status.PROCESSING,
        progress=100.0 if is_last else sequence * 100 / STATUSES_PER_FILE,
        attempt=1,
        sequence=sequence,
        worker_id="benchmark-worker",
        stage=Stage.PUBLISHING if is_last else Stage.ENHANCING,
        frames_done=sequence * 360,
        frames_total=3600,
        frames_per_s=61.3,
        remaining_s=60.0 - sequence * 6,
        result=result if is_last else None,
    )


async def beat(seconds: float) -> list[float]:
    """Gaps between heartbeats on this loop."""
    gaps: list[float] = []
    end = time.perf_counter() + seconds
    last = time.perf_counter()
    while last < end:
        await asyncio.sleep(HEARTBEAT_S)
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    return gaps


async def feed(session: Session, messages: Sequence[StatusMessage], rate: int) -> float:
    """Hand the messages over at the given rate; returns how many a second it really were."""
    begin = time.perf_counter()
    done = 0
    while done < len(messages):
        due = min(len(messages), int((time.perf_counter() - begin) * rate))
        for message in messages[done:due]:
            session.dispatch.apply(message)
        done = max(done, due)
        await asyncio.sleep(SLICE_S)
    return len(messages) / (time.perf_counter() - begin)


async def scroll(window: MainWindow, seconds: float) -> None:
    """Move through the table, as somebody does who looks for a file."""
    bar = window.view.verticalScrollBar()
    end = time.perf_counter() + seconds
    step = 0
    while time.perf_counter() < end:
        step += 1
        bar.setValue(int(bar.maximum() * (step % 50) / 50))
        await asyncio.sleep(0.1)


def _options(folder: Path) -> SessionOptions:
    return SessionOptions(
        output_directory=folder / "out",
        data_directory=folder,
        settings=EnhancementSettings(),
        broker_url=_BROKER,
        worker_count=0,
        max_size_bytes=2**40,
        timeout_s=3600.0,
        max_attempts=3,
    )


async def _no_connection(_url: str) -> ConnectionReport:
    return ConnectionReport(is_ok=False, message="This is a benchmark.")


async def _prepare(folder: Path, rows: Sequence[FileRecord]) -> None:
    """Write the library as an earlier run would have left it."""
    store = Database(folder / "library.sqlite3")
    await store.start()
    await store.set_meta("last_broker", _BROKER)
    await store.write(SaveFiles(tuple(rows)))
    await store.aclose()


async def measure(application: QApplication, options: argparse.Namespace, folder: Path) -> bool:
    """Idle, then load; prints what was found. True when the goal was met."""
    rows = make_rows(options.rows)
    await _prepare(folder, rows)
    session = Session(
        SessionPorts(
            store=Database(folder / "library.sqlite3"),
            prober=NoProber(),
            connect=lambda _url, _client_id: Transport(SilentBroker(), None, is_local=False),
            test_connection=_no_connection,
            broker_identity=lambda url: url,
        ),
        _options(folder),
    )
    await session.start()
    theme = Theme(application)
    theme.start()
    model = TaskModel()
    bridge = Bridge(model)
    window = MainWindow(
        bridge,
        model,
        theme=theme,
        state=WindowState(folder / "window.ini"),
        preferences=Preferences(str(folder / "out"), 0, 3, 3600.0),
        presets={"balanced": EnhancementSettings()},
    )
    window.resize(1480, 860)
    window.show()
    bridge.attach(session)
    counter = PaintCounter(window)
    window.view.viewport().installEventFilter(counter)
    messages = make_statuses(rows, options.rate * options.seconds, session.client_id)
    favour_this_thread()
    keep_collections_short()  # as the program does once its rows are loaded
    await asyncio.sleep(1.0)
    idle = summarise(await beat(options.seconds))
    counter.paints = 0
    loaded_gaps, rate, _ = await asyncio.gather(
        beat(options.seconds), feed(session, messages, options.rate), scroll(window, options.seconds)
    )
    loaded = summarise(loaded_gaps)
    finished = sum(row.enhancement.status is Status.COMPLETED for row in session.files())
    paints = counter.paints
    await bridge.aclose()
    await session.aclose()
    window.close_for_good()
    return report(
        idle, loaded, f"{rate:,.0f} statuses/s, {paints} paints, {finished:,} files finished", options
    )


def report(idle: Stalls, loaded: Stalls, work: str, options: argparse.Namespace) -> bool:
    """Print the figures."""
    longest = loaded.longest_ms - idle.longest_ms
    p999 = loaded.p999_ms - idle.p999_ms
    met = longest <= GOAL_MS
    print(
        f"window: {options.rows:,} rows, {options.rate:,} statuses/s for {options.seconds} s, scrolled while painted"
    )
    print(
        f"        Python {platform.python_version()}, Qt {qVersion()}, {os.cpu_count()} cores, load {_load()}"
    )
    print(f"        {work}")
    print(f"{'event loop stall':24}{'median':>12}{'99.9 %':>12}{'longest':>12}{'beats':>10}")
    for name, stalls in (("idle", idle), ("under load", loaded)):
        print(
            f"{name:24}{stalls.median_ms:>9.2f} ms{stalls.p999_ms:>9.2f} ms"
            f"{stalls.longest_ms:>9.2f} ms{stalls.beats:>10,}"
        )
    print(f"{'load less idle':24}{'':>12}{p999:>9.2f} ms{longest:>9.2f} ms")
    print(f"goal: longest less idle ≤ {GOAL_MS:.0f} ms: {'met' if met else 'MISSED'}")
    return met


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def main(argv: Sequence[str] | None = None) -> int:
    """Run it. 0 when the goal was met, 1 otherwise."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=int, default=15)
    options = parser.parse_args(argv)
    application = QApplication([sys.argv[0]])
    application.setQuitOnLastWindowClosed(False)
    with (
        tempfile.TemporaryDirectory(prefix="vidproc-benchmark-") as folder,
        asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(application)) as runner,
    ):
        met = runner.run(measure(application, options, Path(folder)))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
