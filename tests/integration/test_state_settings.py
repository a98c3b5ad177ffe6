import os
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from vidproc_desktop.config import PasswordPlace, load_settings, save_settings, settings_path
from vidproc_desktop.errors import UserErrorCode, UserFacingError

URL = "amqp://user:se%20cret@host:5672/"


class MemoryKeyring(KeyringBackend):
    """A keyring that works."""

    priority = 1

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        raise PasswordDeleteError


@pytest.fixture
def working_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = MemoryKeyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    monkeypatch.setattr(keyring, "get_password", backend.get_password)
    monkeypatch.setattr(keyring, "set_password", backend.set_password)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    changed, place = save_settings(
        settings, {"preset": "strong", "processed_dir": tmp_path / "été", "worker_count": 2}
    )
    assert place is PasswordPlace.NONE
    assert load_settings(tmp_path) == changed
    assert (changed.preset, changed.worker_count) == ("strong", 2)
    back, _ = save_settings(changed, {"preset": None})
    assert back.preset == load_settings(tmp_path).preset == "balanced"
    assert load_settings(tmp_path).worker_count == 2


def test_lines_of_others_stay(tmp_path: Path) -> None:
    settings_path(tmp_path).write_text('OTHER = "kept"\nPRESET = "light"\n')
    save_settings(load_settings(tmp_path), {"preset": "strong"})
    text = settings_path(tmp_path).read_text()
    assert 'OTHER = "kept"' in text
    assert "light" not in text


@pytest.mark.usefixtures("working_keyring")
def test_the_password_goes_to_the_keyring_and_comes_back(tmp_path: Path) -> None:
    _, place = save_settings(load_settings(tmp_path), {"rabbitmq_url": URL})
    assert place is PasswordPlace.KEYRING
    assert "cret" not in settings_path(tmp_path).read_text()
    assert load_settings(tmp_path).rabbitmq_url == URL


def test_without_a_keyring_the_password_stays_in_memory_and_it_is_said(tmp_path: Path) -> None:
    changed, place = save_settings(load_settings(tmp_path), {"rabbitmq_url": URL})
    assert place is PasswordPlace.MEMORY
    assert changed.rabbitmq_url == URL
    assert "cret" not in settings_path(tmp_path).read_text()
    assert load_settings(tmp_path).rabbitmq_url == "amqp://user@host:5672/"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    settings_path(tmp_path).write_text("PRESET = ")
    with pytest.raises(UserFacingError) as caught:
        load_settings(tmp_path)
    assert caught.value.code is UserErrorCode.SETTINGS_INVALID
    assert str(settings_path(tmp_path)) in caught.value.hint


def test_a_wrong_value_says_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings_path(tmp_path).write_text("MAX_PROCESSING_ATTEMPTS = 0\n")
    with pytest.raises(UserFacingError) as caught:
        load_settings(tmp_path)
    assert "MAX_PROCESSING_ATTEMPTS in the settings file" in caught.value.detail
    monkeypatch.setenv("VIDPROC_MAX_PROCESSING_ATTEMPTS", "none")
    with pytest.raises(UserFacingError) as caught:
        load_settings(tmp_path)
    assert "environment variable VIDPROC_MAX_PROCESSING_ATTEMPTS" in caught.value.detail


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_settings(load_settings(tmp_path), {"preset": "light"})
    before = settings_path(tmp_path).read_text()

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserFacingError) as caught:
        save_settings(load_settings(tmp_path), {"preset": "strong"})
    assert caught.value.code is UserErrorCode.FOLDER_NOT_WRITABLE
    assert settings_path(tmp_path).read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
