"""What a preview has to know of a source before its first picture: facts and measurements, gathered in threads.

A request that is dropped does not end that: the next one for the same file finds what is there, or waits on.
"""

import concurrent.futures
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.errors import JobStoppedError
from workers.media.full_analysis import full_analysis
from workers.media.material import Material, material
from workers.media.probe import examine
from workers.media.quick_analysis import quick_analysis
from workers.media.tables import FrameTables
from workers.protocol.analysis import Analysis
from workers.protocol.media import MediaInfo
from workers.protocol.plan import EnhancementPlan

_LOOK_EVERY_S: Final = 0.02

type Check = Callable[[], None]
"""Called often; raises when nobody waits for the work any more."""


@dataclass(frozen=True, slots=True)
class Known:
    """Facts and measurements of a source."""

    info: MediaInfo
    material: Material
    analysis: Analysis


class Errand[T]:
    """Something being found out in a thread of its own, from the first `wait` on, whoever still waits for it.

    Args:
        work: finds it out; what its argument raises ends it.
        name: of the thread.
    """

    def __init__(self, work: Callable[[Check], T], name: str) -> None:
        self._work = work
        self._is_abandoned = threading.Event()
        self._found: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def has_failed(self) -> bool:
        """True when nothing will ever be found."""
        return self._found.done() and self._found.exception() is not None

    def wait(self, check: Check) -> T:
        """Return what was found.

        Raises:
            Exception: what the work raised, or `check`: then the work goes on.
        """
        if self._thread.ident is None:
            self._thread.start()
        while not concurrent.futures.wait((self._found,), timeout=_LOOK_EVERY_S).done:
            check()
        return self._found.result()

    def abandon(self) -> None:
        """Nobody will ask again."""
        self._is_abandoned.set()

    def _run(self) -> None:
        try:
            self._found.set_result(self._work(self._go_on))
        except BaseException as error:  # noqa: BLE001  # carried to the thread that waits
            self._found.set_exception(error)

    def _go_on(self) -> None:
        if self._is_abandoned.is_set():
            raise JobStoppedError


def looking_at(path: Path, *, threads: int) -> Errand[Known]:
    """Facts and the quick analysis of a file."""

    def look(check: Check) -> Known:
        examination = examine(path, on_fraction=lambda _fraction: check())
        video = examination.info.main_video
        assert video is not None, "examine() refuses files without a moving picture"
        source = material(path, examination.info, video, examination.main_scan)
        check()
        return Known(examination.info, source, quick_analysis(source, threads=threads, check=check))

    return Errand(look, "preview-analysis")


def measuring(source: Material, plan: EnhancementPlan, *, threads: int) -> Errand[FrameTables]:
    """The tables that a plan asks for."""

    def measure(check: Check) -> FrameTables:
        return full_analysis(source, plan, threads=threads, on_frame=lambda _count: check())

    return Errand(measure, "preview-tables")
