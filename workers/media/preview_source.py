"""What a preview has to know of a source before its first picture: facts and measurements, gathered in a thread.

A request that is dropped does not end that: the next one for the same file finds what is there, or waits on.
"""

import concurrent.futures
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.errors import JobStoppedError
from workers.media.probe import examine
from workers.media.production import Material, material
from workers.media.quick_analysis import quick_analysis
from workers.protocol.analysis import Analysis
from workers.protocol.media import MediaInfo

_LOOK_EVERY_S: Final = 0.02

type Check = Callable[[], None]
"""Called often; raises when nobody waits for the work any more."""


@dataclass(frozen=True, slots=True)
class Known:
    """Facts and measurements of a source."""

    info: MediaInfo
    material: Material
    analysis: Analysis


class Looking:
    """One source being looked at, in a thread of its own, from the first `wait` on."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self._path = path
        self._threads = threads
        self._is_abandoned = threading.Event()
        self._known: concurrent.futures.Future[Known] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._look, name="preview-analysis", daemon=True)

    @property
    def known(self) -> Known:
        """What was found; only after `wait`."""
        return self._known.result(timeout=0)

    @property
    def has_failed(self) -> bool:
        """True when nothing will ever be known."""
        return self._known.done() and self._known.exception() is not None

    def wait(self, check: Check) -> None:
        """Return when everything is known.

        Raises:
            TaskFailedError: the file is not one that can be worked on.
            Exception: what `check` raised; looking goes on.
        """
        if self._thread.ident is None:
            self._thread.start()
        while not concurrent.futures.wait((self._known,), timeout=_LOOK_EVERY_S).done:
            check()
        self._known.result()

    def abandon(self) -> None:
        """Nobody will ask again."""
        self._is_abandoned.set()

    def _look(self) -> None:
        try:
            self._known.set_result(self._look_at_everything())
        except BaseException as error:  # noqa: BLE001  # carried to the thread that waits
            self._known.set_exception(error)

    def _look_at_everything(self) -> Known:
        examination = examine(self._path, on_fraction=lambda _fraction: self._go_on())
        video = examination.info.main_video
        assert video is not None, "examine() refuses files without a moving picture"
        source = material(self._path, examination.info, video, examination.main_scan)
        self._go_on()
        analysis = quick_analysis(source, threads=self._threads, check=self._go_on)
        return Known(examination.info, source, analysis)

    def _go_on(self) -> None:
        if self._is_abandoned.is_set():
            raise JobStoppedError
