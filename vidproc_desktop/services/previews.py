"""Pictures before and after for whoever looks at a file: asked for by moment, told by an event, kept for a while.

The newest request wins. It knows the port, not where the pictures come from.
"""

import asyncio
import contextlib
import shutil
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vidproc_desktop.services.events import EventHub, PreviewShown
from vidproc_desktop.services.file_uris import local_path
from vidproc_desktop.services.ports import Previewer
from vidproc_desktop.services.spawn import Background
from workers.protocol.messages import PreviewPictures, PreviewTask, SourceRef
from workers.protocol.settings import EnhancementSettings

_KEPT: Final = 12
"""Replies whose files are kept: somebody may be looking at the last ones."""


@dataclass(frozen=True, slots=True)
class PreviewWish:
    """What somebody wants to see.

    Attributes:
        file_id: the row; it comes back in the reply.
        source: the file.
        settings: what enhancing would be told.
        at_s: moment on the result's clock.
        duration_s: 0 for one picture, up to 3 s for a clip.
        max_side_px: larger pictures are made smaller.
        wants_size: also predict the size of the whole result.
    """

    file_id: str
    source: SourceRef
    settings: EnhancementSettings
    at_s: float
    duration_s: float = 0.0
    max_side_px: int = 1920
    wants_size: bool = False


class Previews:
    """Asks for previews and cleans up after them. `start()` first, `aclose()` at the end.

    Args:
        previewer: makes them; None: nobody does here.
        events: told of every reply that was not dropped.
        folder: for the pictures; whatever is in it is deleted.
    """

    def __init__(self, previewer: Previewer | None, events: EventHub, folder: Path) -> None:
        self._previewer = previewer
        self._events = events
        self._folder = folder
        self._background = Background()
        self._requests = 0
        self._shown: deque[tuple[Path, ...]] = deque()

    async def start(self) -> None:
        """Throw away what an earlier run has left."""
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def aclose(self) -> None:
        """Drop what runs, stop whoever makes pictures, delete them."""
        await self._background.aclose()
        if self._previewer is not None:
            await self._previewer.aclose()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def request(self, wish: PreviewWish, client_id: str) -> int | None:
        """Ask; the number comes back in `PreviewShown`. An older request that still runs is dropped.

        Returns:
            The number of the request; None where nobody makes previews.
        """
        if self._previewer is None:
            return None
        self._requests += 1
        task = PreviewTask(
            file_id=wish.file_id,
            client_id=client_id,
            request=self._requests,
            source=wish.source,
            settings=wish.settings,
            at_s=wish.at_s,
            duration_s=wish.duration_s,
            max_side_px=wish.max_side_px,
            wants_size=wish.wants_size,
            directory_uri=self._folder.absolute().as_uri(),
        )
        self._background.spawn(self._show(self._previewer, task), f"preview {task.request}")
        return task.request

    async def _show(self, previewer: Previewer, task: PreviewTask) -> None:
        with contextlib.suppress(OSError):  # the reply says so in words
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        reply = await previewer.show(task)
        if reply.was_dropped or task.request != self._requests:
            if reply.pictures is not None:
                await asyncio.to_thread(_delete, _files(reply.pictures))
            return
        if reply.pictures is not None:
            self._shown.append(_files(reply.pictures))
        self._events.publish(PreviewShown(reply))
        while len(self._shown) > _KEPT:
            await asyncio.to_thread(_delete, self._shown.popleft())


def _files(pictures: PreviewPictures) -> tuple[Path, ...]:
    return local_path(pictures.before_uri), local_path(pictures.after_uri)


def _delete(paths: tuple[Path, ...]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()
