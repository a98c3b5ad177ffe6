from fractions import Fraction

import pytest

from workers.media.audio import without_strays


@pytest.mark.parametrize(
    "moments, believed",
    [
        ([0, 1, 2], [0, 1, 2]),
        ([0, 90_000, 2, 3], [0, None, 2, 3]),
        ([0, 1, 40_000], [0, 1, None]),
        ([0, 1, 600, 601], [0, 1, 600, 601]),  # a real gap stays one
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
