"""What a worker can be told: environment variables, then defaults. Reading it does no I/O beyond the environment.

Every documented name is read as `VIDPROC_X`, then as `X`.
"""

import os
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

APP_NAME: Final = "vidproc-desktop"
DEFAULT_RABBITMQ_URL: Final = "amqp://guest:guest@localhost:5672/"
BROKER_SCHEMES: Final = ("amqp", "amqps")

type LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def _names(name: str) -> AliasChoices:
    """Both spellings of a documented name, and the field's own for keyword arguments."""
    return AliasChoices(f"VIDPROC_{name}", name)


class WorkerConfig(BaseSettings):
    """Settings of one worker process. Frozen; `data_dir=None` means the platform's folders."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, case_sensitive=True)

    rabbitmq_url: str = Field(DEFAULT_RABBITMQ_URL, validation_alias=_names("RABBITMQ_URL"), repr=False)
    processing_timeout_s: float = Field(
        21_600.0, gt=0, le=7 * 86_400, validation_alias=_names("PROCESSING_TIMEOUT")
    )
    """No attempt runs longer, whatever its message allows; the broker is told the same limit."""
    max_processing_attempts: int = Field(3, ge=1, le=100, validation_alias=_names("MAX_PROCESSING_ATTEMPTS"))
    log_level: LogLevel = Field("INFO", validation_alias=_names("LOG_LEVEL"))
    data_dir: Path | None = Field(None, validation_alias="VIDPROC_DATA_DIR")
    roots: Annotated[tuple[Path, ...], NoDecode] = Field((), validation_alias="VIDPROC_ROOTS")
    """Folders that sources and outputs are confined to, joined with the path separator; empty: everything."""
    min_free_disk_bytes: int = Field(200_000_000, ge=0, validation_alias="VIDPROC_MIN_FREE_DISK_BYTES")
    """Below this the worker takes no further task."""
    memory_limit_bytes: int | None = Field(None, gt=0, validation_alias="VIDPROC_MEMORY_LIMIT_BYTES")
    """Resident memory of one job with all its processes; None: 80 % of the computer's memory."""
    direct_files: Literal["auto", "never"] = Field("auto", validation_alias="VIDPROC_DIRECT_FILES")
    """Whether a task with addresses is done on the files themselves where they are at hand; `never` is for trials."""
    slots: int = Field(1, ge=1, le=64, validation_alias="VIDPROC_SLOTS")
    shutdown_grace_s: float = Field(20.0, ge=0, validation_alias="VIDPROC_SHUTDOWN_GRACE")
    consumer_priority: int = Field(
        default_factory=lambda: os.cpu_count() or 1, validation_alias="VIDPROC_CONSUMER_PRIORITY"
    )
    """Brokers fill the free slots of higher priorities first; default: the number of cores."""

    @field_validator("roots", mode="before")
    @classmethod
    def _split_roots(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part for part in value.split(os.pathsep) if part)
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @property
    def state_folder(self) -> Path:
        """Where identities, the journal and locks lie."""
        base = self.data_dir or platformdirs.user_data_path(APP_NAME, appauthor=False)
        return base / "workers"

    @property
    def remote_folder(self) -> Path:
        """Where files of other computers are kept while they are worked on; all workers of this computer share it."""
        return self.state_folder / "remote"

    @property
    def log_folder(self) -> Path:
        """Where each worker process writes its own rotating log."""
        if self.data_dir is not None:
            return self.data_dir / "logs"
        return platformdirs.user_log_path(APP_NAME, appauthor=False)


class InvalidBrokerUrl(ValueError):
    """The broker's address cannot be one; the message is for people and shows no credentials."""


def check_broker_url(url: str) -> str:
    """The same address, when it can be one.

    Raises:
        InvalidBrokerUrl: wrong scheme, no host, or a port that is no number.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidBrokerUrl(
            "The broker's address has a port that is no number between 0 and 65535."
        ) from error
    if parts.scheme not in BROKER_SCHEMES:
        raise InvalidBrokerUrl("The broker's address has to begin with amqp:// or amqps://.")
    if not parts.hostname or port == 0:
        raise InvalidBrokerUrl(
            "The broker's address names no computer, as in amqp://user:password@computer:5672/."
        )
    return url
