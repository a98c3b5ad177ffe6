import numpy as np
import pytest

from tests.fixtures.filter_clips import FORMATS, clip_of, lumas_of, planes_of
from tests.fixtures.textures import texture
from workers.media.filters.deflicker import chroma_table, deflicker, luma_table
from workers.media.tables import FrameTables, TablesError, tables_of
from workers.protocol.steps import DeflickerStep

WORLD = np.clip(texture(3, 64, 96), 30, 200)
LIGHT = np.exp(np.random.default_rng(1).normal(0, 0.06, 12))
FLICKERING = [np.asarray(16 + (WORLD - 16) * gain, np.float32) for gain in LIGHT]
STEP = DeflickerStep(amount=1, reason="test")


def gains(values: object, cuts: object = ()) -> FrameTables:
    rows = np.asarray(values)
    return tables_of(len(rows), np.asarray(cuts, np.int32), gain=rows)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("is_full", [False, True])
def test_brightness_becomes_steady_in_every_format(form: int, is_full: bool) -> None:
    clip = clip_of(FLICKERING, form, is_full_range=is_full)
    before = [luma.mean() for luma in lumas_of(clip)]
    after = [luma.mean() for luma in lumas_of(deflicker(clip, STEP, gains(1 / LIGHT)))]
    assert np.abs(np.diff(after)).mean() < (0.2 if is_full else 0.1) * np.abs(np.diff(before)).mean()


def test_half_the_amount_takes_half_of_it() -> None:
    clip = clip_of([np.asarray(WORLD / 2 + 10, np.float32)] * 2)
    full, half = (
        lumas_of(deflicker(clip, DeflickerStep(amount=amount, reason=""), gains([1.21, 1.0])))[0].mean() - 16
        for amount in (1.0, 0.5)
    )
    assert half == pytest.approx(full / 1.1, rel=0.01)


def test_pictures_without_a_gain_stay_bit_for_bit() -> None:
    clip = clip_of(FLICKERING)
    table = np.ones(12)
    table[5] = 1.1
    before, after = planes_of(clip), planes_of(deflicker(clip, STEP, gains(table)))
    for number in range(12):
        same = all(np.array_equal(*pair) for pair in zip(before[number], after[number], strict=True))
        assert same is (number != 5)
    assert deflicker(clip, STEP, gains(np.ones(12))) is clip


def test_a_picture_depends_on_its_number_only() -> None:
    clip = clip_of(FLICKERING)
    table = gains(1 / LIGHT)
    whole = planes_of(deflicker(clip, STEP, table))
    part = deflicker(clip.with_node(clip.node[7:]), STEP, table, position=lambda n: n + 7)
    for one, two in zip(whole[7:], planes_of(part), strict=True):
        assert all(np.array_equal(*pair) for pair in zip(one, two, strict=True))


def test_fields_lie_between_pictures() -> None:
    clip = clip_of([WORLD] * 4)
    found = lumas_of(deflicker(clip, STEP, gains([1.0, 1.2]), position=lambda n: n / 2))
    expected = lumas_of(deflicker(clip, STEP, gains([1.0, 1.1, 1.2, 1.2])))
    assert [luma.mean() for luma in found] == [luma.mean() for luma in expected]


def test_nothing_is_clipped() -> None:
    ramp = np.tile(np.linspace(0, 255, 512, dtype=np.float32), (16, 1))
    for gain in (0.7, 1.4):
        before = lumas_of(clip_of([ramp]))[0]
        after = lumas_of(deflicker(clip_of([ramp]), STEP, gains([gain])))[0]
        assert ((after <= 16) == (before <= 16)).all()
        assert ((after >= 235) == (before >= 235)).all()


@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("gain", [0.67, 0.9, 1.1, 1.5])
def test_tables_rise_and_keep_their_ends(bits: int, gain: float) -> None:
    luma, chroma = luma_table(gain, bits, is_full_range=False), chroma_table(gain, bits)
    top = (1 << bits) - 1
    assert (np.diff(luma) >= 0).all()
    assert (np.diff(chroma) >= 0).all()
    assert (luma[0], luma[-1]) == (0, top)
    assert chroma[0] == 0
    assert chroma[-1] <= top
    assert chroma[1 << (bits - 1)] == 1 << (bits - 1)


def test_tables_without_gains_are_refused() -> None:
    with pytest.raises(TablesError):
        deflicker(clip_of([WORLD]), STEP, tables_of(1, np.zeros(0, np.int32)))
