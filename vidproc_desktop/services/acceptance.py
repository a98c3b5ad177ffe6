"""Results that workers elsewhere have handed over: fetched, checked and published here, and only then believed.

A status is durable as the dispatcher left it, or not at all: whoever is interrupted is told the same once more. A few
results are taken over at a time, those of one task one after the other; what has to wait for the exchange keeps nobody
else waiting.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from vidproc_desktop.domain.library import TaskKey, TaskRecord
from vidproc_desktop.domain.parts import is_current
from vidproc_desktop.domain.tasks import is_result_wanted, rejected
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.catalogue import Catalogue
from vidproc_desktop.services.dispatch import Dispatch
from vidproc_desktop.services.file_uris import path_of
from vidproc_desktop.services.lending import Lending
from vidproc_desktop.services.ports import Accepter, FileExchange, LibraryStore
from vidproc_desktop.services.spawn import durable
from vidproc_desktop.services.task_messages import TaskTerms, task_message
from workers.protocol.messages import AcceptTask, AnyWorkTask, ControlMessage, StatusMessage
from workers.protocol.model import FileId, WorkerId
from workers.protocol.results import (
    AnalysisResult,
    EnhancementResult,
    MetadataResult,
    SegmentResult,
    TaskError,
    TaskResult,
)
from workers.protocol.states import ControlAction, ErrorCode, Status

_log = logging.getLogger(__name__)

AT_A_TIME: Final = 3
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
REJECTIONS_UNTIL_PAUSED: Final = 3
"""Rejected results of one worker in a row."""


class Acceptance:
    """Takes statuses before the dispatcher does. All on the loop's thread.

    Args:
        catalogue: the rows.
        dispatch: takes what is true.
        store: says when everything known is durable.
        lending: knows the exchange, and the tasks it lent files for.
        accepter: checks and publishes; None: nobody does here.
        terms: what every task carries.
        control: sends a control message without waiting for it.
        tell: tells the user.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        dispatch: Dispatch,
        store: LibraryStore,
        *,
        lending: Lending,
        accepter: Accepter | None,
        terms: TaskTerms,
        control: Callable[[ControlMessage], None],
        tell: Callable[[UserFacingError], None],
    ) -> None:
        self._catalogue = catalogue
        self._dispatch = dispatch
        self._store = store
        self._lending = lending
        self._accepter = accepter
        self._terms = terms
        self._control = control
        self._tell = tell
        self._few = asyncio.Semaphore(AT_A_TIME)
        self._turns: dict[TaskKey, tuple[asyncio.Lock, int]] = {}
        """Who takes over results of a task now, and how many want to."""
        self._rejections: Counter[WorkerId] = Counter()

    async def take(self, status: StatusMessage) -> None:
        """Returns once the status, or what became of it, is durable.

        Raises:
            UserFacingError: it could not be written.
        """
        if status.status is Status.COMPLETED and status.sent:
            async with self._turn(_key(status)):
                await self._take_over(status)
        else:
            said = await self._seen(status)
            await durable(self._dispatch.apply(said))
            self._after_end(said)

    def on_control(self, message: ControlMessage) -> None:
        """Workers are told to stop: what they hand over for these attempts is not wanted any more."""
        if message.action is not ControlAction.CANCEL or self._lending.exchange is None:
            return
        if message.file_id is None or message.process_type is None or message.attempt is None:
            return
        self._discard((FileId(message.file_id), message.process_type, message.part), message.attempt)

    # ------------------------------------------------------------ one result

    async def _seen(self, status: StatusMessage) -> StatusMessage:
        """A status without objects; where files are exchanged, a result has to be on this computer all the same."""
        if self._lending.exchange is None or status.status is not Status.COMPLETED:
            return status
        return status if await asyncio.to_thread(_is_here, status.result) else _not_here(status)

    async def _take_over(self, status: StatusMessage) -> None:
        """Try until it can be said what becomes of the result."""
        pause_s = FIRST_PAUSE_S
        while self._is_wanted(status) and (task := self._task(_key(status), status.attempt)) is not None:
            try:
                async with self._few:
                    said = await self._checked(status, task)
            except UserFacingError as error:
                _log.info("a result of file %s waits: %s %s", status.file_id, error.title, error.detail)
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
                continue
            if self._is_wanted(status):  # not cancelled meanwhile
                await self._believe(said)
                return
        # Acknowledged only once it is durable that nobody wants it.
        await durable(self._store.settled())
        self._discard(_key(status), status.attempt)

    async def _believe(self, said: StatusMessage) -> None:
        before = self._record(said)
        written = self._dispatch.apply(said)
        if self._record(said) is not before:
            self._count(said)
        await durable(written)
        self._after_end(said)

    def _record(self, status: StatusMessage) -> TaskRecord | None:
        file = self._catalogue.get(FileId(status.file_id))
        return None if file is None else file.published(status.process_type, status.part)

    def _is_wanted(self, status: StatusMessage) -> bool:
        """False when the result would change nothing, or was cancelled."""
        file, record = self._catalogue.get(FileId(status.file_id)), self._record(status)
        if file is None or record is None or status.client_id != self._terms.client_id:
            return False
        return is_current(file, status) and is_result_wanted(record)

    def _task(self, key: TaskKey, attempt: int) -> AnyWorkTask | None:
        """The task as it was published, or would be; None when the row knows of no such task any more."""
        file_id, process_type, part = key
        lent, file = self._lending.task_of(key, attempt), self._catalogue.get(file_id)
        record = None if file is None else file.published(process_type, part)
        if lent is not None or file is None or record is None:
            return lent
        return task_message(self._terms, file, (replace(record, attempt=attempt),))

    async def _checked(self, status: StatusMessage, task: AnyWorkTask) -> StatusMessage:
        """The status as it can be believed.

        Raises:
            UserFacingError: that cannot be said now.
        """
        exchange, accepter = self._lending.exchange, self._accepter
        if exchange is None or accepter is None:
            return rejected(status, _unreachable())
        if status.result is None:
            return rejected(status, TaskError(code=ErrorCode.RESULT_REJECTED, message="There is no result."))
        request = await _request(exchange, task, status, status.result)
        reply = await accepter.accept(request)
        if reply.result is not None:
            return status.model_copy(update={"result": reply.result, "sent": ()})
        error = reply.error or TaskError(
            code=ErrorCode.INTERNAL, message="The check of the result said nothing."
        )
        return rejected(status, error)

    # ------------------------------------------------------------ what follows

    def _discard(self, key: TaskKey, attempt: int) -> None:
        task = self._task(key, attempt)
        if task is not None:
            self._lending.discard(task, key[1])

    def _after_end(self, status: StatusMessage) -> None:
        """Nothing that was handed over is of use once the task is done, or has failed or was cancelled for good.

        Before that, what a failed attempt has handed over stays, unless it was rejected: the broker may have given the
        attempt to two workers, and the other one may have done it.
        """
        if self._lending.exchange is None or not status.status.is_final:
            return
        record = self._record(status)
        is_over = record is None or record.is_settled
        is_rejected = status.error is not None and status.error.code is ErrorCode.RESULT_REJECTED
        if (is_over or is_rejected) and not self._dispatch.runs_twice(status):
            self._discard(_key(status), status.attempt)

    def _count(self, status: StatusMessage) -> None:
        """Pause a worker whose results are rejected one after the other."""
        worker_id = WorkerId(status.worker_id)
        if status.status is Status.COMPLETED:
            del self._rejections[worker_id]
        if status.error is None or status.error.code is not ErrorCode.RESULT_REJECTED:
            return
        self._rejections[worker_id] += 1
        if self._rejections[worker_id] < REJECTIONS_UNTIL_PAUSED:
            return
        del self._rejections[worker_id]
        self._control(ControlMessage(action=ControlAction.PAUSE, worker_id=worker_id))
        self._tell(
            UserFacingError(
                UserErrorCode.RESULTS_REJECTED,
                f"Worker {worker_id} was paused: {REJECTIONS_UNTIL_PAUSED} of its results in a row were wrong.",
                detail=status.error.message,
                hint="Check that computer, then let the worker go on in the list of workers.",
            )
        )

    @asynccontextmanager
    async def _turn(self, key: TaskKey) -> AsyncIterator[None]:
        """One result of a task at a time, in the order in which they came."""
        lock, wanting = self._turns.get(key, (asyncio.Lock(), 0))
        self._turns[key] = lock, wanting + 1
        try:
            async with lock:
                yield
        finally:
            lock, wanting = self._turns.pop(key)
            if wanting > 1:
                self._turns[key] = lock, wanting - 1


async def _request(
    exchange: FileExchange, task: AnyWorkTask, status: StatusMessage, result: TaskResult
) -> AcceptTask:
    """What the accepting worker is asked.

    Raises:
        UserFacingError: the objects cannot be had now.
    """
    sent = status.sent
    try:
        directory_uri = (await exchange.received(task, status.process_type, sent)).as_uri()
    except LookupError as error:
        # Perhaps they were taken over by a run of this program that ended before it could say so.
        _log.info("what was handed over for file %s is not there: %s", status.file_id, error)
        directory_uri, sent = task.output.directory_uri, ()
    return AcceptTask(
        file_id=task.file_id,
        client_id=task.client_id,
        task=task,
        process_type=status.process_type,
        directory_uri=directory_uri,
        sent=sent,
        result=result,
    )


def _key(status: StatusMessage) -> TaskKey:
    return FileId(status.file_id), status.process_type, status.part


def _is_here(result: TaskResult | None) -> bool:
    """True unless a result names a file that is not on this computer. Does file I/O."""
    uris: tuple[str, ...]
    match result:
        case EnhancementResult():
            uris = (result.output_uri, result.report_uri)
        case MetadataResult():
            uris = (result.metadata_uri,)
        case SegmentResult():
            uris = (result.video_uri,)
        case AnalysisResult(folder_uri=str(folder)):
            uris = (folder,)
        case _:  # better done whole, or no result at all
            uris = ()
    paths = map(path_of, uris)
    return all(path is not None and path.exists() for path in paths)


def _not_here(status: StatusMessage) -> StatusMessage:
    error = TaskError(
        code=ErrorCode.RESULT_REJECTED,
        message="It said that it was done, but its result is not on this computer.",
    )
    return rejected(status, error)


def _unreachable() -> TaskError:
    return TaskError(
        code=ErrorCode.TRANSFER_FAILED,
        message="What a worker handed over cannot be reached, because files are not exchanged any more.",
    )
