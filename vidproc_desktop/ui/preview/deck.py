"""One side of the preview: a player that shows the clips of a reel one after the other, on the film's clock.

Knows nothing of the other side, of records, words or widgets.
"""

from PySide6.QtCore import QObject, Qt, QUrl, Signal
from PySide6.QtMultimedia import QAudioOutput, QMediaPlayer, QVideoFrame, QVideoSink

from vidproc_desktop.ui.preview.reel import NOTHING, Clip, Reel

_SAME_FRAME_MS = 12
"""Players report whole milliseconds and frames whole microseconds; what is nearer than this is the same moment."""
_NO_CLIP = Clip(QUrl())


def _settle_overrides(shared: QObject) -> None:
    """Let the binding find out, on this thread, that no Python method stands behind a notification of `shared`.

    Qt's media threads disconnect from these objects while they hold Qt's lock of connections. The first time that
    happens the binding needs Python's interpreter lock to look for an override of `disconnectNotify`, and the window,
    which holds that lock while it stops the player, waits for the lock of connections: both wait for ever. Once
    the answer is known it is remembered, and no media thread asks for the interpreter again.
    """
    connection = shared.objectNameChanged.connect(_ignore)
    shared.objectNameChanged.disconnect(connection)


def _ignore() -> None:
    """Connected for a moment only."""


class Deck(QObject):
    """A player, its sink, its sound, its last frame. Positions are milliseconds on the film's clock.

    Signals:
        frame_came: `frame` is another one.
        position_changed: milliseconds.
        duration_changed: the film's length is known, or another one.
        ended: the last clip that is there was played to its end.
        failed: `QMediaPlayer.Error`, and what the player said; `error` is set.
    """

    frame_came = Signal()
    position_changed = Signal(int)
    duration_changed = Signal()
    ended = Signal()
    failed = Signal(object, str)
    _clip_ended = Signal(int)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.player = QMediaPlayer(self)
        self.sink = QVideoSink(self)
        self.sound = QAudioOutput(self)
        self.frame: QVideoFrame | None = None
        self.error = ""
        self.is_missing = False
        self._reel = NOTHING
        self._number = 0
        self._is_running = False
        self._is_opening = False
        self._wanted_ms: int | None = None
        """Where the clip that is being opened shall go once it is open."""
        self._frame_base_ms = 0
        for shared in (self.player, self.sink, self.sound):
            _settle_overrides(shared)
        self.player.setVideoSink(self.sink)
        self.player.setAudioOutput(self.sound)
        self.sink.videoFrameChanged.connect(self._keep)
        self.player.positionChanged.connect(self._on_position)
        self.player.durationChanged.connect(lambda _: self.duration_changed.emit())
        self.player.mediaStatusChanged.connect(self._on_media_status)
        self.player.errorOccurred.connect(self._on_error)
        # Not within the player's own notification: it would be given another file in the middle of that.
        self._clip_ended.connect(self._go_on, Qt.ConnectionType.QueuedConnection)

    # ---------------------------------------------------------------- state

    @property
    def reel(self) -> Reel:
        """What is played here."""
        return self._reel

    @property
    def is_loaded(self) -> bool:
        """True while there is something to play that did not fail."""
        return not self._reel.is_empty and not self.error

    @property
    def is_at_end(self) -> bool:
        """True when everything that is there was played."""
        return self._has_ended_clip and self._number + 1 >= len(self._reel.clips)

    @property
    def position_ms(self) -> int:
        """Where it stands, or will stand once the clip is open."""
        inside_ms = self.player.position() if self._wanted_ms is None else self._wanted_ms
        return self._clip.start_ms + inside_ms

    @property
    def duration_ms(self) -> int:
        """Length of the film; 0 while unknown."""
        if not self.is_loaded:
            return 0
        return self.player.duration() if self._reel.film_ms is None else self._reel.film_ms

    @property
    def frame_end_ms(self) -> float:
        """Until when the last frame is on screen; below zero without one."""
        return -1.0 if self.frame is None else self._frame_base_ms + self.frame.endTime() / 1000

    def shows(self, position_ms: int) -> bool:
        """True when the last frame is the one on screen at `position_ms`."""
        frame = self.frame
        if frame is None or frame.startTime() < 0:
            return frame is not None
        start_ms, end_ms = frame.startTime() / 1000, frame.endTime() / 1000
        if end_ms <= start_ms:
            end_ms = start_ms + 40
        inside_ms = position_ms - self._frame_base_ms
        return start_ms - _SAME_FRAME_MS <= inside_ms <= end_ms + _SAME_FRAME_MS

    @property
    def _clip(self) -> Clip:
        return self._reel.clips[self._number] if self._reel.clips else _NO_CLIP

    @property
    def _has_ended_clip(self) -> bool:
        return self.player.mediaStatus() is QMediaPlayer.MediaStatus.EndOfMedia

    # ---------------------------------------------------------------- wishes

    def load(self, reel: Reel) -> None:
        """Play something else, paused on its first frame; an empty reel closes the old one."""
        self.frame = None
        self._is_running = False
        self._reel = reel
        self._open(0, 0)

    def exchange(self, reel: Reel) -> None:
        """Play the same film from another reel: at the same moment, as it was, the last picture staying until then."""
        if self._reel.begins(reel):
            self._reel = reel
            self.duration_changed.emit()
            return
        position_ms = reel.within(self.position_ms)
        self._reel = reel
        self._open(reel.clip_at(position_ms), position_ms)

    def play(self) -> None:
        """Play on; after the end of a clip, with the next one."""
        self._is_running = True
        if self._has_ended_clip and not self.is_at_end:
            self._open(self._number + 1, self._reel.clips[self._number + 1].start_ms)
        else:
            self.player.play()

    def pause(self) -> None:
        """Stand still."""
        self._is_running = False
        if self.player.playbackState() is QMediaPlayer.PlaybackState.PlayingState:
            self.player.pause()

    def go_to(self, position_ms: int) -> None:
        """Seek; a player that ran to its end is woken first, or it would show nothing."""
        position_ms = self._reel.within(position_ms)
        number = self._reel.clip_at(position_ms)
        if number != self._number:
            self._open(number, position_ms)
            return
        inside_ms = position_ms - self._clip.start_ms
        if self.player.mediaStatus() is QMediaPlayer.MediaStatus.LoadingMedia:
            self._wanted_ms = inside_ms
            return
        if self.player.playbackState() is QMediaPlayer.PlaybackState.StoppedState:
            self.player.pause()
        self.player.setPosition(inside_ms)

    # ---------------------------------------------------------------- inside

    def _open(self, number: int, position_ms: int) -> None:
        self.error = ""
        self.is_missing = False
        self._is_opening = True  # what the player says of the clip that it lets go is not said of the new one
        self.player.stop()
        self._number = number
        self.player.setSource(self._clip.url)
        self._is_opening = False
        self._wanted_ms = max(0, position_ms - self._clip.start_ms) or None
        if self._reel.is_empty:
            return
        if self._is_running:
            self.player.play()
        else:
            self.player.pause()

    def _go_on(self, number: int) -> None:
        """The clip of that number was played to its end."""
        if number != self._number or not self._has_ended_clip:
            return  # somebody went elsewhere meanwhile
        if self.is_at_end:
            self._is_running = False
            self.ended.emit()
        elif self._is_running:
            self.play()

    def _keep(self, frame: QVideoFrame) -> None:
        if frame.isValid():  # a stopped player sends an empty frame: the last picture stays instead
            self.frame = frame
            self._frame_base_ms = self._clip.start_ms
            self.frame_came.emit()

    def _on_position(self, inside_ms: int) -> None:
        if self._wanted_ms is None and not self._is_opening:
            self.position_changed.emit(self._clip.start_ms + inside_ms)

    def _on_media_status(self, status: QMediaPlayer.MediaStatus) -> None:
        if self._is_opening:
            return
        match status:
            case QMediaPlayer.MediaStatus.LoadedMedia | QMediaPlayer.MediaStatus.BufferedMedia:
                wanted_ms, self._wanted_ms = self._wanted_ms, None
                if wanted_ms is not None:
                    self.player.setPosition(wanted_ms)
            case QMediaPlayer.MediaStatus.EndOfMedia:
                self._clip_ended.emit(self._number)
            case QMediaPlayer.MediaStatus.InvalidMedia if not self.error:
                self._on_error(QMediaPlayer.Error.FormatError, self.player.errorString())

    def _on_error(self, code: QMediaPlayer.Error, text: str) -> None:
        if self.player.source().isEmpty():
            return
        self.error = text or "unknown error"
        self.is_missing = code is QMediaPlayer.Error.ResourceError
        self.failed.emit(code, self.error)
