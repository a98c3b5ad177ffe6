"""As much noise is taken out as was measured, by the shape that it has."""

import pytest

from workers.media.decisions.denoise import decide_denoise
from workers.protocol.analysis import Analysis, ColourCast
from workers.protocol.settings import EnhancementSettings
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


def test_noise_that_a_codec_has_shaped_needs_nearly_twice_as_much() -> None:
    assert planned(measured(8.0, is_correlated=True)).effective_sigma == pytest.approx(1.8 * 8.0)


def test_clean_and_doubtful_pictures_are_left_alone() -> None:
    settings = EnhancementSettings()
    assert decide_denoise(measured(1.2), settings).step is None
    assert decide_denoise(measured(5.0, confidence=0.3), settings).step is None
    assert decide_denoise(measured(5.0), settings.model_copy(update={"denoise": False})).step is None
