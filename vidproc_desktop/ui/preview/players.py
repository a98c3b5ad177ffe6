"""Two players, one clock: the source and its enhanced result, so that a switch keeps the position.

Both stay loaded. Only the side on show plays (both do when the picture is split); a switch first brings the
other side to the same moment and shows it when its frame is there, so that nothing flashes and a paused picture
switches as well. Where the result is there in part only, nothing goes further than that part while it is on show.
Knows nothing of records, words or widgets.
"""

from enum import StrEnum

from PySide6.QtCore import QObject, QTimer, QUrl, Signal
from PySide6.QtMultimedia import QVideoFrame

from vidproc_desktop.ui.preview.deck import Deck
from vidproc_desktop.ui.preview.reel import NOTHING, Reel, whole

SWITCH_PATIENCE_MS = 700
"""After this long a switch shows what there is: a damaged file may never deliver the frame that is waited for."""
_DRIFT_CHECK_MS = 500
_MAX_DRIFT_MS = 90
_SAME_FRAME_MS = 12


class Side(StrEnum):
    """Source or result."""

    BEFORE = "before"
    AFTER = "after"

    @property
    def other(self) -> "Side":
        """The opposite side."""
        return Side.AFTER if self is Side.BEFORE else Side.BEFORE


class Show(StrEnum):
    """What the picture shows."""

    BEFORE = "before"
    AFTER = "after"
    SPLIT = "split"

    @property
    def leading_side(self) -> Side:
        """The side that is heard and whose clock counts."""
        return Side.BEFORE if self is Show.BEFORE else Side.AFTER


class PairedPlayer(QObject):
    """Plays the one, the other, or both.

    Signals:
        frame_changed: another picture can be painted.
        position_changed: milliseconds.
        duration_changed: milliseconds of the leading side.
        playing_changed: bool.
        show_changed: `Show`, once the picture has really switched.
        failed: `Side`, and what the player said.
        ran_out: played to the end of what there is of the leading side.
    """

    frame_changed = Signal()
    position_changed = Signal(int)
    duration_changed = Signal(int)
    playing_changed = Signal(bool)
    show_changed = Signal(object)
    failed = Signal(object, str)
    ran_out = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._decks = {side: Deck(self) for side in Side}
        self._show = Show.BEFORE
        self._pending: Show | None = None
        self._pending_position_ms = 0
        self._is_playing = False
        self._is_muted = False
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(SWITCH_PATIENCE_MS)
        self._patience.timeout.connect(self._complete_switch)
        self._drift = QTimer(self)
        self._drift.setInterval(_DRIFT_CHECK_MS)
        self._drift.timeout.connect(self._correct_drift)
        for side in Side:
            self._connect(side)

    def _connect(self, side: Side) -> None:
        deck = self._decks[side]
        deck.frame_came.connect(lambda: self._on_frame(side))
        deck.position_changed.connect(lambda position_ms: self._on_position(side, position_ms))
        deck.duration_changed.connect(lambda: self._on_duration(side))
        deck.ended.connect(lambda: self._on_ended(side))
        deck.failed.connect(lambda _, text: self._on_error(side, text))

    # ---------------------------------------------------------------- state

    @property
    def show(self) -> Show:
        """What is on show."""
        return self._show

    @property
    def is_playing(self) -> bool:
        """True while the picture moves."""
        return self._is_playing

    @property
    def position_ms(self) -> int:
        """Position of the leading side."""
        return self._leader.position_ms

    @property
    def duration_ms(self) -> int:
        """Length of the leading side; 0 while unknown."""
        return self._leader.duration_ms

    def frame(self, side: Side) -> QVideoFrame | None:
        """The last picture of one side."""
        return self._decks[side].frame

    def has(self, side: Side) -> bool:
        """True when that side is loaded and can be shown."""
        return self._decks[side].is_loaded

    def is_missing(self, side: Side) -> bool:
        """True when the file of that side could not be opened at all: moved, renamed, on a drive that is away."""
        return self._decks[side].is_missing

    @property
    def _leader(self) -> Deck:
        return self._decks[self._show.leading_side]

    # ---------------------------------------------------------------- wishes

    def load(self, before: QUrl, after: Reel, show: Show) -> None:
        """Open both, paused on their first frame; an empty URL or reel leaves a side empty."""
        self._patience.stop()
        self._pending = None
        self._set_playing(playing=False)
        self._show = show
        self._decks[Side.BEFORE].load(whole(before))
        self._decks[Side.AFTER].load(after)
        self._route_sound()
        self.show_changed.emit(show)
        self.duration_changed.emit(0)
        self.position_changed.emit(0)
        self.frame_changed.emit()

    def load_after(self, after: Reel) -> None:
        """The result has become ready, or more of it: nothing jumps, and what plays goes on playing."""
        deck = self._decks[Side.AFTER]
        if Side.AFTER in self._sides_on_show() or deck.reel.begins(after):
            deck.exchange(after)
        else:
            deck.load(after)

    def close(self) -> None:
        """Let both files go."""
        self.load(QUrl(), NOTHING, Show.BEFORE)

    def play(self) -> None:
        """Play on; from the start when the end was reached."""
        if not self._leader.is_loaded:
            return
        if self._leader.is_at_end:
            self.seek(0)
        for deck in self._playing_decks():
            deck.play()
        self._set_playing(playing=True)

    def pause(self) -> None:
        """Stand still; a split picture stands still on the same moment on both sides."""
        for deck in self._decks.values():
            deck.pause()
        if self._is_playing and self._show is Show.SPLIT:
            self._decks[Side.BEFORE].go_to(self.position_ms)
        self._set_playing(playing=False)

    def toggle(self) -> None:
        """Play or pause."""
        if self._is_playing:
            self.pause()
        else:
            self.play()

    def seek(self, position_ms: int) -> None:
        """Go to a position, playing or not; to the nearest that all sides on show have."""
        position_ms = self._within(self._sides_on_show(), position_ms)
        for deck in self._playing_decks():
            deck.go_to(position_ms)
        if self._pending is not None:
            self._pending_position_ms = position_ms
            self._decks[self._pending.leading_side].go_to(position_ms)

    def set_show(self, show: Show) -> None:
        """Switch to the source, the result or both at the same position."""
        if show is (self._pending or self._show):
            return
        needed = set(Side) if show is Show.SPLIT else {show.leading_side}
        if not all(self.has(side) for side in needed):
            return
        self._pending = show
        self._pending_position_ms = self._within(needed, self.position_ms)
        for side in needed & self._sides_on_show():
            if self._pending_position_ms != self.position_ms:
                self._decks[side].go_to(self._pending_position_ms)
        for side in needed - self._sides_on_show():
            deck = self._decks[side]
            if self._is_playing or not deck.shows(self._pending_position_ms):
                deck.go_to(self._pending_position_ms)
            if self._is_playing:
                deck.play()
        self._patience.start()
        self._try_switch()

    def set_volume(self, volume: float) -> None:
        """Loudness from 0 to 1, linear as the output takes it."""
        for deck in self._decks.values():
            deck.sound.setVolume(volume)

    def set_muted(self, *, muted: bool) -> None:
        """Silence both sides, or let the one on show be heard."""
        self._is_muted = muted
        self._route_sound()

    # ---------------------------------------------------------------- inside

    def _sides_on_show(self) -> set[Side]:
        return set(Side) if self._show is Show.SPLIT else {self._show.leading_side}

    def _within(self, sides: set[Side], position_ms: int) -> int:
        return min(self._decks[side].reel.within(position_ms) for side in sides)

    def _playing_decks(self) -> list[Deck]:
        return [self._decks[side] for side in Side if side in self._sides_on_show() and self.has(side)]

    def _try_switch(self) -> None:
        show = self._pending
        if show is None:
            return
        arriving = (set(Side) if show is Show.SPLIT else {show.leading_side}) - self._sides_on_show()
        target_ms = self._pending_position_ms
        if all(self._has_arrived(self._decks[side], target_ms) for side in arriving):
            self._complete_switch()

    def _has_arrived(self, deck: Deck, target_ms: int) -> bool:
        if not self._is_playing:
            return deck.shows(target_ms)
        return deck.frame_end_ms + _SAME_FRAME_MS >= target_ms

    def _complete_switch(self) -> None:
        show, self._pending = self._pending, None
        self._patience.stop()
        if show is None:
            return
        self._show = show
        leaving = set(Side) - self._sides_on_show()
        for side in leaving:
            self._decks[side].pause()
        self._route_sound()
        self._run_drift_check()
        self.show_changed.emit(show)
        self.duration_changed.emit(self.duration_ms)
        self.position_changed.emit(self.position_ms)
        self.frame_changed.emit()

    def _route_sound(self) -> None:
        for side in Side:
            self._decks[side].sound.setMuted(self._is_muted or side is not self._show.leading_side)

    def _set_playing(self, *, playing: bool) -> None:
        if playing is not self._is_playing:
            self._is_playing = playing
            self.playing_changed.emit(playing)
        self._run_drift_check()

    def _run_drift_check(self) -> None:
        if self._is_playing and self._show is Show.SPLIT:
            self._drift.start()
        else:
            self._drift.stop()

    def _correct_drift(self) -> None:
        follower = self._decks[self._show.leading_side.other]
        if not follower.is_at_end and abs(follower.position_ms - self.position_ms) > _MAX_DRIFT_MS:
            follower.go_to(self.position_ms)

    def _on_frame(self, side: Side) -> None:
        if self._pending is not None:
            self._try_switch()
        if side in self._sides_on_show():
            self.frame_changed.emit()

    def _on_position(self, side: Side, position_ms: int) -> None:
        if side is self._show.leading_side:
            self.position_changed.emit(position_ms)

    def _on_duration(self, side: Side) -> None:
        if side is self._show.leading_side:
            self.duration_changed.emit(self.duration_ms)

    def _on_ended(self, side: Side) -> None:
        if side is not self._show.leading_side:
            return
        if self._leader.reel.is_partial:
            self.pause()  # the source would go on alone
        self._set_playing(playing=False)
        self.ran_out.emit()

    def _on_error(self, side: Side, text: str) -> None:
        if side in self._sides_on_show():
            self._set_playing(playing=False)
        self.failed.emit(side, text)
