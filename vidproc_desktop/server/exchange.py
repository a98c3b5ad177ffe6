"""`FileExchange` over this computer's media server: signed addresses out, finished objects in."""

import asyncio
import ipaddress
import platform
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.server.certificate import Credentials, credentials
from vidproc_desktop.server.child import ServerConfig
from vidproc_desktop.server.claims import ReadClaims, WriteClaims, sign
from vidproc_desktop.server.media import READ_PATH, WRITE_PATH
from vidproc_desktop.server.process import MediaServerProcess, ServerCommand
from vidproc_desktop.services.exchange_folders import (
    files_to_read,
    incoming_folder,
    is_whole,
    remove_incoming,
    unreadable_parts,
)
from vidproc_desktop.services.exchange_objects import objects_to_write, validity_s, writer_of
from vidproc_desktop.services.file_uris import local_path
from workers.protocol.messages import AnyWorkTask
from workers.protocol.model import FileId
from workers.protocol.states import ProcessType
from workers.protocol.transfers import VIDEO, ReadGrant, RemoteFiles, SentObject, WriteGrant

_LOOPBACK: Final = "127.0.0.1"
LEAST_LIMIT_BYTES: Final = 4_000_000_000
TIMES_SOURCE: Final = 20
"""An enhanced film may be larger than its source, but never by as much as this."""


@dataclass(frozen=True, slots=True)
class MediaServerOptions:
    """How the server is reached.

    Attributes:
        command: starts its process.
        folder: where its secret, its certificate and the port it had last time lie.
        log: its log file.
        public_host: name or address of this computer for the workers; empty: the one on the way to `seen_from`.
        seen_from: a computer that the workers reach, too: the broker's.
        bind: address to listen on; empty: all of this computer's, or loopback only when nobody else is meant.
        port: the wanted one; 0: the one of last time, else any free one.
        use_tls: off for tests and for those who have a tunnel of their own.
    """

    command: ServerCommand
    folder: Path
    log: Path
    public_host: str = ""
    seen_from: str = "localhost"
    bind: str = ""
    port: int = 0
    use_tls: bool = True


class MediaServerExchange:
    """Files reach the workers through this computer's media server."""

    def __init__(self, options: MediaServerOptions) -> None:
        self._options = options
        self._process: MediaServerProcess | None = None
        self._credentials: Credentials | None = None
        self._host = options.public_host

    @property
    def pid(self) -> int | None:
        """Process id of the server while it runs."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the server; returns when it listens.

        Raises:
            UserFacingError: it does not, or its folder cannot be used.
        """
        options = self._options
        try:
            kept = await asyncio.to_thread(credentials, options.folder)
            port = options.port or await asyncio.to_thread(_last_port, options.folder)
            self._host = options.public_host or await asyncio.to_thread(own_address, options.seen_from)
        except OSError as error:
            raise UserFacingError(
                UserErrorCode.MEDIA_SERVER_WILL_NOT_START,
                "The media server's folder cannot be used.",
                detail=str(error),
            ) from error
        self._credentials = kept
        config = ServerConfig(
            secret=kept.secret.hex(),
            bind=options.bind or (_LOOPBACK if _is_loopback(self._host) else ""),
            port=port,
            pem=str(kept.pem) if options.use_tls else None,
            log=str(options.log),
        )
        process = MediaServerProcess(options.command, config)
        await process.start()
        self._process = process
        await asyncio.to_thread(_remember_port, options.folder, process.port)

    async def aclose(self) -> None:
        """Stop the server; what was handed over stays for the next time."""
        process, self._process = self._process, None
        if process is not None:
            await process.aclose()

    async def grant(self, task: AnyWorkTask, parts_folder: Path | None) -> RemoteFiles:
        """See `FileExchange`."""
        kept = self._credentials
        if self._process is None or kept is None:
            raise UserFacingError(
                UserErrorCode.MEDIA_SERVER_WILL_NOT_START, "The media server does not run at present."
            )
        expires_at = time.time() + validity_s(task)
        try:
            reads = await asyncio.to_thread(_found, task, parts_folder, expires_at)
        except OSError as error:
            raise unreadable_parts(error) from error
        source = ReadClaims(
            path=str(local_path(task.source.uri)),
            size_bytes=task.source.size_bytes,
            mtime_ns=task.source.mtime_ns,
            expires_at=expires_at,
        )
        return RemoteFiles(
            host=platform.node(),
            source_url=self._address(READ_PATH, source),
            reads=tuple(
                ReadGrant(
                    name=Path(one.path).name,
                    url=self._address(READ_PATH, one),
                    size_bytes=one.size_bytes,
                )
                for one in reads
            ),
            writes=self._writes(task, expires_at),
            certificate_sha256=kept.fingerprint if self._options.use_tls else None,
        )

    async def received(
        self, task: AnyWorkTask, process_type: ProcessType, sent: Sequence[SentObject]
    ) -> Path:
        """See `FileExchange`."""
        folder = incoming_folder(task, process_type)
        await asyncio.to_thread(_check, folder, sent)
        return folder

    async def discard(self, task: AnyWorkTask, process_type: ProcessType) -> None:
        """See `FileExchange`."""
        await asyncio.to_thread(remove_incoming, task, process_type)

    async def forget(self, file_id: FileId) -> None:
        """See `FileExchange`: nothing is kept elsewhere than with the attempts."""

    def _writes(self, task: AnyWorkTask, expires_at: float) -> tuple[WriteGrant, ...]:
        return tuple(
            WriteGrant(
                name=name,
                url=self._address(WRITE_PATH, _may_write(task, name, expires_at)),
                is_resumable=True,
            )
            for name in objects_to_write(task)
        )

    def _address(self, path: str, claims: ReadClaims | WriteClaims) -> str:
        assert self._credentials is not None
        assert self._process is not None
        scheme = "https" if self._options.use_tls else "http"
        host = self._host
        shown = f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}:{self._process.port}{path}/{sign(claims, self._credentials.secret)}"


def _may_write(task: AnyWorkTask, name: str, expires_at: float) -> WriteClaims:
    limit = max(LEAST_LIMIT_BYTES, TIMES_SOURCE * task.source.size_bytes)
    return WriteClaims(
        folder=str(incoming_folder(task, writer_of(task, name))),
        name=name,
        limit_bytes=limit if name == VIDEO else LEAST_LIMIT_BYTES,
        expires_at=expires_at,
    )


def _found(task: AnyWorkTask, parts_folder: Path | None, expires_at: float) -> tuple[ReadClaims, ...]:
    """What may be read beside the source.

    Raises:
        OSError: it cannot be looked at.
    """
    found = []
    for path in files_to_read(task, parts_folder):
        status = path.stat()
        found.append(
            ReadClaims(
                path=str(path), size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, expires_at=expires_at
            )
        )
    return tuple(found)


def _check(folder: Path, sent: Sequence[SentObject]) -> None:
    """Nothing when every object is there whole.

    Raises:
        LookupError: one is not.
    """
    for one in sent:
        path = folder / one.name
        try:
            is_it = is_whole(path, one)
        except FileNotFoundError as error:
            raise LookupError(f"{one.name} was never handed over as a whole") from error
        if not is_it:
            raise LookupError(f"{one.name} is another one than was said")


def own_address(seen_from: str) -> str:
    """This computer's address on the way to another one; its name where there is no way. Asks the name service.

    No packet is sent: connecting a datagram socket only chooses the way.
    """
    try:
        family, kind, _, _, where = socket.getaddrinfo(seen_from, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(where)
            return str(probe.getsockname()[0])
    except OSError:
        return platform.node()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _last_port(folder: Path) -> int:
    try:
        return int((folder / "port").read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return 0


def _remember_port(folder: Path, port: int) -> None:
    (folder / "port").write_text(str(port), "ascii")
