"""What an address allows, signed so that nobody else can make or change one. Pure.

An address ends in `<claims>.<signature>`: canonical JSON and its HMAC-SHA256 (RFC 2104), each in base64url without
padding. The server keeps no list: whoever has an address that holds may do what it says, until it expires.
"""

import base64
import binascii
import hashlib
import hmac
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from workers.protocol.model import WireModel
from workers.protocol.transfers import ObjectName, SizeBytes

SECRET_BYTES: Final = 32
MAX_TOKEN_CHARACTERS: Final = 16_384


class Purpose(StrEnum):
    """What may be done; an address for one purpose is worth nothing for another."""

    READ = "read"
    WRITE = "write"


class ReadClaims(WireModel):
    """One file may be read, as long as it is this one."""

    purpose: Literal[Purpose.READ] = Purpose.READ
    path: str
    size_bytes: SizeBytes
    mtime_ns: int
    expires_at: float
    """Seconds since the epoch on the server's clock, the only one that judges it."""


class WriteClaims(WireModel):
    """One object may be written into a folder."""

    purpose: Literal[Purpose.WRITE] = Purpose.WRITE
    folder: str
    name: ObjectName
    limit_bytes: Annotated[int, Field(gt=0)]
    expires_at: float


class RefusedAddress(Exception):
    """The address was not made here, was changed, is for something else, or has expired."""


def sign(claims: ReadClaims | WriteClaims, secret: bytes) -> str:
    """The end of an address that allows what the claims say."""
    body = _encode(claims.model_dump_json().encode())
    return f"{body}.{_encode(_signature(body, secret))}"


def verify[C: (ReadClaims, WriteClaims)](token: str, kind: type[C], secret: bytes, now: float) -> C:
    """What the end of an address allows.

    Args:
        token: as it came.
        kind: what is about to be done.
        secret: as it was signed with.
        now: seconds since the epoch.

    Raises:
        RefusedAddress: it allows nothing.
    """
    body, _, signature = token.partition(".")
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise RefusedAddress("This address is none of this computer's.")
    try:
        is_ours = hmac.compare_digest(_decode(signature), _signature(body, secret))
        claims = kind.model_validate_json(_decode(body)) if is_ours else None
    except (ValueError, ValidationError) as error:
        raise RefusedAddress("This address is none of this computer's.") from error
    if claims is None:
        raise RefusedAddress("This address is none of this computer's.")
    if now >= claims.expires_at:
        raise RefusedAddress("This address has expired.")
    return claims


def _signature(body: str, secret: bytes) -> bytes:
    return hmac.new(secret, body.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    """The bytes; only their one spelling is taken, so that no two tokens mean the same.

    Raises:
        ValueError: it is another text.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if _encode(data) != text:
        raise ValueError("not the one spelling")
    return data
