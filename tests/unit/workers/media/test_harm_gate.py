"""What the picture steps may not do: clip, repaint clean areas, or leave the noise that they were there for."""

import numpy as np
from numpy.typing import NDArray

from workers.media.gate import Gate, GateSample
from workers.protocol.plan import EnhancementPlan, OutputColour
from workers.protocol.report import GateResult
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import DenoiseStep, SharpenStep

type Luma = NDArray[np.uint8]

SHAPE = (96, 128)
SHARPEN = SharpenStep(amount=0.3, reason="a test")
DENOISE = DenoiseStep(
    sigma=6, effective_sigma=6, is_correlated=False, degrain_radius=2, radius=3, reason="a test"
)


def noisy(sigma: float, seed: int) -> Luma:
    noise = np.random.default_rng(seed).normal(0, sigma, SHAPE)
    return np.clip(np.rint(120 + noise), 0, 255).astype(np.uint8)


def flat(value: int) -> Luma:
    return np.full(SHAPE, value, np.uint8)


def judged(
    step: DenoiseStep | SharpenStep, before: tuple[Luma, Luma], after: tuple[Luma, Luma]
) -> GateResult:
    plan = EnhancementPlan(
        settings=EnhancementSettings(),
        steps=(step,),
        skipped=(),
        width_px=SHAPE[1],
        height_px=SHAPE[0],
        colour=OutputColour(primaries="bt709", transfer="bt709", matrix="bt709", is_assumed=True),
        remux=False,
        remux_reason="a test",
    )
    gate = Gate(plan)
    gate.add(GateSample(after, before, before[0]))
    return gate.result()


def test_noise_that_is_gone_passes() -> None:
    before = noisy(6, 1), noisy(6, 2)
    result = judged(DENOISE, before, (noisy(1, 3), noisy(1, 4)))
    assert result.passed
    assert result.sigma_before > 5
    assert result.sigma_after < 2


def test_noise_that_stays_fails() -> None:
    before = noisy(6, 1), noisy(6, 2)
    result = judged(DENOISE, before, before)
    assert not result.passed
    assert "noise" in result.detail


def test_clipping_fails() -> None:
    before = noisy(6, 1), noisy(6, 2)
    burnt = before[0].copy()
    burnt[:8, :8] = 235
    assert not judged(SHARPEN, before, (burnt, before[1])).passed


def test_what_was_clipped_before_is_not_held_against_it() -> None:
    before = noisy(6, 1), noisy(6, 2)
    for picture in before:
        picture[:8] = 235
    assert judged(SHARPEN, before, before).passed


def test_repainted_clean_areas_fail() -> None:
    clean = flat(100), flat(100)
    assert judged(SHARPEN, clean, clean).passed
    result = judged(SHARPEN, clean, (flat(104), flat(104)))
    assert not result.passed
    assert result.flat_psnr_db is not None
    assert result.flat_psnr_db < 42
