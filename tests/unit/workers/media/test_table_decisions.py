from fractions import Fraction

import numpy as np
import pytest

from tests.unit.workers.media.test_plan import SETTINGS, info, measured, video
from workers.media.decisions.deflicker import decide_deflicker
from workers.media.decisions.stabilise import decide_stabilise
from workers.media.plan import plan_enhancement
from workers.media.tabled_steps import film_of, needs, source_position
from workers.media.tables import FrameTables, TableKind, TablesError, tables_of
from workers.protocol.analysis import Figure
from workers.protocol.media import FieldOrder, HdrInfo, HdrKind
from workers.protocol.settings import DeinterlaceOutput
from workers.protocol.steps import DeflickerStep, DeinterlaceStep, InverseTelecineStep, StabiliseStep

FLICKERING = measured(flicker=Figure(value=2.0, confidence=0.5))
ASKED = SETTINGS.model_copy(update={"stabilise": True})
SHAKY = measured(shake=Figure(value=1.5, confidence=1.0))
NO_CUTS = np.zeros(0, np.int32)


def gains(*values: float) -> FrameTables:
    return tables_of(len(values), NO_CUTS, gain=np.array(values))


def zooms(*values: float) -> FrameTables:
    return tables_of(len(values), NO_CUTS, correction=np.zeros((len(values), 4)), zoom=np.array(values))


def film() -> FrameTables:
    return tables_of(
        5,
        NO_CUTS,
        film_top=np.array([0, 1, 1, 3]),
        film_bottom=np.array([0, 1, 2, 4]),
        film_shown_with=np.array([0, 1, 2, 4]),
        film_is_combed=np.array([0, 0, 1, 0]),
    )


def test_flicker_is_steadied_as_far_as_the_strength_goes() -> None:
    for strength, amount in ((0.5, 0.5), (1.0, 1.0), (2.0, 1.0)):
        settings = SETTINGS.model_copy(update={"strength": strength})
        step = decide_deflicker(video(), FLICKERING, settings).step
        assert isinstance(step, DeflickerStep)
        assert step.amount == amount


@pytest.mark.parametrize(
    "changes",
    [
        {"flicker": Figure(value=0.4, confidence=1.0)},
        {"flicker": Figure(value=9.0, confidence=0.1)},
        {"flicker": Figure()},
    ],
)
def test_little_or_doubtful_flicker_is_left_alone(changes: dict[str, Figure]) -> None:
    decision = decide_deflicker(video(), measured(**changes), SETTINGS)
    assert decision.step is None
    assert decision.reason


def test_what_was_switched_off_stays_off() -> None:
    for changes in ({"deflicker": False}, {"strength": 0.0}):
        assert decide_deflicker(video(), FLICKERING, SETTINGS.model_copy(update=changes)).step is None
    for changes in ({"stabilise": False}, {"strength": 0.0}, {"stabilise_crop": 0.0}):
        assert decide_stabilise(video(), SHAKY, ASKED.model_copy(update=changes)).step is None


def test_hdr_is_not_steadied() -> None:
    stream = video(hdr=HdrInfo(kind=HdrKind.HDR10))
    assert decide_deflicker(stream, FLICKERING, SETTINGS).step is None


def test_the_curve_of_every_picture_has_the_last_word_on_flicker() -> None:
    assert decide_deflicker(video(), FLICKERING, SETTINGS, gains(1, 1, 1)).step is None
    found = decide_deflicker(video(), FLICKERING, SETTINGS, gains(1, 1.1, 0.9, 1))
    assert found.step is not None
    assert "50%" in found.reason


def test_stabilising_states_what_it_cuts_off() -> None:
    allowed = decide_stabilise(video(), SHAKY, ASKED).step
    assert isinstance(allowed, StabiliseStep)
    assert allowed.zoom == pytest.approx(1 / 0.92, abs=1e-4)
    found = decide_stabilise(video(sample_aspect_ratio=Fraction(16, 11)), SHAKY, ASKED, zooms(1, 1.04, 1.04))
    assert isinstance(found.step, StabiliseStep)
    assert found.step.zoom == pytest.approx(1.04)
    assert found.step.pixel_aspect == pytest.approx(16 / 11)
    assert "3.8%" in found.reason


def test_a_camera_on_a_stand_is_left_alone() -> None:
    steady = measured(shake=Figure(value=0.01, confidence=1.0))
    assert decide_stabilise(video(), steady, ASKED).step is None
    assert decide_stabilise(video(), SHAKY, ASKED, zooms(1, 1)).step is None
    assert decide_stabilise(video(width_px=48, height_px=32), SHAKY, ASKED).step is None


def test_a_plan_asks_for_the_tables_of_its_steps_and_names_them() -> None:
    plain = plan_enhancement(info(), measured(), SETTINGS)
    assert needs(plain) == frozenset()
    first = plan_enhancement(info(), FLICKERING, ASKED)
    assert needs(first) == {TableKind.EXPOSURE, TableKind.PATH}
    assert first.tables_sha256 is None
    tables = tables_of(
        2, NO_CUTS, gain=np.array([1.1, 0.9]), correction=np.ones((2, 4)), zoom=np.full(2, 1.05)
    )
    second = plan_enhancement(info(), FLICKERING, ASKED, tables=tables)
    assert second.tables_sha256 == tables.sha256


def test_a_file_whose_tables_find_nothing_is_copied_after_all() -> None:
    first = plan_enhancement(info(), FLICKERING, SETTINGS)
    assert not first.remux
    second = plan_enhancement(info(), FLICKERING, SETTINGS, tables=gains(1, 1))
    assert second.remux
    assert second.tables_sha256 is None


def test_pictures_find_their_place_in_the_source() -> None:
    plan = plan_enhancement(info(), measured(), SETTINGS)
    assert [source_position(plan, film())(n) for n in range(3)] == [0, 1, 2]
    bob = DeinterlaceStep(field_order=FieldOrder.TOP_FIRST, output=DeinterlaceOutput.FIELD, reason="")
    doubled = plan.model_copy(update={"steps": (bob,)})
    assert [source_position(doubled, film())(n) for n in range(4)] == [0, 0.5, 1, 1.5]
    woven = plan.model_copy(
        update={"steps": (InverseTelecineStep(field_order=FieldOrder.TOP_FIRST, reason=""),)}
    )
    assert [source_position(woven, film())(n) for n in range(5)] == [0, 1, 1.5, 3.5, 3.5]


def test_film_pictures_come_back_from_the_tables() -> None:
    found = film_of(film())
    assert found.source_count == 5
    assert [
        (one.recipe.top, one.recipe.bottom, one.recipe.is_combed, one.shown_with) for one in found.film
    ] == [
        (0, 0, False, 0),
        (1, 1, False, 1),
        (1, 2, True, 2),
        (3, 4, False, 4),
    ]
    with pytest.raises(TablesError):
        film_of(gains(1, 1))
