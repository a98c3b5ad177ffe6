import pytest

from vidproc_desktop.config import Settings, split_password
from vidproc_desktop.config.files import _explain, _toml
from vidproc_desktop.config.secrets import with_password
from vidproc_desktop.config.settings import NAMES, PREFIX_ONLY, find, read_names


def test_the_prefixed_name_comes_first_then_the_plain_one_then_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = {"MAX_FILE_SIZE_MB": 1}
    assert find("MAX_FILE_SIZE_MB", table) == ("MAX_FILE_SIZE_MB in the settings file", 1)
    monkeypatch.setenv("MAX_FILE_SIZE_MB", "2")
    assert read_names(table) == {"max_file_size_mb": "2"}
    monkeypatch.setenv("VIDPROC_MAX_FILE_SIZE_MB", "3")
    assert read_names(table) == {"max_file_size_mb": "3"}
    monkeypatch.setenv("VIDPROC_MAX_FILE_SIZE_MB", " ")
    assert read_names(table) == {"max_file_size_mb": "2"}


@pytest.mark.parametrize("name", sorted(set(NAMES.values()) - PREFIX_ONLY))
def test_every_documented_name_is_read_under_both_spellings(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")
    assert find(name, {}) == (f"environment variable {name}", "x")


def test_names_of_ours_alone_are_not_taken_from_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESET", "somebody's")
    assert find("PRESET", {}) is None


def test_long_videos_are_done_in_parts_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Settings().segment_from_s, Settings().segment_s) == (90.0, 30.0)
    monkeypatch.setenv("SEGMENT_FROM_SECONDS", "5")
    assert Settings().segment_from_s == 90.0
    monkeypatch.setenv("VIDPROC_SEGMENT_FROM_SECONDS", "0")
    monkeypatch.setenv("VIDPROC_SEGMENT_SECONDS", "12.5")
    assert (Settings().segment_from_s, Settings().segment_s) == (0.0, 12.5)


def test_files_are_shared_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().file_exchange == "shared"
    monkeypatch.setenv("FILE_EXCHANGE", "somebody's")
    assert Settings().file_exchange == "shared"
    monkeypatch.setenv("VIDPROC_FILE_EXCHANGE", " Shared ")
    assert Settings().file_exchange == "shared"
    monkeypatch.setenv("VIDPROC_FILE_EXCHANGE", "carrier_pigeon")
    with pytest.raises(ValueError):
        Settings()


def test_values_get_their_types() -> None:
    settings = Settings.model_validate(
        {"allowed_origins": "http://a, http://b", "log_level": "debug", "processed_dir": "/results/../out"}
    )
    assert settings.allowed_origins == ("http://a", "http://b")
    assert settings.log_level == "DEBUG"
    assert str(settings.processed_dir) == "/out"
    assert settings.rabbitmq_url is None
    assert settings.max_size_bytes == settings.max_file_size_mb * 2**20


def test_settings_cannot_be_changed_and_never_show_the_brokers_address() -> None:
    settings = Settings.model_validate({"rabbitmq_url": "amqp://user:secret@host/"})
    assert "secret" not in repr(settings)
    with pytest.raises(ValueError):
        settings.preset = "strong"  # type: ignore[misc]  # that is what is tested


@pytest.mark.parametrize(
    "field, value, words",
    [
        ("max_file_size_mb", "many", "MAX_FILE_SIZE_MB (the largest file size in MB)"),
        ("processing_timeout_s", -1, "PROCESSING_TIMEOUT (the time limit in seconds)"),
        ("rabbitmq_url", "http://user:secret@host", "RABBITMQ_URL (the broker's address)"),
        ("log_level", "loud", "LOG_LEVEL (the log level)"),
        (
            "segment_from_s",
            -1,
            "SEGMENT_FROM_SECONDS (the duration in seconds from which videos are enhanced in parts)",
        ),
        ("segment_s", 0, "SEGMENT_SECONDS (the duration of a part in seconds)"),
        ("file_exchange", "pigeon", "FILE_EXCHANGE (how workers reach files)"),
    ],
)
def test_a_wrong_value_is_named_in_words_and_not_shown(field: str, value: object, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        Settings.model_validate({field: value})
    told = _explain(caught.value, {})  # type: ignore[arg-type]  # pydantic's error is a ValueError
    assert words in told.title
    assert "secret" not in told.title + told.detail + told.hint


@pytest.mark.parametrize(
    "url, bare, password",
    [
        ("amqp://u:p%40s%2Fs@host:5672/v", "amqp://u@host:5672/v", "p@s/s"),
        ("amqp://host/", "amqp://host/", None),
        ("amqp://u@[::1]:5672/", "amqp://u@[::1]:5672/", None),
    ],
)
def test_the_password_is_taken_out_and_put_back(url: str, bare: str, password: str | None) -> None:
    assert split_password(url) == (bare, password)
    if password is not None:
        assert with_password(bare, password) == url


@pytest.mark.parametrize(
    "value",
    ["plain", 'quote " and \\ back', "line\nbreak\ttab", "日本 👩", "del \x7f", True, 3, 2.5, ["a", "b"]],
)
def test_what_is_written_is_read_back(value: object) -> None:
    import tomllib

    assert tomllib.loads(f"key = {_toml(value)}") == {"key": value}
