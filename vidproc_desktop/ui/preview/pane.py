"""The preview of the selected file: picture, transport bar, and the switch between source and result."""

from PySide6.QtCore import QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QHideEvent, QMouseEvent, QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.segment_cells import segment_count
from vidproc_desktop.ui.icons import IconName, icon
from vidproc_desktop.ui.preview.picture import PictureView
from vidproc_desktop.ui.preview.players import PairedPlayer, Show, Side
from vidproc_desktop.ui.preview.sources import Sources, ready_words, sources_of
from vidproc_desktop.ui.theme import Theme
from vidproc_desktop.ui.words import clock
from workers.protocol.states import Status

_SETTLE_MS = 120
"""Files are opened when the selection has stood still for this long; walking through rows opens nothing."""
_SEEK_STEP_MS = 1000
_SEEK_PAGE_MS = 10_000

_SWITCH = (
    (Show.BEFORE, "Before", IconName.BEFORE, "first"),
    (Show.SPLIT, "Split", IconName.SPLIT, "middle"),
    (Show.AFTER, "After", IconName.AFTER, "last"),
)

_FILE_WORDS = {Side.BEFORE: "original", Side.AFTER: "enhanced video"}


class SeekSlider(QSlider):
    """A slider whose handle jumps to where it is clicked."""

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Jump, then drag on from there."""
        if event.button() is Qt.MouseButton.LeftButton:
            option = QStyleOptionSlider()
            self.initStyleOption(option)
            control, part = QStyle.ComplexControl.CC_Slider, QStyle.SubControl.SC_SliderHandle
            handle = self.style().subControlRect(control, option, part, self)
            if not handle.contains(event.position().toPoint()):
                span = max(1, self.width() - handle.width())
                offset = int(event.position().x()) - handle.width() // 2
                value = QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), offset, span)
                self.setValue(value)
                self.sliderMoved.emit(value)
        super().mousePressEvent(event)


class PreviewPane(QWidget):
    """Plays one file of the library before and after."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("preview")
        self.player = PairedPlayer(self)
        self.picture = PictureView(self.player, theme)
        self._record: FileRecord | None = None
        self._loaded: Sources = sources_of(None)
        self._has_run_out = False
        self._wanted_show = Show.AFTER
        self._play = QToolButton()
        self._mute = QToolButton()
        self._position = SeekSlider(Qt.Orientation.Horizontal)
        self._volume = QSlider(Qt.Orientation.Horizontal)
        self._time = QLabel("0:00 / 0:00")
        self._note = QLabel()
        self._buttons = {show: QToolButton() for show, *_ in _SWITCH}
        self._group = QButtonGroup(self)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._set_up_controls()
        self._set_up_layout()
        self._connect()
        self.show_record(None)

    # ---------------------------------------------------------------- set-up

    def _set_up_controls(self) -> None:
        for button, name in ((self._play, "Play"), (self._mute, "Mute")):
            button.setProperty("flat", True)
            button.setAccessibleName(name)
        self._play.setObjectName("play")
        self._play.setToolTip("Play or pause (Space)")
        self._mute.setObjectName("mute")
        self._mute.setCheckable(True)
        self._mute.setToolTip("Mute")
        self._position.setObjectName("position")
        self._position.setAccessibleName("Position")
        self._position.setSingleStep(_SEEK_STEP_MS)
        self._position.setPageStep(_SEEK_PAGE_MS)
        self._volume.setObjectName("volume")
        self._volume.setAccessibleName("Volume")
        self._volume.setRange(0, 100)
        self._volume.setFixedWidth(76)
        self._time.setProperty("muted", True)
        self._note.setObjectName("ready_note")
        self._note.setProperty("muted", True)
        self._note.setWordWrap(True)
        self._note.hide()
        for show, text, _, place in _SWITCH:
            button = self._buttons[show]
            button.setObjectName(f"show_{show.value}")
            button.setText(text)
            button.setCheckable(True)
            button.setProperty("segment", True)
            button.setProperty("place", place)
            self._group.addButton(button)
        self._buttons[Show.SPLIT].setToolTip("Both, with a line to drag")
        self._on_playing(playing=False)
        self._on_muted(muted=False)
        self.set_volume(80)

    def _set_up_layout(self) -> None:
        switch = QHBoxLayout()
        switch.setSpacing(0)
        switch.addStretch()
        for show, *_ in _SWITCH:
            switch.addWidget(self._buttons[show])
        switch.addStretch()
        transport = QHBoxLayout()
        transport.setSpacing(6)
        transport.addWidget(self._play)
        transport.addWidget(self._time)
        transport.addStretch()
        transport.addWidget(self._mute)
        transport.addWidget(self._volume)
        controls = QVBoxLayout()
        controls.setContentsMargins(12, 10, 12, 12)
        controls.setSpacing(8)
        controls.addWidget(self._note)
        controls.addWidget(self._position)
        controls.addLayout(transport)
        controls.addLayout(switch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.picture, 1)
        layout.addLayout(controls)

    def _connect(self) -> None:
        self._settle.timeout.connect(self._load)
        self._play.clicked.connect(self.player.toggle)
        self.picture.clicked.connect(self.player.toggle)
        self._mute.toggled.connect(lambda on: self._on_muted(muted=on))
        self._volume.valueChanged.connect(lambda value: self.player.set_volume(value / 100))
        self._position.sliderMoved.connect(self._seek)
        self._position.sliderReleased.connect(lambda: self._on_position(self.player.position_ms))
        self._position.actionTriggered.connect(lambda _: self._seek(self._position.sliderPosition()))
        for show, button in self._buttons.items():
            button.clicked.connect(lambda _checked, show=show: self._choose(show))
        self.player.position_changed.connect(self._on_position)
        self.player.duration_changed.connect(self._on_duration)
        self.player.playing_changed.connect(lambda on: self._on_playing(playing=on))
        self.player.show_changed.connect(lambda _: self._refresh())
        self.player.failed.connect(lambda *_: self._refresh())
        self.player.ran_out.connect(self._on_run_out)

    # ---------------------------------------------------------------- what is shown

    @property
    def volume(self) -> int:
        """Loudness in percent."""
        return self._volume.value()

    @property
    def is_muted(self) -> bool:
        """True while silenced."""
        return self._mute.isChecked()

    def set_volume(self, percent: int, *, muted: bool = False) -> None:
        """Loudness as it was last time."""
        self._volume.setValue(percent)
        self.player.set_volume(percent / 100)
        self._mute.setChecked(muted)

    def show_record(self, record: FileRecord | None) -> None:
        """Show another file, or the same one in a new state."""
        is_same = record is not None and self._record is not None and record.file_id == self._record.file_id
        self._record = record
        if not is_same:
            self.player.pause()
            self._settle.start()
        elif sources_of(record) != self._loaded and not self._settle.isActive():
            self._settle.start()  # not anew with every change, or a row that moves would never settle
        self._refresh()

    def toggle(self) -> None:
        """Play or pause."""
        self.player.toggle()

    def showEvent(self, event: QShowEvent) -> None:
        """Open the file now that somebody looks."""
        super().showEvent(event)
        self._settle.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: stand still."""
        super().hideEvent(event)
        self.player.pause()

    def _load(self) -> None:
        if not self.isVisible():
            return
        known, wanted = self._loaded, sources_of(self._record)
        if wanted == known:
            return
        self._loaded = wanted
        self._has_run_out = False
        comes_by_and_by = known.after.is_empty or known.after.is_partial
        if wanted.before == known.before and not wanted.after.is_empty and comes_by_and_by:
            self.player.load_after(wanted.after)
        else:
            self.picture.forget_frames()
            self._set_aspect()
            show = self._wanted_show if not wanted.after.is_empty else Show.BEFORE
            self.player.load(wanted.before, wanted.after, show)
        self._refresh()

    def _set_aspect(self) -> None:
        summary = self._record.summary if self._record else None
        aspect = summary.width_px / summary.height_px if summary and summary.height_px else None
        self.picture.set_aspect(Side.BEFORE, aspect)

    def _seek(self, position_ms: int) -> None:
        self._has_run_out = self._is_beyond(self.player.show, position_ms)
        self.player.seek(position_ms)
        self._show_note()

    def _is_beyond(self, show: Show, position_ms: int) -> bool:
        """True where the result on show is not made yet."""
        after = self._loaded.after
        return show is not Show.BEFORE and after.is_partial and position_ms > after.within(position_ms)

    def _choose(self, show: Show) -> None:
        self._wanted_show = show
        self._has_run_out = self._is_beyond(show, self.player.position_ms)
        self.player.set_show(show)
        self._refresh()

    def _refresh(self) -> None:
        shown = self.player.show
        for show, button in self._buttons.items():
            needed = tuple(Side) if show is Show.SPLIT else (show.leading_side,)
            button.setEnabled(self._record is not None and all(self.player.has(side) for side in needed))
            with QSignalBlocker(button):
                button.setChecked(show is shown)
        self._buttons[Show.AFTER].setToolTip(self._why_no_result())
        self._show_note()
        self.picture.say(self._message())
        can_play = self.player.has(shown.leading_side) and self._record is not None
        for widget in (self._play, self._position):
            widget.setEnabled(can_play)

    def _show_note(self) -> None:
        record, after = self._record, self._loaded.after
        words = "" if record is None else ready_words(record, after, has_run_out=self._has_run_out)
        self._note.setText(words)
        self._note.setVisible(bool(words))

    def _message(self) -> str:
        if self._record is None:
            return "Select a video to watch it here,\nbefore and after."
        side = self.player.show.leading_side
        if self.player.has(side) or self._loaded != sources_of(self._record):
            return ""
        if self.player.is_missing(side):
            return f"The {_FILE_WORDS[side]} cannot be opened.\nWas it moved or renamed?"
        if side is Side.BEFORE and not self._record.is_finished:
            return "The original cannot be played here.\nIts enhanced version will be an MP4 that can."
        return f"The {_FILE_WORDS[side]} cannot be played here."

    def _why_no_result(self) -> str:
        if self._record is None or self.player.has(Side.AFTER):
            return "The enhanced video"
        task = self._record.enhancement
        if task.status is Status.FAILED:
            reason = task.error.message if task.error else ""
            return f"The enhancement failed. {reason}".strip()
        if task.status is Status.COMPLETED:
            return "The enhanced file cannot be played; was it moved?"
        if segment_count(self._record) is not None:
            return "The first segment is not ready yet"
        return "Not yet enhanced"

    # ---------------------------------------------------------------- player's answers

    def _on_run_out(self) -> None:
        self._has_run_out = True
        self._show_note()

    def _on_position(self, position_ms: int) -> None:
        if not self._position.isSliderDown():
            with QSignalBlocker(self._position):
                self._position.setValue(position_ms)
        self._tell_time(position_ms)

    def _on_duration(self, duration_ms: int) -> None:
        self._position.setRange(0, duration_ms)
        self._tell_time(self.player.position_ms)

    def _tell_time(self, position_ms: int) -> None:
        self._time.setText(f"{clock(position_ms / 1000)} / {clock(self.player.duration_ms / 1000)}")

    def _on_playing(self, *, playing: bool) -> None:
        self._play.setIcon(icon(IconName.PAUSE if playing else IconName.PLAY))
        self._play.setAccessibleName("Pause" if playing else "Play")
        if playing and self._has_run_out:
            self._has_run_out = False
            self._show_note()

    def _on_muted(self, *, muted: bool) -> None:
        self._mute.setIcon(icon(IconName.MUTED if muted else IconName.VOLUME))
        self.player.set_muted(muted=muted)
