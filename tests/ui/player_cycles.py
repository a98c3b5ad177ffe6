"""A program of its own: opens and closes a film in ever new players, as a long evening in the window does.

python -m tests.ui.player_cycles FILM CYCLES
"""

import sys

from PySide6.QtCore import QObject, QTimer, QUrl
from PySide6.QtWidgets import QApplication

from vidproc_desktop.ui.preview.players import PairedPlayer, Show
from vidproc_desktop.ui.preview.reel import whole

_TICK_MS = 100


class Cycles(QObject):
    """Opens a film at one tick and closes it at the next."""

    def __init__(self, film: QUrl, cycles: int) -> None:
        super().__init__()
        self._film = film
        self._ticks_left = 2 * cycles
        self._player: PairedPlayer | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._step)
        self._timer.start(_TICK_MS)

    def _step(self) -> None:
        self._ticks_left -= 1
        if self._player is None:
            self._player = PairedPlayer(self)
            self._player.load(self._film, whole(self._film), Show.BEFORE)
        else:
            self._player.close()
            self._player = None
        if self._ticks_left <= 0:
            QApplication.quit()


def main() -> int:
    """0 once every cycle is through."""
    application = QApplication(sys.argv[:1])
    cycles = Cycles(QUrl.fromLocalFile(sys.argv[1]), int(sys.argv[2]))
    status = application.exec()
    cycles.deleteLater()
    return status


if __name__ == "__main__":
    sys.exit(main())
