"""A worker's stable id: host, role, place, and a random part kept in the data folder.

A place (`1`, `2`, …) is held with a lock for as long as the process lives, so that two workers of one role on one
computer never share an id, a queue or a log file.
"""

import json
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

import workers
from workers.protocol.states import ProcessType
from workers.runtime.locks import try_lock_file

MAX_PLACES: Final = 256
_UNSAFE = re.compile(r"[^A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """Who a worker is, as its heartbeat tells it."""

    worker_id: str
    role: str
    place: int
    host: str
    pid: int
    process_type: ProcessType
    program_version: str
    started_at: str
    folder: Path
    """The worker's own folder inside the data folder."""


def program_version() -> str:
    """The installed version, or the source tree's own."""
    try:
        return metadata.version("vidproc-desktop")
    except metadata.PackageNotFoundError:
        return workers.__version__


def safe_host(name: str) -> str:
    """A host name reduced to letters, digits and hyphens, at most 40 characters."""
    return _UNSAFE.sub("-", name).strip("-")[:40].strip("-") or "host"


@contextmanager
def claim_identity(state_folder: Path, role: str, process_type: ProcessType) -> Iterator[WorkerIdentity]:
    """Hold the first free place of `role` while the context lasts. Does file I/O.

    Raises:
        OSError: the folder cannot be written.
        RuntimeError: all places are taken.
    """
    state_folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for place in range(1, MAX_PLACES + 1):
            folder = state_folder / f"{role}-{place}"
            folder.mkdir(exist_ok=True)
            lock = try_lock_file(folder / "lock")
            if lock is None:
                continue
            stack.enter_context(lock)
            yield WorkerIdentity(
                worker_id=_persistent_id(folder, role, place),
                role=role,
                place=place,
                host=socket.gethostname(),
                pid=os.getpid(),
                process_type=process_type,
                program_version=program_version(),
                started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                folder=folder,
            )
            return
        raise RuntimeError(f"{MAX_PLACES} workers of the kind {role} already run on this computer")


def _persistent_id(folder: Path, role: str, place: int) -> str:
    """Read the id of this place, or make one. A copied or damaged file yields a new id."""
    host = safe_host(socket.gethostname())
    prefix = f"{host}-{role}-{place}-"
    path = folder / "id.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))["worker_id"]
    except (OSError, ValueError, KeyError, TypeError):
        stored = None
    if isinstance(stored, str) and re.fullmatch(re.escape(prefix) + r"[0-9a-f]{8}", stored):
        return stored
    worker_id = prefix + secrets.token_hex(4)
    temporary = folder / "id.json.new"
    temporary.write_text(json.dumps({"worker_id": worker_id}), encoding="utf-8")
    temporary.replace(path)
    return worker_id
