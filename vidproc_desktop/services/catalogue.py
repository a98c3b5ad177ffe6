"""The rows in memory: the one place where a record is replaced, and where that is told.

Knows no store and no broker: it decides nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.domain.names import fold
from vidproc_desktop.services.events import EventHub, FileChanged, FilesAdded, FilesRemoved
from workers.protocol.model import FileId

type Watcher = Callable[[FileRecord, Sequence[TaskRecord] | None], None]
"""Told a row and which of its published tasks are new; None: any."""


class Catalogue:
    """Every row by id, in order of position. All on the loop's thread."""

    def __init__(self, events: EventHub) -> None:
        self._events = events
        self._files: dict[FileId, FileRecord] = {}
        self._stems: dict[tuple[str, str], FileId] = {}
        """(output directory, folded stem) to the row that owns it."""
        self._sources: dict[str, FileId] = {}
        """Source path to its newest row."""
        self._next_position = 1
        self._watchers: list[Watcher] = []

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[FileRecord]:
        return iter(tuple(self._files.values()))

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` for every row that is new or has changed, before anybody else hears."""
        self._watchers.append(watcher)

    def get(self, file_id: FileId) -> FileRecord | None:
        """One row."""
        return self._files.get(file_id)

    def files(self) -> tuple[FileRecord, ...]:
        """Every row, by position."""
        return tuple(self._files.values())

    def take_position(self) -> int:
        """The next free place at the end."""
        position = self._next_position
        self._next_position += 1
        return position

    def find_source(self, path: str) -> FileRecord | None:
        """The newest row of this source."""
        file_id = self._sources.get(path)
        return self._files.get(file_id) if file_id is not None else None

    def has_stem(self, directory: str, folded_stem: str) -> bool:
        """True when a row's results have this name in this folder."""
        return (directory, folded_stem) in self._stems

    def add(self, files: Iterable[FileRecord]) -> None:
        """Append rows."""
        added = tuple(files)
        for file in added:
            self._files[file.file_id] = file
            self._stems[file.output_directory, fold(file.stem)] = file.file_id
            self._sources[file.source_path] = file.file_id
            self._next_position = max(self._next_position, file.position + 1)
            self._tell_watchers(file, None)
        if added:
            self._events.publish(FilesAdded(added))

    def put(self, file: FileRecord, changed: Sequence[TaskRecord] | None = None) -> None:
        """Replace a row.

        Args:
            file: the new row.
            changed: which of its `published_tasks` are new; None: any, and some may be gone.
        """
        self._files[file.file_id] = file
        self._tell_watchers(file, changed)
        self._events.publish(FileChanged(file))

    def remove(self, file_ids: Iterable[FileId]) -> tuple[FileId, ...]:
        """Take rows out; says which were there."""
        removed = []
        for file_id in file_ids:
            file = self._files.pop(file_id, None)
            if file is None:
                continue
            self._stems.pop((file.output_directory, fold(file.stem)), None)
            if self._sources.get(file.source_path) == file_id:
                del self._sources[file.source_path]
            removed.append(file_id)
        if removed:
            self._events.publish(FilesRemoved(tuple(removed)))
        return tuple(removed)

    def _tell_watchers(self, file: FileRecord, changed: Sequence[TaskRecord] | None) -> None:
        for watcher in self._watchers:
            watcher(file, changed)
