"""Pictures of the real program for the documentation: `python -m tests.e2e.screenshots [NAME…]`.

Starts a display of its own, runs the program on real clips with the mouse and the keyboard, and writes PNG files to
docs/screenshots. Each scene has its own library, so that one of them can be made alone.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from resources.sample_maker import SampleSpec, make_sample
from tests.e2e.stage import ROOT, Stage, wait_for
from tests.fixtures.bound_process import start_bound

TARGET: Final = ROOT / "docs" / "screenshots"
_SCREEN: Final = "2240x1500x24"
"""Room for a window at twice the size."""
_MEDIA: Final = Path(os.environ.get("VIDPROC_TEST_MEDIA") or ROOT.parent / "shared" / "media")
_REAL: Final = (
    ("intel/night.mkv", "Interview, camera B.mkv"),
    ("moviepy/chaplin.mp4", "Chaplin 1916.mp4"),
    ("derived/telecine_23_sintel_480i_anamorphic.mpg", "Sintel off the air.mpg"),
    ("derived/multi_audio_subs_chapters.mkv", "Lecture with chapters.mkv"),
)
_PLAYED_S: Final = 1.0
"""A film is watched for this long before its picture is taken."""
_PARTS_PROGRAM: Final = ("-m", "tests.e2e.parts_window")
_PARTS: Final = (
    ("parts-light", "light", (1400, 860), 1.0),
    ("parts-dark", "dark", (1400, 860), 1.0),
    ("parts-narrow", "light", (660, 900), 1.0),
    ("parts-scale-200", "light", (1100, 720), 2.0),
)
_TABS_PX: Final = {"report": (1032, 141), "metadata": (1112, 141), "colours": (1187, 141)}
_SWITCH_PX: Final = {"before": (1045, 747), "split": (1109, 747), "after": (1169, 747)}


def _clips(folder: Path) -> Sequence[Path]:
    """Real clips where they are, clips made on the spot otherwise, and two files that are no videos."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for name, shown_as in _REAL:
        if (_MEDIA / name).exists():
            clips.append(Path(shutil.copy(_MEDIA / name, folder / shown_as)))
    while len(clips) < len(_REAL):
        path = folder / f"Sample {len(clips) + 1}.mp4"
        make_sample(path, SampleSpec(seed=len(clips) + 1, duration_s=3, width_px=480, height_px=270))
        clips.append(path)
    return clips


def _rubbish(folder: Path) -> Sequence[Path]:
    text, empty = folder / "holiday notes.mp4", folder / "empty.mov"
    text.write_text("Pack the tripod.\n" * 30)
    empty.touch()
    return [text, empty]


def _is_half_done(stage: Stage) -> bool:
    """The title tells the whole list's percentage; five files, so the first is in the middle of its work."""
    percent = stage.title.partition(" %")[0]
    return percent.isdigit() and int(percent) >= 8


class Scenes:
    """One method for each picture or family of pictures."""

    def __init__(self, display: str, folder: Path) -> None:
        self._display = display
        self._folder = folder
        self._clips = _clips(folder / "Videos")

    @contextmanager
    def _stage(
        self, name: str, *, appearance: str = "light", scale: float = 1.0, code: Sequence[str] | None = None
    ) -> Iterator[Stage]:
        folder = self._folder / name
        stage = (
            Stage(self._display, folder, scale=scale)
            if code is None
            else Stage(self._display, folder, scale=scale, code=code)
        )
        stage.choose(appearance)
        try:
            yield stage
        finally:
            stage.kill()

    def _shoot(self, stage: Stage, name: str) -> None:
        path = stage.grab_window(TARGET / f"{name}.png")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")

    def _finished(self, stage: Stage, files: Sequence[Path], size_px: tuple[int, int]) -> None:
        stage.start(*files, size_px=size_px)
        stage.wait_finished(limit_s=600)
        stage.click_row(0)
        stage.settle()

    def empty(self) -> None:
        """Nothing in the list yet, and files hovering."""
        for appearance in ("light", "dark"):
            with self._stage(f"empty-{appearance}", appearance=appearance) as stage:
                stage.start()
                stage.settle()
                self._shoot(stage, f"empty-{appearance}")
                if appearance == "light":
                    stage.drag(
                        self._clips[0], hover_picture=stage.folder / "hover.png", shoot=TARGET / "drop.png"
                    )

    def _long_clip(self) -> Path:
        path = self._folder / "Videos" / "Zoom into the fractal.mp4"
        if not path.exists():
            make_sample(path, SampleSpec(duration_s=6))
        return path

    def busy(self) -> None:
        """Work under way, with the workers shown."""
        for appearance in ("light", "dark"):
            with self._stage(f"busy-{appearance}", appearance=appearance) as stage:
                stage.start(self._long_clip(), *self._clips, size_px=(1400, 860))
                stage.key("F9")
                wait_for("some progress", partial(_is_half_done, stage), 300)
                self._shoot(stage, f"busy-{appearance}")

    def finished(self) -> None:
        """A finished file: preview playing, split, report, metadata, colours."""
        for appearance in ("light", "dark"):
            with self._stage(f"finished-{appearance}", appearance=appearance) as stage:
                self._finished(stage, [self._long_clip(), self._clips[0]], (1280, 800))
                stage.click(*_SWITCH_PX["after"])
                stage.click_row(0)
                stage.key("space")
                time.sleep(_PLAYED_S)
                self._shoot(stage, f"playing-{appearance}")
                stage.click(*_SWITCH_PX["split"])
                time.sleep(_PLAYED_S)
                self._shoot(stage, f"split-{appearance}")
                for tab, place in _TABS_PX.items():
                    stage.click(*place)
                    stage.settle()
                    self._shoot(stage, f"{tab}-{appearance}")

    def trouble(self) -> None:
        """Refused files and a failed one."""
        with self._stage("trouble") as stage:
            stage.results.parent.mkdir(parents=True, exist_ok=True)
            stage.start(*self._clips[:1], *_rubbish(self._folder / "Videos"), size_px=(1280, 800))
            stage.wait_finished(limit_s=600)
            stage.settle()
            self._shoot(stage, "refused")

    def settings(self) -> None:
        """The settings dialog."""
        for appearance in ("light", "dark"):
            with self._stage(f"settings-{appearance}", appearance=appearance) as stage:
                stage.start()
                stage.key("ctrl+comma")
                wait_for("the dialog", partial(stage.window_named, "^Settings$"))
                stage.settle()
                path = stage.grab_window(
                    TARGET / f"settings-{appearance}.png", stage.window_named("^Settings$")
                )
                sys.stdout.write(f"{path.relative_to(ROOT)}\n")

    def narrow(self) -> None:
        """A narrow window, and one at twice the size."""
        with self._stage("narrow") as stage:
            self._finished(stage, self._clips[:2], (660, 900))
            self._shoot(stage, "narrow")
        with self._stage("twice", scale=2.0) as stage:
            self._finished(stage, self._clips[:2], (1100, 720))
            self._shoot(stage, "scale-200")

    def parts(self) -> None:
        """Files in parts: who makes which segment, and the finished ones to play."""
        film = self._folder / "Videos" / "Summer festival.mp4"
        make_sample(film, SampleSpec(duration_s=60, width_px=480, height_px=270))
        for name, appearance, size_px, scale in _PARTS:
            with self._stage(name, appearance=appearance, scale=scale, code=_PARTS_PROGRAM) as stage:
                stage.start(film, size_px=size_px)
                if size_px[0] > size_px[1]:
                    stage.key("F9")
                stage.click_row(0)
                stage.settle()
                self._shoot(stage, name)


def _display(folder: Path) -> Iterator[str]:
    reading, writing = os.pipe()
    server = start_bound(
        [
            "Xvfb",
            "-displayfd",
            str(writing),
            "-screen",
            "0",
            _SCREEN,
            "-nolisten",
            "tcp",
            "-noreset",
            "-dpi",
            "96",
        ],
        log=folder / "xvfb.log",
        env=os.environ,
        pass_fds=[writing],
    )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        display = f":{pipe.readline().strip()}"
    env = {**os.environ, "DISPLAY": display}
    manager = start_bound(["openbox", "--sm-disable"], log=folder / "openbox.log", env=env)
    try:
        wait_for(
            "the window manager",
            lambda: (
                subprocess.run(
                    ["xdotool", "get_desktop"], env=env, capture_output=True, check=False
                ).returncode
                == 0
            ),
        )
        yield display
    finally:
        manager.kill()
        server.kill()


def main(names: Sequence[str]) -> int:
    """Make the pictures named, or all of them."""
    with tempfile.TemporaryDirectory(prefix="vidproc-screenshots-") as temporary:
        folder = Path(temporary)
        with contextmanager(_display)(folder) as display:
            scenes = Scenes(display, folder)
            known: dict[str, Callable[[], None]] = {
                name: getattr(scenes, name)
                for name in ("empty", "busy", "finished", "trouble", "settings", "narrow", "parts")
            }
            for name in names or known:
                known[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
