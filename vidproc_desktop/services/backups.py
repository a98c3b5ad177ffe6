"""Second attempts for the last segments of a film while a worker has nothing to do.

Knows what runs and since when nothing was heard of it; `domain.backups` decides, the dispatcher does it.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from vidproc_desktop.domain.backups import backup
from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.services.catalogue import Catalogue
from vidproc_desktop.services.dispatch import Dispatch
from vidproc_desktop.services.outbox import Outbox
from vidproc_desktop.services.worker_pool import WorkerPool
from workers.protocol.model import FileId
from workers.protocol.segments import PartName
from workers.protocol.states import Status

LOOK_EVERY_S: Final = 2.0


class Backups:
    """Looks whenever something was heard of a worker. All on the loop's thread.

    Args:
        catalogue: the rows.
        pool: who is there.
        outbox: as long as something waits, nobody has nothing to do.
        dispatch: issues the second attempt, and cancels the one that comes second.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        pool: WorkerPool,
        *,
        outbox: Outbox,
        dispatch: Dispatch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue = catalogue
        self._pool = pool
        self._outbox = outbox
        self._dispatch = dispatch
        self._clock = clock
        self._heard: dict[FileId, dict[PartName, float]] = {}
        """When something was last heard of each part that runs."""
        self._last_look = float("-inf")
        catalogue.watch(self._note)
        pool.watch(self.look, lambda _: None)

    def look(self) -> None:
        """Issue a second attempt where it is worth it; at most every few seconds, and one at a time."""
        now = self._clock()
        if not self._heard or now - self._last_look < LOOK_EVERY_S or self._outbox.has_waiting:
            return
        self._last_look = now
        for file_id, heard in tuple(self._heard.items()):
            file = self._catalogue.get(file_id)
            if file is None:
                del self._heard[file_id]
                continue
            silent_s = {part: now - at for part, at in heard.items()}
            found = backup(file, self._pool.views(), silent_s, self._dispatch.max_attempts)
            if found is not None:
                self._dispatch.try_beside(*found)
                return

    def _note(self, file: FileRecord, changed: Sequence[TaskRecord] | None) -> None:
        if changed is None:
            self._heard.pop(file.file_id, None)
            changed = file.parts
        for task in changed:
            if task.part is not None:
                self._note_part(task, task.part)

    def _note_part(self, task: TaskRecord, part: PartName) -> None:
        if task.status is Status.PROCESSING:
            self._heard.setdefault(task.file_id, {})[part] = self._clock()
        elif (heard := self._heard.get(task.file_id)) is not None:
            heard.pop(part, None)
            if not heard:
                del self._heard[task.file_id]
