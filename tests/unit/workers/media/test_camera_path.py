import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fixtures.textures import texture
from workers.media.camera_path import CameraPath, linear_part, needed_zoom, steady

SIZE = (480, 270)
NO_CUTS = np.zeros(0, np.int32)
WORLD = texture(4, 500, 760)


def view(row: NDArray[np.float64]) -> NDArray[np.uint8]:
    """What is seen of the world when its content is moved by `row` about the middle."""
    inverse = np.linalg.inv(linear_part(row))
    middle = np.array([(SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2])
    centre = np.array([(WORLD.shape[1] - 1) / 2, (WORLD.shape[0] - 1) / 2])
    matrix = np.hstack([inverse, (centre - inverse @ (middle + row[:2]))[:, None]])
    seen = cv2.warpAffine(WORLD, matrix, SIZE, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def steps_of(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    path = CameraPath()
    for row in rows:
        path.add(view(row))
    return path.steps()


def shaken(count: int) -> NDArray[np.float64]:
    return np.random.default_rng(8).normal(0, 1, (count, 4)) * (3, 3, 0.003, 0.002)


def shake(path: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt((np.diff(path, 2, axis=0) ** 2).mean(axis=0)))


def test_movement_is_measured() -> None:
    rows = shaken(12)
    found = np.cumsum(steps_of(rows), axis=0)
    assert np.abs(found - (rows - rows[0]))[:, :2].max() < 0.35
    assert np.abs(found - (rows - rows[0]))[:, 2].max() < 0.0012
    assert np.abs(found - (rows - rows[0]))[:, 3].max() < 0.0012


def test_shake_is_taken_out_within_the_crop() -> None:
    rows = shaken(60) + np.arange(60)[:, None] * (0.8, 0, 0, 0)
    steps = np.diff(rows, axis=0, prepend=rows[:1])
    found = steady(steps, steps[:, :2], NO_CUTS, size=SIZE, pictures_per_s=25, crop=0.08)
    assert (shake(rows + found.correction) < 0.3 * shake(rows)).all()
    # The camera goes on where it went.
    drift = (rows + found.correction)[-10:, 0].mean() - (rows + found.correction)[:10, 0].mean()
    assert drift == pytest.approx(0.8 * 50, abs=4)
    assert 1 < found.zoom[0] <= 1 / 0.92 + 1e-6
    assert (found.zoom == found.zoom[0]).all()
    assert all(needed_zoom(row, SIZE) <= found.zoom[0] + 1e-9 for row in found.correction)


@pytest.mark.parametrize("crop", [0.01, 0.04, 0.2])
def test_no_more_is_cut_off_than_allowed(crop: float) -> None:
    rows = shaken(50) * 8
    steps = np.diff(rows, axis=0, prepend=rows[:1])
    found = steady(steps, steps[:, :2], NO_CUTS, size=SIZE, pictures_per_s=25, crop=crop)
    assert found.zoom.max() <= 1 / (1 - crop) + 1e-6
    assert all(needed_zoom(row, SIZE) <= found.zoom[0] + 1e-9 for row in found.correction)


def test_scenes_are_steadied_apart_and_steady_ones_left_alone() -> None:
    rows = np.concatenate([np.zeros((30, 4)), shaken(30)])
    steps = np.diff(rows, axis=0, prepend=rows[:1])
    found = steady(steps, steps[:, :2], np.array([30], np.int32), size=SIZE, pictures_per_s=25, crop=0.08)
    assert not found.correction[:30].any()
    assert (found.zoom[:30] == 1).all()
    assert (found.zoom[30:] > 1).all()


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_very_short_films(count: int) -> None:
    rows = shaken(count)
    found = steady(rows, rows[:, :2], NO_CUTS, size=SIZE, pictures_per_s=25, crop=0.08)
    assert found.correction.shape == (count, 4)
    assert found.zoom.shape == (count,)


def test_the_zoom_hides_every_border() -> None:
    row = np.array([7.0, -4.0, 0.02, -0.01])
    zoom = needed_zoom(row, SIZE)
    half = np.array(SIZE) / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    back = (corners / zoom - row[:2]) @ np.linalg.inv(linear_part(row)).T
    assert np.abs(back / half).max() == pytest.approx(1)


def test_flat_pictures_do_not_move() -> None:
    path = CameraPath()
    for _ in range(3):
        path.add(np.full((270, 480), 90, np.uint8))
    assert not path.steps().any()


def test_unrelated_pictures_do_not_move() -> None:
    path = CameraPath()
    for seed in range(4):
        path.add(np.clip(texture(seed, 270, 480), 0, 255).astype(np.uint8))
    assert not path.steps().any()


def test_a_scene_that_a_second_look_finds_calm_is_left_alone() -> None:
    steps = shaken(40)
    found = steady(steps, np.zeros((40, 2)), NO_CUTS, size=SIZE, pictures_per_s=25, crop=0.08)
    assert not found.correction.any()
    assert (found.zoom == 1).all()


def test_both_ways_of_measuring_agree() -> None:
    rows = shaken(10) * (1, 1, 0, 0)
    path = CameraPath()
    for row in rows:
        path.add(view(row))
    for column in (0, 1):
        assert np.corrcoef(path.steps()[:, column], path.shifts()[:, column])[0, 1] > 0.98
