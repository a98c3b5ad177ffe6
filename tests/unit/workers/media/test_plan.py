from fractions import Fraction

import pytest

from workers.media.decisions.geometry import output_size
from workers.media.plan import output_colour, plan_enhancement, without_picture_steps
from workers.protocol.analysis import Analysis, ColourCast, Figure, ScanFinding, ScanKind
from workers.protocol.media import (
    ColourInfo,
    ContentLight,
    FieldOrder,
    HdrInfo,
    HdrKind,
    MediaInfo,
    VideoStreamInfo,
)
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import (
    ColourStep,
    DeinterlaceStep,
    DenoiseStep,
    GeometryStep,
    SharpenStep,
    StepKind,
    ToneMapStep,
)

INTERLACED = ScanFinding(kind=ScanKind.INTERLACED, field_order=FieldOrder.TOP_FIRST, confidence=1.0)
BT709 = ColourInfo(primaries="bt709", transfer="bt709", matrix="bt709", range="tv")


def video(**changes: object) -> VideoStreamInfo:
    facts: dict[str, object] = {
        "index": 0,
        "codec": "h264",
        "profile": "High",
        "width_px": 1280,
        "height_px": 720,
        "sample_aspect_ratio": Fraction(1),
        "pixel_format": "yuv420p",
        "bit_depth": 8,
        "average_rate": Fraction(25),
        "base_rate": Fraction(25),
        "is_variable_rate": False,
        "frame_count": 100,
        "field_order": FieldOrder.PROGRESSIVE,
        "colour": BT709,
    }
    return VideoStreamInfo.model_validate(facts | changes)


def info(stream: VideoStreamInfo | None = None, **changes: object) -> MediaInfo:
    facts: dict[str, object] = {
        "format_name": "mov",
        "size_bytes": 1,
        "duration_s": Fraction(4),
        "start_s": Fraction(0),
        "bit_rate": 1,
        "video": (stream or video(),),
    }
    return MediaInfo.model_validate(facts | changes)


def measured(**changes: object) -> Analysis:
    facts: dict[str, object] = {
        "sampled_frames": 20,
        "noise_sigma": 0.4,
        "noise_is_correlated": False,
        "noise_confidence": 1.0,
        "black_level": 0.0,
        "white_level": 1.0,
        "mean_level": 0.5,
        "contrast_spread": 0.8,
        "cast": ColourCast(cb=0, cr=0, confidence=0),
        "sharpness": 500.0,
        "scan": ScanFinding(kind=ScanKind.PROGRESSIVE, confidence=1.0),
    }
    return Analysis.model_validate(facts | changes)


SETTINGS = EnhancementSettings()


def test_a_clean_file_for_browsers_is_copied() -> None:
    plan = plan_enhancement(info(), measured(), SETTINGS)
    assert plan.steps == ()
    assert plan.remux
    assert {entry.kind for entry in plan.skipped} == set(StepKind)
    assert all(entry.reason for entry in plan.skipped)


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"codec": "hevc"}, "hevc"),
        ({"profile": "High 4:4:4 Predictive"}, "profile"),
        ({"pixel_format": "yuv420p10le"}, "yuv420p10le"),
        ({"colour": BT709.model_copy(update={"range": "pc"})}, "full range"),
        ({"field_order": FieldOrder.TOP_FIRST}, "interlaced"),
    ],
)
def test_what_browsers_do_not_play_is_not_copied(changes: dict[str, object], word: str) -> None:
    plan = plan_enhancement(info(video(**changes)), measured(), SETTINGS)
    assert not plan.remux
    assert word in plan.remux_reason


def test_copying_can_be_switched_off() -> None:
    settings = EnhancementSettings(remux_when_clean=False)
    assert not plan_enhancement(info(), measured(), settings).remux


def test_a_damaged_file_is_not_copied() -> None:
    assert not plan_enhancement(info(warnings=("cut short",)), measured(), SETTINGS).remux


def test_every_step_has_its_place_in_the_order() -> None:
    stream = video(field_order=FieldOrder.TOP_FIRST, sample_aspect_ratio=Fraction(4, 3))
    soft = Figure(value=4.0, confidence=1.0)
    analysis = measured(noise_sigma=5.0, black_level=0.1, white_level=0.8, scan=INTERLACED, softness=soft)
    kinds = [step.kind for step in plan_enhancement(info(stream), analysis, SETTINGS).steps]
    assert kinds == [kind for kind in StepKind if kind in kinds]
    assert {StepKind.DEINTERLACE, StepKind.DENOISE, StepKind.COLOUR, StepKind.SHARPEN} < set(kinds)


@pytest.mark.parametrize("flagged", FieldOrder)
def test_what_motion_says_of_fields_counts_whatever_the_file_says(flagged: FieldOrder) -> None:
    stream = video(field_order=flagged)
    plan = plan_enhancement(info(stream), measured(scan=INTERLACED), SETTINGS)
    step = next(step for step in plan.steps if isinstance(step, DeinterlaceStep))
    assert step.field_order is FieldOrder.TOP_FIRST
    plan = plan_enhancement(info(stream), measured(scan=ScanFinding(kind=ScanKind.PROGRESSIVE)), SETTINGS)
    assert not any(isinstance(step, DeinterlaceStep) for step in plan.steps)


def test_hdr_is_mapped_from_its_own_peak_and_its_levels_left_alone() -> None:
    hdr = HdrInfo(kind=HdrKind.HDR10, content_light=ContentLight(max_content=1600, max_frame_average=200))
    colour = ColourInfo(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc", range="tv")
    plan = plan_enhancement(info(video(hdr=hdr, colour=colour)), measured(white_level=0.7), SETTINGS)
    step = next(step for step in plan.steps if isinstance(step, ToneMapStep))
    assert step.peak_nits == 1600
    assert not any(isinstance(step, ColourStep) for step in plan.steps)
    assert (plan.colour.primaries, plan.colour.transfer, plan.colour.matrix) == ("bt709",) * 3


def test_levels_are_stretched_gently_and_only_as_far_as_nothing_is_cut() -> None:
    plan = plan_enhancement(info(), measured(black_level=0.15, white_level=0.7), SETTINGS)
    step = next(step for step in plan.steps if isinstance(step, ColourStep))
    assert 0 < step.black < 0.15
    assert 0.7 < step.white < 1


def test_an_unsure_cast_is_left_alone() -> None:
    for confidence, shifts in ((0.3, False), (0.95, True)):
        cast = ColourCast(cb=8, cr=-6, confidence=confidence)
        steps = plan_enhancement(info(), measured(cast=cast), SETTINGS).steps
        assert (
            any(isinstance(step, ColourStep) and step.cb_shift < 0 < step.cr_shift for step in steps)
            is shifts
        )


def test_strong_noise_is_never_sharpened() -> None:
    soft = Figure(value=4.0, confidence=1.0)
    for sigma, sharpens in ((3.0, True), (9.0, False)):
        steps = plan_enhancement(info(), measured(noise_sigma=sigma, softness=soft), SETTINGS).steps
        assert any(isinstance(step, DenoiseStep) for step in steps)
        assert any(isinstance(step, SharpenStep) for step in steps) is sharpens


def test_strength_zero_changes_no_picture() -> None:
    settings = EnhancementSettings(strength=0)
    plan = plan_enhancement(info(), measured(noise_sigma=9, black_level=0.2, sharpness=1), settings)
    assert plan.steps == ()


@pytest.mark.parametrize(
    "changes, size",
    [
        ({}, (1280, 720)),
        ({"rotation_deg": 90}, (720, 1280)),
        ({"width_px": 853, "height_px": 481}, (854, 482)),
        ({"width_px": 720, "height_px": 480, "sample_aspect_ratio": Fraction(32, 27)}, (854, 480)),
        ({"width_px": 720, "height_px": 576, "sample_aspect_ratio": Fraction(1, 2)}, (720, 1152)),
        ({"width_px": 1, "height_px": 1}, (2, 2)),
    ],
)
def test_the_output_is_upright_square_and_even(changes: dict[str, object], size: tuple[int, int]) -> None:
    assert output_size(video(**changes)) == size


def test_a_turned_and_mirrored_picture_says_so() -> None:
    plan = plan_enhancement(info(video(rotation_deg=270, is_mirrored=True)), measured(), SETTINGS)
    step = next(step for step in plan.steps if isinstance(step, GeometryStep))
    assert (step.rotation_deg, step.mirror) == (270, True)
    assert not plan.changes_picture


@pytest.mark.parametrize("lines, matrix", [(480, "smpte170m"), (720, "bt709")])
def test_missing_colour_is_assumed_from_the_size(lines: int, matrix: str) -> None:
    colour = output_colour(video(width_px=lines, height_px=lines, colour=ColourInfo()))
    assert colour.is_assumed
    assert (colour.primaries, colour.transfer, colour.matrix) == (matrix,) * 3


def test_what_the_file_says_of_its_colour_is_kept() -> None:
    partly = ColourInfo(primaries="bt470bg", matrix="bt470bg")
    colour = output_colour(video(height_px=480, width_px=640, colour=partly))
    assert (colour.primaries, colour.transfer, colour.matrix) == ("bt470bg", "smpte170m", "bt470bg")


def test_falling_back_keeps_only_what_the_format_demands() -> None:
    stream = video(rotation_deg=180)
    plan = plan_enhancement(info(stream), measured(noise_sigma=6), SETTINGS)
    gentle = without_picture_steps(plan, "harm")
    assert [step.kind for step in gentle.steps] == [StepKind.GEOMETRY]
    assert {entry.kind for entry in gentle.skipped} == set(StepKind) - {StepKind.GEOMETRY}
