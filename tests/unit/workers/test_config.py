"""Both spellings of every documented name, and what a broker's address has to look like."""

from pathlib import Path

import pytest

from workers.config import InvalidBrokerUrl, WorkerConfig, check_broker_url


@pytest.mark.parametrize(
    "name, field, text, value",
    [
        ("RABBITMQ_URL", "rabbitmq_url", "amqp://a/", "amqp://a/"),
        ("PROCESSING_TIMEOUT", "processing_timeout_s", "90", 90.0),
        ("MAX_PROCESSING_ATTEMPTS", "max_processing_attempts", "5", 5),
        ("LOG_LEVEL", "log_level", "debug", "DEBUG"),
    ],
)
def test_each_name_is_read_with_the_prefix_first(
    monkeypatch: pytest.MonkeyPatch, name: str, field: str, text: str, value: object
) -> None:
    monkeypatch.setenv(name, text)
    assert getattr(WorkerConfig(), field) == value
    monkeypatch.setenv(
        name, "amqp://other/" if field == "rabbitmq_url" else "1" if field != "log_level" else "ERROR"
    )
    monkeypatch.setenv(f"VIDPROC_{name}", text)
    assert getattr(WorkerConfig(), field) == value


def test_roots_are_split_like_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDPROC_ROOTS", "/a:/b")
    assert WorkerConfig().roots == (Path("/a"), Path("/b"))


def test_the_password_is_not_in_the_representation() -> None:
    assert "s3cret" not in repr(WorkerConfig.model_validate({"rabbitmq_url": "amqp://a:s3cret@b/"}))


@pytest.mark.parametrize("url", ["amqp://host/", "amqps://user:p%40ss@host:5671/v", "amqp://[::1]:5672/"])
def test_addresses_that_can_be_one(url: str) -> None:
    assert check_broker_url(url) == url


@pytest.mark.parametrize(
    "url", ["", "host", "http://host/", "amqp://", "amqp://host:99999/", "amqp://u:s3cret@:5/"]
)
def test_addresses_that_cannot(url: str) -> None:
    with pytest.raises(InvalidBrokerUrl) as failure:
        check_broker_url(url)
    assert "s3cret" not in str(failure.value)
