import numpy as np
import pytest
from numpy.typing import NDArray

from workers.media.exposure import ExposureMeter, tone_curve

NO_CUTS = np.zeros(0, np.int32)
RNG = np.random.default_rng(11)
WORLD = 60 + 90 * RNG.random((9, 16)).repeat(10, 0).repeat(10, 1)


def measured(light: NDArray[np.float64], cuts: NDArray[np.int32] = NO_CUTS) -> NDArray[np.float32]:
    meter = ExposureMeter(16, 235)
    for gain in light:
        meter.add(np.clip(np.rint(16 + (WORLD - 16) * gain), 0, 255).astype(np.uint8))
    return meter.gains(cuts, 25)


def test_steady_light_is_left_alone() -> None:
    assert (measured(np.ones(60)) == 1).all()


@pytest.mark.parametrize("deviation", [0.02, 0.05, 0.1])
def test_flicker_is_taken_out(deviation: float) -> None:
    light = np.exp(np.random.default_rng(2).normal(0, deviation, 100))
    steady = light * measured(light)
    assert np.abs(np.diff(np.log(steady))).mean() < 0.2 * np.abs(np.diff(np.log(light))).mean()


@pytest.mark.parametrize(
    "light",
    [
        np.linspace(1, 0.1, 60),
        np.where(np.arange(60) < 30, 1.0, 0.6),
        np.where(np.arange(60) == 30, 1.4, 1.0),
        1 + 0.2 * np.sin(np.arange(120) * 2 * np.pi / 50),
        np.exp(np.random.default_rng(2).normal(0, 0.002, 60)),
    ],
    ids=["fade", "switch", "flash", "slow wave", "too little to see"],
)
def test_light_that_changes_for_good_reason_stays(light: NDArray[np.float64]) -> None:
    assert (measured(light) == 1).all()


def test_every_scene_is_judged_by_itself() -> None:
    flicker = np.exp(np.random.default_rng(2).normal(0, 0.06, 40))
    light = np.concatenate([np.ones(40), flicker * 0.6])
    gains = measured(light, np.array([40], np.int32))
    assert (gains[:40] == 1).all()
    assert (gains[40:] != 1).mean() > 0.9
    assert np.abs(np.diff(light[40:] * gains[40:])).mean() < 0.3 * np.abs(np.diff(light[40:])).mean()


def test_short_and_empty_films() -> None:
    assert len(measured(np.ones(0))) == 0
    assert (measured(np.array([1.0, 0.5, 1.0])) == 1).all()


@pytest.mark.parametrize("gain", [0.5, 0.67, 0.8, 0.97, 1.0, 1.03, 1.2, 1.5, 3.0])
def test_the_curve_rises_and_keeps_black_and_white(gain: float) -> None:
    level = np.linspace(0, 1, 4001)
    curve = tone_curve(level, gain)
    assert (np.diff(curve) > 0).all()
    assert curve[0] == 0
    assert curve[-1] == pytest.approx(1)
    assert curve[800] == pytest.approx(0.2 * min(max(gain, 0.67), 1.5))
