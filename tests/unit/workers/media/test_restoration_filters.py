"""Deblock, deband, dehalo and sharpen: each gains on what it is for, in every format, within its radius."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fixtures.filter_clips import FORMATS, clip_of, lumas_of, planes_of
from workers.media.filters.clip import Clip
from workers.media.filters.deband import deband
from workers.media.filters.deblock import deblock
from workers.media.filters.dehalo import dehalo
from workers.media.filters.sharpen import sharpen
from workers.protocol.steps import DebandStep, DeblockStep, DehaloStep, SharpenStep

type Picture = NDArray[Any]
"""Luma in 8-bit code values, float32."""
type Filter = Callable[[Clip], Clip]

WIDTH, HEIGHT = 192, 128

FILTERS: dict[str, Filter] = {
    "deblock": lambda clip: deblock(clip, DeblockStep(amount=5, reason="a test")),
    "deband": lambda clip: deband(clip, DebandStep(threshold=2.5, reason="a test")),
    "dehalo": lambda clip: dehalo(clip, DehaloStep(amount=0.4, reason="a test")),
    "sharpen": lambda clip: sharpen(clip, SharpenStep(amount=0.4, reason="a test")),
}


def scene(seed: int = 1) -> Picture:
    """Rectangles and texture."""
    random = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH), 100, np.float32)
    for _ in range(20):
        x, y = int(random.integers(0, WIDTH - 12)), int(random.integers(0, HEIGHT - 12))
        w, h = (int(size) for size in random.integers(16, 60, 2))
        picture[y : y + h, x : x + w] = random.uniform(60, 190)
    picture += cv2.GaussianBlur(random.normal(0, 20, picture.shape).astype(np.float32), (0, 0), 2)
    smooth: Picture = cv2.GaussianBlur(picture, (0, 0), 0.8)
    return smooth


def sky() -> Picture:
    across = np.linspace(60, 76, WIDTH)[None, :] + np.linspace(0, 6, HEIGHT)[:, None]
    return across.astype(np.float32)


def rounded(picture: Picture) -> Picture:
    return np.rint(picture).astype(np.float32)


def error(found: NDArray[Any], truth: NDArray[Any]) -> float:
    return float(np.mean((np.asarray(found, np.float64) - truth) ** 2))


def gain_db(apply: Filter, damaged: Picture, truth: Picture) -> float:
    """Of the middle one of three alike pictures."""
    found = lumas_of(apply(clip_of([damaged] * 3)))[1]
    return float(10 * np.log10(error(damaged, truth) / error(found, truth)))


def test_blocks_of_motion_jpeg_are_smoothed() -> None:
    truth = scene()
    _, stored = cv2.imencode(".jpg", rounded(truth).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 25])
    decoded = cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    assert gain_db(FILTERS["deblock"], decoded.astype(np.float32), truth) > 0.3


def test_deblocking_makes_nothing_black_or_white_that_was_not() -> None:
    steep = np.where(scene() > 110, 234, 17).astype(np.float32)
    found = lumas_of(deblock(clip_of([steep] * 3), DeblockStep(amount=6.5, reason="a test")))[1]
    assert found.min() > 16
    assert found.max() < 235


def test_bands_are_spread_and_texture_beside_them_is_not_touched() -> None:
    truth = sky()
    truth[80:] = scene()[80:]
    banded = rounded(truth)
    banded[:80] = np.floor(truth[:80] / 3) * 3 + 1
    found = lumas_of(FILTERS["deband"](clip_of([banded])))[0]
    far = slice(20, 60)
    assert error(found[far], truth[far]) < 0.5 * error(banded[far], truth[far])
    smooth = cv2.GaussianBlur(found[far], (0, 0), 2)
    assert error(smooth, truth[far]) < 0.5 * error(cv2.GaussianBlur(banded[far], (0, 0), 2), truth[far])
    assert np.array_equal(found[84:], banded[84:])


def test_the_dither_of_a_still_picture_stands_still() -> None:
    banded = (np.floor(sky() / 3) * 3).astype(np.float32)
    first, second = lumas_of(FILTERS["deband"](clip_of([banded, banded])))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, banded)


def test_halos_are_taken_back() -> None:
    truth = scene()
    sharpened = rounded(truth + 0.8 * (truth - cv2.GaussianBlur(truth, (0, 0), 2)))
    assert gain_db(FILTERS["dehalo"], sharpened, truth) > 3


def test_flat_and_faintly_textured_parts_have_no_halos_to_lose() -> None:
    faint = rounded(sky() + np.random.default_rng(1).normal(0, 2, (HEIGHT, WIDTH)).astype(np.float32))
    assert np.array_equal(lumas_of(FILTERS["dehalo"](clip_of([faint])))[0], faint)


def test_a_soft_picture_is_brought_nearer_to_what_it_was() -> None:
    truth = scene()
    assert gain_db(FILTERS["sharpen"], rounded(cv2.GaussianBlur(truth, (0, 0), 1.5)), truth) > 0.1


@pytest.mark.parametrize("is_full_range", [False, True])
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS.keys())
@pytest.mark.parametrize("name", FILTERS)
def test_format_size_and_level_are_kept(name: str, form: int, *, is_full_range: bool) -> None:
    clip = clip_of([scene(), scene(2)], form, is_full_range=is_full_range)
    made = FILTERS[name](clip)
    assert made.node.format.id == clip.node.format.id
    assert made.is_full_range is is_full_range
    unit = 1 << (clip.bits - 8)
    for before, after in zip(planes_of(clip), planes_of(made), strict=True):
        for plane, filtered in zip(before, after, strict=True):
            assert plane.shape == filtered.shape
            assert abs(float(plane.mean()) - float(filtered.mean())) < 0.5 * unit


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (34, 18)])
@pytest.mark.parametrize("name", FILTERS)
def test_very_small_pictures_come_out_at_their_size(name: str, size: tuple[int, int]) -> None:
    width, height = size
    made = FILTERS[name](clip_of([scene()[:height, :width]] * 2))
    assert [one.shape for one in lumas_of(made)] == [(height, width)] * 2


@pytest.mark.parametrize("name, radius", [("deblock", 1), ("deband", 0), ("dehalo", 0), ("sharpen", 0)])
def test_nothing_beyond_the_radius_is_looked_at(name: str, radius: int) -> None:
    pictures = [scene(1)] * 5
    changed = [*pictures]
    changed[2 + radius + 1] = scene(9)
    kept, other = (lumas_of(FILTERS[name](clip_of(one)))[2] for one in (pictures, changed))
    assert np.array_equal(kept, other)
