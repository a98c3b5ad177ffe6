import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.media.audio_plan import is_browser_aac, plan_track
from workers.media.remux import decoding_times
from workers.media.subtitles import Cue, plain_text, without_overlaps
from workers.media.tags import kept_tags, need_free_keys
from workers.protocol.media import AudioStreamInfo, Tag


def sound(**changes: object) -> AudioStreamInfo:
    facts: dict[str, object] = {
        "index": 1,
        "codec": "aac",
        "profile": "LC",
        "sample_rate_hz": 48000,
        "channels": 2,
        "layout": "stereo",
        "sample_format": "fltp",
    }
    return AudioStreamInfo.model_validate(facts | changes)


def test_aac_lc_is_copied() -> None:
    assert plan_track(sound(), is_damaged=False).is_copied
    assert plan_track(sound(sample_rate_hz=8000, channels=1, layout="mono"), is_damaged=False).is_copied


@pytest.mark.parametrize(
    "changes",
    [{"codec": "mp3"}, {"profile": "HE-AAC"}, {"sample_rate_hz": 96000}, {"layout": "2.1", "channels": 3}],
)
def test_everything_else_is_encoded(changes: dict[str, object]) -> None:
    assert not is_browser_aac(sound(**changes))
    assert not plan_track(sound(**changes), is_damaged=False).is_copied


def test_damaged_sound_is_encoded_so_that_holes_can_be_filled() -> None:
    assert not plan_track(sound(), is_damaged=True).is_copied


@pytest.mark.parametrize(
    "layout, channels, becomes, mixed",
    [
        ("mono", 1, "mono", False),
        ("stereo", 2, "stereo", False),
        ("2.1", 3, "5.1", False),
        ("quad", 4, "5.0", False),
        ("5.1(side)", 6, "5.1", False),
        ("6.1", 7, "7.1", True),
        ("7.1", 8, "7.1", False),
        ("hexadecagonal", 16, "7.1", True),
        (None, 2, "stereo", False),
    ],
)
def test_layouts_become_ones_every_player_knows(
    layout: str | None, channels: int, becomes: str, mixed: bool
) -> None:
    plan = plan_track(sound(codec="flac", layout=layout, channels=channels), is_damaged=False)
    assert plan.layout == becomes
    if layout != "6.1":
        assert plan.is_mixed_down is mixed


def test_overrides_and_markup_are_taken_out_of_subtitles() -> None:
    assert plain_text(r"0,0,Default,,0,0,0,,{\i1}Hello{\i0}, <b>you</b>\Nthere") == "Hello, you\nthere"
    assert plain_text("0,0,Default,,0,0,0,,a < b, c > d") == "a < b, c > d"


def test_overlapping_cues_are_shown_together() -> None:
    cues = [Cue(0, 1000, "a"), Cue(500, 1500, "b"), Cue(2000, 3000, "c")]
    assert without_overlaps(cues) == [
        Cue(0, 500, "a"),
        Cue(500, 1000, "a\nb"),
        Cue(1000, 1500, "b"),
        Cue(2000, 3000, "c"),
    ]


def test_cues_without_overlap_stay_what_they_are() -> None:
    cues = [Cue(0, 1000, "a"), Cue(1000, 1500, "a"), Cue(1500, 1600, "b")]
    shown = without_overlaps(cues)
    assert [(cue.start_ms, cue.text) for cue in shown][-1] == (1500, "b")
    assert shown[0].start_ms == 0
    assert shown[-2].end_ms == 1500


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 100)), max_size=30))
def test_no_two_texts_are_ever_shown_at_once(spans: list[tuple[int, int]]) -> None:
    cues = [Cue(start, start + length, str(number)) for number, (start, length) in enumerate(spans)]
    flat = without_overlaps(cues)
    assert all(earlier.end_ms <= later.start_ms for earlier, later in itertools.pairwise(flat))
    for cue in cues:
        shown = sum(part.end_ms - part.start_ms for part in flat if cue.text in part.text.split("\n"))
        assert shown >= cue.end_ms - cue.start_ms


def test_facts_about_the_old_file_are_not_kept_as_tags() -> None:
    tags = tuple(
        Tag(key=key, value="x") for key in ("major_brand", "encoder", "TITLE", "com.apple.quicktime.make")
    )
    kept = kept_tags(tags)
    assert kept == {"title": "x", "com.apple.quicktime.make": "x"}
    assert need_free_keys(kept)
    assert not need_free_keys({"title": "x", "location": "+1-2/"})


def test_pictures_in_order_are_decoded_when_they_are_shown() -> None:
    assert decoding_times([0, 40, 80], 40) == [0, 40, 80]


@given(st.permutations(list(range(0, 400, 40))))
def test_decoding_times_ascend_and_none_is_late(pts: list[int]) -> None:
    times = decoding_times(pts, 40)
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert all(decoded <= shown for decoded, shown in zip(times, pts, strict=True))
