"""The HTTP application: range reads of signed files, resumable writes of signed objects.

What it answers is written down in `workers.protocol.transfers`. Bodies go through in pieces; the disk is only touched
on threads. Nothing that it says names a folder.
"""

import asyncio
import errno
import logging
import os
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from vidproc_desktop.server.claims import ReadClaims, RefusedAddress, WriteClaims, verify
from vidproc_desktop.server.incoming import (
    BeingWritten,
    Block,
    NoRoom,
    TooLarge,
    Writers,
    Writing,
    WrongDigest,
    WrongOffset,
    standing,
)
from vidproc_desktop.server.ranges import UnusableRange, read_range, written_block
from workers.protocol.transfers import OFFSET_HEADER, digest_header

READ_PATH: Final = "/v1/read"
WRITE_PATH: Final = "/v1/write"
STALL_S: Final = 60.0
"""A peer that takes or gives nothing for so long is dropped; it comes back and goes on where it was."""
PIECE_BYTES: Final = 1 << 20
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_log = logging.getLogger(__name__)


def make_application(secret: bytes, clock: Callable[[], float] = time.time) -> FastAPI:
    """The application.

    Args:
        secret: what addresses are signed with.
        clock: seconds since the epoch.
    """
    application = FastAPI(title="Vidproc media", docs_url=None, redoc_url=None, openapi_url=None)
    service = _Service(secret, clock)
    application.add_api_route(
        READ_PATH + "/{token}", service.read, methods=["GET", "HEAD"], response_model=None
    )
    application.add_api_route(WRITE_PATH + "/{token}", service.offset, methods=["HEAD"], response_model=None)
    application.add_api_route(WRITE_PATH + "/{token}", service.write, methods=["PUT"], response_model=None)
    return application


class _Service:
    def __init__(self, secret: bytes, clock: Callable[[], float]) -> None:
        self._secret = secret
        self._clock = clock
        self._writers = Writers()

    async def read(self, token: str, request: Request) -> Response:
        """A file, or one range of it."""
        try:
            claims = verify(token, ReadClaims, self._secret, self._clock())
        except RefusedAddress as error:
            return _said(403, str(error))
        try:
            file, found = await asyncio.to_thread(_open, Path(claims.path))
        except OSError as error:
            _log.info("a file that was asked for cannot be read: %s", error)
            return _said(404, "The file is not there, or cannot be read.")
        tag = f'"{found.st_size}-{found.st_mtime_ns}"'
        wanted = request.headers.get("if-match", "*").strip()
        is_same = (found.st_size, found.st_mtime_ns) == (claims.size_bytes, claims.mtime_ns)
        try:
            part = read_range(request.headers.get("range"), found.st_size)
        except UnusableRange:
            await asyncio.to_thread(file.close)
            return _said(416, "The file has no such bytes.", {"Content-Range": f"bytes */{found.st_size}"})
        if not is_same or wanted not in {"*", tag}:
            await asyncio.to_thread(file.close)
            return _said(412, "The file was changed.")
        if request.method == "HEAD":
            await asyncio.to_thread(file.close)
            return Response(headers=_facts(tag, found.st_size))
        return _FileResponse(file, part, found.st_size, tag)

    async def offset(self, token: str) -> Response:
        """How much of an object is there."""
        try:
            claims = verify(token, WriteClaims, self._secret, self._clock())
        except RefusedAddress as error:
            return _said(403, str(error))
        there = await asyncio.to_thread(standing, _target(claims))
        headers = {OFFSET_HEADER: str(there.offset)}
        if there.sha256 is not None:
            headers["Repr-Digest"] = digest_header(there.sha256)
        return Response(headers=headers)

    async def write(self, token: str, request: Request) -> Response:
        """One block of an object."""
        try:
            claims = verify(token, WriteClaims, self._secret, self._clock())
            block = written_block(
                request.headers.get("content-range"),
                request.headers.get("content-length"),
                request.headers.get("repr-digest"),
            )
        except RefusedAddress as error:
            return _said(403, str(error))
        except ValueError as error:
            return _said(400, str(error))
        try:
            with self._writers.only(_target(claims)):
                offset = await _take(claims, block, request.stream())
        except (WrongOffset, WrongDigest, TooLarge, NoRoom, BeingWritten, TimeoutError) as error:
            return _answer(error)
        except OSError as error:
            _log.warning("what a worker hands over cannot be kept: %s", error)
            return _said(507 if error.errno in _FULL else 500, "The disk refused it.")
        except ClientDisconnect:
            return _said(400, "The connection broke.")  # nobody reads it; what came is kept
        return Response(status_code=201 if block.is_last else 200, headers={OFFSET_HEADER: str(offset)})


def _answer(error: Exception) -> Response:
    match error:
        case WrongOffset():
            return _said(409, "Other bytes come next.", {OFFSET_HEADER: str(error.offset)})
        case BeingWritten():
            return _said(423, "The object is being written by somebody else.")
        case WrongDigest():
            return _said(422, "Other bytes came than were sent.", {OFFSET_HEADER: "0"})
        case TooLarge():
            return _said(413, "The object is larger than was allowed.")
        case NoRoom():
            return _said(507, "The disk is full.")
        case _:
            return _said(408, "The rest of the block did not come in time.")


async def _take(claims: WriteClaims, block: Block, body: AsyncIterator[bytes]) -> int:
    """Write the body to the object; what came stays also when the connection breaks."""
    writing = await asyncio.to_thread(Writing, _target(claims), block, claims.limit_bytes)
    try:
        pieces: list[bytes] = []
        waiting = 0
        try:
            async for piece in _in_time(body):
                pieces.append(piece)
                waiting += len(piece)
                if waiting >= PIECE_BYTES:
                    data, pieces, waiting = b"".join(pieces), [], 0
                    await asyncio.to_thread(writing.add, data)
        finally:
            if pieces:
                await asyncio.shield(asyncio.to_thread(writing.add, b"".join(pieces)))
        return await asyncio.to_thread(writing.finish)
    finally:
        await asyncio.shield(asyncio.to_thread(writing.close))


async def _in_time(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a body.

    Raises:
        TimeoutError: the next one does not come.
    """
    while True:
        try:
            async with asyncio.timeout(STALL_S):
                piece = await anext(body)
        except StopAsyncIteration:
            return
        yield piece


class _FileResponse(Response):
    """A file or a part of it, read in pieces on threads; closes the file in any case."""

    def __init__(self, file: BinaryIO, part: range | None, size_bytes: int, tag: str) -> None:
        wanted = range(size_bytes) if part is None else part
        headers = _facts(tag, len(wanted))
        if part is not None:
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size_bytes}"
        super().__init__(status_code=200 if part is None else 206, headers=headers)
        self._file = file
        self._wanted = wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - Starlette's form
        """Send it. A file that turns out shorter ends the connection: no other byte takes its place."""
        try:
            start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            await _send(send, start)
            position = self._wanted.start
            while position < self._wanted.stop:
                count = min(PIECE_BYTES, self._wanted.stop - position)
                data = await asyncio.to_thread(_read_at, self._file, position, count)
                if not data:
                    raise ConnectionAbortedError("a file has become shorter while it was being sent")
                position += len(data)
                await _send(send, {"type": "http.response.body", "body": data, "more_body": True})
            await _send(send, {"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await asyncio.shield(asyncio.to_thread(self._file.close))


async def _send(send: Callable[[Any], Awaitable[None]], message: dict[str, Any]) -> None:
    async with asyncio.timeout(STALL_S):
        await send(message)


def _open(path: Path) -> tuple[BinaryIO, os.stat_result]:
    """A plain file and what the system knows of it.

    Raises:
        OSError: it is no plain file, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no plain file")
    return os.fdopen(descriptor, "rb", buffering=0), found


def _read_at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _target(claims: WriteClaims) -> Path:
    return Path(claims.folder) / claims.name


def _facts(tag: str, length: int) -> dict[str, str]:
    return {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Content-Length": str(length),
        "Content-Type": "application/octet-stream",
        "Cache-Control": "private, no-transform",
    }


def _said(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(sentence + "\n", status_code=status, headers=headers)
