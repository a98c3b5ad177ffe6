"""`vidproc doctor`: what is installed, what really works, which folders can be written, is the broker reachable.

What needs a media library is looked at by a worker process, started anew behind a check that crashes.
"""

import asyncio
import json
import os
import platform
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vidproc_desktop.broker.commands import program_command
from vidproc_desktop.broker.rabbitmq import test_connection
from vidproc_desktop.config import Settings

_WORKER_LIMIT_S: Final = 60.0
_MAX_CRASHES: Final = 8
_PIPE_WIDTH: Final = 240
_WINDOW_PACKAGES: Final = ("pyside6-essentials", "pyside6-addons", "qasync", "pyqtgraph")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    name: str
    is_ok: bool
    is_needed: bool
    detail: str


async def examine(settings: Settings, *, as_json: bool) -> int:
    """Look at everything and print it.

    Returns:
        0 when everything needed works, otherwise 1.
    """
    findings = [
        Finding("system", "computer", True, False, f"{platform.platform()}, {platform.machine()}"),
        *[finding async for finding in _of_workers()],
        *_of_window(),
        await asyncio.to_thread(_keyring),
        *[await asyncio.to_thread(_folder, name, path) for name, path in _folders(settings)],
    ]
    if settings.rabbitmq_url is None:
        findings.append(Finding("broker", "RabbitMQ", True, False, "not used: workers run on this computer"))
    else:
        report = await test_connection(settings.rabbitmq_url)
        findings.append(
            Finding("broker", "RabbitMQ", report.is_ok, True, f"{report.message} {report.hint}".strip())
        )
    is_ok = all(finding.is_ok or not finding.is_needed for finding in findings)
    if as_json:
        print(
            json.dumps(
                {"is_ok": is_ok, "findings": [asdict(f) for f in findings]}, ensure_ascii=False, indent=2
            )
        )
    else:
        _print(findings, is_ok=is_ok)
    return 0 if is_ok else 1


async def _of_workers() -> AsyncIterator[Finding]:
    """Ask the worker program; a check that kills it is a finding, and the next process goes on behind it."""
    begin = 0
    for crashes in count():
        done, lines, code = await _ask(begin)
        for line in lines:
            yield Finding(
                str(line["topic"]),
                str(line["name"]),
                bool(line["is_ok"]),
                bool(line["is_needed"]),
                str(line["detail"]),
            )
        if code in {0, 1} or crashes >= _MAX_CRASHES:
            return
        yield Finding("worker", f"check {done + 1}", False, True, f"the process ended with code {code}")
        begin = done + 2


async def _ask(begin: int) -> tuple[int, list[dict[str, object]], int]:
    """Number of the last check that was completed, its findings, and the exit code."""
    command = program_command("doctor", str(begin))
    done, found = begin - 1, []
    process = await asyncio.create_subprocess_exec(
        *command.arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(command.environment),
    )
    try:
        async with asyncio.timeout(_WORKER_LIMIT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        output = b""
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    for raw in output.splitlines():
        with suppress(ValueError):  # a library printed something of its own
            line = json.loads(raw)
            if line.get("done"):
                done = int(line["check"])
            else:
                found.append(line)
    return done, found, process.returncode if process.returncode is not None else -1


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **extra}


def _of_window() -> Iterator[Finding]:
    """The packages of the window, asked for by name: importing Qt is not needed to know its version."""
    for package in _WINDOW_PACKAGES:
        try:
            yield Finding("window", package, True, False, metadata.version(package))
        except metadata.PackageNotFoundError:
            yield Finding(
                "window", package, False, False, 'missing: python -m pip install "vidproc-desktop[desktop]"'
            )


def _keyring() -> Finding:
    """Whether the broker's password can be kept."""
    import keyring

    backend = keyring.get_keyring()
    name = f"{type(backend).__module__}.{type(backend).__name__}"
    is_usable = not name.startswith(("keyring.backends.fail", "keyring.backends.null"))
    detail = name if is_usable else f"{name}: the broker's password is asked for again at every start"
    return Finding("keyring", "password store", is_usable, False, detail)


def _folders(settings: Settings) -> Iterator[tuple[str, Path]]:
    yield "state", settings.data_folder
    yield "logs", settings.log_folder
    yield "results", settings.processed_dir
    if settings.metadata_dir is not None:
        yield "metadata", settings.metadata_dir
    if settings.thumbnails_dir is not None:
        yield "thumbnails", settings.thumbnails_dir


def _folder(name: str, path: Path) -> Finding:
    """Write into the folder, or, when it is not there yet, into the one where it would be made."""
    there = next((folder for folder in (path, *path.parents) if folder.is_dir()), Path(path.anchor))
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"\0")
        free_gb = shutil.disk_usage(there).free / 1e9
    except OSError as error:
        return Finding("folder", name, False, True, f"{path}: {error.strerror or error}")
    return Finding("folder", name, True, True, f"{path} ({free_gb:,.1f} GB free)")


def _print(findings: list[Finding], *, is_ok: bool) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(4):
        table.add_column(overflow="fold")
    for finding in findings:
        mark, style = ("ok", "green") if finding.is_ok else ("no", "yellow")
        if finding.is_needed and not finding.is_ok:
            mark, style = "WRONG", "bold red"
        table.add_row(Text(mark, style), finding.topic, finding.name, Text(finding.detail))
    console.print(table)
    console.print("Everything needed works." if is_ok else "Something that is needed does not work.")
