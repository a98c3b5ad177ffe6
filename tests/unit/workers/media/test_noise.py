import numpy as np
import pytest
from numpy.typing import NDArray

from workers.media.noise import estimate_noise


def scene(shift: int = 0, size: int = 256) -> NDArray[np.float32]:
    """Soft shapes, moved sideways."""
    x = np.arange(size, dtype=np.float32)[None, :] + shift
    y = np.arange(size, dtype=np.float32)[:, None]
    picture: NDArray[np.float32] = (110 + 50 * np.sin(x / 23) + 30 * np.cos(y / 17 + x / 41)).astype(
        np.float32
    )
    return picture


def noisy(picture: NDArray[np.float32], sigma: float, seed: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.float32)


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0, 20.0])
@pytest.mark.parametrize("shift", [0, 3])
def test_white_noise_is_measured_also_in_motion(sigma: float, shift: int) -> None:
    found = estimate_noise(noisy(scene(), sigma, 1), noisy(scene(shift), sigma, 2))
    assert found is not None
    assert found.sigma == pytest.approx(sigma, rel=0.08)
    assert found.high_band_ratio > 0.9
    assert found.confidence > 0.8


def test_a_clean_picture_has_next_to_none() -> None:
    found = estimate_noise(scene(), scene(2))
    assert found is not None
    assert found.sigma < 0.6


def test_noise_without_fine_parts_is_told_from_white_noise() -> None:
    def blurred(seed: int) -> NDArray[np.float32]:
        noise = np.random.default_rng(seed).normal(0, 20, (258, 258))
        soft = sum(noise[y : y + 256, x : x + 256] for y in range(3) for x in range(3)) / 9
        return (scene() + soft).astype(np.float32)

    found = estimate_noise(blurred(1), blurred(2))
    assert found is not None
    assert found.high_band_ratio < 0.6


def test_a_repeated_picture_tells_nothing() -> None:
    assert estimate_noise(scene(), scene()) is None


def test_clipped_areas_do_not_hide_noise() -> None:
    first, second = noisy(scene(), 8, 1), noisy(scene(), 8, 2)
    first[:128] = second[:128] = 235
    second[0, 0] = 234
    found = estimate_noise(first, second)
    assert found is not None
    assert found.sigma == pytest.approx(8, rel=0.1)
