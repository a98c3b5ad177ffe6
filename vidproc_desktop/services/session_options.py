"""What a session is built from: the ports it works through, and what the settings say."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from vidproc_desktop.domain.workers import ConnectionReport
from vidproc_desktop.services.ports import (
    Accepter,
    FileExchange,
    LibraryStore,
    Previewer,
    Prober,
    Transport,
)
from vidproc_desktop.services.task_messages import TaskTerms
from workers.protocol.settings import EnhancementSettings


@dataclass(frozen=True, slots=True)
class SessionPorts:
    """What a session needs from outside."""

    store: LibraryStore
    prober: Prober
    connect: Callable[[str | None, str], Transport]
    """Builds, without starting, the transport for a broker URL (None: local mode) and a client id."""
    test_connection: Callable[[str], Awaitable[ConnectionReport]]
    broker_identity: Callable[[str], str]
    """A broker URL without its password: two URLs of one broker and user give the same text."""
    previewer: Previewer | None = None
    """None: no previews here."""
    exchange: Callable[[str, str], FileExchange | None] | None = None
    """Builds, without starting, the file exchange that goes with a broker URL and a client id; it, or what it builds,
    is None where every worker opens the files themselves."""
    accepter: Accepter | None = None
    """None: results that were handed over through an exchange cannot be taken over here."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What the settings say."""

    output_directory: Path
    data_directory: Path
    settings: EnhancementSettings
    broker_url: str | None
    worker_count: int
    max_size_bytes: int
    timeout_s: float
    max_attempts: int
    metadata_directory: Path | None = None
    thumbnails_directory: Path | None = None
    segment_from_s: float = 0.0
    """Files of this duration or longer are enhanced in parts; 0: none."""
    segment_s: float = 30.0

    def task_terms(self, client_id: str) -> TaskTerms:
        """What every task of this client carries."""
        return TaskTerms(
            client_id=client_id,
            timeout_s=self.timeout_s,
            metadata_directory=self.metadata_directory,
            thumbnails_directory=self.thumbnails_directory,
            segment_s=self.segment_s,
        )
