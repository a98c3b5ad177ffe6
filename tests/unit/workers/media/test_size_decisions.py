"""What was asked of size, borders, grain and rate is planned exactly, and nothing unasked is."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.media.decisions.crop import decide_crop
from workers.media.decisions.frame_rate import decide_frame_rate, pictures_each
from workers.media.decisions.geometry import decide_geometry, kept_size, output_size
from workers.media.decisions.grain import decide_grain
from workers.media.decisions.tone_map import decide_tone_map
from workers.media.decisions.upscale import decide_upscale
from workers.media.plan import output_colour, plan_enhancement
from workers.protocol.analysis import Analysis, Borders, ColourCast, ScanFinding, ScanKind
from workers.protocol.media import ColourInfo, FieldOrder, HdrInfo, HdrKind, MediaInfo, VideoStreamInfo
from workers.protocol.settings import (
    DeinterlaceOutput,
    EnhancementSettings,
    GrainChoice,
    UpscaleMethod,
    VideoCodec,
)
from workers.protocol.steps import (
    CropStep,
    DeinterlaceStep,
    DenoiseStep,
    FrameRateStep,
    GeometryStep,
    GrainStep,
    InverseTelecineStep,
    StepKind,
    UpscaleStep,
)

CROP = EnhancementSettings(crop_borders=True)
TWICE = EnhancementSettings(upscale=2)
BY_NETWORK = EnhancementSettings(upscale=2, upscale_method=UpscaleMethod.NETWORK)
RENEW = EnhancementSettings(grain=GrainChoice.RENEW)
PQ = ColourInfo(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc", range="tv")
NOISE = DenoiseStep(
    sigma=6, effective_sigma=6, is_correlated=False, degrain_radius=2, radius=3, reason="noise"
)


def video(**changes: object) -> VideoStreamInfo:
    facts: dict[str, object] = {
        "index": 0,
        "codec": "h264",
        "profile": "High",
        "width_px": 640,
        "height_px": 480,
        "sample_aspect_ratio": Fraction(1),
        "pixel_format": "yuv420p",
        "bit_depth": 8,
        "average_rate": Fraction(25),
        "base_rate": Fraction(25),
        "is_variable_rate": False,
        "frame_count": 100,
        "field_order": FieldOrder.PROGRESSIVE,
        "colour": ColourInfo(),
    }
    return VideoStreamInfo.model_validate(facts | changes)


def measured(borders: Borders | None = None) -> Analysis:
    return Analysis(
        sampled_frames=20,
        noise_sigma=0.3,
        noise_is_correlated=False,
        noise_confidence=1,
        black_level=0,
        white_level=1,
        mean_level=0.5,
        contrast_spread=0.8,
        cast=ColourCast(cb=0, cr=0, confidence=0),
        sharpness=500,
        scan=ScanFinding(kind=ScanKind.PROGRESSIVE, confidence=1),
        borders=borders or Borders(),
    )


def borders(left: int = 0, top: int = 0, right: int = 0, bottom: int = 0, confidence: float = 1.0) -> Borders:
    return Borders(left_px=left, top_px=top, right_px=right, bottom_px=bottom, confidence=confidence)


def cropped(found: Borders, **changes: object) -> CropStep | None:
    step = decide_crop(video(**changes), measured(found), CROP).step
    assert step is None or isinstance(step, CropStep)
    return step


def test_borders_are_cut_off_only_on_request_and_only_when_sure() -> None:
    found = borders(top=60, bottom=60)
    assert cropped(found) == CropStep(
        left_px=0,
        top_px=60,
        right_px=0,
        bottom_px=60,
        reason="Black borders are cut off: 60 px top, 60 px bottom.",
    )
    unasked = decide_crop(video(), measured(found), EnhancementSettings())
    assert unasked.step is None
    assert "60 px top" in unasked.reason
    assert cropped(borders(top=60, bottom=60, confidence=0.7)) is None
    assert cropped(borders()) is None


@pytest.mark.parametrize(
    "found", [borders(top=200, bottom=200), borders(left=400), borders(left=320, right=319)]
)
def test_a_small_window_in_the_dark_is_not_a_picture_with_borders(found: Borders) -> None:
    assert cropped(found) is None


@given(
    left=st.integers(0, 150),
    right=st.integers(0, 150),
    width=st.integers(640, 900),
    pixels=st.sampled_from(["yuv420p", "yuv422p10le", "yuv411p", "yuv444p", "gray", None]),
)
def test_a_cut_keeps_whole_samples_of_chroma_and_leaves_no_border(
    left: int, right: int, width: int, pixels: str | None
) -> None:
    found = borders(left=left, right=right)
    step = cropped(found, width_px=width, pixel_format=pixels)
    if not left and not right:
        assert step is None
        return
    assert step is not None
    unit = 4 if pixels == "yuv411p" else 2
    kept = width - step.left_px - step.right_px
    assert step.left_px % unit == 0
    assert kept % unit == 0
    assert left <= step.left_px < left + unit
    assert right <= step.right_px < right + 2 * unit


def test_enlarging_is_never_done_unasked() -> None:
    assert decide_upscale(video(), EnhancementSettings(), has_network=True).step is None


def test_the_network_is_used_where_it_is_installed_and_said_to_be_missing_elsewhere() -> None:
    there = decide_upscale(video(), BY_NETWORK, has_network=True)
    assert isinstance(there.step, UpscaleStep)
    assert there.step.method is UpscaleMethod.NETWORK
    missing = decide_upscale(video(), BY_NETWORK, has_network=False)
    assert isinstance(missing.step, UpscaleStep)
    assert missing.step.method is UpscaleMethod.EDGE_DIRECTED
    assert "ncnn" in missing.reason
    assert "ncnn" not in decide_upscale(video(), TWICE, has_network=False).reason


def test_no_size_is_planned_that_players_cannot_take() -> None:
    asked = EnhancementSettings(upscale=4)
    reduced = decide_upscale(video(width_px=3840, height_px=2160), asked, has_network=False)
    assert isinstance(reduced.step, UpscaleStep)
    assert reduced.step.factor == 2
    assert "4 times would be more" in reduced.reason
    none = decide_upscale(video(width_px=7680, height_px=4320), asked, has_network=False)
    assert none.step is None
    assert "7680 × 4320" in none.reason


@pytest.mark.parametrize(
    "changes, crop, factor, size",
    [
        ({}, (0, 60, 0, 60), 1, (640, 360)),
        ({}, (0, 60, 0, 60), 2, (1280, 720)),
        ({"sample_aspect_ratio": Fraction(4, 3)}, (20, 0, 20, 0), 2, (1600, 960)),
        ({"rotation_deg": 90}, (0, 60, 0, 60), 3, (1080, 1920)),
        ({"width_px": 641, "height_px": 481}, None, 2, (1282, 962)),
        ({"width_px": 641, "height_px": 481}, None, 3, (1924, 1444)),
    ],
)
def test_size_follows_cut_enlargement_pixels_and_rotation(
    changes: dict[str, object],
    crop: tuple[int, int, int, int] | None,
    factor: int,
    size: tuple[int, int],
) -> None:
    step = None
    if crop is not None:
        left, top, right, bottom = crop
        step = CropStep(left_px=left, top_px=top, right_px=right, bottom_px=bottom, reason="borders")
    assert output_size(video(**changes), crop=step, factor=factor) == size


def test_an_odd_size_doubled_is_even_and_needs_no_geometry() -> None:
    odd = video(width_px=641, height_px=481)
    assert isinstance(decide_geometry(odd).step, GeometryStep)
    assert decide_geometry(odd, factor=2).step is None
    assert kept_size(odd, None) == (641, 481)


def test_grain_is_a_third_of_what_was_removed() -> None:
    step = decide_grain(RENEW, NOISE).step
    assert isinstance(step, GrainStep)
    assert step.sigma == pytest.approx(2)


@pytest.mark.parametrize(
    "settings, denoise, is_made_by_player",
    [
        (EnhancementSettings(), NOISE, False),
        (EnhancementSettings(grain=GrainChoice.KEEP), NOISE, False),
        (RENEW, None, False),
        (RENEW, NOISE, True),
    ],
)
def test_no_grain_is_made_without_need(
    settings: EnhancementSettings, denoise: DenoiseStep | None, *, is_made_by_player: bool
) -> None:
    decision = decide_grain(settings, denoise, is_made_by_player=is_made_by_player)
    assert decision.step is None
    assert decision.reason


@pytest.mark.parametrize(
    "asked, changes, is_taken",
    [
        (None, {}, False),
        (Fraction(25), {}, False),
        (Fraction(30), {"average_rate": Fraction(2997, 100)}, True),
        (Fraction(30_000, 1001), {"average_rate": Fraction(2997, 100)}, False),
        (Fraction(25), {"is_variable_rate": True}, True),
        (Fraction(50), {}, True),
        (Fraction(25), {"average_rate": None}, True),
    ],
)
def test_a_rate_is_changed_only_when_another_was_asked_for(
    asked: Fraction | None, changes: dict[str, object], *, is_taken: bool
) -> None:
    decision = decide_frame_rate(video(**changes), EnhancementSettings(frame_rate=asked))
    assert (decision.step is not None) == is_taken
    if isinstance(decision.step, FrameRateStep):
        assert decision.step.rate == asked


def test_fields_and_film_change_how_many_pictures_there_are() -> None:
    film = InverseTelecineStep(field_order=FieldOrder.TOP_FIRST, reason="film")
    fields = DeinterlaceStep(
        field_order=FieldOrder.TOP_FIRST, output=DeinterlaceOutput.FIELD, reason="fields"
    )
    frames = fields.model_copy(update={"output": DeinterlaceOutput.FRAME})
    assert [pictures_each(step) for step in (None, film, fields, frames)] == [1, Fraction(4, 5), 2, 1]


def test_two_pictures_for_each_count_when_rates_are_compared() -> None:
    asked = EnhancementSettings(frame_rate=Fraction(50))
    assert decide_frame_rate(video(), asked, pictures_each=Fraction(2)).step is None
    assert "left out" in decide_frame_rate(video(), asked, pictures_each=Fraction(4)).reason


@pytest.mark.parametrize("codec", [VideoCodec.HEVC, VideoCodec.AV1])
def test_high_dynamic_range_is_kept_in_hevc_and_av1_only(codec: VideoCodec) -> None:
    stream = video(hdr=HdrInfo(kind=HdrKind.HDR10), colour=PQ, pixel_format="yuv420p10le", bit_depth=10)
    info = MediaInfo(
        format_name="mov",
        size_bytes=1,
        duration_s=Fraction(4),
        start_s=Fraction(0),
        bit_rate=1,
        video=(stream,),
    )
    kept = plan_enhancement(info, measured(), EnhancementSettings(keep_hdr=True, codec=codec))
    assert StepKind.TONE_MAP not in {step.kind for step in kept.steps}
    assert (kept.colour.primaries, kept.colour.transfer, kept.colour.matrix) == (
        "bt2020",
        "smpte2084",
        "bt2020nc",
    )
    assert kept.encoding.pixel_format == "yuv420p10le"
    mapped = plan_enhancement(info, measured(), EnhancementSettings(keep_hdr=True))
    assert StepKind.TONE_MAP in {step.kind for step in mapped.steps}
    assert mapped.colour.transfer == "bt709"
    assert mapped.encoding.pixel_format == "yuv420p"


def test_kept_range_without_tags_gets_the_colours_of_bt_2100() -> None:
    unnamed = video(hdr=HdrInfo(kind=HdrKind.HLG), colour=ColourInfo(transfer="arib-std-b67"))
    colour = output_colour(unnamed, keeps_hdr=True)
    assert (colour.primaries, colour.transfer, colour.matrix) == ("bt2020", "arib-std-b67", "bt2020nc")
    assert colour.is_assumed
    assert decide_tone_map(unnamed).step is not None
