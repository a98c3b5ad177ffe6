from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from pytestqt.qtbot import QtBot

from tests.ui.records import enhanced, failed, record
from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.ui.preview.pane import PreviewPane
from vidproc_desktop.ui.preview.players import Show, Side
from vidproc_desktop.ui.theme import Theme

_LIMIT_MS = 15_000


@pytest.fixture
def pane(theme: Theme, qtbot: QtBot) -> Iterator[PreviewPane]:
    pane = PreviewPane(theme)
    qtbot.addWidget(pane)
    pane.resize(480, 500)
    pane.show()
    qtbot.waitExposed(pane)
    yield pane
    pane.player.close()


@pytest.fixture
def pair(make_clip: Callable[..., Path]) -> FileRecord:
    """Source and result whose brightness tells the frame and the side: 20 + 4 n, and 120 + 4 n."""
    before, after = make_clip("before.mp4"), make_clip("after.mp4", offset=100)
    return enhanced(replace(record(1), source_path=str(before), name=before.name), after)


def _brightness(pane: PreviewPane) -> int:
    image = pane.picture.grab().toImage()
    return image.pixelColor(image.width() // 2, image.height() // 2).red()


def _shown_frame(pane: PreviewPane, offset: int) -> float:
    return (_brightness(pane) - 20 - offset) / 4


def _is_showing(pane: PreviewPane, show: Show) -> bool:
    return pane.player.show is show


def _load(pane: PreviewPane, row: FileRecord, qtbot: QtBot, *, sides: int = 2) -> None:
    pane.show_record(row)
    qtbot.waitUntil(
        lambda: sum(pane.player.frame(side) is not None for side in Side) >= sides, timeout=_LIMIT_MS
    )


def test_the_result_is_shown_first_paused_on_its_first_frame(
    pane: PreviewPane, pair: FileRecord, qtbot: QtBot
) -> None:
    _load(pane, pair, qtbot)
    assert pane.player.show is Show.AFTER
    assert not pane.player.is_playing
    assert _shown_frame(pane, 100) == pytest.approx(0, abs=1.5)


def test_before_and_after_keep_the_position_while_paused(
    pane: PreviewPane, pair: FileRecord, qtbot: QtBot
) -> None:
    _load(pane, pair, qtbot)
    pane.player.seek(1500)
    qtbot.waitUntil(lambda: abs(_shown_frame(pane, 100) - 15) <= 1.5, timeout=_LIMIT_MS)
    for show, offset in ((Show.BEFORE, 0), (Show.AFTER, 100), (Show.BEFORE, 0)):
        pane._buttons[show].click()
        with_show = partial(_is_showing, pane, show)
        qtbot.waitUntil(with_show, timeout=_LIMIT_MS)
        assert pane.player.position_ms == pytest.approx(1500, abs=100)
        assert _shown_frame(pane, offset) == pytest.approx(15, abs=1.5)
    assert not pane.player.is_playing


def test_a_seek_after_a_switch_concerns_what_is_shown(
    pane: PreviewPane, pair: FileRecord, qtbot: QtBot
) -> None:
    _load(pane, pair, qtbot)
    pane.player.set_show(Show.BEFORE)
    qtbot.waitUntil(lambda: pane.player.show is Show.BEFORE, timeout=_LIMIT_MS)
    pane.player.seek(2000)
    qtbot.waitUntil(lambda: abs(_shown_frame(pane, 0) - 20) <= 1.5, timeout=_LIMIT_MS)


def test_a_switch_while_playing_goes_on_playing(pane: PreviewPane, pair: FileRecord, qtbot: QtBot) -> None:
    _load(pane, pair, qtbot)
    pane.toggle()
    qtbot.waitUntil(lambda: pane.player.position_ms > 300, timeout=_LIMIT_MS)
    pane.player.set_show(Show.BEFORE)
    qtbot.waitUntil(lambda: pane.player.show is Show.BEFORE, timeout=_LIMIT_MS)
    reached = pane.player.position_ms
    assert reached >= 250
    qtbot.waitUntil(lambda: pane.player.position_ms > reached, timeout=_LIMIT_MS)
    assert pane.player.is_playing


def test_split_shows_source_left_and_result_right(pane: PreviewPane, pair: FileRecord, qtbot: QtBot) -> None:
    _load(pane, pair, qtbot)
    pane.player.seek(1000)
    pane.player.set_show(Show.SPLIT)
    qtbot.waitUntil(lambda: pane.player.show is Show.SPLIT, timeout=_LIMIT_MS)

    def sides() -> tuple[int, int]:
        image = pane.picture.grab().toImage()
        middle = image.height() // 2
        return (
            image.pixelColor(image.width() // 4, middle).red(),
            image.pixelColor(image.width() * 3 // 4, middle).red(),
        )

    qtbot.waitUntil(lambda: abs(sides()[1] - sides()[0] - 100) <= 8, timeout=_LIMIT_MS)
    assert (sides()[0] - 20) / 4 == pytest.approx(10, abs=1.5)


def test_at_the_end_the_last_picture_stays_and_play_starts_over(
    pane: PreviewPane, pair: FileRecord, qtbot: QtBot
) -> None:
    _load(pane, pair, qtbot)
    pane.player.seek(2600)
    pane.toggle()
    qtbot.waitUntil(lambda: pane.player.is_playing, timeout=_LIMIT_MS)
    qtbot.waitUntil(lambda: not pane.player.is_playing, timeout=_LIMIT_MS)
    assert _brightness(pane) > 200
    pane.toggle()
    qtbot.waitUntil(lambda: pane.player.is_playing and pane.player.position_ms < 2500, timeout=_LIMIT_MS)


def test_without_a_result_only_the_source_can_be_shown(
    pane: PreviewPane, pair: FileRecord, qtbot: QtBot
) -> None:
    _load(pane, replace(pair, enhancement=record(1).enhancement), qtbot, sides=1)
    assert pane.player.show is Show.BEFORE
    assert not pane._buttons[Show.AFTER].isEnabled()
    assert not pane._buttons[Show.SPLIT].isEnabled()
    assert pane._buttons[Show.AFTER].toolTip() == "Not yet enhanced"


def test_a_result_that_becomes_ready_leaves_the_source_where_it_is(
    pane: PreviewPane, pair: FileRecord, qtbot: QtBot
) -> None:
    _load(pane, replace(pair, enhancement=record(1).enhancement), qtbot, sides=1)
    pane.player.seek(1000)
    pane.show_record(pair)
    qtbot.waitUntil(lambda: pane.player.frame(Side.AFTER) is not None, timeout=_LIMIT_MS)
    assert pane.player.show is Show.BEFORE
    assert pane.player.position_ms == pytest.approx(1000, abs=60)
    assert pane._buttons[Show.AFTER].isEnabled()


def test_a_failed_enhancement_says_why_there_is_no_after(
    pane: PreviewPane, pair: FileRecord, qtbot: QtBot
) -> None:
    _load(pane, failed(replace(record(1), source_path=pair.source_path), "The disk is full."), qtbot, sides=1)
    assert "The disk is full." in pane._buttons[Show.AFTER].toolTip()


def test_a_source_that_is_gone_is_said_in_words(pane: PreviewPane, qtbot: QtBot, tmp_path: Path) -> None:
    pane.show_record(replace(record(1), source_path=str(tmp_path / "gone.mp4")))
    qtbot.waitUntil(lambda: "moved or renamed" in pane.picture.message, timeout=_LIMIT_MS)
    assert not pane._play.isEnabled()


def test_a_file_that_is_no_video_is_said_in_words(pane: PreviewPane, qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("not a video" * 100)
    pane.show_record(replace(record(1), source_path=str(path)))
    qtbot.waitUntil(lambda: "cannot be played" in pane.picture.message, timeout=_LIMIT_MS)


def test_nothing_selected_says_so(pane: PreviewPane) -> None:
    pane.show_record(None)
    assert "Select a video" in pane.picture.message


def test_walking_through_rows_opens_only_the_last(
    pane: PreviewPane, pair: FileRecord, qtbot: QtBot, tmp_path: Path
) -> None:
    opened: list[QUrl] = []
    pane.player._decks[Side.BEFORE].player.sourceChanged.connect(opened.append)
    for number in range(2, 20):
        pane.show_record(replace(record(number), source_path=str(tmp_path / f"{number}.mp4")))
    _load(pane, pair, qtbot)
    assert opened == [QUrl.fromLocalFile(pair.source_path)]


def test_mute_and_volume_reach_the_side_that_is_heard(
    pane: PreviewPane, pair: FileRecord, qtbot: QtBot
) -> None:
    _load(pane, pair, qtbot)
    decks = pane.player._decks
    assert not decks[Side.AFTER].sound.isMuted()
    assert decks[Side.BEFORE].sound.isMuted()
    pane._mute.click()
    assert decks[Side.AFTER].sound.isMuted()
    pane.set_volume(25)
    assert decks[Side.AFTER].sound.volume() == pytest.approx(0.25)
