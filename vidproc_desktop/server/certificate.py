"""The media server's own certificate, by which workers recognise it, and the secret that addresses are signed with.

Both are kept in a folder that only this user may read, so that addresses outlive a restart. Blocking file I/O.
"""

import hashlib
import os
import secrets
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vidproc_desktop.server.claims import SECRET_BYTES

_VALID_FOR: Final = timedelta(days=825)
_RENEWED_BEFORE: Final = timedelta(days=30)
"""No address holds longer than a week, so none names a certificate that has gone."""
_NAME: Final = "Vidproc media server"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the server has to keep to itself, and what workers are told of it.

    Attributes:
        secret: what addresses are signed with.
        pem: certificate and key in one file.
        fingerprint: SHA-256 of the certificate (DER), in hex.
    """

    secret: bytes = field(repr=False)
    pem: Path
    fingerprint: str


def credentials(folder: Path) -> Credentials:
    """Those in the folder; made when they are missing, and the certificate anew when it is about to expire.

    Raises:
        OSError: the folder cannot be used.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret_path, pem = folder / "secret", folder / "certificate.pem"
    try:
        secret = bytes.fromhex(secret_path.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        secret = b""
    if len(secret) != SECRET_BYTES:
        secret = secrets.token_bytes(SECRET_BYTES)
        _write(secret_path, secret.hex().encode("ascii"))
    certificate = _usable(pem)
    if certificate is None:
        certificate = _make(pem)
    der = certificate.public_bytes(serialization.Encoding.DER)
    return Credentials(secret, pem, hashlib.sha256(der).hexdigest())


def _usable(pem: Path) -> x509.Certificate | None:
    """The certificate that is there; None without one that holds for a while."""
    try:
        data = pem.read_bytes()
        certificate = x509.load_pem_x509_certificate(data)
        serialization.load_pem_private_key(data, password=None)
    except (FileNotFoundError, ValueError):
        return None
    is_fresh = certificate.not_valid_after_utc - datetime.now(UTC) > _RENEWED_BEFORE
    return certificate if is_fresh else None


def _make(pem: Path) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Workers go by the fingerprint; their clocks may be off by a day.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(pem, private + certificate.public_bytes(serialization.Encoding.PEM))
    return certificate


def _write(path: Path, data: bytes) -> None:
    """Replace a file in one step; nobody else may read it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
