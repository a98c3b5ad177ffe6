"""The real program on a real X display, moved by real mouse and keyboard events, watched from outside.

Knows the program's command line, its window title and its SQLite file; imports nothing of the product.
"""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np

from tests.fixtures.bound_process import BoundProcess, start_bound

ROOT: Final = Path(__file__).resolve().parents[2]
TITLE: Final = "Vidproc Desktop"
WINDOW_PX: Final = (1280, 800)
ROW_PX: Final = 58
FIRST_ROW_PX: Final = (180, 138)
"""Middle of the first row, from the window's corner, without a banner."""
_POLL_S: Final = 0.1
_PROGRAM: Final = (
    "-c",
    "import sys; from vidproc_desktop.__main__ import main_window; sys.exit(main_window())",
)
_GRAB: Final = (
    "import sys\n"
    "from PySide6.QtGui import QGuiApplication\n"
    "application = QGuiApplication(sys.argv)\n"
    "window = int(sys.argv[2]) if len(sys.argv) > 2 else 0\n"
    "sys.exit(0 if application.primaryScreen().grabWindow(window).save(sys.argv[1]) else 1)\n"
)


class StageError(AssertionError):
    """What was waited for did not happen."""


def pixels(picture: Path, places: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int, int]]:
    """Red, green and blue of some places of a picture."""
    with av.open(str(picture)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return [(int(red), int(green), int(blue)) for red, green, blue in (frame[y, x] for x, y in places)]


def share_changed(first: Path, second: Path, box: tuple[int, int, int, int]) -> float:
    """Which share of the pixels in (left, top, right, bottom) differs visibly between two pictures."""
    left, top, right, bottom = box
    frames = []
    for picture in (first, second):
        with av.open(str(picture)) as container:
            frames.append(next(container.decode(video=0)).to_ndarray(format="rgb24")[top:bottom, left:right])
    difference = np.abs(frames[0].astype(np.int16) - frames[1].astype(np.int16)).max(axis=2)
    return float((difference > 12).mean())


def wait_for[T](what: str, look: Callable[[], T], limit_s: float = 60.0) -> T:
    """Look again and again until there is something true."""
    deadline = time.monotonic() + limit_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise StageError(f"{what} did not happen within {limit_s:.0f} s; last seen: {found!r}")
        time.sleep(_POLL_S)


@dataclass(frozen=True)
class Task:
    """One process of one file, as the program stored it."""

    name: str
    process_type: str
    status: str
    attempt: int
    progress: float


class Stage:
    """One display with the program on it."""

    def __init__(
        self, display: str, folder: Path, *, scale: float = 1.0, code: Sequence[str] = _PROGRAM
    ) -> None:
        self.folder = folder
        self._code = code
        self.data_dir = folder / "data"
        self.results = folder / "results"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        (self.data_dir / "config.toml").write_text(f'PROCESSED_DIR = "{self.results}"\n', encoding="utf-8")
        self._env = {
            **os.environ,
            "DISPLAY": display,
            "QT_QPA_PLATFORM": "xcb",
            "QT_SCALE_FACTOR": str(scale),
            "PYTHONPATH": str(ROOT),
        }
        self._scale = scale
        self._program: BoundProcess | None = None
        self._window = ""

    # ---------------------------------------------------------------- the program

    def choose(self, appearance: str) -> None:
        """Light or dark, as if chosen in the settings before."""
        (self.data_dir / "window.ini").write_text(
            f"[General]\nappearance={appearance}\nlayout_version=1\n", encoding="utf-8"
        )

    def start(self, *files: Path, size_px: tuple[int, int] = WINDOW_PX) -> None:
        """Start the program and bring its window to a known place and size."""
        self.launch(*files)
        self._window = wait_for("the window", self._find_window)
        self.place(size_px)

    def launch(self, *files: Path) -> None:
        """Start the program and leave its window alone: it may be about to go again."""
        self._program = start_bound(
            [sys.executable, *self._code, "--data-dir", str(self.data_dir), *map(str, files)],
            log=self.folder / "program.log",
            env=self._env,
            cwd=ROOT,
        )

    def place(self, size_px: tuple[int, int]) -> None:
        """Move the window to the corner of the screen and give it a size."""
        self.xdo("windowactivate", "--sync", self._window)
        self.xdo("windowmove", self._window, "0", "0")
        self.xdo("windowsize", self._window, *(str(round(side * self._scale)) for side in size_px))
        self.xdo("windowfocus", "--sync", self._window)

    def quit(self, limit_s: float = 30.0) -> int:
        """Close the window as its close button does; the exit code."""
        program = self.program
        self.xdo("windowfocus", "--sync", self._window)
        self.key("alt+F4")
        code = program.process.wait(limit_s)
        program.kill()
        self._program = None
        return code

    def kill(self) -> None:
        """Whatever happens, nothing of the program stays."""
        if self._program is not None:
            self._program.kill()
            self._program = None

    @property
    def program(self) -> BoundProcess:
        """The running program."""
        assert self._program is not None
        return self._program

    @property
    def log(self) -> str:
        """What the program wrote to the terminal and to its log."""
        texts = [self.folder / "program.log", self.data_dir / "logs" / "window.log"]
        return "\n".join(path.read_text(errors="replace") for path in texts if path.exists())

    def _find_window(self) -> str:
        if not self.program.is_running:
            raise StageError(f"the program ended at once:\n{self.log}")
        found = self.xdo("search", "--onlyvisible", "--name", TITLE, check=False).split()
        return found[0] if found else ""

    # ---------------------------------------------------------------- mouse and keyboard

    def xdo(self, *arguments: str, check: bool = True) -> str:
        """Run xdotool."""
        done = subprocess.run(
            ["xdotool", *arguments], env=self._env, capture_output=True, text=True, check=False, timeout=30
        )
        if check and done.returncode != 0:
            raise StageError(f"xdotool {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def key(self, *keys: str) -> None:
        """Press keys."""
        self.xdo("key", "--clearmodifiers", *keys)

    def move(self, x_px: float, y_px: float) -> None:
        """Move the pointer to a place in the window."""
        # Not by the window's position: xdotool counts the frame of the window manager twice there.
        self.xdo(
            "mousemove",
            "--window",
            self._window,
            "--sync",
            str(round(x_px * self._scale)),
            str(round(y_px * self._scale)),
        )

    def click(self, x_px: float, y_px: float, *, button: int = 1) -> None:
        """Click a place in the window."""
        self.move(x_px, y_px)
        self.xdo("click", str(button))

    def click_row(self, row: int) -> None:
        """Click a row of the table."""
        self.click(FIRST_ROW_PX[0], FIRST_ROW_PX[1] + row * ROW_PX)

    @contextlib.contextmanager
    def pasted(self, *paths: Path) -> Iterator[None]:
        """Put paths on the clipboard, as a file manager does, and press Ctrl+V; the owner stays until the end."""
        with self.helper(_CLIPBOARD, *map(str, paths)):
            self.xdo("windowfocus", "--sync", self._window)
            self.key("ctrl+v")
            yield

    def drag(
        self,
        *paths: Path,
        to_px: tuple[int, int] = (500, 400),
        hover_picture: Path | None = None,
        shoot: Path | None = None,
    ) -> None:
        """Drag files from another program's window into ours, step by step, and drop them there.

        Args:
            paths: the files.
            to_px: where they are dropped.
            hover_picture: take a picture while they hover, and give the drag up instead of dropping.
            shoot: where a picture of the window alone goes at that moment.
        """
        with self.helper(_DRAG_SOURCE, *map(str, paths)):
            source = wait_for(
                "the drag source", lambda: self.xdo("search", "--name", "^drag source$", check=False)
            )
            source = source.split()[0]
            self.xdo("windowmove", "--sync", source, "1300", "820")
            self.xdo("mousemove", "--window", source, "30", "30")
            self.xdo("mousedown", "1")
            try:
                self.xdo("mousemove_relative", "--sync", "--", "-15", "-15")
                for step in range(1, 9):
                    x, y = 1300 + (to_px[0] - 1300) * step / 8, 820 + (to_px[1] - 820) * step / 8
                    self.xdo("mousemove", "--sync", str(round(x)), str(round(y)))
                    time.sleep(
                        0.05
                    )  # a hand does not jump either; each step is a message between three programs
                if hover_picture is not None:
                    wait_for("the veil over the window", lambda: self._shows_veil(hover_picture))
                    if shoot is not None:
                        self.grab_window(shoot)
            finally:
                if hover_picture is not None:
                    self.key("Escape")  # the drag is given up
                self.xdo("mouseup", "1")
            if hover_picture is None:
                wait_for("the drop", lambda: {path.name for path in paths} <= {t.name for t in self.tasks()})

    def _shows_veil(self, picture: Path) -> bool:
        """The veil's dashed frame runs 16 px inside the window: nothing else of the accent colour is there."""
        colours = pixels(self.grab(picture), [(x, round(16 * self._scale)) for x in range(60, 200)])
        return sum(blue > red + 60 for red, _, blue in colours) > 30

    @contextlib.contextmanager
    def helper(self, code: str, *arguments: str) -> Iterator[None]:
        """Another program on the same display."""
        other = start_bound(
            [sys.executable, "-c", code, *arguments],
            log=self.folder / "helper.log",
            env=self._env | {"QT_SCALE_FACTOR": "1"},
        )
        try:
            wait_for(
                "the helper",
                lambda: "ready" in (self.folder / "helper.log").read_text() or not other.is_running,
            )
            yield
        finally:
            other.kill()
            (self.folder / "helper.log").unlink(missing_ok=True)

    # ---------------------------------------------------------------- what can be seen

    def windows(self) -> Sequence[str]:
        """Visible windows of the program, dialogs among them."""
        return self.xdo("search", "--onlyvisible", "--name", TITLE, check=False).split()

    @property
    def title(self) -> str:
        """The window's title: the percentage while there is work."""
        return self.xdo("getwindowname", self._window)

    def grab(self, path: Path) -> Path:
        """A picture of the whole screen."""
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-c", _GRAB, str(path)],
            env=self._env | {"QT_SCALE_FACTOR": "1"}, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        return path

    def grab_window(self, path: Path, window: str = "") -> Path:
        """A picture of one window without what surrounds it: the main window, or another one by its id."""
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-c", _GRAB, str(path), window or self._window],
            env=self._env | {"QT_SCALE_FACTOR": "1"}, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        return path

    def window_named(self, pattern: str) -> str:
        """Id of a visible window by its title; empty when there is none."""
        found = self.xdo("search", "--onlyvisible", "--name", pattern, check=False).split()
        return found[-1] if found else ""

    def settle(self) -> None:
        """Wait until two pictures half a second apart look alike, or four times that (a film may be playing)."""
        first, second = self.folder / "settle-1.png", self.folder / "settle-2.png"
        for _ in range(4):
            self.grab(first)
            time.sleep(0.5)
            if first.read_bytes() == self.grab(second).read_bytes():
                return

    def tasks(self) -> Sequence[Task]:
        """What the program has stored of every file."""
        database = self.data_dir / "library.sqlite3"
        if not database.exists():
            return []
        try:
            with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
                rows = connection.execute(
                    "SELECT f.name, t.process_type, t.status, t.attempt, t.progress"
                    " FROM files f JOIN tasks t USING (file_id) ORDER BY f.position"
                ).fetchall()
        except sqlite3.OperationalError:
            return []
        return [Task(*row) for row in rows]

    def statuses(self, process_type: str = "video_enhancement") -> Mapping[str, str]:
        """Status of one process by file name."""
        return {task.name: task.status for task in self.tasks() if task.process_type == process_type}

    def wait_status(self, name: str, *wanted: str, limit_s: float = 120.0) -> None:
        """Wait until the enhancement of a file is in one of these states."""
        wait_for(f"{name} being {' or '.join(wanted)}", lambda: self.statuses().get(name) in wanted, limit_s)

    def wait_finished(self, limit_s: float = 180.0) -> None:
        """Wait until nothing moves any more."""
        final = {"completed", "failed", "cancelled"}
        wait_for(
            "the end of all work",
            lambda: bool(self.tasks()) and all(task.status in final for task in self.tasks()),
            limit_s,
        )


_CLIPBOARD: Final = """
import sys
from PySide6.QtCore import QMimeData, QUrl
from PySide6.QtGui import QGuiApplication
application = QGuiApplication(sys.argv)
data = QMimeData()
data.setUrls([QUrl.fromLocalFile(path) for path in sys.argv[1:]])
application.clipboard().setMimeData(data)
print("ready", flush=True)
application.exec()
"""

_DRAG_SOURCE: Final = """
import sys
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QDrag
from PySide6.QtWidgets import QApplication, QLabel


class Source(QLabel):
    def mouseMoveEvent(self, event):
        if event.buttons() & Qt.MouseButton.LeftButton:
            data = QMimeData()
            data.setUrls([QUrl.fromLocalFile(path) for path in sys.argv[1:]])
            drag = QDrag(self)
            drag.setMimeData(data)
            drag.exec(Qt.DropAction.CopyAction)


application = QApplication(sys.argv)
source = Source("files")
source.setWindowTitle("drag source")
source.setWindowFlags(Qt.WindowType.FramelessWindowHint | Qt.WindowType.WindowStaysOnTopHint)
source.resize(60, 60)
source.show()
print("ready", flush=True)
application.exec()
"""
