import numpy as np
import pytest

from workers.media.filters.colour import chroma_curve, luma_curve
from workers.protocol.steps import ColourStep


def step(black: float = 0.0, white: float = 1.0, gamma: float = 1.0) -> ColourStep:
    return ColourStep(
        black=black,
        white=white,
        gamma=gamma,
        local_contrast=0,
        cb_shift=0,
        cr_shift=0,
        saturation=1,
        reason="",
    )


@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("is_full", [True, False])
def test_nothing_asked_for_changes_nothing(bits: int, is_full: bool) -> None:
    table = luma_curve(step(), bits, is_full_range=is_full)
    assert np.array_equal(table, np.arange(1 << bits))


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize(
    "black, white, gamma", [(0.08, 0.8, 0.88), (0.08, 1, 1), (0, 0.8, 1), (0.02, 0.95, 0.9)]
)
def test_curves_are_monotone_and_cut_nothing(bits: int, black: float, white: float, gamma: float) -> None:
    table = luma_curve(step(black, white, gamma), bits, is_full_range=False)
    unit = 1 << (bits - 8)
    assert (np.diff(table) >= 0).all()
    inside = table[16 * unit + 1 : 235 * unit]
    assert inside.min() > 16 * unit
    assert inside.max() < 235 * unit
    outside = np.r_[0 : 16 * unit + 1, 235 * unit : 1 << bits]
    assert np.array_equal(table[outside], outside)


def test_the_middle_is_stretched() -> None:
    table = luma_curve(step(0.08, 0.8), 8, is_full_range=False)
    assert table[150] - table[70] > 80 * 1.3


def test_gamma_below_one_lifts_dark_parts() -> None:
    table = luma_curve(step(gamma=0.88), 8, is_full_range=False)
    assert table[50] > 50
    assert table[16] == 16
    assert table[235] == 235


def test_chroma_moves_its_neutral_axis() -> None:
    table = chroma_curve(2.0, 10)
    assert table[512 - 8] == 512
    assert table[512] == 512 + 8
    assert table.min() == 8
    assert table.max() == 1023
