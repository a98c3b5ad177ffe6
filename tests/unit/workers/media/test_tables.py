import hashlib

import numpy as np
import pytest

from workers.media.tables import FrameTables, TablesError, from_bytes, tables_of


def sample(frames: int = 12) -> FrameTables:
    rng = np.random.default_rng(5)
    return tables_of(
        frames,
        np.array([4, 9], np.int32),
        mean_luma=rng.random(frames),
        gain=np.linspace(0.9, 1.1, frames),
        correction=rng.normal(size=(frames, 4)),
        zoom=np.full(frames, 1.04),
        film_top=np.arange(3),
        film_bottom=np.arange(3) + 1,
        film_shown_with=np.arange(3),
        film_is_combed=np.array([0, 1, 0]),
    )


def test_what_is_written_is_read_again() -> None:
    again = from_bytes(sample().to_bytes())
    assert again.to_bytes() == sample().to_bytes()
    assert again.sha256 == hashlib.sha256(sample().to_bytes()).hexdigest()


def test_the_same_tables_give_the_same_bytes() -> None:
    assert sample().to_bytes() == sample().to_bytes()


@pytest.mark.parametrize("cut", [0, 5, 15, 60, 400, -1])
def test_a_damaged_file_is_refused(cut: int) -> None:
    with pytest.raises(TablesError):
        from_bytes(sample().to_bytes()[:cut])


def test_something_behind_the_end_is_refused() -> None:
    with pytest.raises(TablesError, match="behind"):
        from_bytes(sample().to_bytes() + b"x")


@pytest.mark.parametrize(
    "columns",
    [
        {"gain": np.ones(3)},
        {"correction": np.zeros((12, 4))},
        {"gain": np.full(12, np.nan)},
        {"film_top": np.arange(3)},
        {"nonsense": np.ones(12)},
    ],
)
def test_tables_that_do_not_fit_together_are_refused(columns: dict[str, np.ndarray]) -> None:
    with pytest.raises(TablesError):
        tables_of(12, np.array([4], np.int32), **columns)


@pytest.mark.parametrize("cuts", [[0], [12], [5, 5], [7, 3], [-1]])
def test_cuts_are_inside_and_ascend(cuts: list[int]) -> None:
    with pytest.raises(TablesError):
        tables_of(12, np.array(cuts, np.int32))


def test_between_two_pictures_of_a_scene_the_middle_counts_and_never_across_a_cut() -> None:
    tables = tables_of(4, np.array([2], np.int32), gain=np.array([1.0, 1.2, 2.0, 3.0]))
    assert float(tables.at(tables.gain, 0.5)) == pytest.approx(1.1)
    assert float(tables.at(tables.gain, 1.5)) == pytest.approx(1.2)
    assert float(tables.at(tables.gain, 2.5)) == pytest.approx(2.5)
    assert float(tables.at(tables.gain, -3)) == 1.0
    assert float(tables.at(tables.gain, 99)) == 3.0


def test_tables_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        sample().gain[0] = 2
