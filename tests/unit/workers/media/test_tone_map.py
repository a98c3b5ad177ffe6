import numpy as np
import pytest

from workers.media.tone_map import (
    Pixels,
    hlg_to_nits,
    linear_to_srgb,
    nits_to_display,
    pq_to_nits,
    srgb_to_linear,
)


def grey(value: float) -> Pixels:
    return np.full((1, 3), value, dtype=np.float32)


@pytest.mark.parametrize(
    "signal, nits", [(0.0, 0.0), (0.508, 100.0), (0.5806, 203.0), (0.7518, 1000.0), (1.0, 10000.0)]
)
def test_pq_meets_the_values_of_bt_2408(signal: float, nits: float) -> None:
    assert pq_to_nits(grey(signal))[0] == pytest.approx([nits] * 3, rel=0.01, abs=1e-3)


@pytest.mark.parametrize("signal, nits", [(0.0, 0.0), (0.75, 203.0), (1.0, 1000.0)])
def test_hlg_meets_the_values_of_bt_2408(signal: float, nits: float) -> None:
    assert hlg_to_nits(grey(signal))[0] == pytest.approx([nits] * 3, rel=0.01, abs=1e-2)


def test_tone_mapping_keeps_order_neutrality_and_range() -> None:
    levels = np.array([[n] * 3 for n in (0, 1, 10, 100, 203, 1000, 4000)], dtype=np.float32)
    shown = nits_to_display(levels)
    assert shown[:, 0] == pytest.approx(np.sort(shown[:, 0]))
    assert shown.max() <= 1
    assert np.ptp(shown, axis=1).max() < 0.01
    assert shown[-2, 0] > 0.98


def test_srgb_there_and_back() -> None:
    signal = np.linspace(0, 1, 30, dtype=np.float32).reshape(10, 3)
    assert linear_to_srgb(srgb_to_linear(signal)) == pytest.approx(signal, abs=1e-4)
