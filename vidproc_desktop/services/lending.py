"""Files lent to workers that do not share our folders: addresses for every task, and their end when nobody wants them.

It owns the file exchange while a broker is in use, and remembers the tasks that were given addresses. What comes back
is taken over by `services.acceptance`.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Final

from vidproc_desktop.domain.library import FileRecord, TaskKey, TaskRecord
from vidproc_desktop.errors import UserFacingError
from vidproc_desktop.services.file_uris import path_of
from vidproc_desktop.services.ports import FileExchange
from vidproc_desktop.services.spawn import Background
from workers.protocol.codec import UndecodableMessage, encode
from workers.protocol.messages import AnyWorkTask, FileTask
from workers.protocol.model import FileId
from workers.protocol.results import AnalysisResult
from workers.protocol.segments import SegmentSpan
from workers.protocol.states import ProcessType

_log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
TIDY_LIMIT_S: Final = 3.0
"""What is no longer wanted is cleared away when the program ends, as far as that goes quickly."""


class Lending:
    """Who gives addresses, for what, and until when. All on the loop's thread.

    Args:
        tell: told once when the exchange does not start; it is tried again.
    """

    def __init__(self, tell: Callable[[UserFacingError], None]) -> None:
        self._tell = tell
        self._exchange: FileExchange | None = None
        self._is_ready = asyncio.Event()
        self._background = Background()
        self._lent: dict[TaskKey, AnyWorkTask] = {}
        self._tidying: set[asyncio.Task[None]] = set()
        self._files: set[FileId] = set()
        """Of which the exchange may have something."""

    @property
    def exchange(self) -> FileExchange | None:
        """The one in use; None: every worker opens the files themselves."""
        return self._exchange

    # ------------------------------------------------------------ life

    def open(self, exchange: FileExchange | None) -> None:
        """Use an exchange from now on, and start it; None: every worker opens the files themselves."""
        self._exchange = exchange
        self._is_ready.clear()
        if exchange is None:
            self._is_ready.set()
        else:
            self._background.spawn(self._start(exchange), "start the file exchange")

    def when_ready(self, call: Callable[[], None]) -> None:
        """Call once addresses can be had, or none are needed; never when it is closed before."""
        if self._is_ready.is_set():
            call()
        else:
            self._background.spawn(self._call_later(call), "wait for the file exchange")

    async def aclose(self) -> None:
        """Stop what was opened. Results that were handed over stay for the next time."""
        if self._tidying:
            await asyncio.wait(tuple(self._tidying), timeout=TIDY_LIMIT_S)
        await self._background.aclose()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.aclose()

    async def _call_later(self, call: Callable[[], None]) -> None:
        await self._is_ready.wait()
        call()

    async def _start(self, exchange: FileExchange) -> None:
        pause_s, is_told = FIRST_PAUSE_S, False
        while True:
            try:
                await exchange.start()
            except UserFacingError as error:
                _log.warning("the file exchange does not start: %s %s", error.title, error.detail)
                if not is_told:
                    self._tell(error)
                is_told = True
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
            else:
                break
        self._is_ready.set()

    # ------------------------------------------------------------ addresses

    async def with_addresses(
        self, task: AnyWorkTask, file: FileRecord, likely_next: SegmentSpan | None
    ) -> AnyWorkTask:
        """The task as it is published: with fresh addresses where an exchange is in use.

        Args:
            task: without addresses.
            file: its row.
            likely_next: the segment that the same worker will probably be given next.

        Raises:
            UserFacingError: addresses cannot be had now.
        """
        exchange = self._exchange
        if exchange is None:
            return task
        try:
            remote = await exchange.grant(task, parts_folder(file))
        except FileNotFoundError as error:
            # The parts were taken away meanwhile, as they are when the film is done: whoever gets the task says so.
            _log.info("the parts of file %s are not there: %s", task.file_id, error)
            remote = await exchange.grant(task, None)
        self._files.add(file.file_id)
        for process_type in _process_types(task):
            self._lent[_key(task, process_type)] = task
        lent = task.model_copy(
            update={
                "remote": remote.model_copy(update={"likely_next": likely_next}) if likely_next else remote
            }
        )
        try:
            encode(lent)
        except UndecodableMessage as error:
            # A film of very many segments: only workers that share the folders can put it together.
            _log.warning("%s of file %s goes without addresses: %s", task.type, task.file_id, error)
            return task
        return lent

    def task_of(self, key: TaskKey, attempt: int) -> AnyWorkTask | None:
        """The task that was lent files for this attempt, without addresses; None when it is not remembered."""
        task = self._lent.get(key)
        return None if task is None else task.model_copy(update={"attempt": attempt})

    # ------------------------------------------------------------ the end of it

    def look_at(self, file: FileRecord, _changed: Sequence[TaskRecord] | None) -> None:
        """Of a file that is finished nothing needs to stay with the exchange."""
        exchange = self._exchange
        if exchange is None or file.file_id not in self._files or not file.is_finished:
            return
        self._files.discard(file.file_id)
        self._tidy(_forget(exchange, file.file_id), f"forget {file.file_id}")

    def discard(self, task: AnyWorkTask, process_type: ProcessType) -> None:
        """Nobody wants what this attempt, or an earlier one, has handed over or still will."""
        exchange, key = self._exchange, _key(task, process_type)
        if exchange is None:
            return
        lent = self._lent.get(key)
        if lent is not None and lent.attempt <= task.attempt:
            del self._lent[key]
        self._tidy(_discard(exchange, task, process_type), f"discard what came for {key[0]}")

    def _tidy(self, work: Coroutine[object, object, None], name: str) -> None:
        tidying = self._background.spawn(work, name)
        self._tidying.add(tidying)
        tidying.add_done_callback(self._tidying.discard)


async def _forget(exchange: FileExchange, file_id: FileId) -> None:
    try:
        await exchange.forget(file_id)
    except UserFacingError as error:
        _log.info("what the exchange has of %s stays for now: %s", file_id, error.title)


async def _discard(exchange: FileExchange, task: AnyWorkTask, process_type: ProcessType) -> None:
    try:
        await exchange.discard(task, process_type)
    except UserFacingError as error:
        # The exchange clears up what is old by itself.
        _log.info("what was handed over for %s stays for now: %s", task.file_id, error.title)


def parts_folder(file: FileRecord) -> Path | None:
    """Where the parts of a file meet, as a path on this computer; None until the analysis has said so."""
    answer = file.parts[0].result if file.parts else None
    if not isinstance(answer, AnalysisResult) or answer.folder_uri is None:
        return None
    return path_of(answer.folder_uri)


def _key(task: AnyWorkTask, process_type: ProcessType) -> TaskKey:
    return FileId(task.file_id), process_type, task.part


def _process_types(task: AnyWorkTask) -> tuple[ProcessType, ...]:
    return task.process_types if isinstance(task, FileTask) else (ProcessType.VIDEO_ENHANCEMENT,)
