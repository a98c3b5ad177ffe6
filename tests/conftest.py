"""What every test gets: empty surroundings, leak checks, and on demand media, a broker, a display, a loop guard."""

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

from tests.fixtures.surroundings import shield

pytest_plugins = [
    "pytester",
    "tests.fixtures.broker",
    "tests.fixtures.display",
    "tests.fixtures.leaks",
    "tests.fixtures.loop_guard",
    "tests.fixtures.media",
]

# No test is timed: a busy machine must not turn one red.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

# Before any test module is imported: some libraries read the environment when they are imported.
_home = Path(tempfile.mkdtemp(prefix="vidproc-tests-"))
_saved = dict(os.environ)
shield(_home)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes the home that the tests had."""
    os.environ.clear()
    os.environ.update(_saved)
    shutil.rmtree(_home, ignore_errors=True)
