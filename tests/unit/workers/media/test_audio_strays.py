from fractions import Fraction

import pytest

from workers.media.audio import without_strays


@pytest.mark.parametrize(
    "moments, believed",
    [
        ([0, 1, 2], [0, 1, 2]),
        ([0, 90_000, 2, 3], [0, None, 2, 3]),
        ([0, 1, 40_000], [0, 1, None]),
        ([0, 90_000, 90_001, 90_002, 3, 4], [0, None, None, None, 3, 4]),
        ([90_000, 1, 2], [None, 1, 2]),
        ([0, 1, *range(600, 700)], [0, 1, *range(600, 700)]),  # a real gap stays one
        ([0, 1, 30, 31], [0, 1, 30, 31]),
        ([5, 4, 6], [None, 4, 6]),
        ([0, None, 2], [0, None, 2]),
        ([], []),
    ],
)
def test_a_moment_that_its_successor_contradicts_is_not_believed(
    moments: list[int | None], believed: list[int | None]
) -> None:
    sound = [(number, None if at is None else Fraction(at)) for number, at in enumerate(moments)]
    found = list(without_strays(sound))
    assert [number for number, _ in found] == list(range(len(moments)))
    assert [at for _, at in found] == believed
