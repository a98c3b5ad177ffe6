"""HTTP calls of signed addresses that outlast a network that comes and goes. Blocking: belongs on a thread.

What the other side answers is written down in `workers.protocol.transfers`. No address, which is a secret, is ever
logged or put into an error.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Final, Self

import urllib3

from workers.errors import TaskFailedError
from workers.protocol.states import ErrorCode
from workers.protocol.transfers import OFFSET_HEADER, digest_header

PATIENCE_S: Final = 600.0
"""Nothing is heard for so long: then the attempt fails. A cable that is plugged in again earlier costs only time."""
_CONNECT_S: Final = 10.0
_READ_S: Final = 30.0
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_PIECE_BYTES: Final = 1 << 18
_PASSING: Final = frozenset({408, 423, 425, 429, 500, 502, 503, 504})
_log = logging.getLogger(__name__)


class StoppedError(Exception):
    """Nobody waits for this any more."""


class WrongOffsetError(Exception):
    """Other bytes come next: see `offset`."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"{offset} bytes are there")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: the number.
        headers: without regard to case.
        body: all of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Addresses:
    """Calls the addresses of one task. Safe on several threads at once; `close` gives its connections back.

    Args:
        certificate_sha256: fingerprint of the one certificate that is believed; None: as the system's authorities say.
        patience_s: how long nothing may be heard.
    """

    def __init__(self, certificate_sha256: str | None, *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._stop = threading.Event()
        timeout = urllib3.Timeout(connect=_CONNECT_S, read=_READ_S)
        if certificate_sha256 is None:
            self._pool = urllib3.PoolManager(retries=False, timeout=timeout, maxsize=4)
        else:
            self._pool = urllib3.PoolManager(
                retries=False,
                timeout=timeout,
                maxsize=4,
                cert_reqs="CERT_NONE",
                assert_fingerprint=certificate_sha256,
                assert_hostname=False,
            )

    def stop(self) -> None:
        """End every call at its next step; any thread may ask for it."""
        self._stop.set()

    def close(self) -> None:
        """Give the connections back. Calls that still run end."""
        self._stop.set()
        self._pool.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------ reading

    def read(self, url: str, first: int, count: int, tag: str | None) -> tuple[bytes, str | None]:
        """Some bytes of an object.

        Args:
            url: its address.
            first: offset of the first byte.
            count: how many; all of them have to be there.
            tag: `ETag` of the object that is meant; None: whichever it is.

        Returns:
            The bytes, and the object's tag.

        Raises:
            TaskFailedError: FILE_CHANGED, LINK_REFUSED, TRANSFER_FAILED.
            StoppedError: see `stop`.
        """
        headers = {"Range": f"bytes={first}-{first + count - 1}"}
        if tag is not None:
            headers["If-Match"] = tag
        answer = self._patiently(lambda: self._call("GET", url, headers))
        is_whole = answer.status == 200 and first == 0 and len(answer.body) == count
        if answer.status != 206 and not is_whole:
            raise _failure(answer)
        if len(answer.body) != count:
            raise TaskFailedError(
                ErrorCode.FILE_CHANGED, "The file is shorter than it was when the task was made."
            )
        return answer.body, answer.headers.get("ETag")

    def fetch(self, url: str, size_bytes: int, into: BinaryIO) -> None:
        """A whole object into an empty file, in blocks, so that a broken connection costs one block.

        Raises:
            TaskFailedError: see `read`.
            StoppedError: see `stop`.
            OSError: the disk refused.
        """
        first, tag, block_bytes = 0, None, 32 * _PIECE_BYTES
        while first < size_bytes:
            data, tag = self.read(url, first, min(block_bytes, size_bytes - first), tag)
            into.write(data)
            first += len(data)

    # ------------------------------------------------------------ writing

    def offset(self, url: str) -> tuple[int, str | None]:
        """How many bytes of a resumable object are there, and, when it is whole, its digest header.

        Raises:
            TaskFailedError: see `read`.
            StoppedError: see `stop`.
        """
        answer = self._patiently(lambda: self._call("HEAD", url, {}))
        if answer.status != 200:
            raise _failure(answer)
        return _offset(answer), answer.headers.get("Repr-Digest")

    def write(self, url: str, first: int, total: int, block: bytes, sha256: str) -> int:
        """One block of a resumable object.

        Returns:
            How many bytes are there now.

        Raises:
            WrongOffsetError: other bytes come next.
            urllib3.exceptions.HTTPError: nobody knows what came of it.
            TaskFailedError: DISK_FULL, or see `read`.
            StoppedError: see `stop`.
        """
        headers = {"Content-Range": f"bytes {first}-{first + len(block) - 1}/{total}"}
        if first + len(block) == total:
            headers["Repr-Digest"] = digest_header(sha256)
        # Not patiently: what came of a broken call is asked for before the next one.
        answer = self._call("PUT", url, headers, block)
        if answer.status in {409, 422}:
            raise WrongOffsetError(_offset(answer))
        if answer.status not in {200, 201}:
            raise _failure(answer)
        return _offset(answer)

    def put(self, url: str, file: BinaryIO, size_bytes: int) -> None:
        """A whole object in one call; begun anew when the connection breaks.

        Raises:
            TaskFailedError: see `read`.
            StoppedError: see `stop`.
        """

        def send() -> Answer:
            file.seek(0)
            headers = {"Content-Length": str(size_bytes)}
            return self._call("PUT", url, headers, _pieces(file, self._stop))

        answer = self._patiently(send)
        if answer.status not in {200, 201, 204}:
            raise _failure(answer)

    # ------------------------------------------------------------ patience

    def rest(self, seconds: float = _FIRST_PAUSE_S) -> None:
        """Wait, a moment before the next try if nothing else is said.

        Raises:
            StoppedError: see `stop`.
        """
        if self._stop.wait(seconds):
            raise StoppedError

    def _patiently(self, call: Callable[[], Answer]) -> Answer:
        """Try until something is heard, or for as long as patience lasts.

        Raises:
            TaskFailedError: TRANSFER_FAILED; or what `call` raised otherwise.
            StoppedError: see `stop`.
        """
        deadline = time.monotonic() + self._patience_s
        pause_s = _FIRST_PAUSE_S
        while True:
            if self._stop.is_set():
                raise StoppedError
            try:
                return call()
            except urllib3.exceptions.HTTPError as error:
                kind = type(error).__name__
                if isinstance(error, urllib3.exceptions.SSLError) and _is_distrust(error):
                    raise _distrusted() from error
                if time.monotonic() >= deadline:
                    raise TaskFailedError(
                        ErrorCode.TRANSFER_FAILED,
                        "The computer with the file has not answered for too long.",
                        kind,
                    ) from error
                _log.info("a transfer waits: %s", kind)
            self.rest(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    def _call(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Iterator[bytes] | None = None
    ) -> Answer:
        """One call. Its body is read in pieces, so that a stop is noticed.

        Raises:
            urllib3.exceptions.HTTPError: nothing, or not all, was heard, or an answer that passes by itself.
            StoppedError: see `stop`.
        """
        response = self._pool.request(
            method, url, headers=dict(headers), body=body, redirect=False, preload_content=False
        )
        try:
            pieces = []
            while piece := response.read(_PIECE_BYTES):
                pieces.append(piece)
                if self._stop.is_set():
                    raise StoppedError
        except BaseException:
            response.close()
            raise
        response.release_conn()
        if response.status in _PASSING:
            raise urllib3.exceptions.HTTPError(f"status {response.status}")
        return Answer(response.status, response.headers, b"".join(pieces))


def _pieces(file: BinaryIO, stop: threading.Event) -> Iterator[bytes]:
    """The file's bytes, until nobody waits for it any more.

    Raises:
        StoppedError: nobody waits.
    """
    while piece := file.read(_PIECE_BYTES):
        if stop.is_set():
            raise StoppedError
        yield piece


def _is_distrust(error: urllib3.exceptions.SSLError) -> bool:
    """True for another certificate than the expected one; False for a connection that broke under TLS."""
    return "ingerprint" in str(error) or "CERTIFICATE_VERIFY_FAILED" in str(error)


def _offset(answer: Answer) -> int:
    text = answer.headers.get(OFFSET_HEADER, "")
    if not text.isascii() or not text.isdigit():
        raise TaskFailedError(
            ErrorCode.TRANSFER_FAILED,
            "The computer that takes the results answered something else than agreed.",
        )
    return int(text)


def _failure(answer: Answer) -> TaskFailedError:
    """What an answer means to the person who dropped the file."""
    match answer.status:
        case 403 | 401:
            return TaskFailedError(
                ErrorCode.LINK_REFUSED, "The address of the file has expired or is not accepted any more."
            )
        case 412:
            return TaskFailedError(ErrorCode.FILE_CHANGED, "The file was changed after it was added.")
        case 404 | 410:
            return TaskFailedError(
                ErrorCode.TRANSFER_FAILED, "The file is not there any more, or nobody wants its result."
            )
        case 507:
            return TaskFailedError(
                ErrorCode.DISK_FULL, "The disk of the computer that takes the results is full."
            )
        case 413:
            return TaskFailedError(ErrorCode.TRANSFER_FAILED, "The result is larger than is accepted.")
        case status:
            return TaskFailedError(
                ErrorCode.TRANSFER_FAILED,
                "The computer with the file answered something else than agreed.",
                f"status {status}",
            )


def _distrusted() -> TaskFailedError:
    return TaskFailedError(
        ErrorCode.TRANSFER_FAILED,
        "The computer that answers for the file is not the one that it should be: its certificate is another one.",
    )
