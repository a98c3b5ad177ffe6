"""The broker's password: in the system's keyring, never in a file. Blocking: may ask the user to unlock it."""

import logging
from enum import StrEnum
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

_log = logging.getLogger(__name__)

_SERVICE: Final = "vidproc-desktop broker"


class PasswordPlace(StrEnum):
    """Where the broker's password is kept."""

    NONE = "none"
    """The URL has none."""
    KEYRING = "keyring"
    MEMORY = "memory"
    """This system has no usable keyring: the password lasts until the program ends."""


def split_password(url: str) -> tuple[str, str | None]:
    """The URL without its password, and the password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url, None
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}@{host}" if name else host)), unquote(parts.password)


def with_password(url: str, password: str) -> str:
    """The URL with a password; a URL without a user stays as it is."""
    parts = urlsplit(url)
    if parts.username is None or parts.password is not None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))


def keep_password(url_without_password: str, password: str) -> PasswordPlace:
    """Put the password into the keyring, and make sure that it is there."""
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(_SERVICE, url_without_password, password)
        # Some backends take everything and keep nothing.
        is_there = keyring.get_password(_SERVICE, url_without_password) == password
    except (KeyringError, RuntimeError, OSError) as error:
        _log.info("no keyring: %s", type(error).__name__)
        is_there = False
    return PasswordPlace.KEYRING if is_there else PasswordPlace.MEMORY


def find_password(url_without_password: str) -> str | None:
    """The password that was kept for this URL."""
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(_SERVICE, url_without_password)
    except (KeyringError, RuntimeError, OSError) as error:
        _log.info("no keyring: %s", type(error).__name__)
        return None
