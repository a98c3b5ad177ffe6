"""The headers of range reads and of block writes (RFC 9110 section 14, RFC 9530). Pure."""

import base64
import binascii
import re
from typing import Final

from vidproc_desktop.server.incoming import Block

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_DIGEST: Final = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):")
_DIGITS: Final = 18
_SHA256_BYTES: Final = 32


class UnusableRange(ValueError):
    """The range lies outside of the file, or is none."""


def read_range(header: str | None, size_bytes: int) -> range | None:
    """The bytes that are asked for; None: all of them.

    A header that is no single range of bytes is ignored, as the standard has it.

    Raises:
        UnusableRange: nothing of it lies in the file.
    """
    found = None if header is None else _RANGE.fullmatch(header.strip())
    if found is None or any(len(part) > _DIGITS for part in found.groups()):
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        count = min(int(last), size_bytes)
        if count == 0:
            raise UnusableRange
        return range(size_bytes - count, size_bytes)
    end = min(int(last) + 1, size_bytes) if last else size_bytes
    if last and int(last) < int(first):
        return None
    if int(first) >= size_bytes:
        raise UnusableRange
    return range(int(first), end)


def written_block(content_range: str | None, length: str | None, digest: str | None) -> Block:
    """Where the body of a `PUT` belongs.

    Args:
        content_range: the header `Content-Range`; None: the body is the whole object.
        length: the header `Content-Length`.
        digest: the header `Repr-Digest`.

    Raises:
        ValueError: the headers contradict each other or say too little; in words.
    """
    if length is None or not length.isascii() or not length.isdigit() or len(length) > _DIGITS:
        raise ValueError("The length of the block is missing.")
    size_bytes = int(length)
    first, total = 0, size_bytes
    if content_range is not None:
        found = _CONTENT_RANGE.fullmatch(content_range.strip())
        if found is None or any(len(part) > _DIGITS for part in found.groups()):
            raise ValueError("The place of the block is not given as bytes.")
        first, last, total = map(int, found.groups())
        if last + 1 - first != size_bytes or last >= total:
            raise ValueError("The place of the block and its length contradict each other.")
    block = Block(first, size_bytes, total, _sha256(digest))
    if block.is_last and block.sha256 is None:
        raise ValueError("The checksum of the object is missing.")
    return block


def _sha256(header: str | None) -> str | None:
    found = None if header is None else _DIGEST.search(header)
    if found is None:
        return None
    try:
        digest = base64.b64decode(found.group(1), validate=True)
    except binascii.Error as error:
        raise ValueError("The checksum of the object is none.") from error
    if len(digest) != _SHA256_BYTES:
        raise ValueError("The checksum of the object is none.")
    return digest.hex()
