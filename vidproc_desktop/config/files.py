"""The settings file: found, read, written in one step. Blocking file I/O: before the loop, or on a thread."""

import json
import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import platformdirs
from pydantic import ValidationError

from vidproc_desktop.config.secrets import (
    PasswordPlace,
    find_password,
    keep_password,
    split_password,
    with_password,
)
from vidproc_desktop.config.settings import APP_NAME, NAMES, Settings, find, read_names
from vidproc_desktop.errors import UserErrorCode, UserFacingError

_WORDS: Final = {
    "rabbitmq_url": "the broker's address",
    "max_file_size_mb": "the largest file size in MB",
    "upload_dir": "the folder for uploads",
    "processed_dir": "the folder for results",
    "metadata_dir": "the folder for metadata",
    "thumbnails_dir": "the folder for thumbnails",
    "allowed_origins": "the allowed origins",
    "processing_timeout_s": "the time limit in seconds",
    "log_level": "the log level",
    "max_processing_attempts": "the number of attempts",
    "worker_count": "the number of workers",
    "preset": "the preset",
    "segment_from_s": "the duration in seconds from which videos are enhanced in parts",
    "segment_s": "the duration of a part in seconds",
    "file_exchange": "how workers reach files",
    "media_server_host": "this computer's name or address for the workers",
    "media_server_port": "the media server's port",
    "s3_bucket": "the bucket's name",
    "s3_endpoint": "the object storage's address",
    "s3_region": "the object storage's region",
    "s3_access_key": "the object storage's access key",
    "s3_secret_key": "the object storage's secret key",
    "data_dir": "the data folder",
}
_HEAD: Final = "# Vidproc Desktop. Environment variables of the same names come first.\n"


def settings_path(data_dir: Path | None) -> Path:
    """Where the settings file lies: in the data folder when one is given, else where the platform keeps such."""
    folder = data_dir or platformdirs.user_config_path(APP_NAME, appauthor=False)
    return folder / "config.toml"


def load_settings(data_dir: Path | None = None) -> Settings:
    """Environment, settings file, defaults.

    Args:
        data_dir: `--data-dir`; None: `VIDPROC_DATA_DIR`, else the platform's folders.

    Raises:
        UserFacingError: SETTINGS_INVALID, naming the key in words and where it stands.
    """
    if data_dir is None and os.environ.get("VIDPROC_DATA_DIR", "").strip():
        data_dir = Path(os.environ["VIDPROC_DATA_DIR"])
    if data_dir is not None:
        # Not Path.resolve, which raises for a loop of links: whoever makes the folder says what is wrong with it.
        data_dir = Path(os.path.realpath(data_dir.expanduser()))
    table = _read(settings_path(data_dir))
    values = read_names(table)
    try:
        settings = Settings.model_validate(values | {"data_dir": data_dir})
    except ValidationError as error:
        raise _explain(error, table) from error
    return _unlocked(settings)


def save_settings(settings: Settings, changes: Mapping[str, object]) -> tuple[Settings, PasswordPlace]:
    """Change settings and write those that differ from the defaults, in one step; the rest of the file stays.

    Args:
        settings: those in use.
        changes: field names to new values; None: back to the default.

    Returns:
        The new settings, and where the broker's password is kept. It is never written to the file.

    Raises:
        UserFacingError: a value is wrong (SETTINGS_INVALID), or the file cannot be written (FOLDER_NOT_WRITABLE).
    """
    unknown = set(changes) - set(NAMES)
    if unknown:
        raise ValueError(f"no settings: {', '.join(sorted(unknown))}")
    kept = {
        name: value for name, value in settings.model_dump().items() if changes.get(name, value) is not None
    }
    try:
        changed = Settings.model_validate(
            kept | {name: value for name, value in changes.items() if value is not None}
        )
    except ValidationError as error:
        raise _explain(error, {}) from error
    place = PasswordPlace.NONE
    path = settings_path(settings.data_dir)
    table = dict(_read(path))
    for field in changes:
        name = NAMES[field]
        value = getattr(changed, field)
        table.pop(f"VIDPROC_{name}", None)
        table.pop(name, None)
        if field == "rabbitmq_url" and value is not None:
            value, password = split_password(value)
            if password is not None:
                place = keep_password(value, password)
        if changes[field] is not None:
            table[name] = value
    _write(path, table)
    return changed, place


def _unlocked(settings: Settings) -> Settings:
    """With the broker's password from the keyring, where the URL has a user and no password."""
    url = settings.rabbitmq_url
    if url is None or "@" not in url or split_password(url)[1] is not None:
        return settings
    password = find_password(url)
    if password is None:
        return settings
    return settings.model_copy(update={"rabbitmq_url": with_password(url, password)})


def _read(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UserFacingError(
            UserErrorCode.SETTINGS_INVALID,
            "The settings file cannot be read.",
            detail=f"{path}: {error}",
            hint=f"Correct {path}, or move it away to begin with the defaults.",
        ) from error


def _explain(error: ValidationError, table: Mapping[str, object]) -> UserFacingError:
    """The first wrong value as a sentence. The value of the broker's address is never shown."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    name = NAMES.get(field, field)
    place = find(name, table)
    said = first["msg"].removeprefix("Value error, ")
    return UserFacingError(
        UserErrorCode.SETTINGS_INVALID,
        f"The setting {name} ({_WORDS.get(field, field)}) is not valid: {said[:1].lower()}{said[1:]}.",
        detail=f"set by {place[0]}" if place is not None else "",
        hint=f"Correct the {place[0]}." if place is not None else "",
    )


def _write(path: Path, table: Mapping[str, object]) -> None:
    """Replace the file in one step; a reader sees the old or the new one."""
    text = _HEAD + "".join(f"{key} = {_toml(value)}\n" for key, value in sorted(table.items()))
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            temporary = file.name
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise UserFacingError(
            UserErrorCode.FOLDER_NOT_WRITABLE,
            "The settings cannot be saved.",
            detail=f"{path}: {error}",
            hint=f"Check that {path.parent} may be written and that its disk is not full.",
        ) from error


def _toml(value: object) -> str:
    """One value in TOML: our settings are texts, numbers, truth values and lists of texts."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list() | tuple():
            return f"[{', '.join(_toml(item) for item in value)}]"
        case dict():
            return (
                "{ "
                + ", ".join(f"{json.dumps(str(key))} = {_toml(item)}" for key, item in value.items())
                + " }"
            )
        case _:
            # JSON's escapes are TOML's, except that TOML wants DEL escaped too.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
