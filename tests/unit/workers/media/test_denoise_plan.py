"""As much noise is taken out as was measured, by the shape that it has."""

import pytest

from workers.media.decisions.denoise import decide_denoise, least_sigma
from workers.protocol.analysis import Analysis, ColourCast
from workers.protocol.settings import ChainSpeed, EnhancementSettings, GrainChoice
from workers.protocol.steps import DenoiseStep


def measured(sigma: float, *, is_correlated: bool = False, confidence: float = 1.0) -> Analysis:
    return Analysis(
        sampled_frames=20,
        noise_sigma=sigma,
        noise_is_correlated=is_correlated,
        noise_confidence=confidence,
        black_level=0,
        white_level=1,
        mean_level=0.5,
        contrast_spread=0.8,
        cast=ColourCast(cb=0, cr=0, confidence=0),
        sharpness=100,
    )


def planned(analysis: Analysis, strength: float = 1.0) -> DenoiseStep:
    step = decide_denoise(analysis, EnhancementSettings(strength=strength)).step
    assert isinstance(step, DenoiseStep)
    return step


@pytest.mark.parametrize("sigma", [3.0, 8.0, 25.0])
def test_white_noise_is_met_with_its_own_strength(sigma: float) -> None:
    assert planned(measured(sigma)).effective_sigma == pytest.approx(sigma)
    assert planned(measured(sigma), 0.5).effective_sigma == pytest.approx(sigma / 2)


def test_noise_that_a_codec_has_shaped_needs_more_than_was_measured() -> None:
    assert planned(measured(8.0, is_correlated=True)).effective_sigma == pytest.approx(1.4 * 8.0)


def test_clean_and_doubtful_pictures_are_left_alone() -> None:
    settings = EnhancementSettings()
    assert decide_denoise(measured(1.2), settings).step is None
    assert decide_denoise(measured(5.0, confidence=0.3), settings).step is None
    assert decide_denoise(measured(5.0), settings.model_copy(update={"denoise": False})).step is None


def test_doubt_asks_for_more_noise_and_for_less_more_where_a_codec_shaped_it() -> None:
    settings = EnhancementSettings()
    for sigma, confidence in ((2.2, 0.25), (4.0, 0.45)):
        assert decide_denoise(measured(sigma, confidence=confidence), settings).step is None
    coded = decide_denoise(measured(4.0, is_correlated=True, confidence=0.45), settings).step
    assert isinstance(coded, DenoiseStep)


@pytest.mark.parametrize("is_correlated", [False, True])
def test_noise_is_never_removed_because_the_estimate_is_less_sure(is_correlated: bool) -> None:
    least = [
        least_sigma(measured(3.0, is_correlated=is_correlated, confidence=confidence / 10))
        for confidence in range(11)
    ]
    assert least == sorted(least, reverse=True)
    assert least[-1] == pytest.approx(1.5)


def test_grain_that_is_to_stay_keeps_the_noise() -> None:
    decision = decide_denoise(measured(8.0), EnhancementSettings(grain=GrainChoice.KEEP))
    assert decision.step is None
    assert "grain" in decision.reason
    assert decide_denoise(measured(8.0), EnhancementSettings(grain=GrainChoice.RENEW)).step is not None


def test_speeds_differ_in_how_many_pictures_they_need() -> None:
    steps = [
        decide_denoise(measured(8.0), EnhancementSettings(speed=speed)).step
        for speed in (ChainSpeed.FAST, ChainSpeed.BALANCED, ChainSpeed.BEST)
    ]
    radii = []
    for step in steps:
        assert isinstance(step, DenoiseStep)
        assert step.radius == step.degrain_radius + 1
        radii.append(step.radius)
    assert radii[0] < radii[1] <= radii[2]
