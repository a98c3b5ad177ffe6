"""What the desktop knows of each worker, and of the broker between."""

from dataclasses import dataclass
from enum import StrEnum

from workers.protocol.messages import CurrentTask
from workers.protocol.model import WorkerId
from workers.protocol.states import ProcessType, WorkerState

LOST_AFTER_S = 60.0
"""A worker that sent no heartbeat for this long is shown as lost."""


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker as the window shows it."""

    worker_id: WorkerId
    host: str
    pid: int
    is_ours: bool
    """Started by this program, so that it can be stopped here."""
    process_types: tuple[ProcessType, ...]
    state: WorkerState
    is_lost: bool
    slots: int
    current: tuple[CurrentTask, ...]
    message: str | None
    last_seen_at: float
    program_version: str


class BrokerState(StrEnum):
    """Connection to whatever carries the messages."""

    STARTING = "starting"
    READY = "ready"
    UNREACHABLE = "unreachable"
    BLOCKED = "blocked"
    """The broker accepts no messages: its disk or memory alarm is on."""
    NO_WORKER = "no_worker"
    """Connected, but nobody serves a queue."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class BrokerHealth:
    """State of the broker with a sentence for the status bar."""

    state: BrokerState
    message: str
    since: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """Answer of "Test connection"."""

    is_ok: bool
    message: str
    """In words: reached which version, or what is wrong (name, port, login, virtual host, TLS)."""
    hint: str = ""
