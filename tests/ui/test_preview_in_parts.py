"""The preview of a file in parts: what is finished plays on the film's clock while the rest is still made."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from pytestqt.qtbot import QtBot

from tests.ui.records import Segment, enhanced, in_parts, record
from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.ui.preview.pane import PreviewPane
from vidproc_desktop.ui.preview.players import Show, Side
from vidproc_desktop.ui.preview.reel import NOTHING, Clip, Reel, whole
from vidproc_desktop.ui.theme import Theme
from workers.protocol.states import Status

_LIMIT_MS = 15_000
_FRAMES = 10
_SEGMENT_S = 1.0
_WAITING = Segment(Status.PROCESSING, 40.0, duration_s=_SEGMENT_S)


@pytest.fixture
def pane(theme: Theme, qtbot: QtBot) -> Iterator[PreviewPane]:
    pane = PreviewPane(theme)
    qtbot.addWidget(pane)
    pane.resize(480, 500)
    pane.show()
    qtbot.waitExposed(pane)
    yield pane
    pane.player.close()


class Film:
    """A film of four segments of one second whose brightness tells the frame: 20 + 4 n before, 100 more after."""

    def __init__(self, make_clip: Callable[..., Path]) -> None:
        self.source = make_clip("source.mp4", frames=4 * _FRAMES)
        self.result = make_clip("result.mp4", frames=3 * _FRAMES, offset=100)
        self.segments = [
            make_clip(f"segment-{number:05}.mp4", frames=_FRAMES, offset=100 + 40 * number)
            for number in range(3)
        ]

    def row(self, *ready: int) -> FileRecord:
        """With these segments finished, of four."""
        base = replace(record(1), source_path=str(self.source), name=self.source.name)
        segments = [
            Segment(Status.COMPLETED, 100.0, duration_s=_SEGMENT_S, video=self.segments[number])
            if number in ready
            else _WAITING
            for number in range(4)
        ]
        return in_parts(base, *segments)

    def finished(self) -> FileRecord:
        return enhanced(self.row(0, 1, 2), self.result)


@pytest.fixture
def film(make_clip: Callable[..., Path]) -> Film:
    return Film(make_clip)


def _brightness(pane: PreviewPane) -> int:
    image = pane.picture.grab().toImage()
    return image.pixelColor(image.width() // 2, image.height() // 2).red()


def _shows_frame(pane: PreviewPane, number: float, offset: int = 100) -> bool:
    return abs((_brightness(pane) - 20 - offset) / 4 - number) <= 1.5


def _load(pane: PreviewPane, row: FileRecord, qtbot: QtBot, *, sides: int = 2) -> None:
    pane.show_record(row)
    qtbot.waitUntil(
        lambda: sum(pane.player.frame(side) is not None for side in Side) >= sides, timeout=_LIMIT_MS
    )


def _note(pane: PreviewPane) -> str:
    return pane._note.text() if pane._note.isVisible() else ""


# ------------------------------------------------------------ what is played


def test_positions_are_found_in_their_clips() -> None:
    reel = Reel((Clip(QUrl("a"), 0, 1000), Clip(QUrl("b"), 1000, 500)), 4000)
    assert [reel.clip_at(position) for position in (-5, 0, 999, 1000, 9999)] == [0, 0, 0, 1, 1]
    assert [reel.within(position) for position in (-5, 700, 9999)] == [0, 700, 1440]
    assert reel.begins(Reel((*reel.clips, Clip(QUrl("c"), 1500, 500)), 4000))
    assert not reel.begins(whole(QUrl("a")))
    assert not NOTHING.begins(reel)
    assert whole(QUrl()).is_empty


# ------------------------------------------------------------ playing


def test_finished_segments_play_one_after_the_other_up_to_the_first_that_is_not_ready(
    pane: PreviewPane, film: Film, qtbot: QtBot
) -> None:
    _load(pane, film.row(0, 1, 2), qtbot)
    assert pane.player.show is Show.AFTER
    assert pane.player.duration_ms == 4000
    assert _note(pane) == "Enhanced so far: segments 1 to 3 of 4. Without sound until it is put together."
    positions: list[int] = []
    pane.player.position_changed.connect(positions.append)
    pane.toggle()
    qtbot.waitUntil(lambda: pane.player.position_ms >= 2900, timeout=_LIMIT_MS)
    qtbot.waitUntil(lambda: not pane.player.is_playing, timeout=_LIMIT_MS)
    assert positions == sorted(positions)
    assert any(1000 < position < 2000 for position in positions)
    assert _shows_frame(pane, 29)
    assert _note(pane) == "Segment 4 of 4 is not enhanced yet. Without sound until it is put together."
    assert pane._time.text().endswith(" / 0:04")


def test_only_segments_from_the_start_on_are_offered(pane: PreviewPane, film: Film, qtbot: QtBot) -> None:
    _load(pane, film.row(0, 2), qtbot)
    assert _note(pane).startswith("Enhanced so far: segment 1 of 4.")


def test_without_the_first_segment_nothing_is_offered(pane: PreviewPane, film: Film, qtbot: QtBot) -> None:
    _load(pane, film.row(1, 2), qtbot, sides=1)
    assert pane.player.show is Show.BEFORE
    assert not pane._buttons[Show.AFTER].isEnabled()
    assert pane._buttons[Show.AFTER].toolTip() == "The first segment is not ready yet"
    assert _note(pane) == ""


def test_a_seek_reaches_another_segment_and_the_source_shows_the_same_moment(
    pane: PreviewPane, film: Film, qtbot: QtBot
) -> None:
    _load(pane, film.row(0, 1, 2), qtbot)
    pane._seek(2500)
    qtbot.waitUntil(lambda: _shows_frame(pane, 25), timeout=_LIMIT_MS)
    assert pane.player.position_ms == pytest.approx(2500, abs=60)
    pane._buttons[Show.BEFORE].click()
    qtbot.waitUntil(lambda: pane.player.show is Show.BEFORE, timeout=_LIMIT_MS)
    qtbot.waitUntil(lambda: _shows_frame(pane, 25, offset=0), timeout=_LIMIT_MS)
    pane._seek(500)
    qtbot.waitUntil(lambda: _shows_frame(pane, 5, offset=0), timeout=_LIMIT_MS)
    pane._buttons[Show.AFTER].click()
    qtbot.waitUntil(lambda: pane.player.show is Show.AFTER, timeout=_LIMIT_MS)
    qtbot.waitUntil(lambda: _shows_frame(pane, 5), timeout=_LIMIT_MS)
    assert pane.player.position_ms == pytest.approx(500, abs=60)


def test_a_moment_that_is_not_made_yet_is_not_gone_to(pane: PreviewPane, film: Film, qtbot: QtBot) -> None:
    _load(pane, film.row(0, 1), qtbot)
    pane._seek(3500)
    qtbot.waitUntil(lambda: _shows_frame(pane, 19), timeout=_LIMIT_MS)
    assert pane.player.position_ms < 2000
    assert _note(pane).startswith("Segment 3 of 4 is not enhanced yet.")
    pane._seek(200)
    assert _note(pane).startswith("Enhanced so far: segments 1 to 2 of 4.")


def test_a_source_further_on_switches_to_the_last_moment_there_is(
    pane: PreviewPane, film: Film, qtbot: QtBot
) -> None:
    _load(pane, film.row(0, 1), qtbot)
    pane._buttons[Show.BEFORE].click()
    qtbot.waitUntil(lambda: pane.player.show is Show.BEFORE, timeout=_LIMIT_MS)
    pane._seek(3500)
    qtbot.waitUntil(lambda: _shows_frame(pane, 35, offset=0), timeout=_LIMIT_MS)
    pane._buttons[Show.AFTER].click()
    qtbot.waitUntil(lambda: _shows_frame(pane, 19), timeout=_LIMIT_MS)
    assert _note(pane).startswith("Segment 3 of 4 is not enhanced yet.")


def test_split_shows_the_same_moment_of_source_and_segment(
    pane: PreviewPane, film: Film, qtbot: QtBot
) -> None:
    _load(pane, film.row(0, 1, 2), qtbot)
    pane._seek(1500)
    pane.player.set_show(Show.SPLIT)
    qtbot.waitUntil(lambda: pane.player.show is Show.SPLIT, timeout=_LIMIT_MS)

    def sides() -> tuple[int, int]:
        image = pane.picture.grab().toImage()
        middle = image.height() // 2
        left, right = image.width() // 4, image.width() * 3 // 4
        return image.pixelColor(left, middle).red(), image.pixelColor(right, middle).red()

    qtbot.waitUntil(lambda: abs(sides()[1] - sides()[0] - 100) <= 8, timeout=_LIMIT_MS)
    assert (sides()[0] - 20) / 4 == pytest.approx(15, abs=1.5)


def test_a_further_segment_interrupts_nothing(pane: PreviewPane, film: Film, qtbot: QtBot) -> None:
    _load(pane, film.row(0, 1), qtbot)
    opened: list[QUrl] = []
    pane.player._decks[Side.AFTER].player.sourceChanged.connect(opened.append)
    pane._seek(200)
    pane.show_record(film.row(0, 1, 2))
    qtbot.waitUntil(lambda: _note(pane).startswith("Enhanced so far: segments 1 to 3"), timeout=_LIMIT_MS)
    assert opened == []
    assert pane.player.position_ms == pytest.approx(200, abs=60)


def test_play_goes_on_with_a_segment_that_came_after_the_stop(
    pane: PreviewPane, film: Film, qtbot: QtBot
) -> None:
    _load(pane, film.row(0), qtbot)
    pane.toggle()
    qtbot.waitUntil(lambda: "not enhanced yet" in _note(pane), timeout=_LIMIT_MS)
    pane.show_record(film.row(0, 1))
    qtbot.waitUntil(lambda: _note(pane).startswith("Enhanced so far: segments 1 to 2"), timeout=_LIMIT_MS)
    positions: list[int] = []
    pane.player.position_changed.connect(positions.append)
    pane.toggle()
    qtbot.waitUntil(lambda: pane.player.position_ms > 1300, timeout=_LIMIT_MS)
    assert min(positions) >= 1000


def test_a_row_that_changes_all_the_time_still_gets_its_new_segment(
    pane: PreviewPane, film: Film, qtbot: QtBot
) -> None:
    _load(pane, film.row(0), qtbot)
    later = film.row(0, 1)

    def keeps_changing() -> bool:
        pane.show_record(replace(later, added_at=later.added_at + 1))
        return _note(pane).startswith("Enhanced so far: segments 1 to 2")

    qtbot.waitUntil(keeps_changing, timeout=_LIMIT_MS)


# ------------------------------------------------------------ the result


def test_the_complete_result_takes_over_where_the_segments_stood(
    pane: PreviewPane, film: Film, qtbot: QtBot
) -> None:
    _load(pane, film.row(0, 1, 2), qtbot)
    pane._seek(1500)
    qtbot.waitUntil(lambda: _shows_frame(pane, 15), timeout=_LIMIT_MS)
    pane.show_record(film.finished())
    player = pane.player._decks[Side.AFTER].player
    qtbot.waitUntil(lambda: player.source() == QUrl.fromLocalFile(str(film.result)), timeout=_LIMIT_MS)
    qtbot.waitUntil(lambda: 1400 <= pane.player.position_ms <= 1600, timeout=_LIMIT_MS)
    qtbot.waitUntil(lambda: _shows_frame(pane, 15), timeout=_LIMIT_MS)
    assert pane.player.show is Show.AFTER
    assert not pane.player.is_playing
    assert _note(pane) == ""
    qtbot.waitUntil(lambda: pane.player.duration_ms == 3000, timeout=_LIMIT_MS)


def test_the_complete_result_plays_on_where_the_segments_played(
    pane: PreviewPane, film: Film, qtbot: QtBot
) -> None:
    _load(pane, film.row(0, 1, 2), qtbot)
    pane._seek(1000)
    pane.toggle()
    qtbot.waitUntil(lambda: pane.player.position_ms > 1200, timeout=_LIMIT_MS)
    pane.show_record(film.finished())
    player = pane.player._decks[Side.AFTER].player
    qtbot.waitUntil(lambda: player.source() == QUrl.fromLocalFile(str(film.result)), timeout=_LIMIT_MS)
    reached = pane.player.position_ms
    assert reached > 1200
    qtbot.waitUntil(lambda: pane.player.position_ms > reached + 200, timeout=_LIMIT_MS)
    assert pane.player.is_playing


def test_segments_that_are_gone_are_said_in_words_until_the_result_is_there(
    pane: PreviewPane, film: Film, qtbot: QtBot
) -> None:
    row = film.row(0, 1)
    film.segments[0].unlink()
    pane.show_record(row)
    qtbot.waitUntil(lambda: "cannot be opened" in pane.picture.message, timeout=_LIMIT_MS)
    pane.show_record(film.finished())
    qtbot.waitUntil(lambda: _shows_frame(pane, 0), timeout=_LIMIT_MS)
    assert pane.picture.message == ""


def test_all_segments_ready_waits_for_nothing_but_the_assembly(
    pane: PreviewPane, film: Film, qtbot: QtBot
) -> None:
    base = replace(record(1), source_path=str(film.source))
    done = [Segment(Status.COMPLETED, 100.0, duration_s=_SEGMENT_S, video=path) for path in film.segments]
    _load(pane, in_parts(base, *done), qtbot)
    assert _note(pane) == "Enhanced so far: all 3 segments. Without sound until it is put together."
