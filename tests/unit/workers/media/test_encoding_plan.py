"""Which encoder, how well and with how many bits at most: decided from facts alone, with a reason."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.media.coded_units import (
    open_bitstream_units,
    units_after_lengths,
    units_after_start_codes,
    units_of_hevc_record,
)
from workers.media.decisions.bit_rate_cap import OutputForm, justified_bit_rate
from workers.media.decisions.encoding import Output, decide_encoding, keeps_hdr, wanted_encoders
from workers.media.encoders.buffer import buffer_bits
from workers.media.encoders.catalogue import (
    ENCODERS,
    SOFTWARE_ONLY,
    EncoderFamily,
    EncoderFinding,
    hardware_encoders,
)
from workers.media.encoders.mastering import svt_mastering, x265_mastering
from workers.media.encoders.options import EncodingOrder, encoder_options, keeps_up
from workers.media.encoders.scales import native_preset, native_quality
from workers.protocol.analysis import Analysis, ColourCast
from workers.protocol.media import HdrInfo, HdrKind, MasteringDisplay, VideoStreamInfo
from workers.protocol.plan import EncoderPlan
from workers.protocol.settings import EncoderChoice, EncoderSpeed, EnhancementSettings, VideoCodec
from workers.protocol.steps import DenoiseStep, GrainStep

SETTINGS = EnhancementSettings()
QUALITIES = st.floats(0, 40)
FAMILIES = st.sampled_from(list(EncoderFamily))
CODECS = st.sampled_from(list(VideoCodec))
DENOISED = DenoiseStep(
    sigma=8, effective_sigma=8, is_correlated=False, degrain_radius=2, radius=3, reason="noise"
)


def video(**changes: object) -> VideoStreamInfo:
    known: dict[str, object] = {
        "index": 0,
        "codec": "h264",
        "width_px": 1280,
        "height_px": 720,
        "sample_aspect_ratio": Fraction(1),
        "pixel_format": "yuv420p",
        "bit_depth": 8,
        "average_rate": Fraction(30),
        "base_rate": Fraction(30),
        "is_variable_rate": False,
        "frame_count": 300,
        "bit_rate": 4_000_000,
    }
    return VideoStreamInfo.model_validate(known | changes)


def measured(sigma: float = 0.3, confidence: float = 1.0) -> Analysis:
    return Analysis(
        sampled_frames=20,
        noise_sigma=sigma,
        noise_is_correlated=False,
        noise_confidence=confidence,
        black_level=0,
        white_level=1,
        mean_level=0.5,
        contrast_spread=0.8,
        cast=ColourCast(cb=0, cr=0, confidence=0),
        sharpness=100,
    )


def asked(**changes: object) -> EnhancementSettings:
    return EnhancementSettings.model_validate({**SETTINGS.model_dump(), **changes})


# ------------------------------------------------------------ which encoder


def test_software_is_the_default_and_h264_is_what_plays_everywhere() -> None:
    plan = decide_encoding(video(), measured(), SETTINGS)
    assert (plan.encoder, plan.codec, plan.quality, plan.preset) == ("libx264", "h264", 18, "medium")
    assert (plan.pixel_format, plan.tune, plan.film_grain) == ("yuv420p", None, 0)


@pytest.mark.parametrize("codec, name", [("hevc", "libx265"), ("av1", "libsvtav1")])
def test_the_codec_that_was_asked_for(codec: str, name: str) -> None:
    assert decide_encoding(video(), measured(), asked(codec=codec)).encoder == name


def test_hardware_is_taken_where_a_trial_showed_that_it_works_and_never_unasked() -> None:
    found = {**SOFTWARE_ONLY, "h264_qsv": EncoderFinding("h264_qsv", True, "12 frames")}
    assert decide_encoding(video(), measured(), SETTINGS, found).encoder == "libx264"
    plan = decide_encoding(video(), measured(), asked(encoder="hardware"), found)
    assert plan.encoder == "h264_qsv"
    assert "trial" in plan.reason


def test_hardware_that_fails_its_trial_is_replaced_and_the_plan_says_why() -> None:
    failed = {
        entry.name: EncoderFinding(entry.name, False, f"no {entry.family} here")
        for entry in hardware_encoders(VideoCodec.HEVC)
    }
    settings = asked(codec="hevc", encoder="hardware")
    plan = decide_encoding(video(), measured(), settings, {**SOFTWARE_ONLY, **failed})
    assert plan.encoder == "libx265"
    assert "hevc_nvenc does not work here: no nvenc here." in plan.reason
    untried = decide_encoding(video(), measured(), settings)
    assert untried.encoder == "libx265"
    assert "No graphics processor's encoder was tried." in untried.reason


def test_a_codec_without_any_encoder_becomes_h264_with_the_reason() -> None:
    found = {"libsvtav1": EncoderFinding("libsvtav1", False, "not part of this build of libav")}
    plan = decide_encoding(video(), measured(), asked(codec="av1"), found)
    assert (plan.encoder, plan.codec) == ("libx264", VideoCodec.H264)
    assert "not part of this build" in plan.reason


def test_pictures_too_small_for_an_encoder_go_to_another() -> None:
    plan = decide_encoding(video(), measured(), asked(codec="hevc"), output=Output(8, 8))
    assert plan.encoder == "libx264"
    assert "takes no pictures of 8 × 8" in plan.reason


@given(CODECS, st.sampled_from(list(EncoderChoice)))
def test_a_wanted_encoder_makes_the_codec_that_was_asked_for(
    codec: VideoCodec, choice: EncoderChoice
) -> None:
    wanted = wanted_encoders(asked(codec=codec, encoder=choice))
    assert {entry.codec for entry in wanted} == {codec}
    assert wanted[-1].is_software
    assert (len(wanted) == 1) == (choice is EncoderChoice.SOFTWARE)


# ------------------------------------------------------------ dynamic range


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_high_dynamic_range_is_kept_in_ten_bits_when_asked(codec: str) -> None:
    source = video(hdr=HdrInfo(kind=HdrKind.HDR10))
    assert decide_encoding(source, measured(), asked(codec=codec)).pixel_format == "yuv420p"
    plan = decide_encoding(source, measured(), asked(codec=codec, keep_hdr=True))
    assert plan.pixel_format == "yuv420p10le"
    assert "kept" in plan.reason


def test_high_dynamic_range_is_not_kept_where_it_cannot_be() -> None:
    source = video(hdr=HdrInfo(kind=HdrKind.HDR10))
    plan = decide_encoding(source, measured(), asked(keep_hdr=True))
    assert plan.pixel_format == "yuv420p"
    assert "cannot be kept in H.264" in plan.reason
    own = video(hdr=HdrInfo(kind=HdrKind.DOLBY_VISION, dolby_vision_profile=5))
    settings = asked(codec="hevc", keep_hdr=True)
    assert not keeps_hdr(own, settings)
    assert "Dolby Vision has no pictures of its own" in decide_encoding(own, measured(), settings).reason
    assert not keeps_hdr(video(), settings), "standard range has nothing to keep"


def test_the_mastering_display_in_the_steps_that_each_encoder_counts_in() -> None:
    display = MasteringDisplay(
        red=(Fraction(68, 100), Fraction(32, 100)),
        green=(Fraction(265, 1000), Fraction(69, 100)),
        blue=(Fraction(15, 100), Fraction(6, 100)),
        white_point=(Fraction(3127, 10_000), Fraction(329, 1000)),
        min_luminance=Fraction(1, 10_000),
        max_luminance=Fraction(1000),
    )
    # The example of HEVC's own documentation of the message.
    assert x265_mastering(display) == "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    said = svt_mastering(display)
    assert said is not None
    assert said.startswith("G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)WP(0.31270,0.32900)L(1000")
    assert x265_mastering(display.model_copy(update={"red": None})) is None


# ------------------------------------------------------------ scales


@given(FAMILIES, CODECS, QUALITIES, QUALITIES)
def test_a_better_quality_is_better_on_every_scale(
    family: EncoderFamily, codec: VideoCodec, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    better, worse = (native_quality(family, codec, crf) for crf in (low, high))
    if family is EncoderFamily.VIDEOTOOLBOX:
        assert 100 >= better >= worse >= 1
    else:
        assert 1 <= better <= worse <= 63


def test_the_best_quality_is_not_x264s_lossless_mode_which_no_browser_plays() -> None:
    assert native_quality(EncoderFamily.X264, VideoCodec.H264, 0) > 0


@given(st.sampled_from(sorted(ENCODERS)), st.sampled_from(list(EncoderSpeed)))
def test_every_encoder_can_be_told_its_order(name: str, speed: EncoderSpeed) -> None:
    encoder = ENCODERS[name]
    plan = EncoderPlan(
        encoder=name,
        codec=encoder.codec,
        quality=native_quality(encoder.family, encoder.codec, 18),
        preset=native_preset(encoder.family, speed),
        max_bit_rate=2_000_000,
    )
    options = encoder_options(EncodingOrder(plan, 240, threads=3, buffer_bits=9_000_000))
    assert (options["g"], options["maxrate"], options["bufsize"]) == ("240", "2000000", "9000000")
    assert all(options.values()), "an empty option is refused by libav"
    free = encoder_options(EncodingOrder(plan.model_copy(update={"max_bit_rate": None}), 240))
    assert "maxrate" not in free


# ------------------------------------------------------------ bits


def test_a_clean_source_needs_no_cap_and_the_plan_says_so() -> None:
    plan = decide_encoding(video(), measured(), SETTINGS)
    assert plan.max_bit_rate is None
    assert "below what is justified" in plan.reason


def test_noise_that_is_kept_is_capped_and_noise_that_goes_is_not() -> None:
    noisy = measured(8.0)
    kept = decide_encoding(video(), noisy, SETTINGS)
    assert kept.max_bit_rate == 5_000_000
    assert "whose noise is kept" in kept.reason
    gone = decide_encoding(video(), noisy, SETTINGS, output=Output(1280, 720, steps=(DENOISED,)))
    assert gone.max_bit_rate is None
    renewed = (DENOISED, GrainStep(sigma=2.7, reason="renewed"))
    again = decide_encoding(video(), noisy, SETTINGS, output=Output(1280, 720, steps=renewed))
    assert again.max_bit_rate == 5_000_000


def test_grain_that_is_put_in_is_described_by_av1_and_by_no_other() -> None:
    output = Output(1280, 720, steps=(DENOISED, GrainStep(sigma=2.0, reason="renewed")))
    plan = decide_encoding(video(), measured(8.0), asked(codec="av1"), output=output)
    assert plan.film_grain == 24
    assert plan.max_bit_rate is None, "what is described is no noise to code"
    assert "film-grain=24" in encoder_options(EncodingOrder(plan, 240))["svtav1-params"]
    for codec in ("h264", "hevc"):
        settings = asked(codec=codec)
        assert decide_encoding(video(), measured(8.0), settings, output=output).film_grain == 0
    bare = Output(1280, 720, steps=(DENOISED,))
    assert decide_encoding(video(), measured(8.0), asked(codec="av1"), output=bare).film_grain == 0


def test_x264_is_tuned_for_strong_fine_grain_that_stays() -> None:
    kept = decide_encoding(video(), measured(5.0), SETTINGS)
    assert (kept.tune, kept.quality) == ("grain", 22)
    assert encoder_options(EncodingOrder(kept, 240))["tune"] == "grain"
    gone = decide_encoding(video(), measured(5.0), SETTINGS, output=Output(1280, 720, steps=(DENOISED,)))
    shaped = measured(5.0).model_copy(update={"noise_is_correlated": True})
    for plan in (
        gone,
        decide_encoding(video(), measured(2.0), SETTINGS),
        decide_encoding(video(), shaped, SETTINGS),
        decide_encoding(video(), measured(5.0), asked(codec="hevc")),
    ):
        assert plan.tune is None


def test_no_cap_when_it_is_not_asked_for() -> None:
    assert decide_encoding(video(), measured(8.0), asked(cap_bit_rate=False)).max_bit_rate is None


def test_more_pixels_may_take_more_bits_and_a_better_codec_fewer() -> None:
    larger = decide_encoding(video(), measured(), SETTINGS, output=Output(2560, 1440))
    assert larger.max_bit_rate is not None
    assert 8_000_000 < larger.max_bit_rate < 32_000_000
    av1 = decide_encoding(video(), measured(), asked(codec="av1"), output=Output(2560, 1440))
    assert av1.max_bit_rate is not None
    assert av1.max_bit_rate < larger.max_bit_rate


@given(st.integers(50_000, 10**9), st.booleans(), st.sampled_from(["h264", "hevc", "mpeg2video", "ffv1"]))
def test_a_cap_follows_the_source_and_stays_what_pictures_of_this_size_can_show(
    bit_rate: int, is_noisy: bool, codec: str
) -> None:
    form = OutputForm(1280, 720, is_noisy=is_noisy)
    cap = justified_bit_rate(video(bit_rate=bit_rate, codec=codec), form, VideoCodec.H264)
    more = justified_bit_rate(video(bit_rate=bit_rate * 2, codec=codec), form, VideoCodec.H264)
    assert 0 < cap.bit_rate <= more.bit_rate <= 30_000_000
    if codec == "h264" and bit_rate < 4_000_000:
        assert cap.bit_rate >= 1.24 * bit_rate, "coding again at like quality takes more than the first time"


@given(st.integers(100_000, 50_000_000))
def test_the_buffer_never_asks_for_a_higher_level_than_the_picture(bit_rate: int) -> None:
    assert buffer_bits(bit_rate, 1280, 720, Fraction(30)) <= 14_000_000 * 1.25
    assert buffer_bits(bit_rate, 1920, 1080, Fraction(30)) <= 25_000_000 * 1.25
    assert buffer_bits(bit_rate, 1280, 720, Fraction(30)) <= buffer_bits(bit_rate, 1920, 1080, Fraction(30))


# ------------------------------------------------------------ coded units

NAL_UNITS = st.lists(
    st.binary(min_size=2, max_size=30).filter(lambda unit: unit[-1] and b"\0\0" not in unit), max_size=5
)


@given(NAL_UNITS)
def test_nal_units_are_the_same_in_both_framings(units: list[bytes]) -> None:
    stream = b"".join(b"\0\0\0\1" + unit for unit in units)
    sample = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    assert list(units_after_start_codes(stream)) == list(units_after_lengths(sample)) == units


def test_parameter_sets_of_an_hevc_record_are_found_in_their_order() -> None:
    arrays = b"".join(
        bytes([0x80 | kind]) + (1).to_bytes(2, "big") + len(unit).to_bytes(2, "big") + unit
        for kind, unit in ((32, b"video"), (33, b"sequence"), (34, b"picture"))
    )
    assert list(units_of_hevc_record(bytes(22) + b"\3" + arrays)) == [b"video", b"sequence", b"picture"]
    assert list(units_of_hevc_record(b"")) == []


def obu(kind: int, payload: bytes) -> bytes:
    return bytes([kind << 3 | 2, len(payload)]) + payload


def test_av1_units_are_told_from_delimiters_and_padding() -> None:
    delimiter, padding = obu(2, b""), obu(15, b"\0\0")
    sequence, frame = obu(1, b"sequence"), obu(6, b"frame")
    without_size = bytes([6 << 3]) + b"frame"
    found = list(open_bitstream_units(delimiter + sequence + padding + frame))
    assert found == list(open_bitstream_units(sequence + frame))
    assert found == list(open_bitstream_units(sequence + without_size))
    assert [unit[1:] for unit in found] == [b"sequence", b"frame"]


@given(st.binary(max_size=60))
def test_bytes_that_are_no_units_end_the_reading(coded: bytes) -> None:
    for reader in (open_bitstream_units, units_after_lengths, units_of_hevc_record, units_after_start_codes):
        assert sum(len(unit) for unit in reader(coded)) <= len(coded) + 1


@pytest.mark.parametrize(
    "width_px, height_px, preset, pictures",
    [
        (1280, 720, "medium", None),
        (1920, 1080, "medium", "25"),
        (1920, 1080, "faster", None),
        (3840, 2160, "fast", "20"),
        (7680, 4320, "slow", "20"),
    ],
)
def test_x264_looks_less_far_ahead_in_large_pictures_and_never_farther_than_its_preset(
    width_px: int, height_px: int, preset: str, pictures: str | None
) -> None:
    encoding = EncoderPlan(codec=VideoCodec.H264, encoder="libx264", quality=18, preset=preset)
    options = encoder_options(EncodingOrder(encoding, 250, picture_px=width_px * height_px))
    told = dict(pair.split("=") for pair in options["x264-params"].split(":"))
    assert told.get("rc-lookahead") == pictures


@pytest.mark.parametrize(
    "encoder, preset, is_waiting",
    [
        ("libx264", "medium", True),
        ("libx264", "veryfast", True),
        ("libx264", "slow", False),
        ("libx265", "medium", False),
    ],
)
def test_only_an_encoder_that_keeps_up_with_a_search_for_motion_gets_less_of_the_machine(
    encoder: str, preset: str, *, is_waiting: bool
) -> None:
    codec = VideoCodec.H264 if encoder == "libx264" else VideoCodec.HEVC
    assert keeps_up(EncoderPlan(codec=codec, encoder=encoder, quality=18, preset=preset)) is is_waiting


@pytest.mark.parametrize("preset, pictures", [("medium", "8"), ("fast", "8"), ("superfast", None)])
def test_beside_a_search_for_motion_x264_looks_eight_pictures_ahead_at_most(
    preset: str, pictures: str | None
) -> None:
    encoding = EncoderPlan(codec=VideoCodec.H264, encoder="libx264", quality=18, preset=preset)
    options = encoder_options(EncodingOrder(encoding, 250, picture_px=640 * 360, is_beside_search=True))
    told = dict(pair.split("=") for pair in options["x264-params"].split(":"))
    assert told.get("rc-lookahead") == pictures
    assert told["sync-lookahead"] == "0"
