from fractions import Fraction

import pytest

from workers.media.scan_warnings import is_cut_short


@pytest.mark.parametrize(
    "claimed, reached, cut",
    [(13, 8, True), (100, 99, False), (100, 96, False), (100, 90, True), (2, Fraction(3, 2), False)],
)
def test_a_file_is_cut_short_when_a_real_part_is_missing(
    claimed: Fraction, reached: Fraction, cut: bool
) -> None:
    assert is_cut_short(Fraction(claimed), Fraction(reached)) is cut
