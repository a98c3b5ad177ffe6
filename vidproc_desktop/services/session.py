"""A running core: what every face drives. Owns the services, their tasks, and the transport in use.

A composition root builds it from ports, and nothing here knows which adapters they are:

    session = Session(SessionPorts(store=…, prober=…, connect=…, test_connection=…), options)
    await session.start()
    …
    await session.aclose()
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vidproc_desktop.domain.library import AttemptRecord, FileRecord, IntakeReport
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState, ConnectionReport, WorkerView
from vidproc_desktop.errors import UserFacingError
from vidproc_desktop.services import scan
from vidproc_desktop.services.acceptance import Acceptance
from vidproc_desktop.services.backups import Backups
from vidproc_desktop.services.catalogue import Catalogue
from vidproc_desktop.services.controls import Controls
from vidproc_desktop.services.dispatch import Dispatch, Rules
from vidproc_desktop.services.events import BrokerHealthChanged, EventHub, Notice
from vidproc_desktop.services.inlet import Inlet
from vidproc_desktop.services.intake import BOTH, Intake, IntakeRules, Wishes
from vidproc_desktop.services.lending import Lending
from vidproc_desktop.services.outbox import Outbox
from vidproc_desktop.services.ports import Transport
from vidproc_desktop.services.previews import Previews, PreviewWish
from vidproc_desktop.services.session_options import SessionOptions, SessionPorts
from vidproc_desktop.services.spawn import Background
from vidproc_desktop.services.worker_pool import WorkerPool
from workers.protocol.messages import ControlMessage, SourceRef, WorkerHeartbeat
from workers.protocol.model import FileId, WorkerId
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ControlAction, ProcessType

__all__ = ["Session", "SessionOptions", "SessionPorts"]

_LAST_BROKER: Final = "last_broker"
_LOCAL: Final = "local"


@dataclass(frozen=True, slots=True)
class _Running:
    """What exists between `start` and `aclose`."""

    client_id: str
    dispatch: Dispatch
    intake: Intake
    outbox: Outbox
    acceptance: Acceptance


class Session:
    """`SessionApi`. All on one event loop."""

    def __init__(self, ports: SessionPorts, options: SessionOptions) -> None:
        self.events = EventHub()
        self._ports = ports
        self._options = options
        self._catalogue = Catalogue(self.events)
        self._pool = WorkerPool(self.events, self._is_ours)
        self._background = Background(self._notice)
        self._previews = Previews(ports.previewer, self.events, options.data_directory / "previews")
        self._health = BrokerHealth(BrokerState.STOPPED, "Not started.", time.time())
        self._lending = Lending(self._notice)
        self._catalogue.watch(self._lending.look_at)
        self._controls = Controls(self._background)
        self._worker_count = options.worker_count
        self._transport: Transport | None = None
        self._inlet: Inlet | None = None
        self._running_parts: _Running | None = None
        self._switching = asyncio.Lock()

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Open the store, start the prober and the transport, and go on with what was unfinished.

        Raises:
            UserFacingError: the store cannot be used, or the broker's URL is none. Nothing is left running.
        """
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._background.aclose)
            self._ports.store.on_trouble(self._notice)
            await self._ports.store.start()
            undo.push_async_callback(self._ports.store.aclose)
            parts = await self._load()
            await self._ports.prober.start()
            undo.push_async_callback(self._ports.prober.aclose)
            await self._previews.start()
            undo.push_async_callback(self._previews.aclose)
            self._running_parts = parts
            await self._open(self._options.broker_url)
            undo.pop_all()
        self._background.spawn(parts.outbox.run(), "outbox")
        self._background.spawn(self._pool.watch_for_lost(), "watch for lost workers")

    async def _load(self) -> _Running:
        snapshot = await self._ports.store.load()
        options = self._options
        terms = options.task_terms(snapshot.client_id)
        outbox = Outbox(self._catalogue, self._ports.store, self._pool, terms, self._lending)
        dispatch = Dispatch(
            self._catalogue,
            self._ports.store,
            pool=self._pool,
            outbox=outbox,
            rules=Rules(snapshot.client_id, options.max_attempts),
            control=self._send_control,
        )
        acceptance = Acceptance(
            self._catalogue,
            dispatch,
            self._ports.store,
            lending=self._lending,
            accepter=self._ports.accepter,
            terms=terms,
            control=self._controls.send,
            tell=self._notice,
        )
        self._pool.watch(outbox.nudge, dispatch.on_worker_lost)
        Backups(self._catalogue, self._pool, outbox=outbox, dispatch=dispatch)  # the two it watches hold it
        intake = Intake(
            self._catalogue,
            self._ports.store,
            prober=self._ports.prober,
            events=self.events,
            rules=IntakeRules(
                options.max_size_bytes, options.data_directory / "thumbnails", options.segment_from_s
            ),
        )
        dispatch.remember(snapshot.failures)
        self._catalogue.add(snapshot.files)
        return _Running(snapshot.client_id, dispatch, intake, outbox, acceptance)

    async def aclose(self) -> None:
        """Stop everything in order; unfinished files go on at the next start.

        Raises:
            UserFacingError: the last changes could not be written.
        """
        if self._running_parts is None:
            return
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._ports.store.aclose)
            stack.push_async_callback(self._ports.prober.aclose)
            stack.push_async_callback(self._previews.aclose)
            if self._ports.accepter is not None:
                stack.push_async_callback(self._ports.accepter.aclose)
            stack.push_async_callback(self._shut)
            stack.push_async_callback(self._background.aclose)
            stack.callback(self._pool.close)
            self._running_parts = None

    @property
    def dispatch(self) -> Dispatch:
        """The dispatcher of the running session."""
        return self._running.dispatch

    @property
    def client_id(self) -> str:
        """Whose tasks these are; stable across restarts."""
        return self._running.client_id

    @property
    def _running(self) -> _Running:
        if self._running_parts is None:
            raise RuntimeError("the session is not running")
        return self._running_parts

    # ------------------------------------------------------------ what there is

    def files(self) -> Sequence[FileRecord]:
        """Every row, by position."""
        return self._catalogue.files()

    def file(self, file_id: FileId) -> FileRecord | None:
        """One row."""
        return self._catalogue.get(file_id)

    def workers(self) -> Sequence[WorkerView]:
        """Every worker known."""
        return self._pool.views()

    def health(self) -> BrokerHealth:
        """State of the broker."""
        return self._health

    async def attempts(self, file_id: FileId) -> Sequence[AttemptRecord]:
        """The attempt ledger of one file."""
        return await self._ports.store.attempts(file_id)

    # ------------------------------------------------------------ what the user does

    async def add(
        self,
        paths: Sequence[Path],
        *,
        settings: EnhancementSettings | None = None,
        output_directory: Path | None = None,
        process_types: tuple[ProcessType, ...] = BOTH,
    ) -> IntakeReport:
        """Take files and folders. Raises UserFacingError when the output folder cannot be written."""
        wishes = Wishes(
            settings=settings or self._options.settings,
            output_directory=output_directory or self._options.output_directory,
            process_types=process_types,
        )
        return await self._running.intake.add(paths, wishes)

    async def cancel(self, file_ids: Sequence[FileId]) -> None:
        """Stop what has not finished."""
        await self._running.dispatch.cancel(file_ids)

    async def retry(self, file_ids: Sequence[FileId]) -> None:
        """Start failed or cancelled processes again; the file is looked at anew, because it may have changed."""
        files = [file for file_id in file_ids if (file := self._catalogue.get(file_id)) is not None]
        fresh = await asyncio.to_thread(scan.look_again, files, self._options.max_size_bytes)
        await self._running.dispatch.retry(fresh)

    async def remove(self, file_ids: Sequence[FileId]) -> None:
        """Take rows off the list. Results and sources on disk stay."""
        gone = [file for file_id in file_ids if (file := self._catalogue.get(file_id)) is not None]
        await self._running.dispatch.remove([file.file_id for file in gone])
        pictures = [Path(file.thumbnail_path) for file in gone if file.thumbnail_path is not None]
        await asyncio.to_thread(scan.remove_files, pictures)

    async def clear_finished(self) -> None:
        """Take every finished row off the list."""
        await self.remove([file.file_id for file in self._catalogue.files() if file.is_finished])

    def request_preview(
        self,
        file_id: FileId,
        at_s: float,
        *,
        settings: EnhancementSettings | None = None,
        duration_s: float = 0.0,
        max_side_px: int = 1920,
        wants_size: bool = False,
    ) -> int | None:
        """Ask what enhancing would do at a moment; `PreviewShown` answers with the number returned here.

        None when there is no such row, or nobody makes previews here.
        """
        file = self._catalogue.get(file_id)
        if file is None:
            return None
        wish = PreviewWish(
            file_id=file_id,
            source=SourceRef(
                uri=Path(file.source_path).as_uri(), size_bytes=file.size_bytes, mtime_ns=file.mtime_ns
            ),
            settings=settings or file.settings,
            at_s=at_s,
            duration_s=duration_s,
            max_side_px=max_side_px,
            wants_size=wants_size,
        )
        return self._previews.request(wish, self.client_id)

    async def test_connection(self, url: str) -> ConnectionReport:
        """Try a broker and say in words what is wrong."""
        return await self._ports.test_connection(url)

    async def set_worker_count(self, count: int) -> None:
        """How many enhancement workers run on this computer, in either mode."""
        self._worker_count = max(0, count)
        if self._transport is not None and self._transport.workers is not None:
            await self._transport.workers.set_count(self._worker_count)

    def change_limits(self, *, timeout_s: float, max_attempts: int) -> None:
        """How long one attempt may take from now on, and how many there are; tasks under way keep their time."""
        self._running.outbox.limit_time(timeout_s)
        self._running.dispatch.limit_attempts(max_attempts)

    def worker_count(self) -> int:
        """How many enhancement workers are wanted on this computer."""
        return self._worker_count

    async def control_worker(self, worker_id: WorkerId, action: ControlAction) -> None:
        """Pause, resume, drain or release one worker. Raises UserFacingError when it could not be told."""
        if self._transport is not None:
            await self._transport.broker.control(ControlMessage(action=action, worker_id=worker_id))

    async def use_broker(self, url: str | None) -> None:
        """Switch; unfinished files go on there. Raises UserFacingError when the URL is none: nothing changes then."""
        async with self._switching:
            transport = self._ports.connect(url, self._running.client_id)
            await self._shut()
            await self._open(url, transport)

    # ------------------------------------------------------------ transport

    async def _open(self, url: str | None, transport: Transport | None = None) -> None:
        parts = self._running
        transport = transport or self._ports.connect(url, parts.client_id)
        await self._take_over(url)
        inlet = Inlet(parts.acceptance, self._pool, self._on_health)
        self._transport, self._inlet = transport, inlet
        self._controls.use(transport.broker)
        exchange = None
        if url is not None and self._ports.exchange is not None:
            exchange = self._ports.exchange(url, parts.client_id)
        self._lending.open(exchange)
        await transport.broker.start(inlet)
        if transport.workers is not None:
            await transport.workers.set_count(self._worker_count)
        self._lending.when_ready(lambda: parts.outbox.use(transport.broker))

    async def _take_over(self, url: str | None) -> None:
        """Decide what becomes of tasks that another transport, or another run of this program, had taken."""
        store, dispatch = self._ports.store, self._running.dispatch
        now = _LOCAL if url is None else self._ports.broker_identity(url)
        before = await store.get_meta(_LAST_BROKER)
        if now == _LOCAL or now != before:
            # A broker that is still there may go on with what it was given: new attempts tell the two apart.
            dispatch.start_over(new_attempt=before not in (None, _LOCAL))
        if now != before:
            await store.set_meta(_LAST_BROKER, now)

    async def _shut(self) -> None:
        """Stop the transport in use."""
        transport, inlet = self._transport, self._inlet
        self._transport = self._inlet = None
        self._controls.use(None)
        if self._running_parts is not None:
            self._running_parts.outbox.use(None)
        if inlet is not None:
            inlet.close()
        if transport is not None:
            if transport.workers is not None and not transport.is_local:
                await transport.workers.set_count(0)
            await transport.broker.aclose()
        await self._lending.aclose()
        self._pool.forget_all()
        self._pool.close()

    def _on_health(self, health: BrokerHealth) -> None:
        self._health = health
        self.events.publish(BrokerHealthChanged(health))
        if self._running_parts is not None:
            self._running_parts.outbox.nudge()
        if health.state is BrokerState.READY:
            self._controls.send_unsent()

    def _send_control(self, message: ControlMessage) -> None:
        if self._running_parts is not None:
            self._running_parts.acceptance.on_control(message)
        self._controls.send(message)

    def _is_ours(self, heartbeat: WorkerHeartbeat) -> bool:
        transport = self._transport
        if transport is None or transport.workers is None:
            return False
        return transport.is_local or heartbeat.pid in transport.workers.pids

    def _notice(self, error: UserFacingError) -> None:
        self.events.publish(Notice(error))
