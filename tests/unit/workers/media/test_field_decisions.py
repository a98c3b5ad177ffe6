"""The pictures decide what becomes of fields, not the file's flags."""

from fractions import Fraction

import pytest

from workers.media.decisions.fields import decide_deinterlace, decide_inverse_telecine
from workers.protocol.analysis import Analysis, ColourCast, ScanFinding, ScanKind
from workers.protocol.media import FieldOrder, VideoStreamInfo
from workers.protocol.settings import ChainSpeed, DeinterlaceOutput, EnhancementSettings
from workers.protocol.steps import DeinterlaceStep, InverseTelecineStep

SETTINGS = EnhancementSettings()


def video(flagged: FieldOrder = FieldOrder.PROGRESSIVE) -> VideoStreamInfo:
    facts: dict[str, object] = {
        "index": 0,
        "codec": "mpeg2video",
        "width_px": 720,
        "height_px": 480,
        "pixel_format": "yuv420p",
        "bit_depth": 8,
        "sample_aspect_ratio": Fraction(8, 9),
        "average_rate": Fraction(30000, 1001),
        "base_rate": Fraction(30000, 1001),
        "frame_count": 120,
        "is_variable_rate": False,
        "field_order": flagged,
    }
    return VideoStreamInfo.model_validate(facts)


def found(kind: ScanKind, order: FieldOrder = FieldOrder.TOP_FIRST) -> Analysis:
    return Analysis(
        sampled_frames=20,
        noise_sigma=0,
        noise_is_correlated=False,
        noise_confidence=1.0,
        black_level=0,
        white_level=1,
        mean_level=0.5,
        contrast_spread=0.8,
        cast=ColourCast(cb=0, cr=0, confidence=0),
        sharpness=100,
        scan=ScanFinding(kind=kind, field_order=order, confidence=1.0),
    )


def deinterlacing(analysis: Analysis, settings: EnhancementSettings = SETTINGS) -> DeinterlaceStep:
    step = decide_deinterlace(video(), analysis, settings).step
    assert isinstance(step, DeinterlaceStep)
    return step


@pytest.mark.parametrize("flagged", list(FieldOrder))
def test_progressive_pictures_are_never_taken_apart(flagged: FieldOrder) -> None:
    for kind in (ScanKind.PROGRESSIVE, ScanKind.UNKNOWN):
        analysis = found(kind, flagged)
        decided = decide_deinterlace(video(flagged), analysis, SETTINGS)
        assert decided.step is None
        is_flagged = flagged in {FieldOrder.TOP_FIRST, FieldOrder.BOTTOM_FIRST}
        assert ("the file says interlaced" in decided.reason.lower()) == is_flagged
        assert decide_inverse_telecine(analysis, SETTINGS).step is None


@pytest.mark.parametrize("order", [FieldOrder.TOP_FIRST, FieldOrder.BOTTOM_FIRST])
def test_the_measured_order_counts(order: FieldOrder) -> None:
    step = deinterlacing(found(ScanKind.INTERLACED, order))
    assert step.field_order is order
    assert not step.only_combed
    assert order.value.replace("_", " ") in step.reason


def test_speed_output_and_radius_follow_the_settings() -> None:
    fast = EnhancementSettings(speed=ChainSpeed.FAST, deinterlace_output=DeinterlaceOutput.FIELD)
    step = deinterlacing(found(ScanKind.INTERLACED), fast)
    assert (step.speed, step.output, step.radius) == (ChainSpeed.FAST, DeinterlaceOutput.FIELD, 1)
    step = deinterlacing(found(ScanKind.INTERLACED))
    assert (step.speed, step.output, step.radius) == (ChainSpeed.BALANCED, DeinterlaceOutput.FRAME, 2)


def test_in_a_mixture_only_what_combs_is_touched() -> None:
    assert deinterlacing(found(ScanKind.MIXED)).only_combed


def test_film_is_put_together_again_instead() -> None:
    film = found(ScanKind.TELECINE, FieldOrder.BOTTOM_FIRST)
    step = decide_inverse_telecine(film, SETTINGS).step
    assert isinstance(step, InverseTelecineStep)
    assert step.field_order is FieldOrder.BOTTOM_FIRST
    assert "own pictures" in decide_deinterlace(video(), film, SETTINGS).reason
    assert decide_deinterlace(video(), film, SETTINGS).step is None


def test_film_is_deinterlaced_where_it_combs_when_it_may_not_be_put_together() -> None:
    film, settings = found(ScanKind.TELECINE), EnhancementSettings(inverse_telecine=False)
    assert decide_inverse_telecine(film, settings).step is None
    assert deinterlacing(film, settings).only_combed


@pytest.mark.parametrize("kind", [ScanKind.INTERLACED, ScanKind.MIXED, ScanKind.TELECINE])
def test_switched_off_or_of_unknown_order_nothing_is_done(kind: ScanKind) -> None:
    off = EnhancementSettings(deinterlace=False, inverse_telecine=False)
    assert decide_deinterlace(video(), found(kind), off).step is None
    unknown = found(kind, FieldOrder.UNKNOWN)
    assert decide_deinterlace(video(), unknown, SETTINGS).step is None
    assert decide_inverse_telecine(unknown, SETTINGS).step is None


def test_a_film_of_unknown_order_says_so() -> None:
    unknown = found(ScanKind.TELECINE, FieldOrder.UNKNOWN)
    assert "cannot be told" in decide_inverse_telecine(unknown, SETTINGS).reason
