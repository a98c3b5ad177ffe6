"""Stems that fit, and counted-up names."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.runtime.names import LONGEST_SUFFIX_BYTES, MAX_CANDIDATES, candidate_stems, fit_stem


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400), st.integers(60, 255))
def test_a_fitted_stem_is_a_beginning_within_the_limit(stem: str, limit: int) -> None:
    try:
        fitted = fit_stem(stem, limit)
    except ValueError:
        return
    assert stem.startswith(fitted)
    assert len(fitted.encode()) <= limit


def test_a_stem_is_cut_between_characters() -> None:
    assert fit_stem("ééé", 5) == "éé"
    assert fit_stem("ae\u0301", 3) == "a"
    assert fit_stem("x👩\u200d👧", 8) == "x"
    assert fit_stem("short", 255) == "short"


def test_no_room_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="fits"):
        fit_stem("🎬", 3)


def test_names_are_counted_up_and_leave_room_for_every_suffix() -> None:
    assert list(islice(candidate_stems("clip"), 3)) == ["clip", "clip (2)", "clip (3)"]
    stems = list(candidate_stems("x" * 300))
    assert len(stems) == len(set(stems)) == MAX_CANDIDATES
    assert max(len(stem) for stem in stems) == 255 - LONGEST_SUFFIX_BYTES
