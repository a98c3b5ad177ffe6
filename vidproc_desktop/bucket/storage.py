"""The bucket itself, by the library obstore: a few calls whose failures are told in words."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import obstore
import urllib3
from obstore.exceptions import BaseError
from obstore.store import S3Store

from vidproc_desktop.bucket.faults import storage_code, storage_error
from vidproc_desktop.bucket.options import BucketOptions
from workers.protocol.transfers import SentObject

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

_BLOCK_BYTES: Final = 16 * 1024 * 1024
_MAX_BLOCKS: Final = 9_000
"""S3 takes 10,000 blocks of one object."""
_BLOCKS_AT_ONCE: Final = 3
_ANSWER_LIMIT_S: Final = 30.0
_RETRY_LIMIT_S: Final = 60.0
_NOT_THERE: Final = "no-such-object"
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object in the bucket; its time is the storage's."""

    key: str
    changed_at: datetime


class Storage:
    """One bucket. Nothing happens before the first call.

    Args:
        options: which one.
    """

    def __init__(self, options: BucketOptions) -> None:
        self._options = options
        self._opened: S3Store | None = None

    @property
    def _store(self) -> S3Store:
        if self._opened is None:
            options = self._options
            client: ClientConfig = {
                "allow_http": options.endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=_ANSWER_LIMIT_S),
                "timeout": timedelta(seconds=600),
            }
            retry: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(seconds=_RETRY_LIMIT_S)}
            config: S3Config = {
                "access_key_id": options.access_key,
                "secret_access_key": options.secret_key,
                "region": options.region,
            }
            if options.endpoint:
                config["endpoint"] = options.endpoint
            self._opened = S3Store(
                options.bucket,
                config=config,
                client_options=client,
                retry_config=retry,
                virtual_hosted_style_request=False,
            )
        return self._opened

    async def check(self, prefix: str) -> datetime:
        """Ask as this program does and as workers will, by a signed address.

        Returns:
            What the storage's clock shows.

        Raises:
            UserFacingError: the bucket cannot be used, and why.
        """
        await self.objects(prefix, limit=1)
        url = await self.sign("GET", f"{prefix}/{_NOT_THERE}", 60)
        return await asyncio.to_thread(_ask_by_address, url)

    async def sign(self, method: Literal["GET", "PUT"], key: str, seconds: float) -> str:
        """An address that allows one call of one object for a while.

        Raises:
            UserFacingError: the key to the bucket cannot sign.
        """
        async with _in_words("An address could not be signed"):
            return await obstore.sign_async(self._store, method, key, timedelta(seconds=seconds))

    async def size(self, key: str) -> int | None:
        """Bytes of an object; None when it is not there.

        Raises:
            UserFacingError: the storage cannot be asked.
        """
        try:
            async with _in_words("The bucket could not be read"):
                return (await obstore.head_async(self._store, key))["size"]
        except FileNotFoundError:
            return None

    async def upload(self, path: Path, size_bytes: int, key: str, on_block: Callable[[int], None]) -> None:
        """Store a file under a key; it is there as a whole or not at all.

        Args:
            path: the file.
            size_bytes: how large it is.
            key: where it shall lie.
            on_block: hears, from another thread, of each block's size as it is read.

        Raises:
            UserFacingError: the storage refused.
            OSError: the file cannot be read.
        """
        block_bytes = max(_BLOCK_BYTES, size_bytes // _MAX_BLOCKS + 1)
        async with _in_words("The file could not be stored in the bucket"):
            await obstore.put_async(
                self._store,
                key,
                _blocks(path, block_bytes, on_block),
                use_multipart=True,
                chunk_size=block_bytes,
                max_concurrency=_BLOCKS_AT_ONCE,
            )

    async def download(self, key: str, expected: SentObject, path: Path) -> None:
        """Fetch an object into a new file; it has that name only when it is whole and as expected.

        Raises:
            LookupError: it is not there, or another one.
            UserFacingError: the storage refused.
            OSError: the disk refused.
        """
        temporary = path.with_name(path.name + ".part")
        digest, size = hashlib.sha256(), 0
        try:
            async with _in_words("An object could not be fetched from the bucket"):
                answer = await obstore.get_async(self._store, key)
                if answer.meta["size"] != expected.size_bytes:
                    raise LookupError(f"{expected.name} has another size than was said")
                with await asyncio.to_thread(temporary.open, "wb") as file:
                    async for block in answer.stream(min_chunk_size=_BLOCK_BYTES // 2):
                        await asyncio.to_thread(_take, bytes(block), digest, file.write)
                        size += len(block)
                    await asyncio.to_thread(_sync, file.fileno(), file.flush)
        except FileNotFoundError as error:
            raise LookupError(f"{expected.name} was never handed over") from error
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if (size, digest.hexdigest()) != (expected.size_bytes, expected.sha256):
            temporary.unlink()
            raise LookupError(f"{expected.name} is another one than was said")
        temporary.replace(path)

    async def objects(self, prefix: str, *, limit: int | None = None) -> Sequence[StoredObject]:
        """What lies below a prefix.

        Raises:
            UserFacingError: the storage cannot be asked.
        """
        found: list[StoredObject] = []
        async with _in_words("The bucket could not be read"):
            async for batch in obstore.list(self._store, prefix):
                found.extend(StoredObject(meta["path"], meta["last_modified"]) for meta in batch)
                if limit is not None and len(found) >= limit:
                    break
        return found

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is gone already is no failure.

        Raises:
            UserFacingError: the storage refused.
        """
        if not keys:
            return
        try:
            async with _in_words("The bucket could not be tidied up"):
                await obstore.delete_async(self._store, keys)
        except FileNotFoundError:
            return  # as was wanted


@asynccontextmanager
async def _in_words(could: str) -> AsyncIterator[None]:
    """What the library raises for what the storage or the network did becomes a sentence."""
    try:
        yield
    except BaseError as error:
        raise storage_error(str(error), could=could) from error
    except FileNotFoundError as error:
        if storage_code(str(error)) == "NoSuchBucket":
            raise storage_error(str(error), could=could) from error
        raise


def _blocks(path: Path, block_bytes: int, on_block: Callable[[int], None]) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(block_bytes):
            on_block(len(block))
            yield block


def _take(block: bytes, digest: "hashlib._Hash", write: Callable[[bytes], int]) -> None:
    digest.update(block)
    write(block)


def _sync(descriptor: int, flush: Callable[[], None]) -> None:
    flush()
    os.fsync(descriptor)


def _ask_by_address(url: str) -> datetime:
    """Ask for an object that is not there, as a worker would. Blocking.

    Raises:
        UserFacingError: the answer is another than "not there".
    """
    could = "The bucket could not be reached by a signed address"
    with urllib3.PoolManager(retries=False, timeout=_ANSWER_LIMIT_S) as pool:
        try:
            answer = pool.request("GET", url, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise storage_error(str(error), could=could) from error
    if answer.status != _NOT_FOUND:
        text = answer.data.decode("utf-8", "replace")
        raise storage_error(text or f"<Code>Status{answer.status}</Code>", could=could)
    stamp = answer.headers.get("Date")
    return datetime.now(UTC) if stamp is None else parsedate_to_datetime(stamp)
