import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidproc_desktop.domain.candidates import is_worth_entering, is_worth_probing
from vidproc_desktop.domain.names import (
    MAX_NAME_BYTES,
    RESULT_SUFFIXES,
    displayable,
    fold,
    folded_stem_of_result,
    shorten,
    stem_of,
    unique_stem,
)


@pytest.mark.parametrize(
    "name, stem",
    [
        ("clip.mov", "clip"),
        ("two.dots.mp4", "two.dots"),
        ("no suffix", "no suffix"),
        (".mp4", ".mp4"),
        ("été à la plage.mkv", "été à la plage"),
        ("日本.mp4", "日本"),
        ('a:b*c?"d<e>f|g.mp4', "a_b_c__d_e_f_g"),
        ("NUL.mp4", "_NUL"),
        ("trailing. .mp4", "trailing"),
        ("line\nbreak.mp4", "line_break"),
    ],
)
def test_stems(name: str, stem: str) -> None:
    assert stem_of(name) == stem


@given(st.text(min_size=1, max_size=400).filter(lambda text: "/" not in text and "\0" not in text))
def test_every_name_gives_a_stem_that_fits_with_every_suffix(name: str) -> None:
    stem = unique_stem(
        name.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"), lambda _: False
    )
    assert stem
    assert not set(stem) & set('/\\\0:*?"<>|')
    for suffix in RESULT_SUFFIXES:
        assert len((stem + suffix).encode()) <= MAX_NAME_BYTES


@given(st.integers(1, 30), st.text("aé日👩🏽", min_size=1, max_size=300))
def test_names_are_made_unique_within_the_limit(count: int, name: str) -> None:
    taken: set[str] = set()
    for _ in range(count):
        stem = unique_stem(f"{name}.mp4", taken.__contains__)
        assert fold(stem) not in taken
        assert len(stem.encode()) <= MAX_NAME_BYTES - max(map(len, RESULT_SUFFIXES))
        taken.add(fold(stem))


def test_a_taken_name_is_counted_up() -> None:
    assert unique_stem("Clip.MOV", {fold("clip"), fold("clip (2)")}.__contains__) == "Clip (3)"


def test_case_and_normal_form_make_no_difference() -> None:
    assert fold("É") == fold(unicodedata.normalize("NFD", "é"))


def test_shortening_never_tears_an_accent_off() -> None:
    text = "a" * 9 + "e\u0301"
    assert shorten(text, 11) == "a" * 9
    assert shorten(text, 12) == text


def test_bytes_that_are_no_text_can_be_shown() -> None:
    assert displayable("a\udcffb") == "a\ufffdb"


@pytest.mark.parametrize(
    "name, stem",
    [("Clip.MP4", "clip"), ("clip.report.json", "clip"), ("clip.metadata.json", "clip"), ("clip.txt", None)],
)
def test_results_are_recognised(name: str, stem: str | None) -> None:
    assert folded_stem_of_result(name) == stem


@pytest.mark.parametrize("name", ["a.mp4", "a.MKV", "noextension", "a.xyz", "a.ts", "a.264"])
def test_worth_a_look(name: str) -> None:
    assert is_worth_probing(name)


@pytest.mark.parametrize("name", [".hidden.mp4", "a.txt", "A.JPG", "a.srt", "a.mp3", "backup.mp4~"])
def test_not_worth_a_look(name: str) -> None:
    assert not is_worth_probing(name)


def test_hidden_folders_are_not_entered() -> None:
    assert not is_worth_entering(".vidproc")
    assert is_worth_entering("holiday")
