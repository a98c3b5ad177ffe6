import cv2
import numpy as np
import pytest

from tests.fixtures.filter_clips import FORMATS, clip_of, lumas_of, planes_of
from tests.fixtures.textures import texture
from workers.media.filters.stabilise import plane_matrix, stabilise
from workers.media.tables import FrameTables, TablesError, tables_of
from workers.protocol.steps import StabiliseStep

STEP = StabiliseStep(zoom=1.1, reason="test")
WORLD = np.clip(texture(3, 96, 128), 20, 220)


def table(rows: object, zoom: object = None, cuts: object = ()) -> FrameTables:
    correction = np.asarray(rows, np.float64)
    zooms = np.ones(len(correction)) if zoom is None else np.asarray(zoom)
    return tables_of(len(correction), np.asarray(cuts, np.int32), correction=correction, zoom=zooms)


def centre(luma: np.ndarray) -> tuple[float, float]:
    """Middle of the light, right and down."""
    weight = luma - luma.min()
    y, x = np.mgrid[: luma.shape[0], : luma.shape[1]]
    return float((weight * x).sum() / weight.sum()), float((weight * y).sum() / weight.sum())


def dot(right: float, down: float) -> np.ndarray:
    y, x = np.mgrid[:96, :128]
    return np.asarray(20 + 180 * np.exp(-((x - right) ** 2 + (y - down) ** 2) / 50), np.float32)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_a_picture_is_moved_by_its_row_in_every_format(form: int) -> None:
    clip = clip_of([dot(60, 50)] * 2, form)
    moved = lumas_of(stabilise(clip, STEP, table([(5.5, -3.25, 0, 0), (0, 0, 0, 0)])))
    x, y = centre(moved[0])
    x0, y0 = centre(moved[1])
    assert [x - x0, y - y0] == pytest.approx([5.5, -3.25], abs=0.15)


def test_planes_move_together() -> None:
    before = planes_of(clip_of([dot(60, 50)]))[0]
    after = planes_of(stabilise(clip_of([dot(60, 50)]), STEP, table([(8, 4, 0, 0)])))[0]
    luma = np.subtract(centre(after[0].astype(float)), centre(before[0].astype(float)))
    for plane, sign in ((1, -1.0), (2, 1.0)):  # the first of them falls where luma rises
        places = [centre(sign * planes[plane]) for planes in (before, after)]
        assert 2 * np.subtract(places[1], places[0]) == pytest.approx(luma, abs=0.5)


def test_turning_is_clockwise_and_about_the_middle() -> None:
    clip = clip_of([dot(63.5 + 30, 47.5)])
    x, y = centre(lumas_of(stabilise(clip, STEP, table([(0, 0, np.pi / 2 * 0.5, 0)])))[0])
    assert x == pytest.approx(63.5 + 30 * np.cos(np.pi / 4), abs=0.6)
    assert y == pytest.approx(47.5 + 30 * np.sin(np.pi / 4), abs=0.6)


def test_turning_is_one_of_square_pixels() -> None:
    matrix = plane_matrix(np.array([0.0, 0, np.pi / 2, 0]), 1.0, (101, 201), (0, 0), 2.0)
    # A quarter turn: 10 px right of the middle came from 20 lines above or below, one pixel being two lines wide.
    x, y = matrix @ (100 + 10, 50, 1)
    assert [x, abs(y - 50)] == pytest.approx([100, 20])


def test_pictures_of_steady_scenes_stay_bit_for_bit() -> None:
    clip = clip_of([WORLD] * 3)
    after = planes_of(stabilise(clip, STEP, table(np.zeros((3, 4)), [1, 1, 1.02], [2])))
    before = planes_of(clip)
    for number in range(2):
        assert all(np.array_equal(*pair) for pair in zip(before[number], after[number], strict=True))
    assert not np.array_equal(before[2][0], after[2][0])


def test_a_picture_depends_on_its_number_only() -> None:
    rows = np.random.default_rng(4).normal(0, 1, (8, 4)) * (2, 2, 0.01, 0.005)
    clip = clip_of([WORLD] * 8)
    whole = planes_of(stabilise(clip, STEP, table(rows, np.full(8, 1.05))))
    later = clip.with_node(clip.node[5:])
    part = planes_of(stabilise(later, STEP, table(rows, np.full(8, 1.05)), position=lambda n: n + 5))
    for one, two in zip(whole[5:], part, strict=True):
        assert all(np.array_equal(*pair) for pair in zip(one, two, strict=True))


def test_shake_and_its_correction_cancel() -> None:
    world = texture(9, 300, 400)
    rows = np.random.default_rng(2).normal(0, 1, (6, 4)) * (3, 3, 0.01, 0.004)
    shaken = []
    for row in rows:
        matrix = plane_matrix(row, 1.0, (200, 300), (0, 0), 1.0)
        matrix[:, 2] += 50  # the view is the middle of the world
        seen = cv2.warpAffine(world, matrix, (300, 200), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
        shaken.append(np.clip(seen, 16, 235).astype(np.float32))
    undo = rows * (-1, -1, -1, -1)
    for row, done in zip(undo, rows, strict=True):
        turn, growth = -done[2], np.exp(-done[3])
        back = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * growth
        row[:2] = -back @ done[:2]
    before = lumas_of(clip_of(shaken))
    after = lumas_of(stabilise(clip_of(shaken), STEP, table(undo)))
    inner = np.s_[30:-30, 30:-30]
    change = [np.abs(np.diff([luma[inner] for luma in lumas], axis=0)).mean() for lumas in (before, after)]
    assert change[1] < 0.15 * change[0]


def test_overshoot_stays_inside_ten_bits() -> None:
    edges = np.where(np.indices((96, 128)).sum(axis=0) // 8 % 2 == 0, 0, 255).astype(np.float32)
    clip = clip_of([edges], FORMATS["10-bit 4:2:0"])
    moved = planes_of(stabilise(clip, STEP, table([(0.4, 0.3, 0.02, 0)])))[0]
    assert all(plane.max() <= 1023 for plane in moved)


def test_tables_without_a_path_are_refused() -> None:
    with pytest.raises(TablesError):
        stabilise(clip_of([WORLD]), STEP, tables_of(1, np.zeros(0, np.int32)))
