"""How the worker program is started on this computer: from the source tree, an installed wheel, or a frozen folder."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import vidproc_desktop

MEDIA_SERVER: Final = "media-server"
"""The word that makes this program its own media server; for nobody to type."""


class WorkerRole(StrEnum):
    """What a worker process does."""

    ENHANCE = "enhance"
    METADATA = "metadata"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, and what is added to its environment."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def program_command(*arguments: str, environment: Mapping[str, str] | None = None) -> Command:
    """The worker program with these arguments.

    In a frozen folder this very program takes the word `worker`; otherwise the interpreter runs the package, found
    where the desktop's own package was found.
    """
    extra = dict(environment or {})
    if getattr(sys, "frozen", False):
        return Command((sys.executable, "worker", *arguments), extra)
    root = str(Path(vidproc_desktop.__file__).parent.parent)
    known = os.environ.get("PYTHONPATH")
    extra["PYTHONPATH"] = os.pathsep.join((root, known)) if known else root
    return Command((sys.executable, "-m", "workers", *arguments), extra)


def media_server_command() -> Command:
    """This program's media server, as a process of its own."""
    if getattr(sys, "frozen", False):
        return Command((sys.executable, MEDIA_SERVER))
    environment = program_command().environment
    return Command((sys.executable, "-m", "vidproc_desktop", MEDIA_SERVER), environment)


def stdio_command(
    role: WorkerRole, data_dir: Path | None, environment: Mapping[str, str] | None = None
) -> Command:
    """A worker that speaks JSON lines on its standard input and output."""
    place = () if data_dir is None else ("--data-dir", str(data_dir))
    return program_command(role.value, "--stdio", *place, environment=environment)
