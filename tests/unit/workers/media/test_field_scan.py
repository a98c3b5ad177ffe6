"""Fields are found where motion shows them, and nowhere else."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fixtures.woven import interlaced, moments, noisy, pulled_down
from workers.media.field_evidence import is_interlaced
from workers.media.field_scan import scan_fields
from workers.protocol.analysis import Figure, ScanFinding, ScanKind
from workers.protocol.media import FieldOrder

type Run = list[NDArray[np.uint8]]


def scanned(*runs: Run, flagged: FieldOrder = FieldOrder.UNKNOWN, rate: int | None = 30) -> ScanFinding:
    return scan_fields(runs, flagged, None if rate is None else Fraction(rate))[0]


def repeats(*runs: Run) -> Figure:
    return scan_fields(runs, FieldOrder.UNKNOWN, None)[1]


@pytest.mark.parametrize("top_first", [True, False])
@pytest.mark.parametrize("flagged", list(FieldOrder))
def test_two_moments_in_every_picture_are_found_with_their_order(
    top_first: bool, flagged: FieldOrder
) -> None:
    found = scanned(interlaced(moments(20), top_first=top_first), flagged=flagged)
    assert found.kind is ScanKind.INTERLACED
    assert found.field_order is (FieldOrder.TOP_FIRST if top_first else FieldOrder.BOTTOM_FIRST)
    assert found.confidence > 0.5


@pytest.mark.parametrize("sigma", [5.0, 20.0])
def test_noise_hides_no_fields(sigma: float) -> None:
    found = scanned(noisy(interlaced(moments(24, size=(240, 320)), top_first=False), sigma))
    assert (found.kind, found.field_order) == (ScanKind.INTERLACED, FieldOrder.BOTTOM_FIRST)


@pytest.mark.parametrize("step_px", [0.5, 1.0, 6.0, 15.0])
@pytest.mark.parametrize("sigma", [0.0, 20.0])
def test_moving_progressive_pictures_are_progressive(step_px: float, sigma: float) -> None:
    run = noisy(moments(12, step_px=step_px), sigma)
    assert scanned(run, flagged=FieldOrder.TOP_FIRST).kind in {ScanKind.PROGRESSIVE, ScanKind.UNKNOWN}


def test_what_does_not_move_tells_nothing() -> None:
    still = moments(1) * 12
    assert scanned(still).kind is ScanKind.UNKNOWN
    assert scanned(noisy(still, 20.0)).kind in {ScanKind.PROGRESSIVE, ScanKind.UNKNOWN}
    assert scanned().kind is ScanKind.UNKNOWN
    assert scanned(moments(1)).kind is ScanKind.UNKNOWN


@pytest.mark.parametrize("lines_px", [1, 2, 3])
@pytest.mark.parametrize("speed_px", [0, 1, 2, 5])
def test_fine_stripes_are_no_fields(lines_px: int, speed_px: int) -> None:
    y = np.arange(128)[:, None]
    run = [
        np.broadcast_to(((y + speed_px * n) // lines_px % 2 * 150 + 50), (128, 224)).astype(np.uint8)
        for n in range(12)
    ]
    assert scanned(run).kind in {ScanKind.PROGRESSIVE, ScanKind.UNKNOWN}


def test_scrolling_text_and_flashes_are_no_fields() -> None:
    page = np.random.default_rng(1).integers(0, 2, (400, 112)).astype(np.uint8) * 200 + 20
    page = np.repeat(page, 2, axis=1)
    assert scanned([page[3 * n : 3 * n + 128] for n in range(12)]).kind in {
        ScanKind.PROGRESSIVE,
        ScanKind.UNKNOWN,
    }
    flashing = [
        np.clip(picture * (0.5 + n % 2), 0, 255).astype(np.uint8) for n, picture in enumerate(moments(12))
    ]
    assert scanned(flashing).kind is ScanKind.PROGRESSIVE


@pytest.mark.parametrize("top_first", [True, False])
@pytest.mark.parametrize("rhythm", [(2, 3), (3, 2), (2, 3, 3, 2)])
def test_film_in_fields_is_told_from_video(top_first: bool, rhythm: tuple[int, ...]) -> None:
    run, _ = pulled_down(moments(12, step_px=6), top_first=top_first, rhythm=rhythm)
    found = scanned(run[:11])
    assert found.kind is ScanKind.TELECINE
    assert found.field_order is (FieldOrder.TOP_FIRST if top_first else FieldOrder.BOTTOM_FIRST)


def test_scenes_of_both_kinds_make_a_mixture() -> None:
    video = interlaced(moments(20), top_first=True)
    assert scanned(video, moments(10, seed=9)).kind is ScanKind.MIXED
    film, _ = pulled_down(moments(8, step_px=6, seed=2), top_first=True)
    assert scanned(video, film).kind is ScanKind.MIXED
    assert scanned(film, moments(10, seed=9)).kind is ScanKind.TELECINE


def test_one_odd_pair_decides_nothing() -> None:
    assert scanned([*moments(9), interlaced(moments(2), top_first=True)[0]]).kind is ScanKind.PROGRESSIVE


def test_what_is_faster_than_any_interlaced_format_needs_more_evidence() -> None:
    few = interlaced(moments(6), top_first=True)
    assert scanned(few, rate=30).kind is ScanKind.INTERLACED
    assert scanned(few, rate=60).kind is not ScanKind.INTERLACED


def test_repeated_pictures_are_counted() -> None:
    doubled = [picture for picture in moments(6) for _ in range(2)]
    assert repeats(doubled).value == pytest.approx(6 / 11)
    assert repeats(moments(12)).value == 0
    assert repeats([]).confidence == 0


def test_a_single_picture_is_judged_with_its_neighbours() -> None:
    video, film = interlaced(moments(6), top_first=True), moments(3)
    assert is_interlaced(video[0], video[1], video[2])
    assert not is_interlaced(film[0], film[1], film[2])
    assert not is_interlaced(film[0], film[0], film[0])
    assert not is_interlaced(film[0][:16], film[1][:16], film[2][:16])
