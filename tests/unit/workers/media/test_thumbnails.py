from fractions import Fraction

import numpy as np
import pytest

from workers.media.display import Picture
from workers.media.thumbnails import choose_poster, draw_contact_sheet, format_time, is_telling


def grey(value: int, height: int = 45, width: int = 80) -> Picture:
    return np.full((height, width, 3), value, dtype=np.uint8)


def detailed(seed: int = 1, height: int = 45, width: int = 80) -> Picture:
    return np.random.default_rng(seed).integers(20, 220, (height, width, 3), dtype=np.uint8)


def test_black_and_flat_pictures_tell_nothing() -> None:
    assert not is_telling(grey(0))
    assert not is_telling(grey(180))
    assert is_telling(detailed())


def test_the_poster_is_the_detailed_picture_and_the_earlier_of_equals() -> None:
    assert choose_poster([grey(0), grey(128), detailed(), grey(255), detailed()]) == 2
    with pytest.raises(ValueError, match="at least one picture"):
        choose_poster([])


@pytest.mark.parametrize("count, columns, rows", [(1, 1, 1), (3, 3, 1), (4, 4, 1), (5, 4, 2), (24, 4, 6)])
def test_the_sheet_holds_every_picture_in_order(count: int, columns: int, rows: int) -> None:
    pictures = [grey(40 + 8 * number) for number in range(count)]
    times = [Fraction(number, 3) for number in range(count)]
    sheet, described = draw_contact_sheet(pictures, times, "sheet.jpg")
    assert (described.columns, described.rows, described.times_s) == (columns, rows, tuple(times))
    assert sheet.shape == (rows * 45, columns * 80, 3)
    for number in range(count):
        row, column = divmod(number, columns)
        # Above the time stamp the cell is the picture itself.
        assert (sheet[row * 45 : row * 45 + 20, column * 80 : (column + 1) * 80] == 40 + 8 * number).all()
        assert sheet[row * 45 + 20 : (row + 1) * 45, column * 80 : (column + 1) * 80].max() > 250


def test_a_picture_of_another_size_is_fitted_into_its_cell() -> None:
    sheet, described = draw_contact_sheet([grey(90), grey(200, 90, 30)], [Fraction(0), Fraction(1)], "s.jpg")
    assert (described.cell_width_px, described.cell_height_px) == (80, 45)
    assert (sheet[:20, 80:] == 200).all()


@pytest.mark.parametrize(
    "time_s, text",
    [
        (Fraction(0), "0:00.0"),
        (Fraction(1, 3), "0:00.3"),
        (Fraction(599999, 10000), "0:59.9"),
        (Fraction(754), "12:34.0"),
        (Fraction(3725), "1:02:05"),
    ],
)
def test_time_stamps(time_s: Fraction, text: str) -> None:
    assert format_time(time_s) == text
