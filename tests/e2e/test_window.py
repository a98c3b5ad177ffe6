"""The window as a user has it: a real display, a real mouse, real files, real workers."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resources.sample_maker import SampleSpec, make_sample
from tests.e2e.stage import FIRST_ROW_PX, ROOT, ROW_PX, Stage, share_changed, wait_for
from tests.fixtures.bound_process import start_bound

pytestmark = pytest.mark.e2e

_PREVIEW_BOX = (960, 330, 1240, 480)
"""Inside the picture of the preview, in a window of the stage's usual size."""


@pytest.fixture
def stage(xvfb_display: str, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(xvfb_display, tmp_path)
    yield stage
    stage.kill()


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, *, seconds: int = 2, width_px: int = 320, height_px: int = 180) -> Path:
        path = tmp_path / name
        make_sample(path, SampleSpec(width_px=width_px, height_px=height_px, duration_s=seconds))
        return path

    return make


@pytest.fixture
def long_clip(clip: Callable[..., Path]) -> Path:
    """One that is worked on for long enough to be caught at it."""
    return clip("long.mp4", seconds=5, width_px=480, height_px=270)


def test_dropped_files_are_enhanced_played_and_still_there_after_a_restart(
    stage: Stage, clip: Callable[..., Path], tmp_path: Path
) -> None:
    first, second = clip("Grüße aus Köln.mp4"), clip("second clip.mp4")
    stage.start()
    stage.drag(first, second)
    stage.wait_finished()
    assert stage.statuses() == {first.name: "completed", second.name: "completed"}
    assert stage.statuses("metadata_extraction") == {first.name: "completed", second.name: "completed"}
    results = sorted(path.name for path in stage.results.glob("*.mp4"))
    assert results == ["Grüße aus Köln.mp4", "second clip.mp4"]
    wait_for("the title without a percentage", lambda: stage.title == "Vidproc Desktop")

    stage.click_row(0)
    still = stage.grab(tmp_path / "still.png")
    stage.key("space")
    wait_for(
        "the picture moving",
        lambda: share_changed(still, stage.grab(tmp_path / "moving.png"), _PREVIEW_BOX) > 0.05,
    )
    assert stage.quit() == 0

    stage.start()
    assert stage.statuses() == {first.name: "completed", second.name: "completed"}
    # The table is there again, not the empty state: the second row can be selected and lights up.
    before = stage.grab(tmp_path / "restarted.png")
    stage.click_row(1)
    top = FIRST_ROW_PX[1] + ROW_PX - 20
    wait_for(
        "the selected row",
        lambda: share_changed(before, stage.grab(tmp_path / "selected.png"), (250, top, 600, top + 40)) > 0.5,
    )
    assert stage.quit() == 0


def test_a_file_is_cancelled_retried_and_finished(stage: Stage, long_clip: Path) -> None:
    stage.start(long_clip)
    stage.wait_status(long_clip.name, "processing")
    stage.click_row(0)
    stage.key("Escape")
    stage.wait_status(long_clip.name, "cancelled", limit_s=15)
    assert not list(stage.results.glob("*.mp4"))

    def retried() -> bool:
        stage.key("ctrl+r")  # does nothing until the window has seen that the file is cancelled
        return stage.statuses()[long_clip.name] != "cancelled"

    wait_for("the file being tried again", retried)
    stage.wait_finished()
    assert stage.statuses() == {long_clip.name: "completed"}
    assert [path.name for path in stage.results.glob("*.mp4")] == ["long.mp4"]
    assert stage.quit() == 0


def test_unfinished_work_goes_on_after_a_restart(stage: Stage, long_clip: Path) -> None:
    stage.start(long_clip)
    stage.wait_status(long_clip.name, "processing")
    assert stage.quit() == 0
    assert stage.statuses()[long_clip.name] in {"processing", "pending"}
    assert not list(stage.results.glob("*.mp4"))
    stage.start()
    stage.wait_finished()
    assert stage.statuses() == {long_clip.name: "completed"}
    assert stage.quit() == 0


def test_pasted_files_are_added_and_bad_ones_are_refused_in_words(
    stage: Stage, clip: Callable[..., Path], tmp_path: Path
) -> None:
    good, bad = clip("good.mp4"), tmp_path / "notes.mp4"
    bad.write_text("this is a text\n" * 50)
    stage.start()
    with stage.pasted(good):
        wait_for("the pasted file", lambda: "good.mp4" in stage.statuses())
    stage.wait_finished()
    before = stage.grab(tmp_path / "before.png")
    banner = (40, 90, 600, 130)
    with stage.pasted(bad):
        wait_for(
            "the banner", lambda: share_changed(before, stage.grab(tmp_path / "banner.png"), banner) > 0.02
        )
    assert stage.statuses() == {"good.mp4": "completed"}
    assert stage.quit() == 0


def test_a_removed_row_is_gone_and_its_result_stays(stage: Stage, clip: Callable[..., Path]) -> None:
    path = clip("clip.mp4")
    stage.start(path)
    stage.wait_finished()
    stage.click_row(0)
    stage.key("Delete")
    wait_for("the empty list", lambda: not stage.tasks())
    assert [result.name for result in stage.results.glob("*.mp4")] == ["clip.mp4"]
    assert path.exists()
    assert stage.quit() == 0


def test_a_termination_signal_ends_the_program_in_order(stage: Stage, long_clip: Path) -> None:
    stage.start(long_clip)
    stage.wait_status(long_clip.name, "processing")
    stage.program.process.terminate()
    assert stage.program.process.wait(20) == 0
    assert "Traceback" not in stage.log


def test_an_unusable_library_is_told_in_words(stage: Stage) -> None:
    (stage.data_dir / "library.sqlite3").write_bytes(b"this is no database" * 100)
    stage.launch()
    windows = wait_for("the dialog", lambda: _only_dialogs(stage, stage.program.pid))
    assert len(windows) == 1
    stage.xdo("windowactivate", "--sync", windows[0])
    stage.key("Escape")
    assert stage.program.process.wait(20) == 1
    assert "Traceback" not in stage.log


def test_a_second_window_on_the_same_data_says_so_and_ends_when_that_was_read(
    stage: Stage, xvfb_display: str, tmp_path: Path
) -> None:
    stage.start()
    wait_for("the first one's list", (stage.data_dir / "library.sqlite3").exists)
    code = "import sys; from vidproc_desktop.__main__ import main_window; sys.exit(main_window())"
    second = start_bound(
        [sys.executable, "-c", code, "--data-dir", str(stage.data_dir)],
        log=tmp_path / "second.log",
        env={**os.environ, "DISPLAY": xvfb_display, "QT_QPA_PLATFORM": "xcb", "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
    )
    try:
        wait_for("the sentence", lambda: "already running with this data folder" in stage.log)
        windows = wait_for("the dialog", lambda: _only_dialogs(stage, second.pid))
        assert len(windows) == 1
        stage.xdo("windowactivate", "--sync", windows[0])
        stage.key("Escape")
        assert second.process.wait(20) == 1
    finally:
        second.kill()
    assert "Traceback" not in stage.log + (tmp_path / "second.log").read_text()
    assert stage.quit() == 0


def _only_dialogs(stage: Stage, pid: int) -> list[str]:
    """A program's visible windows once none of them is as large as a main window."""
    windows = stage.xdo("search", "--onlyvisible", "--pid", str(pid), check=False).split()
    sizes = [stage.xdo("getwindowgeometry", "--shell", window, check=False) for window in windows]
    widths_px = [int(line[6:]) for size in sizes for line in size.splitlines() if line.startswith("WIDTH=")]
    return windows if widths_px and max(widths_px) < 600 else []
