"""The window over a session that stands still in the middle of some files in parts; for pictures of it.

python -m tests.e2e.parts_window --data-dir FOLDER FILM

A film whose segments are made by several computers cannot be stopped at the moment that shows the most. So the
window here is the program's own, and what it is told is written down. The first row's finished segments are real ones.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Final

import av
import qasync
from PySide6.QtWidgets import QApplication

from tests.ui.records import (
    DONE,
    RecordedSession,
    Segment,
    enhanced,
    in_parts,
    part_task,
    record,
    summary,
    working,
)
from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.workers import WorkerView
from vidproc_desktop.ui.bridge import Bridge
from vidproc_desktop.ui.main_window import MainWindow
from vidproc_desktop.ui.preferences import Preferences
from vidproc_desktop.ui.task_model import TaskModel
from vidproc_desktop.ui.theme import Theme
from vidproc_desktop.ui.window_state import WindowState
from workers.protocol.messages import CurrentTask
from workers.protocol.model import WorkerId
from workers.protocol.results import TaskError
from workers.protocol.segments import ANALYSIS, PartName, segment_part
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, ProcessType, Stage, Status, WorkerState

_READY: Final = 4
_SEGMENTS: Final = 12
_GAVE_UP: Final = "The encoder gave up."


def _cut(film: Path, folder: Path) -> tuple[list[Path], float]:
    """The first segments of a film that has twelve, in livelier light, and how long each of them is."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"segment-{number:05}.mp4" for number in range(_READY)]
    with av.open(str(film)) as source:
        stream = source.streams.video[0]
        assert stream.average_rate is not None
        rate = Fraction(stream.average_rate.numerator, stream.average_rate.denominator)
        count = max(1, stream.frames // _SEGMENTS)
        pictures = (frame.to_ndarray(format="rgb24") for frame in source.decode(stream))
        for path in paths:
            _write(path, islice(pictures, count), (stream.width, stream.height), rate)
    return paths, float(count / rate)


def _write(path: Path, pictures: Iterable[Any], size_px: tuple[int, int], rate: Fraction) -> None:
    with av.open(str(path), "w") as target:
        track = target.add_stream("libx264", rate=rate)
        track.width, track.height, track.pix_fmt = *size_px, "yuv420p"
        track.options = {"preset": "ultrafast"}
        for picture in pictures:
            brighter = (picture * 1.15).clip(0, 255).astype("uint8")
            target.mux(track.encode(av.VideoFrame.from_ndarray(brighter, format="rgb24")))
        target.mux(track.encode(None))


def _named(position: int, name: str, duration_s: float) -> FileRecord:
    base = record(position, name, metadata=Status.COMPLETED)
    return replace(base, summary=summary(1920, 1080, duration_s), size_bytes=round(duration_s * 1_900_000))


def _first(film: Path, folder: Path) -> FileRecord:
    """In the middle of its segments, and everything that a segment can be."""
    videos, each_s = _cut(film, folder / "segments")

    def running(progress: float, worker: str) -> Segment:
        return Segment(Status.PROCESSING, progress, worker, duration_s=each_s)

    ready = [replace(DONE, duration_s=each_s, video=video) for video in videos]
    rest = [
        running(62, "studio-enhance-1"),
        replace(DONE, duration_s=each_s),
        running(37, "laptop-enhance-1"),
        Segment(Status.FAILED, 45, "attic-enhance-1", _GAVE_UP, each_s),
        running(8, "studio-enhance-2"),
        *[Segment(duration_s=each_s)] * 3,
    ]
    base = _named(1, "Summer festival.mov", each_s * _SEGMENTS)
    return in_parts(replace(base, source_path=str(film)), *ready, *rest)


def _rows(film: Path, folder: Path) -> Sequence[FileRecord]:
    """A file in the middle of its segments, and others in every other state."""
    long = [*[DONE] * 90, Segment(Status.FAILED, 10, "attic-enhance-1", _GAVE_UP), *[Segment()] * 149]
    wedding = _named(3, "Wedding, camera A.mp4", 5_400)
    analysing = working(wedding, 2, stage=Stage.ANALYSING, rate=210, left_s=70)
    joining = in_parts(
        _named(4, "Interview, camera B.mkv", 480),
        *[replace(DONE, duration_s=length) for length in (40, 55, 60, 25, 60, 48, 60, 52, 60, 20)],
        assembly=Status.PROCESSING,
        stage=Stage.ASSEMBLING,
    )
    broken = in_parts(
        _named(5, "Lecture with chapters.mkv", 240),
        *[DONE] * 5, Segment(Status.FAILED, 30, "attic-enhance-1", _GAVE_UP), Segment(), DONE,
    )  # fmt: skip
    error = TaskError(code=ErrorCode.ENCODER_FAILED, message=_GAVE_UP)
    return [
        _first(film, folder),
        in_parts(_named(2, "Theatre, the whole evening.mkv", 7_200), *long),
        replace(analysing, parts=(part_task(analysing, ANALYSIS, Status.PROCESSING, 40.0),)),
        replace(joining, enhancement=replace(joining.enhancement, progress=97.0, remaining_s=20.0)),
        replace(broken, enhancement=replace(broken.enhancement, status=Status.FAILED, error=error)),
        working(_named(6, "Short clip.mp4", 42), 40),
        enhanced(_named(7, "Chaplin 1916.mp4", 55), folder / "Chaplin 1916.mp4"),
    ]


def _workers() -> Sequence[WorkerView]:
    def worker(
        worker_id: str, host: str, part: PartName | None, progress: float, *, file_id: str = "f1"
    ) -> WorkerView:
        task = CurrentTask(
            file_id=file_id, client_id="c", process_type=ProcessType.VIDEO_ENHANCEMENT, part=part, attempt=1,
            stage=Stage.ENHANCING, progress=progress, frames_per_s=22.5 + progress / 10,
        )  # fmt: skip
        return WorkerView(
            worker_id=WorkerId(worker_id),
            host=host,
            pid=4711,
            is_ours=host == "studio",
            process_types=(ProcessType.VIDEO_ENHANCEMENT,),
            state=WorkerState.BUSY,
            is_lost=False,
            slots=1,
            current=(task,),
            message=None,
            last_seen_at=0.0,
            program_version="0.1.0",
        )

    return (
        worker("studio-enhance-1", "studio", segment_part(4), 62),
        worker("studio-enhance-2", "studio", segment_part(8), 8),
        worker("laptop-enhance-1", "laptop", segment_part(6), 37),
        worker("attic-enhance-1", "attic", None, 40, file_id="f6"),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Show the window until it is closed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("film", type=Path)
    options = parser.parse_args(argv)
    application = QApplication(sys.argv[:1])
    state = WindowState(options.data_dir / "window.ini")
    theme = Theme(application, state.appearance)
    theme.start()
    model = TaskModel()
    bridge = Bridge(model)
    window = MainWindow(
        bridge,
        model,
        theme=theme,
        state=state,
        preferences=Preferences(str(options.data_dir), 2, 3, 3600.0),
        presets={"balanced": EnhancementSettings()},
    )
    session = RecordedSession(_rows(options.film, options.data_dir), workers=_workers())

    async def show() -> None:
        closed = asyncio.Event()
        window.close_requested.connect(closed.set)
        window.show()
        bridge.attach(session)
        await closed.wait()
        await bridge.aclose()
        window.close_for_good()

    with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(application)) as runner:
        runner.run(show())
    return 0


if __name__ == "__main__":
    sys.exit(main())
