"""`Settings`: every documented name with its type, bounds and default. Knows the environment; no file.

Each name is read as `VIDPROC_X`, then as `X`, then from the settings file, under either spelling.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, override
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

_LONGEST_TIMEOUT_S: Final = 7 * 86_400
APP_NAME: Final = "vidproc-desktop"
PREFIX: Final = "VIDPROC_"
NAMES: Final = {
    "rabbitmq_url": "RABBITMQ_URL",
    "max_file_size_mb": "MAX_FILE_SIZE_MB",
    "upload_dir": "UPLOAD_DIR",
    "processed_dir": "PROCESSED_DIR",
    "metadata_dir": "METADATA_DIR",
    "thumbnails_dir": "THUMBNAILS_DIR",
    "allowed_origins": "ALLOWED_ORIGINS",
    "processing_timeout_s": "PROCESSING_TIMEOUT",
    "log_level": "LOG_LEVEL",
    "max_processing_attempts": "MAX_PROCESSING_ATTEMPTS",
    "worker_count": "WORKER_COUNT",
    "preset": "PRESET",
    "segment_from_s": "SEGMENT_FROM_SECONDS",
    "segment_s": "SEGMENT_SECONDS",
    "file_exchange": "FILE_EXCHANGE",
    "media_server_host": "MEDIA_SERVER_HOST",
    "media_server_port": "MEDIA_SERVER_PORT",
    "s3_bucket": "S3_BUCKET",
    "s3_endpoint": "S3_ENDPOINT",
    "s3_region": "S3_REGION",
    "s3_access_key": "S3_ACCESS_KEY",
    "s3_secret_key": "S3_SECRET_KEY",
}
"""Field to documented name. `data_dir` is not among them: it decides where the settings file lies."""
PREFIX_ONLY: Final = frozenset(
    {
        "WORKER_COUNT",
        "PRESET",
        "SEGMENT_FROM_SECONDS",
        "SEGMENT_SECONDS",
        "FILE_EXCHANGE",
        "MEDIA_SERVER_HOST",
        "MEDIA_SERVER_PORT",
        "S3_BUCKET",
        "S3_ENDPOINT",
        "S3_REGION",
        "S3_ACCESS_KEY",
        "S3_SECRET_KEY",
    }
)
"""Too common to be taken from another program's environment; the user's document does not name them."""

type LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
type FileExchangeKind = Literal["shared", "media_server", "s3"]
"""How workers on other computers reach the files: each opens them in folders that all share, or they read from this
computer's media server and hand results over to it, or both sides use a bucket of an S3-compatible storage."""


class Settings(BaseSettings):
    """What the program goes by. Frozen. Paths are absolute; folders are made when they are first needed."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", validate_default=True)

    rabbitmq_url: str | None = Field(None, repr=False)
    """None: local mode, worker processes of this program's own."""
    max_file_size_mb: int = Field(102_400, ge=1, le=100_000_000)
    upload_dir: Path | None = None
    """Where the HTTP server puts uploads; None: `uploads` in the data folder."""
    processed_dir: Path = Field(default_factory=lambda: platformdirs.user_videos_path() / "Vidproc")
    metadata_dir: Path | None = None
    """None: beside the result."""
    thumbnails_dir: Path | None = None
    """None: beside the result."""
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    processing_timeout_s: float = Field(21_600.0, gt=0, le=_LONGEST_TIMEOUT_S)
    log_level: LogLevel = "INFO"
    max_processing_attempts: int = Field(3, ge=1, le=100)
    worker_count: int = Field(1, ge=0, le=64)
    """Enhancement workers on this computer; each uses every core."""
    preset: str = Field("balanced", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    segment_from_s: float = Field(90.0, ge=0, le=10_000_000)
    """Videos of this duration or longer are enhanced in parts, on every worker there is; 0: none."""
    segment_s: float = Field(30.0, ge=1, le=3600)
    """About how long such a part should be."""
    file_exchange: FileExchangeKind = "shared"
    """Counts in RabbitMQ mode only: workers of this program's own open the files themselves."""
    media_server_host: str = Field("", max_length=253, pattern=r"^[A-Za-z0-9._:-]*$")
    """Name or address by which workers reach this computer; empty: its address on the way to the broker."""
    media_server_port: int = Field(0, ge=0, le=65_535)
    """0: any free port, the same each time."""
    s3_bucket: str = Field("", max_length=63)
    s3_endpoint: str = Field("", max_length=2048)
    """Address of the storage; empty: Amazon's."""
    s3_region: str = Field("us-east-1", min_length=1, max_length=64)
    s3_access_key: str = ""
    s3_secret_key: str = Field("", repr=False)
    data_dir: Path | None = None
    """None: the platform's folders."""

    @field_validator("rabbitmq_url", mode="before")
    @classmethod
    def _broker(cls, value: object) -> object:
        if isinstance(value, str):
            value = value.strip() or None
        if isinstance(value, str) and urlsplit(value).scheme not in ("amqp", "amqps"):
            raise ValueError("it has to begin with amqp:// or amqps://")
        return value

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _level(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("file_exchange", mode="before")
    @classmethod
    def _exchange(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator(
        "upload_dir", "processed_dir", "metadata_dir", "thumbnails_dir", "data_dir", mode="before"
    )
    @classmethod
    def _folder(cls, value: object) -> object:
        if value is None or value == "":
            return None
        if isinstance(value, str | os.PathLike):
            # Not `resolve`: that would ask the disk.
            return Path(os.path.abspath(Path(value).expanduser()))  # noqa: PTH100
        return value

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, DocumentedNames(settings_cls)

    @property
    def max_size_bytes(self) -> int:
        """The limit on one source file."""
        return self.max_file_size_mb * 2**20

    @property
    def data_folder(self) -> Path:
        """Where state, thumbnails of rows and scratch files lie."""
        return self.data_dir or platformdirs.user_data_path(APP_NAME, appauthor=False)

    @property
    def log_folder(self) -> Path:
        """Where each process writes its rotating log."""
        if self.data_dir is not None:
            return self.data_dir / "logs"
        return platformdirs.user_log_path(APP_NAME, appauthor=False)

    @property
    def upload_folder(self) -> Path:
        """Where uploads go."""
        return self.upload_dir or self.data_folder / "uploads"

    @property
    def database_path(self) -> Path:
        """The library's SQLite file."""
        return self.data_folder / "library.sqlite3"

    def worker_environment(self) -> dict[str, str]:
        """What worker processes on this computer are told, so that they go by the same settings.

        The broker's URL is not among it: whoever starts workers for a broker hands it to them. The time limit is the
        longest there is: each task carries its own, which may change while workers run.
        """
        return {
            "VIDPROC_PROCESSING_TIMEOUT": str(_LONGEST_TIMEOUT_S),
            "VIDPROC_LOG_LEVEL": self.log_level,
            "VIDPROC_MAX_PROCESSING_ATTEMPTS": str(self.max_processing_attempts),
        }


class DocumentedNames(PydanticBaseSettingsSource):
    """The environment under the documented names. What a settings file says comes in as init values."""

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = NAMES.get(field_name)
        found = find(name, {}) if name is not None else None
        return (found[1] if found is not None else None), field_name, False

    @override
    def __call__(self) -> dict[str, Any]:
        return read_names({})


def find(name: str, table: Mapping[str, object]) -> tuple[str, object] | None:
    """Where a documented name is set and to what; None when it is not."""
    spellings = (f"{PREFIX}{name}",) if name in PREFIX_ONLY else (f"{PREFIX}{name}", name)
    for spelling in spellings:
        # An empty variable is how a shell says "not set".
        if os.environ.get(spelling, "").strip():
            return f"environment variable {spelling}", os.environ[spelling]
    for spelling in (f"{PREFIX}{name}", name):
        if spelling in table:
            return f"{spelling} in the settings file", table[spelling]
    return None


def read_names(table: Mapping[str, object]) -> dict[str, object]:
    """Field values from the environment and then the settings file."""
    found = {field: find(name, table) for field, name in NAMES.items()}
    return {field: place[1] for field, place in found.items() if place is not None}
