"""Where work is done, where results go, how strong, how patient. Non-modal; says in words whether a server answers."""

from collections.abc import Mapping
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from vidproc_desktop.domain.workers import ConnectionReport
from vidproc_desktop.ui.file_choosing import choose_folder
from vidproc_desktop.ui.preferences import Preferences
from vidproc_desktop.ui.server_fields import DEFAULT_URL, ServerFields
from vidproc_desktop.ui.theme import Appearance
from vidproc_desktop.ui.workers_dock import MAX_LOCAL_WORKERS
from workers.protocol.settings import EnhancementSettings

_FIELD_HEIGHT_PX = 30
_APPEARANCE_WORDS = {
    Appearance.SYSTEM: "Like the system",
    Appearance.LIGHT: "Light",
    Appearance.DARK: "Dark",
}
_EXCHANGE_WORDS = {
    "shared": "A shared folder",
    "media_server": "This computer's media server",
    "s3": "A bucket (S3)",
}


class SettingsDialog(QDialog):
    """Edits `Preferences`; open it with `open()`.

    Signals:
        chosen: `Preferences`, when the user agreed.
        test_wanted: try this URL; answer with `show_answer`.
    """

    chosen = Signal(object)
    test_wanted = Signal(str)

    def __init__(
        self,
        preferences: Preferences,
        presets: Mapping[str, EnhancementSettings],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("settings_dialog")
        self.setWindowTitle("Settings")
        self._preferences = preferences
        self._presets = dict(presets) or {preferences.settings.preset: preferences.settings}
        self.local = QRadioButton("On this computer (nothing to set up)")
        self.cluster = QRadioButton("On many computers, through RabbitMQ")
        self._server = ServerFields(preferences.broker_url or DEFAULT_URL, self)
        self.url, self.password = self._server.address, self._server.password
        self.test = QPushButton("Test connection")
        self.answer = QLabel()
        self.exchange = QComboBox()
        self.folder = QLineEdit(preferences.output_directory)
        self.preset = QComboBox()
        self.strength = QSlider(Qt.Orientation.Horizontal)
        self._strength_words = QLabel()
        self.workers = QSpinBox()
        self.attempts = QSpinBox()
        self.timeout = QDoubleSpinBox()
        self.appearance = QComboBox()
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        for button in self._buttons.buttons():
            button.setIcon(QIcon())  # the platform's coloured pixmaps are foreign to every other control
        self._fill()
        self._fill_exchange()
        self._lay_out()
        self._connect()
        self._refresh()

    # ---------------------------------------------------------------- set-up

    def _fill(self) -> None:
        preferences = self._preferences
        self.local.setChecked(preferences.broker_url is None)
        self.cluster.setChecked(preferences.broker_url is not None)
        self.answer.setWordWrap(True)
        self.answer.hide()
        self.answer.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.answer.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        for field in (
            self.url,
            self.password,
            self.exchange,
            self.folder,
            self.preset,
            self.workers,
            self.attempts,
            self.timeout,
            self.appearance,
        ):
            field.setMinimumHeight(_FIELD_HEIGHT_PX)
        for name in self._presets:
            self.preset.addItem(name.replace("_", " ").replace("-", " ").capitalize(), name)
        self.preset.setCurrentIndex(max(0, self.preset.findData(preferences.settings.preset)))
        self.strength.setRange(0, 200)
        self.strength.setSingleStep(5)
        self.strength.setPageStep(25)
        self.strength.setValue(round(preferences.settings.strength * 100))
        self.strength.setAccessibleName("Strength in percent")
        self.workers.setRange(0, MAX_LOCAL_WORKERS)
        self.workers.setValue(preferences.worker_count)
        self.attempts.setRange(1, 20)
        self.attempts.setValue(preferences.max_attempts)
        self.timeout.setRange(1, 10_080)
        self.timeout.setDecimals(0)
        self.timeout.setSuffix(" min")
        self.timeout.setValue(preferences.timeout_s / 60)
        for appearance, words in _APPEARANCE_WORDS.items():
            self.appearance.addItem(words, appearance)
        self.appearance.setCurrentIndex(list(_APPEARANCE_WORDS).index(preferences.appearance))

    def _fill_exchange(self) -> None:
        for kind, words in _EXCHANGE_WORDS.items():
            self.exchange.addItem(words, kind)
        self.exchange.setCurrentIndex(max(0, self.exchange.findData(self._preferences.file_exchange)))
        self.exchange.setAccessibleName("How workers on other computers reach files")

    def _lay_out(self) -> None:
        browse = QPushButton("Choose…")
        browse.clicked.connect(self._choose_folder)
        form = QFormLayout()
        form.setHorizontalSpacing(18)
        form.setVerticalSpacing(9)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow(_heading("Where the work is done"))
        form.addRow(self.local)
        form.addRow(self.cluster)
        form.addRow(_label("Server"), _row(self.url, self.test))
        form.addRow(_label("Password"), self.password)
        form.addRow("", self.answer)
        form.addRow(_label("Workers reach files through"), _left(self.exchange))
        form.addRow(_label("Workers here"), _left(self.workers))
        form.addRow(_heading("Results"))
        form.addRow(_label("Folder"), _row(self.folder, browse))
        form.addRow(_label("Preset"), _left(self.preset))
        form.addRow(_label("Strength"), _row(self.strength, self._strength_words))
        form.addRow(_heading("When something goes wrong"))
        form.addRow(_label("Attempts per file"), _left(self.attempts))
        form.addRow(_label("Give up after"), _left(self.timeout))
        form.addRow(_heading("Look"))
        form.addRow(_label("Appearance"), _left(self.appearance))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 16, 20, 16)
        layout.setSpacing(14)
        layout.addLayout(form)
        layout.addStretch()
        layout.addWidget(self._buttons)
        self.setMinimumWidth(540)

    def _connect(self) -> None:
        self.cluster.toggled.connect(self._refresh)
        self._server.changed.connect(self._refresh)
        self.folder.textChanged.connect(self._refresh)
        self.strength.valueChanged.connect(self._refresh)
        self.preset.currentIndexChanged.connect(self._take_preset_strength)
        self.test.clicked.connect(self._ask_test)
        self._buttons.accepted.connect(self._agree)
        self._buttons.rejected.connect(self.reject)

    # ---------------------------------------------------------------- behaviour

    def preferences(self) -> Preferences:
        """What is chosen in the dialog now."""
        preset = self._presets.get(str(self.preset.currentData()), self._preferences.settings)
        settings = preset.model_copy(update={"strength": self.strength.value() / 100})
        return replace(
            self._preferences,
            broker_url=self._server.url() if self.cluster.isChecked() else None,
            file_exchange=str(self.exchange.currentData()),
            output_directory=self.folder.text().strip(),
            settings=settings,
            worker_count=self.workers.value(),
            max_attempts=self.attempts.value(),
            timeout_s=self.timeout.value() * 60,
            appearance=Appearance(self.appearance.currentData()),
        )

    def show_answer(self, report: ConnectionReport) -> None:
        """What the server said."""
        words = f"{report.message} {report.hint}".strip()
        self._say(words, ok=report.is_ok)
        self.test.setEnabled(self.cluster.isChecked())

    def _ask_test(self) -> None:
        self.test.setEnabled(False)
        self._say("Trying…", ok=None)
        self.test_wanted.emit(self._server.url())

    def _say(self, words: str, *, ok: bool | None) -> None:
        self.answer.setText(words)
        self.answer.show()
        self.answer.setProperty("ok", ok is True)
        self.answer.setProperty("bad", ok is False)
        self.answer.style().unpolish(self.answer)
        self.answer.style().polish(self.answer)

    def _agree(self) -> None:
        self.chosen.emit(self.preferences())
        self.accept()

    def _choose_folder(self) -> None:
        choose_folder(
            self,
            lambda folder: self.folder.setText(str(folder)),
            title="Folder for results",
            begin=self.folder.text(),
        )

    def _take_preset_strength(self) -> None:
        preset = self._presets.get(str(self.preset.currentData()))
        if preset is not None:
            self.strength.setValue(round(preset.strength * 100))

    def _refresh(self) -> None:
        is_cluster = self.cluster.isChecked()
        self._server.set_enabled(is_cluster)
        self.exchange.setEnabled(is_cluster)
        self.test.setEnabled(is_cluster and bool(self.url.text().strip()))
        percent = self.strength.value()
        self._strength_words.setText("Off" if percent == 0 else f"{percent} %")
        self._strength_words.setMinimumWidth(self._strength_words.fontMetrics().horizontalAdvance("200 %"))
        complete = bool(self.folder.text().strip()) and (not is_cluster or bool(self.url.text().strip()))
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(complete)


def _label(text: str) -> QLabel:
    label = QLabel(text)
    label.setMinimumHeight(_FIELD_HEIGHT_PX)
    return label


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("heading", True)
    label.setContentsMargins(0, 8, 0, 0)
    return label


def _row(wide: QWidget, narrow: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(8)
    row.addWidget(wide, 1)
    row.addWidget(narrow)
    return row


def _left(widget: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    widget.setMinimumWidth(130)
    row.addWidget(widget)
    row.addStretch()
    return row
