"""Properties of the planner that hold for every file, every measurement and every wish."""

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.media.plan import plan_enhancement
from workers.protocol.analysis import Analysis, Borders, ColourCast, Figure, ScanFinding, ScanKind
from workers.protocol.media import ColourInfo, FieldOrder, HdrInfo, HdrKind, MediaInfo, VideoStreamInfo
from workers.protocol.plan import EnhancementPlan
from workers.protocol.settings import ChainSpeed, EnhancementSettings, GrainChoice, VideoCodec
from workers.protocol.steps import PlanStep, StepKind

TASTE = frozenset(
    {
        StepKind.DEFLICKER,
        StepKind.DEBLOCK,
        StepKind.DENOISE,
        StepKind.STABILISE,
        StepKind.DEHALO,
        StepKind.DEBAND,
        StepKind.COLOUR,
        StepKind.SHARPEN,
        StepKind.GRAIN,
    }
)
"""What nothing but the wish for a better picture asks for; the rest is demanded by the output's form."""

AMOUNTS = {
    StepKind.DEFLICKER: "amount",
    StepKind.DEBLOCK: "amount",
    StepKind.DENOISE: "effective_sigma",
    StepKind.DEHALO: "amount",
    StepKind.DEBAND: "threshold",
    StepKind.SHARPEN: "amount",
}

CODECS = ("h264", "hevc", "mpeg2video", "mjpeg", "mpeg4", "dvvideo", "vp9", "prores")

shares = st.floats(0, 1, allow_nan=False)
strengths = st.floats(0, 2, allow_nan=False)


def figures(most: float) -> st.SearchStrategy[Figure]:
    return st.builds(Figure, value=st.floats(0, most, allow_nan=False), confidence=shares)


@st.composite
def streams(draw: st.DrawFn) -> VideoStreamInfo:
    kind = draw(st.sampled_from([HdrKind.SDR, HdrKind.SDR, HdrKind.HDR10, HdrKind.HLG]))
    transfer = {HdrKind.HDR10: "smpte2084", HdrKind.HLG: "arib-std-b67"}.get(kind, "bt709")
    return VideoStreamInfo(
        index=0,
        codec=draw(st.sampled_from(CODECS)),
        profile="High",
        width_px=draw(st.integers(16, 4096)),
        height_px=draw(st.integers(16, 2304)),
        sample_aspect_ratio=draw(st.sampled_from([Fraction(1), Fraction(32, 27), Fraction(8, 9)])),
        pixel_format=draw(st.sampled_from(["yuv420p", "yuv422p10le", "yuv444p12le", "gray"])),
        bit_depth=8,
        average_rate=Fraction(25),
        base_rate=Fraction(25),
        is_variable_rate=draw(st.booleans()),
        frame_count=draw(st.integers(1, 10_000)),
        rotation_deg=draw(st.sampled_from([0, 90, 180, 270])),
        field_order=draw(st.sampled_from(list(FieldOrder))),
        colour=ColourInfo(primaries="bt709", transfer=transfer, matrix="bt709", range="tv"),
        hdr=HdrInfo(kind=kind),
    )


@st.composite
def analyses(draw: st.DrawFn) -> Analysis:
    return Analysis(
        sampled_frames=20,
        noise_sigma=draw(st.floats(0, 60, allow_nan=False)),
        noise_is_correlated=draw(st.booleans()),
        noise_confidence=draw(shares),
        black_level=draw(st.floats(-0.07, 0.5)),
        white_level=draw(st.floats(0.5, 1.09)),
        mean_level=draw(shares),
        contrast_spread=draw(shares),
        levels_confidence=draw(shares),
        cast=ColourCast(cb=draw(st.floats(-20, 20)), cr=draw(st.floats(-20, 20)), confidence=draw(shares)),
        sharpness=draw(st.floats(0, 4000)),
        saturation=draw(st.floats(0, 60)),
        scan=ScanFinding(
            kind=draw(st.sampled_from(list(ScanKind))),
            field_order=draw(st.sampled_from(list(FieldOrder))),
            confidence=draw(shares),
        ),
        duplicates=draw(figures(1)),
        borders=Borders(top_px=draw(st.integers(0, 4)), bottom_px=2, confidence=draw(shares)),
        blockiness=draw(figures(5)),
        banding=draw(figures(1)),
        halo=draw(figures(0.5)),
        softness=draw(figures(8)),
        flicker=draw(figures(10)),
        shake=draw(figures(50)),
        cuts_per_minute=draw(figures(60)),
    )


@st.composite
def wishes(draw: st.DrawFn) -> EnhancementSettings:
    return EnhancementSettings(
        strength=draw(strengths),
        speed=draw(st.sampled_from(list(ChainSpeed))),
        grain=draw(st.sampled_from(list(GrainChoice))),
        stabilise=draw(st.booleans()),
        crop_borders=draw(st.booleans()),
        upscale=draw(st.sampled_from([1, 2])),
        frame_rate=draw(st.sampled_from([None, Fraction(30), Fraction(60)])),
        keep_hdr=draw(st.booleans()),
        codec=draw(st.sampled_from(list(VideoCodec))),
        remux_when_clean=draw(st.booleans()),
    )


def file_of(video: VideoStreamInfo) -> MediaInfo:
    return MediaInfo(
        format_name="mov",
        size_bytes=1_000_000,
        duration_s=Fraction(40),
        start_s=Fraction(0),
        bit_rate=200_000,
        video=(video,),
    )


def clean(**changes: Any) -> Analysis:
    """The worst that was measured on clean references, and as sure as can be."""
    facts: dict[str, Any] = {
        "sampled_frames": 20,
        "noise_sigma": 1.0,
        "noise_is_correlated": False,
        "noise_confidence": 1.0,
        "black_level": 0.02,
        "white_level": 1.0,
        "mean_level": 0.45,
        "contrast_spread": 0.7,
        "cast": ColourCast(cb=1, cr=1, confidence=0.9),
        "sharpness": 300.0,
        "scan": ScanFinding(kind=ScanKind.PROGRESSIVE, field_order=FieldOrder.PROGRESSIVE, confidence=1.0),
        "blockiness": Figure(value=0.17, confidence=1.0),
        "banding": Figure(value=0.02, confidence=1.0),
        "halo": Figure(value=0.13, confidence=1.0),
        "softness": Figure(value=2.9, confidence=1.0),
        "flicker": Figure(value=0.35, confidence=1.0),
        "shake": Figure(value=0.1, confidence=1.0),
    }
    return Analysis.model_validate(facts | changes)


def steps_of_taste(plan: EnhancementPlan) -> dict[StepKind, PlanStep]:
    return {step.kind: step for step in plan.steps if step.kind in TASTE}


@settings(max_examples=50, deadline=None)
@given(streams(), strengths, st.sampled_from(list(ChainSpeed)))
def test_clean_pictures_are_left_alone_whatever_the_codec_and_the_strength(
    video: VideoStreamInfo, strength: float, speed: ChainSpeed
) -> None:
    plan = plan_enhancement(file_of(video), clean(), EnhancementSettings(strength=strength, speed=speed))
    assert steps_of_taste(plan) == {}


@settings(max_examples=50, deadline=None)
@given(streams(), analyses(), wishes())
def test_strength_zero_is_the_identity(
    video: VideoStreamInfo, analysis: Analysis, wish: EnhancementSettings
) -> None:
    without = wish.model_copy(update={"strength": 0.0})
    assert steps_of_taste(plan_enhancement(file_of(video), analysis, without)).keys() <= {StepKind.STABILISE}
    assert wish.stabilise or not steps_of_taste(plan_enhancement(file_of(video), analysis, without))


@settings(max_examples=50, deadline=None)
@given(streams(), analyses(), wishes(), strengths)
def test_what_the_output_demands_does_not_depend_on_the_strength(
    video: VideoStreamInfo, analysis: Analysis, wish: EnhancementSettings, strength: float
) -> None:
    info = file_of(video)
    plans = [
        plan_enhancement(info, analysis, wish.model_copy(update={"strength": value}))
        for value in (wish.strength, strength)
    ]
    first, second = ([step for step in plan.steps if step.kind not in TASTE] for plan in plans)
    assert first == second


@settings(max_examples=50, deadline=None)
@given(streams(), analyses(), wishes(), strengths)
def test_more_strength_never_weakens_a_step(
    video: VideoStreamInfo, analysis: Analysis, wish: EnhancementSettings, strength: float
) -> None:
    low, high = sorted((wish.strength, strength))
    info = file_of(video)
    weak, strong = (
        steps_of_taste(plan_enhancement(info, analysis, wish.model_copy(update={"strength": value})))
        for value in (low, high)
    )
    for kind in weak.keys() & strong.keys() & AMOUNTS.keys():
        assert getattr(strong[kind], AMOUNTS[kind]) >= getattr(weak[kind], AMOUNTS[kind])
    # Noise removal takes the blocks along, and strong noise removal may take the place of another step.
    assert weak.keys() - strong.keys() <= {StepKind.DEBLOCK}


@settings(max_examples=50, deadline=None)
@given(streams(), analyses(), wishes())
def test_the_same_question_has_one_answer_that_survives_being_sent(
    video: VideoStreamInfo, analysis: Analysis, wish: EnhancementSettings
) -> None:
    info = file_of(video)
    plan = plan_enhancement(info, analysis, wish)
    assert plan == plan_enhancement(
        MediaInfo.model_validate_json(info.model_dump_json()),
        Analysis.model_validate_json(analysis.model_dump_json()),
        EnhancementSettings.model_validate_json(wish.model_dump_json()),
    )
    assert EnhancementPlan.model_validate_json(plan.model_dump_json()) == plan


@settings(max_examples=50, deadline=None)
@given(streams(), analyses(), wishes())
def test_every_step_is_answered_for_once_with_a_reason_and_in_order(
    video: VideoStreamInfo, analysis: Analysis, wish: EnhancementSettings
) -> None:
    plan = plan_enhancement(file_of(video), analysis, wish)
    taken = [step.kind for step in plan.steps]
    assert taken == [kind for kind in StepKind if kind in taken]
    answered = taken + [entry.kind for entry in plan.skipped]
    assert sorted(answered) == sorted(StepKind)
    assert all(entry.reason for entry in (*plan.steps, *plan.skipped))
