"""What the picture steps may not do: clip, repaint clean areas, or leave the noise that they were there for."""

import numpy as np
from numpy.typing import NDArray

from workers.media.gate import Gate, GateSample
from workers.media.noise_blocks import BLOCK_PX
from workers.protocol.plan import EnhancementPlan, OutputColour
from workers.protocol.report import GateResult
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import DenoiseStep, GrainStep, PlanStep, SharpenStep, StabiliseStep

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
    step: PlanStep | tuple[PlanStep, ...], before: tuple[Luma, Luma], after: tuple[Luma, Luma]
) -> GateResult:
    plan = EnhancementPlan(
        settings=EnhancementSettings(),
        steps=step if isinstance(step, tuple) else (step,),
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


def test_noise_removal_on_request_at_low_strength_may_leave_more() -> None:
    before, after = (noisy(6, 1), noisy(6, 2)), (noisy(5, 3), noisy(5, 4))
    gentle = DENOISE.model_copy(update={"effective_sigma": 1.5})
    assert judged(gentle, before, after).passed
    assert not judged(DENOISE, before, after).passed


def test_noise_that_sharpening_doubles_fails() -> None:
    before = noisy(3, 1), noisy(3, 2)
    assert judged(SHARPEN, before, (noisy(4, 1), noisy(4, 2))).passed
    result = judged(SHARPEN, before, (noisy(8, 1), noisy(8, 2)))
    assert not result.passed
    assert "rose" in result.detail


def test_grain_that_was_asked_for_is_no_noise_and_no_change_of_flat_areas() -> None:
    grain = GrainStep(sigma=3, reason="a test")
    before = noisy(6, 1), noisy(6, 2)
    renewed = noisy(3, 3), noisy(3, 4)
    assert judged((DENOISE, grain), before, renewed).passed
    clean = flat(120), flat(120)
    assert judged(grain, clean, renewed).passed
    assert not judged(SHARPEN, clean, renewed).passed


def test_clipped_areas_that_were_moved_are_not_newly_clipped() -> None:
    before = noisy(2, 1), noisy(2, 2)
    for picture in before:
        picture[8:16, 8:40] = 235
    moved = np.roll(before[0], 4, axis=0), np.roll(before[1], 4, axis=0)
    stabilise = StabiliseStep(zoom=1.02, reason="a test")
    assert judged(stabilise, before, moved).passed
    assert not judged(SHARPEN, before, moved).passed


def test_one_repainted_row_of_blocks_is_found_wherever_it_is() -> None:
    tall = np.full((16 * BLOCK_PX, 8 * BLOCK_PX), 100, np.uint8)
    for row in range(16):
        repainted = tall.copy()
        repainted[row * BLOCK_PX : (row + 1) * BLOCK_PX] = 112
        assert not judged(SHARPEN, (tall, tall), (repainted, tall)).passed


def test_noise_of_large_pictures_is_measured_in_their_middle() -> None:
    random = np.random.default_rng(1)
    before, after = (
        [np.clip(120 + random.normal(0, sigma, (1440, 2560)), 0, 255).astype(np.uint8) for _ in range(2)]
        for sigma in (6, 1)
    )
    result = judged(DENOISE, (before[0], before[1]), (after[0], after[1]))
    assert result.passed
    assert abs(result.sigma_before - 6) < 0.5
