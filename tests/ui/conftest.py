"""The window's parts over a session that only writes down what it is asked for."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import qasync
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.ui.records import RecordedSession
from vidproc_desktop.ui.bridge import Bridge
from vidproc_desktop.ui.main_window import MainWindow
from vidproc_desktop.ui.preferences import Preferences
from vidproc_desktop.ui.task_model import TaskModel
from vidproc_desktop.ui.theme import Appearance, Theme
from vidproc_desktop.ui.window_state import WindowState
from workers.protocol.settings import EnhancementSettings


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave Qt's messages of this folder's tests alone instead of having pytest-qt capture them.

    The player writes some from threads of its own, also while the capture is being taken away, and PySide then calls a
    handler that is no more.
    """
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.no_qt_log)


@pytest.fixture(scope="module", autouse=True)
def collected_here() -> Iterator[None]:
    """Widgets in reference cycles are collected in the thread that owns them, before another test's threads do it."""
    yield
    gc.collect()


@pytest.fixture
def theme(qapp: QApplication) -> Theme:
    theme = Theme(qapp, Appearance.LIGHT)
    theme.start()
    return theme


@pytest.fixture
def qt_loop(qapp: QApplication) -> Iterator[asyncio.AbstractEventLoop]:
    """An asyncio loop that turns while the test waits with `qtbot`."""
    loop = qasync.QEventLoop(qapp, already_running=True)
    yield loop
    asyncio.events._set_running_loop(None)
    # Not `stop`: that tells the whole application to quit, and no later test could wait for anything.
    loop._QEventLoop__is_running = False
    loop.close()


@dataclass(frozen=True)
class Desk:
    """A window and what stands behind it."""

    window: MainWindow
    bridge: Bridge
    model: TaskModel
    session: RecordedSession
    theme: Theme


@pytest.fixture
def desk(qtbot: QtBot, theme: Theme, qt_loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[Desk]:
    model = TaskModel()
    bridge = Bridge(model)
    session = RecordedSession()
    window = MainWindow(
        bridge,
        model,
        theme=theme,
        state=WindowState(tmp_path / "window.ini"),
        preferences=Preferences(str(tmp_path / "out"), 1, 3, 3600.0),
        presets={
            "balanced": EnhancementSettings(),
            "light": EnhancementSettings(preset="light", strength=0.5),
        },
    )
    qtbot.addWidget(window)
    window.show()
    bridge.attach(session)
    yield Desk(window, bridge, model, session, theme)
    bridge.detach()
    window.close_for_good()


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small H.264 clip whose frame number can be read off its brightness."""

    def make(name: str, *, frames: int = 30, offset: int = 0, size_px: tuple[int, int] = (160, 96)) -> Path:
        path = tmp_path / name
        width_px, height_px = size_px
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(10))
            stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
            stream.options = {"preset": "ultrafast", "crf": "10"}
            for number in range(frames):
                picture = np.full((height_px, width_px, 3), 20 + offset + number * 4, dtype=np.uint8)
                for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        return path

    return make
