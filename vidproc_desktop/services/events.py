"""What happens in the core, as values, and the hub that tells every face. All on the event loop's thread."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from vidproc_desktop.domain.library import FileRecord, IntakeReport
from vidproc_desktop.domain.workers import BrokerHealth, WorkerView
from vidproc_desktop.errors import UserFacingError
from workers.protocol.messages import PreviewReply
from workers.protocol.model import FileId

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FilesAdded:
    """New rows, in order."""

    files: tuple[FileRecord, ...]


@dataclass(frozen=True, slots=True)
class FileChanged:
    """One row has a new value. Comes up to thousands of times a second: listeners collect, then repaint."""

    file: FileRecord


@dataclass(frozen=True, slots=True)
class FilesRemoved:
    """Rows that are gone."""

    file_ids: tuple[FileId, ...]


@dataclass(frozen=True, slots=True)
class IntakeFinished:
    """A whole drop has been looked at."""

    report: IntakeReport


@dataclass(frozen=True, slots=True)
class WorkersChanged:
    """The complete list of known workers."""

    workers: tuple[WorkerView, ...]


@dataclass(frozen=True, slots=True)
class BrokerHealthChanged:
    """The broker came, went, or blocks."""

    health: BrokerHealth


@dataclass(frozen=True, slots=True)
class Notice:
    """The world failed in the background; the program goes on."""

    error: UserFacingError


@dataclass(frozen=True, slots=True)
class PreviewShown:
    """The newest preview that was asked for is there, or cannot be made; its files are kept for a while."""

    reply: PreviewReply


type Event = (
    FilesAdded
    | FileChanged
    | FilesRemoved
    | IntakeFinished
    | WorkersChanged
    | BrokerHealthChanged
    | Notice
    | PreviewShown
)
type Listener = Callable[[Event], None]


class EventHub:
    """Hands every event to every listener, in the order of subscription, synchronously."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; call the returned function to take it away again."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def publish(self, event: Event) -> None:
        """Tell everybody. A listener that raises is its own bug: logged, and the others still hear."""
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - one broken view must not stop dispatching; the log keeps it
                _log.exception("listener %r failed on %s", listener, type(event).__name__)
