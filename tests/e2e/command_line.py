"""Runs `vidproc` as a user does: a process of its own, with a home and a data folder of the test's."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import psutil

from resources.sample_maker import SampleSpec, make_sample

ROOT: Final = Path(__file__).resolve().parents[2]
LIMIT_S: Final = 120.0
SMALL: Final = SampleSpec(width_px=192, height_px=108, duration_s=1)
MIDDLING: Final = SampleSpec(width_px=320, height_px=180, duration_s=8)
LONG: Final = SampleSpec(width_px=640, height_px=360, duration_s=20)
"""Takes a computer of two cores much longer than a test needs to interrupt it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """What `--json` printed."""
        return [json.loads(line) for line in self.out.splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        """The events of one kind."""
        return [one for one in self.events if one["event"] == event]


@dataclass(slots=True)
class Command:
    """A command that runs; its standard output is read line by line, its standard error lies in a file."""

    process: subprocess.Popen[str]
    error_file: IO[str]
    lines: list[str] = field(default_factory=list)

    def until_line(self, is_wanted: Callable[[str], bool]) -> str:
        """Read on until a line is the wanted one."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if is_wanted(line):
                return line
        raise AssertionError(f"the command ended: {''.join(self.lines)}\n{self.errors()}")

    def errors(self) -> str:
        """What it has written to standard error until now."""
        self.error_file.seek(0)
        return self.error_file.read()

    def interrupt(self) -> None:
        """Ctrl-C: the terminal signals the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, limit_s: float = LIMIT_S) -> Ended:
        """Wait for its end."""
        out, _ = self.process.communicate(timeout=limit_s)
        return Ended(self.process.returncode, "".join(self.lines) + out, self.errors())

    def family(self) -> list[psutil.Process]:
        """Every process that it started."""
        return psutil.Process(self.process.pid).children(recursive=True)


def environment(**extra: str) -> dict[str, str]:
    """The tests' own surroundings, and the checkout's code."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **extra}


def vidproc(*arguments: str | Path, cwd: Path | None = None, **extra: str) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "vidproc_desktop", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=cwd,
        env=environment(**extra),
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@contextmanager
def running(*arguments: str | Path, **extra: str) -> Iterator[Command]:
    """Start a command; it is killed at the end if it still runs."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as error_file:
        process = subprocess.Popen(
            [sys.executable, "-m", "vidproc_desktop", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=error_file,
            text=True,
            env=environment(**extra),
            start_new_session=True,
        )
        try:
            yield Command(process, error_file)
        finally:
            process.kill()
            process.communicate()


def assert_gone(processes: list[psutil.Process], limit_s: float) -> None:
    """None of them runs any more after the limit."""
    _, alive = psutil.wait_procs(processes, timeout=limit_s)
    left = [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert not left, [process.cmdline() for process in left]


def wait_until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Look until it holds; what is looked at is another process's doing."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def sample(folder: Path, spec: SampleSpec, name: str) -> Path:
    """A noisy video."""
    path = folder / name
    make_sample(path, spec)
    return path
