from pathlib import Path

import pytest
from PySide6.QtWidgets import QDialogButtonBox, QLineEdit
from pytestqt.qtbot import QtBot

from tests.ui.conftest import Desk
from vidproc_desktop.domain.workers import ConnectionReport
from vidproc_desktop.ui.preferences import Preferences
from vidproc_desktop.ui.settings_dialog import SettingsDialog
from vidproc_desktop.ui.theme import Appearance, Theme
from workers.protocol.settings import EnhancementSettings

_PRESETS = {"light": EnhancementSettings(preset="light", strength=0.5), "balanced": EnhancementSettings()}


@pytest.fixture
def dialog(theme: Theme, qtbot: QtBot) -> SettingsDialog:
    dialog = SettingsDialog(Preferences("/v/out", 2, 3, 3600.0), _PRESETS)
    qtbot.addWidget(dialog)
    return dialog


def test_unchanged_it_gives_back_what_it_was_given(dialog: SettingsDialog) -> None:
    assert dialog.preferences() == Preferences("/v/out", 2, 3, 3600.0)


def test_every_field_is_taken_over(dialog: SettingsDialog, qtbot: QtBot) -> None:
    dialog.cluster.setChecked(True)
    dialog.url.setText(" amqp://anna:secret@studio:5672/ ")
    dialog.folder.setText("/v/other")
    dialog.preset.setCurrentIndex(dialog.preset.findData("light"))
    dialog.strength.setValue(130)
    dialog.workers.setValue(4)
    dialog.attempts.setValue(5)
    dialog.timeout.setValue(90)
    dialog.appearance.setCurrentIndex(2)
    with qtbot.waitSignal(dialog.chosen) as chosen:
        dialog._buttons.button(QDialogButtonBox.StandardButton.Ok).click()
    assert chosen.args == [
        Preferences(
            "/v/other",
            4,
            5,
            5400.0,
            broker_url="amqp://anna:secret@studio:5672/",
            settings=EnhancementSettings(preset="light", strength=1.3),
            appearance=Appearance.DARK,
        )
    ]


def test_how_workers_reach_files_is_asked_only_where_there_are_others(dialog: SettingsDialog) -> None:
    assert dialog.exchange.currentText() == "A shared folder"
    assert not dialog.exchange.isEnabled()
    dialog.cluster.setChecked(True)
    assert dialog.exchange.isEnabled()
    assert dialog.preferences().file_exchange == "shared"


def _cluster_dialog(qtbot: QtBot, url: str) -> SettingsDialog:
    dialog = SettingsDialog(Preferences("/v/out", 2, 3, 3600.0, broker_url=url), _PRESETS)
    qtbot.addWidget(dialog)
    return dialog


@pytest.mark.parametrize(
    "url", ["amqp://anna:s3cret!%40@studio:5672/", "amqp://studio/", "amqp://anna@studio/v"]
)
def test_the_password_is_hidden_and_an_untouched_address_stays_as_it_is(
    theme: Theme, qtbot: QtBot, url: str
) -> None:
    dialog = _cluster_dialog(qtbot, url)
    assert "s3cret" not in dialog.url.text()
    assert dialog.password.echoMode() is QLineEdit.EchoMode.Password
    assert dialog.password.text() == ("s3cret!@" if "s3cret" in url else "")
    assert dialog.preferences().broker_url == url


def test_a_new_password_becomes_part_of_the_address(theme: Theme, qtbot: QtBot) -> None:
    dialog = _cluster_dialog(qtbot, "amqp://anna:old@studio:5672/v?heartbeat=5")
    dialog.password.setText("n@w/#:1")
    asked: list[str] = []
    dialog.test_wanted.connect(asked.append)
    dialog.test.click()
    assert asked == ["amqp://anna:n%40w%2F%23%3A1@studio:5672/v?heartbeat=5"]
    assert dialog.preferences().broker_url == asked[0]
    dialog.password.clear()
    assert dialog.preferences().broker_url == "amqp://anna@studio:5672/v?heartbeat=5"


def test_a_password_within_the_address_moves_to_its_own_field(theme: Theme, qtbot: QtBot) -> None:
    dialog = _cluster_dialog(qtbot, "amqp://studio/")
    assert not dialog.password.isEnabled(), "a password belongs to a user"
    dialog.url.setText("amqp://anna:pasted@studio/")
    assert (dialog.url.text(), dialog.password.text()) == ("amqp://anna@studio/", "pasted")
    assert dialog.password.isEnabled()
    dialog.url.setCursorPosition(len("amqp://anna"))
    for character in ":typed":
        dialog.url.insert(character)
    assert dialog.preferences().broker_url == "amqp://anna:typed@studio/"
    dialog.url.editingFinished.emit()
    assert (dialog.url.text(), dialog.password.text()) == ("amqp://anna@studio/", "typed")
    dialog.url.setText("amqp://anna:x@[::1/")
    assert dialog.preferences().broker_url == "amqp://anna:x@[::1/"


def test_a_preset_brings_its_own_strength(dialog: SettingsDialog) -> None:
    dialog.preset.setCurrentIndex(dialog.preset.findData("light"))
    assert dialog.strength.value() == 50


def test_the_server_matters_only_in_cluster_mode(dialog: SettingsDialog) -> None:
    assert not dialog.test.isEnabled()
    assert not dialog.url.isEnabled()
    dialog.cluster.setChecked(True)
    assert dialog.test.isEnabled()
    dialog.url.clear()
    assert not dialog._buttons.button(QDialogButtonBox.StandardButton.Ok).isEnabled()
    dialog.local.setChecked(True)
    assert dialog._buttons.button(QDialogButtonBox.StandardButton.Ok).isEnabled()


def test_without_a_folder_nothing_can_be_agreed_to(dialog: SettingsDialog) -> None:
    dialog.folder.clear()
    assert not dialog._buttons.button(QDialogButtonBox.StandardButton.Ok).isEnabled()


@pytest.mark.parametrize("is_ok", [True, False])
def test_the_answer_of_the_connection_test_is_shown_in_words(
    desk: Desk, qtbot: QtBot, *, is_ok: bool
) -> None:
    desk.session.answer = ConnectionReport(is_ok, "The login was refused.", "Check user and password.")
    desk.window.open_settings()
    dialog = desk.window.settings_dialog
    assert dialog is not None
    dialog.cluster.setChecked(True)
    dialog.url.setText("amqp://studio/")
    dialog.test.click()
    qtbot.waitUntil(lambda: dialog.answer.text() == "The login was refused. Check user and password.")
    assert desk.session.asked == [("test_connection", "amqp://studio/")]
    assert dialog.answer.property("ok") is is_ok
    assert dialog.test.isEnabled()
    dialog.reject()


def test_the_dialog_opens_once_and_tells_the_window(desk: Desk, qtbot: QtBot) -> None:
    desk.window.open_settings()
    first = desk.window.settings_dialog
    desk.window.open_settings()
    assert desk.window.settings_dialog is first
    assert first is not None
    first.folder.setText("/v/elsewhere")
    with qtbot.waitSignal(desk.window.preferences_chosen) as chosen:
        first._buttons.button(QDialogButtonBox.StandardButton.Ok).click()
    assert chosen.args is not None
    assert chosen.args[0].output_directory == "/v/elsewhere"
    assert desk.window.settings_dialog is None


def test_new_files_go_where_the_settings_say(desk: Desk, qtbot: QtBot) -> None:
    desk.window.open_settings()
    dialog = desk.window.settings_dialog
    assert dialog is not None
    dialog.folder.setText("/v/elsewhere")
    dialog._agree()
    desk.window.add([Path("/v/a.mp4")])
    qtbot.waitUntil(lambda: bool(desk.session.asked))
    assert desk.session.folders == [Path("/v/elsewhere")]
