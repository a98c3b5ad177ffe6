"""The RabbitMQ server's address and its password in two fields, so that no password stands on the screen.

Knows the form of an address; tries none.
"""

from urllib.parse import urlsplit

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QLineEdit

from vidproc_desktop.config.secrets import split_password, with_password

DEFAULT_URL = "amqp://guest:guest@localhost:5672/"


class ServerFields(QObject):
    """Two line edits that hold one URL.

    A password that is pasted or typed within the address moves to its own field.

    Signals:
        changed: one of the fields was edited.
    """

    changed = Signal()

    def __init__(self, url: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.address = QLineEdit()
        self.password = QLineEdit()
        self._given = url
        self._is_enabled = True
        self._length = 0
        address, password = _split(url)
        self._shown = address, password or ""
        self.address.setPlaceholderText(_split(DEFAULT_URL)[0])
        self.address.setAccessibleName("Address of the RabbitMQ server")
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.password.setAccessibleName("Password for the RabbitMQ server")
        self.address.setText(self._shown[0])
        self.password.setText(self._shown[1])
        self._length = len(self._shown[0])
        self.address.textChanged.connect(self._on_address)
        self.address.editingFinished.connect(self._move_password)
        self.password.textChanged.connect(self.changed)

    def url(self) -> str:
        """The whole URL; the very one that was given when nothing was edited."""
        if (self.address.text(), self.password.text()) == self._shown:
            return self._given
        address, password = _split(self.address.text().strip())
        return _join(address, self.password.text() if password is None else password)

    def set_enabled(self, is_enabled: bool) -> None:
        """Both fields; the password only where the address names a user, whom it belongs to."""
        self._is_enabled = is_enabled
        self.address.setEnabled(is_enabled)
        self._refresh()

    def _on_address(self, text: str) -> None:
        is_pasted = len(text) > self._length + 1
        self._length = len(text)
        if is_pasted:
            self._move_password()
        self._refresh()
        self.changed.emit()

    def _move_password(self) -> None:
        address, password = _split(self.address.text().strip())
        if password is not None:
            self.password.setText(password)
            self.address.setText(address)

    def _refresh(self) -> None:
        has_user = _has_user(self.address.text().strip())
        self.password.setEnabled(self._is_enabled and has_user)
        self.password.setPlaceholderText("" if has_user else "Only with a user: amqp://user@computer/")


def _split(url: str) -> tuple[str, str | None]:
    try:
        return split_password(url)
    except ValueError:  # an address in the making, such as one with half a bracket
        return url, None


def _join(address: str, password: str) -> str:
    try:
        return with_password(address, password) if password else address
    except ValueError:  # the connection test says what is wrong with it
        return address


def _has_user(address: str) -> bool:
    try:
        return bool(urlsplit(address).username)
    except ValueError:
        return False
