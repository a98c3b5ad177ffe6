import subprocess
import sys
from pathlib import Path

from tests.fixtures.small_films import CLOCK, make_film, noisy_pictures

_ROOT = Path(__file__).resolve().parents[2]
_CYCLES = 60
"""Enough for the media threads to meet the window at the wrong moment, where they can."""


def test_opening_and_closing_films_with_sound_never_locks_up(tmp_path: Path) -> None:
    """Qt's audio thread and the window once waited for each other while a film was closed."""
    film = tmp_path / "film.mp4"
    count = 50
    times = [number * CLOCK // 25 for number in range(count)]
    make_film(film, noisy_pictures(count, 2.0), times, sounds=[[(0.0, count / 25)]])
    done = subprocess.run(
        [sys.executable, "-m", "tests.ui.player_cycles", str(film), str(_CYCLES)],
        cwd=_ROOT,
        check=False,
        capture_output=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
