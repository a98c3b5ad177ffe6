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
    assert found.copying < 0.1


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


def test_a_shift_by_part_of_a_pixel_is_not_noise() -> None:
    x = np.arange(256, dtype=np.float32)
    wave = 120 + 40 * np.sin(x[None, :] / 1.6) * np.cos(x[:, None] / 1.9)
    moved = 120 + 40 * np.sin((x[None, :] + 0.15) / 1.6) * np.cos((x[:, None] + 0.1) / 1.9)
    found = estimate_noise(noisy(wave, 4, 1), noisy(moved, 4, 2))
    assert found is not None
    assert found.sigma == pytest.approx(4, rel=0.1)


def test_a_fade_is_not_noise() -> None:
    first = scene()
    found = estimate_noise(noisy(first, 3, 1), noisy(16 + (first - 16) * 0.9, 3, 2))
    assert found is not None
    assert found.sigma == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize("bar", [16, 20, 40])
@pytest.mark.parametrize("turned", [False, True])
def test_bars_beside_the_picture_do_not_hide_its_noise(bar: int, turned: bool) -> None:
    def barred(seed: int) -> NDArray[np.float32]:
        picture = noisy(scene(), 8, seed)
        picture[:48] = bar
        picture[-48:] = bar
        picture[3, 5 + seed] += 1  # a codec leaves something everywhere
        picture[-3, 5 + seed] += 1
        return np.ascontiguousarray(picture.T) if turned else picture

    found = estimate_noise(barred(1), barred(2))
    assert found is not None
    assert found.sigma == pytest.approx(8, rel=0.1)


def test_noise_in_the_dark_is_measured_though_black_clips_it() -> None:
    def night(seed: int) -> NDArray[np.float32]:
        return np.maximum(noisy(np.full((256, 256), 24, np.float32), 8, seed), 16)

    found = estimate_noise(night(1), night(2))
    assert found is not None
    assert found.sigma == pytest.approx(8, rel=0.15)


def test_whole_code_values_and_fractions_tell_the_same() -> None:
    first, second = noisy(scene(), 6, 1), noisy(scene(3), 6, 2)
    exact = estimate_noise(first, second)
    whole = estimate_noise(first.astype(np.uint8), second.astype(np.uint8))
    assert exact == whole


@pytest.mark.parametrize("size", [(16, 16), (31, 400), (32, 32)])
def test_a_picture_of_few_blocks_tells_nothing(size: tuple[int, int]) -> None:
    first, second = (noisy(np.full(size, 100, np.float32), 5, seed) for seed in (1, 2))
    assert estimate_noise(first, second) is None


def test_a_picture_whose_size_is_no_whole_number_of_blocks_is_measured() -> None:
    first, second = (noisy(scene(shift, 250), 6, shift)[:243] for shift in (0, 3))
    found = estimate_noise(first.astype(np.uint8), second.astype(np.uint8))
    assert found is not None
    assert found.sigma == pytest.approx(6, rel=0.1)


def test_what_lies_on_edges_is_not_noise() -> None:
    random = np.random.default_rng(5)
    shapes = np.kron(random.uniform(60, 180, (64, 64)), np.ones((4, 4))).astype(np.float32)
    turned = shapes + 0.25 * (np.roll(shapes, 1, 0) - shapes) * np.sign(np.roll(shapes, 1, 1) - shapes)
    found = estimate_noise(noisy(shapes, 3, 1), noisy(turned, 3, 2))
    assert found is not None
    assert found.sigma == pytest.approx(3, rel=0.15)


def soft_noise(sigma: float, seed: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(0, sigma, (259, 259))
    soft = sum(noise[y : y + 256, x : x + 256] for y in range(4) for x in range(4)) / 4
    return np.asarray(soft, np.float32)


def test_blocks_that_a_codec_copied_in_part_do_not_hide_coarse_noise() -> None:
    first, second = scene() + soft_noise(6, 1), scene() + soft_noise(6, 2)
    for row in range(0, 256, 64):
        second[row : row + 16] = 0.4 * first[row : row + 16] + 0.6 * second[row : row + 16]
    found = estimate_noise(first, second)
    assert found is not None
    assert found.sigma == pytest.approx(6, rel=0.2)


def test_coarse_noise_in_some_blocks_more_than_in_others_speaks_for_a_codec_that_copies() -> None:
    first, second = scene() + soft_noise(6, 1), scene() + soft_noise(6, 2)
    fresh = estimate_noise(first, second)
    for number in range(16):
        rows = slice(16 * number, 16 * number + 16)
        second[rows] += 0.05 * number * (first[rows] - second[rows])
    copied = estimate_noise(first, second)
    assert fresh is not None
    assert copied is not None
    assert fresh.copying < 0.3
    assert copied.copying > 0.7


def test_bars_and_a_large_picture_leave_enough_blocks_of_every_row_and_column() -> None:
    def barred(seed: int) -> NDArray[np.float32]:
        picture = noisy(np.tile(scene(), (4, 6)), 5, seed)
        picture[:, :160] = picture[:, -160:] = 16
        return picture

    found = estimate_noise(barred(1), barred(2))
    assert found is not None
    assert found.sigma == pytest.approx(5, rel=0.05)
    assert found.confidence > 0.8


def test_coarse_traces_in_some_blocks_are_no_noise_of_the_picture() -> None:
    first, second = scene() + soft_noise(0.3, 3), scene() + soft_noise(0.3, 4)
    where = np.kron(np.random.default_rng(1).random((16, 16)) < 0.35, np.ones((16, 16))) > 0
    second[where] += soft_noise(5, 5)[where]
    found = estimate_noise(first, second)
    assert found is not None
    assert found.sigma < 1


def test_an_even_ramp_is_measured_with_all_its_pixels() -> None:
    ramp = np.tile(np.linspace(40, 220, 256, dtype=np.float32), (256, 1))
    found = estimate_noise(noisy(ramp, 1.5, 1), noisy(ramp, 1.5, 2))
    assert found is not None
    assert found.sigma == pytest.approx(1.5, rel=0.12)
