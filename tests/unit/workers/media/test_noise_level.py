import numpy as np
import pytest
from numpy.typing import NDArray

from workers.media.analysis.noise_level import NoiseLevel, RunNoise, noise_level, noise_of
from workers.media.analysis.pictures import Detail, SamplePicture, SampleRun
from workers.media.noise import NoiseEstimate

SIZE = 256


def estimate(sigma: float, *, copying: float = 0.0, ratio: float = 0.5) -> NoiseEstimate:
    return NoiseEstimate(sigma, high_band_ratio=ratio, confidence=0.7, copying=copying)


def test_what_a_codec_copied_is_seen_several_pictures_further() -> None:
    run = RunNoise(near=(estimate(3, copying=1),), distant=(estimate(5), estimate(5)))
    assert noise_level([run]) == NoiseLevel(5, is_correlated=True, confidence=0.7)


def test_noise_that_is_new_in_every_picture_is_taken_from_neighbours() -> None:
    run = RunNoise(near=(estimate(3, copying=0),), distant=(estimate(5),))
    assert noise_level([run]).sigma == 3


def test_what_speaks_half_for_copying_counts_half() -> None:
    run = RunNoise(near=(estimate(3, copying=0.5),), distant=(estimate(5),))
    assert noise_level([run]).sigma == pytest.approx(4)


def test_distant_pictures_never_lower_the_estimate() -> None:
    run = RunNoise(near=(estimate(3, copying=1),), distant=(estimate(2),))
    assert noise_level([run]).sigma == 3


def test_the_noisiest_quarter_of_the_runs_counts() -> None:
    runs = [RunNoise((estimate(sigma),), ()) for sigma in (1, 2, 3, 4, 5)]
    assert noise_level(runs).sigma == pytest.approx(4)


def test_white_noise_is_not_taken_for_correlated() -> None:
    assert not noise_level([RunNoise((estimate(3, ratio=0.97),), ())]).is_correlated


def test_without_neighbours_that_differ_nothing_is_said() -> None:
    assert noise_level([RunNoise((), (estimate(5),))]) == NoiseLevel(0.0, is_correlated=False, confidence=0.0)
    assert noise_level([]).sigma == 0


def coarse(sigma: float, random: np.random.Generator) -> NDArray[np.float32]:
    noise = random.normal(0, sigma, (SIZE + 3, SIZE + 3))
    soft = sum(noise[y : y + SIZE, x : x + SIZE] for y in range(4) for x in range(4)) / 4
    return np.asarray(soft, np.float32)


def test_copied_noise_is_measured_whole() -> None:
    """Blocks take over part of the noise of the picture before, each as much of it as happens."""
    random = np.random.default_rng(3)
    scene = 110 + 40 * np.sin(np.arange(SIZE, dtype=np.float32) / 23)[None, :]
    noise, pictures = coarse(6, random), []
    for number in range(10):
        kept = np.kron(random.uniform(0.1, 0.9, (SIZE // 16, SIZE // 16)), np.ones((16, 16)))
        noise = (kept * noise + np.sqrt(1 - kept**2) * coarse(6, random)).astype(np.float32)
        picture = np.asarray(scene + noise, np.float32)
        small = np.zeros((16, 16), np.uint8)
        detail = Detail(picture, small, small, small, None, None) if number in {0, 1, 5, 9} else None
        pictures.append(SamplePicture(small, small, detail))
    found = noise_of(SampleRun(tuple(pictures)))
    near = noise_level([RunNoise(found.near, ())]).sigma
    assert near < 4.8
    assert noise_level([found]).sigma == pytest.approx(6, rel=0.15)
