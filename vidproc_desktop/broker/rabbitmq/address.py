"""The broker's address as the user types it, taken apart once, so that no message ever shows a password.

Knows the form of an AMQP URL and nothing of the network.
"""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from vidproc_desktop.errors import UserErrorCode, UserFacingError

_DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671}
_EXAMPLE = "It looks like amqp://user:password@computer:5672/ (amqps:// with encryption)."
_ESCAPING = "Special characters in the password are written as %23 (#), %2F (/), %40 (@) or %3A (:)."


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is. `url` holds the password and therefore stays out of `repr`."""

    url: str = field(repr=False)
    host: str
    port: int
    uses_tls: bool
    user: str
    virtual_host: str

    @property
    def label(self) -> str:
        """`host:port`, for people and logs."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(url: str) -> BrokerAddress:
    """Take a broker URL apart.

    Raises:
        UserFacingError: `BROKER_URL_INVALID`, in words and without the URL itself.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise _invalid("The port or the host in the broker's address cannot be read.", _ESCAPING) from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise _invalid(_scheme_sentence(parts), _EXAMPLE)
    if not parts.hostname:
        raise _invalid("The broker's address names no computer.", f"{_EXAMPLE} {_ESCAPING}")
    if parts.fragment:
        raise _invalid("The broker's address has a # in it.", _ESCAPING)
    path = parts.path.removeprefix("/")
    if "/" in path:
        raise _invalid("The virtual host in the broker's address has a / in it.", "Write %2F for it.")
    return BrokerAddress(
        url=url.strip(),
        host=parts.hostname,
        port=port if port is not None else _DEFAULT_PORTS[parts.scheme],
        uses_tls=parts.scheme == "amqps",
        user=unquote(parts.username) if parts.username else "guest",
        virtual_host=unquote(path) if path else "/",
    )


def _scheme_sentence(parts: SplitResult) -> str:
    if parts.scheme in {"http", "https"}:
        return "This is the address of a web page, not of a broker."
    if not parts.scheme or not parts.netloc:
        return "The broker's address has to begin with amqp:// or amqps://."
    return f"“{parts.scheme}://” is not an address of RabbitMQ."


def _invalid(title: str, hint: str) -> UserFacingError:
    return UserFacingError(UserErrorCode.BROKER_URL_INVALID, title, hint=hint)


def broker_identity(url: str) -> str:
    """The URL without its password: two URLs of one broker, user and virtual host give the same text.

    Raises:
        UserFacingError: `BROKER_URL_INVALID`.
    """
    address = parse_address(url)
    scheme = "amqps" if address.uses_tls else "amqp"
    return f"{scheme}://{address.user}@{address.label}/{address.virtual_host}"
