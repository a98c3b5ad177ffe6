"""Every encoder keeps one promise: each picture at its time, colours told, closed groups, proof that it decodes."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.fixtures.small_films import CLOCK, noisy_pictures, uneven_times
from workers.media import encoder_probe, readback
from workers.media.assemble import Mp4Writer, Surroundings
from workers.media.encode import VideoEncoder, VideoForm
from workers.media.encoders.catalogue import ENCODERS
from workers.media.proof import Proof, TrialDecoder
from workers.media.size_prediction import NothingToPredictFromError, predict_size, trial_runs
from workers.media.timestamps import FrameTime
from workers.media.verify import Promise, Verdict, verify
from workers.media.verify_form import CodedForm
from workers.protocol.media import ContentLight, HdrInfo, HdrKind, MasteringDisplay
from workers.protocol.plan import EncoderPlan, OutputColour
from workers.protocol.settings import VideoCodec

COUNT = 30
LAST = 4100
TICKS = uneven_times(COUNT)
TIMES = tuple(
    FrameTime(at, following - at) for at, following in zip(TICKS, [*TICKS[1:], TICKS[-1] + LAST], strict=True)
)
SDR = OutputColour(primaries="bt709", transfer="bt709", matrix="bt709", is_assumed=False)
PQ = OutputColour(primaries="bt2020", transfer="smpte2084", matrix="bt2020nc", is_assumed=False)
HDR10 = HdrInfo(
    kind=HdrKind.HDR10,
    mastering_display=MasteringDisplay(
        red=(Fraction(34, 50), Fraction(16, 50)),
        green=(Fraction(53, 200), Fraction(69, 100)),
        blue=(Fraction(15, 100), Fraction(6, 100)),
        white_point=(Fraction(15635, 50_000), Fraction(16450, 50_000)),
        min_luminance=Fraction(5, 1000),
        max_luminance=Fraction(1000),
    ),
    content_light=ContentLight(max_content=987, max_frame_average=321),
)
PLANS = {
    VideoCodec.H264: EncoderPlan(preset="veryfast"),
    VideoCodec.HEVC: EncoderPlan(encoder="libx265", codec=VideoCodec.HEVC, quality=20, preset="ultrafast"),
    VideoCodec.AV1: EncoderPlan(encoder="libsvtav1", codec=VideoCodec.AV1, quality=24, preset="12"),
}
WIDE = [codec for codec in VideoCodec if codec is not VideoCodec.H264]


def pictures(plan: EncoderPlan, count: int = COUNT) -> list[VideoFrame]:
    """Pictures as the chain delivers them, with noise so that no two are alike."""
    made = []
    for luma in noisy_pictures(count, 12.0):
        planes = np.vstack([luma, np.full((luma.shape[0] // 2, luma.shape[1]), 128, np.uint8)])
        samples = planes if plan.pixel_format == "yuv420p" else planes.astype(np.uint16) * 4
        made.append(VideoFrame.from_ndarray(samples, format=plan.pixel_format))
    return made


def encoded(
    path: Path,
    plan: EncoderPlan,
    *,
    colour: OutputColour = SDR,
    hdr: HdrInfo | None = None,
    times: Sequence[FrameTime] = TIMES,
    rate: Fraction = Fraction(30),
) -> Proof:
    """Write a film with the plan's encoder, as the product does."""
    shots = pictures(plan, len(times))
    form = VideoForm(shots[0].width, shots[0].height, CLOCK, rate, colour, hdr)
    with Mp4Writer(path, CLOCK, Surroundings((), (), (), {})) as writer:
        encoder = VideoEncoder(writer.container, form, plan, threads=1)
        with TrialDecoder(encoder.stream.codec_context, threads=1) as trial:
            for shot, time in zip(shots, times, strict=True):
                packets = encoder.encode(shot, time)
                trial.add(packets)
                writer.write(packets)
            rest = list(encoder.finish())
            trial.add(rest)
            writer.write(rest)
            proof = trial.finish()
        writer.finish()
    return proof


def promise(plan: EncoderPlan, colour: OutputColour = SDR, hdr: HdrInfo | None = None) -> Promise:
    shot = pictures(plan, 1)[0]
    return Promise(
        times=TIMES,
        time_base=Fraction(1, CLOCK),
        width_px=shot.width,
        height_px=shot.height,
        colour=colour,
        audio=(),
        subtitles=0,
        chapters=0,
        form=CodedForm(plan.codec, plan.pixel_format, hdr),
    )


def verdict(path: Path, promised: Promise, proof: Proof | None = None) -> Verdict:
    return verify(path, promised, threads=1, on_frame=lambda done: None, proof=proof)


@pytest.fixture(params=list(VideoCodec))
def plan(request: pytest.FixtureRequest) -> EncoderPlan:
    return PLANS[request.param]


def test_every_picture_stands_at_its_own_time_and_the_last_one_lasts_as_told(
    tmp_path: Path, plan: EncoderPlan
) -> None:
    encoded(tmp_path / "film.mp4", plan)
    assert verdict(tmp_path / "film.mp4", promise(plan)).failures == ()


def test_the_proof_is_recognised_in_the_file(
    tmp_path: Path, plan: EncoderPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = encoded(tmp_path / "film.mp4", plan)
    assert (proof.frames, proof.errors) == (COUNT, 0)
    monkeypatch.setattr(readback, "_decode", lambda *given: pytest.fail("the file was decoded once more"))
    assert verdict(tmp_path / "film.mp4", promise(plan), proof).failures == ()


def test_a_file_that_differs_from_the_proof_is_decoded(tmp_path: Path, plan: EncoderPlan) -> None:
    path = tmp_path / "film.mp4"
    proof = encoded(path, plan)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[start : start + 64] = bytes(byte ^ 0x5A for byte in data[start : start + 64])
    path.write_bytes(data)
    seen: list[int] = []
    verify(path, promise(plan), threads=1, on_frame=seen.append, proof=proof)
    assert seen.count(1) == 2, "read for its digests, and then once more for its pictures"


def test_a_keyframe_comes_at_the_latest_after_ten_seconds_and_playback_can_start_there(
    tmp_path: Path, plan: EncoderPlan
) -> None:
    path = tmp_path / "film.mp4"
    second = tuple(FrameTime(number * CLOCK, CLOCK) for number in range(25))
    encoded(path, plan, times=second)
    with av.open(str(path)) as container:
        keys = [packet.pts for packet in container.demux(video=0) if packet.is_keyframe and packet.size]
    assert keys == [0, 10 * CLOCK, 20 * CLOCK]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        container.seek(10 * CLOCK, stream=stream)
        found = [frame.pts for frame in container.decode(stream)]
    assert found == [number * CLOCK for number in range(10, 25)], "a closed group needs nothing before it"


def test_pictures_that_follow_faster_than_an_encoder_knows(tmp_path: Path, plan: EncoderPlan) -> None:
    path = tmp_path / "film.mp4"
    times = tuple(FrameTime(number * 150, 150) for number in range(12))
    encoded(path, plan, times=times, rate=Fraction(600))
    assert verdict(path, replace(promise(plan), times=times)).failures == ()


@pytest.mark.parametrize("codec", WIDE)
def test_high_dynamic_range_is_kept_with_its_description(tmp_path: Path, codec: VideoCodec) -> None:
    plan = PLANS[codec].model_copy(update={"pixel_format": "yuv420p10le"})
    path = tmp_path / "film.mp4"
    proof = encoded(path, plan, colour=PQ, hdr=HDR10)
    promised = promise(plan, PQ, HDR10)
    assert verdict(path, promised, proof).failures == ()
    other = HDR10.model_copy(update={"content_light": ContentLight(max_content=988, max_frame_average=321)})
    assert [check.name for check in verdict(path, promise(plan, PQ, other)).failures] == ["dynamic_range"]


@pytest.mark.parametrize("codec", WIDE)
def test_a_description_that_got_lost_is_found(tmp_path: Path, codec: VideoCodec) -> None:
    plan = PLANS[codec].model_copy(update={"pixel_format": "yuv420p10le"})
    encoded(tmp_path / "film.mp4", plan, colour=PQ)
    (failure,) = verdict(tmp_path / "film.mp4", promise(plan, PQ, HDR10)).failures
    assert failure.name == "dynamic_range"
    assert "missing" in failure.detail


def test_another_codec_or_depth_than_promised_is_found(tmp_path: Path, plan: EncoderPlan) -> None:
    encoded(tmp_path / "film.mp4", plan)
    kept = promise(plan)
    other = next(codec for codec in VideoCodec if codec is not plan.codec)
    for form in (replace(kept.form, codec=other), replace(kept.form, pixel_format="yuv420p10le")):
        failures = verdict(tmp_path / "film.mp4", replace(kept, form=form)).failures
        assert [check.name for check in failures] == ["browser_profile"]


def test_hevc_carries_the_sample_entry_that_apple_takes(tmp_path: Path) -> None:
    encoded(tmp_path / "film.mp4", PLANS[VideoCodec.HEVC])
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_a_capped_bit_rate_is_kept(tmp_path: Path, plan: EncoderPlan) -> None:
    free, capped = tmp_path / "free.mp4", tmp_path / "capped.mp4"
    times = tuple(FrameTime(number * 3000, 3000) for number in range(240))
    encoded(free, plan, times=times)
    limit = round(free.stat().st_size * 8 / 8 / 3)
    encoded(capped, plan.model_copy(update={"max_bit_rate": limit}), times=times)
    assert capped.stat().st_size < 0.75 * free.stat().st_size


# ------------------------------------------------------------ trials


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_probe, "_findings", {})


NVENC = ENCODERS["hevc_nvenc"]


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_a_trial_codes_pictures_and_gets_them_back(plan: EncoderPlan, pixel_format: str) -> None:
    if pixel_format == "yuv420p10le" and ENCODERS[plan.encoder].input_10 is None:
        assert not encoder_probe.probe_encoder(ENCODERS[plan.encoder], pixel_format=pixel_format).is_usable
    else:
        assert "8 frames" in encoder_probe.try_encoder(plan.encoder, (192, 128), pixel_format)


@pytest.mark.parametrize(
    "program, detail",
    [
        ("import os; os.abort()", "ended its process"),
        ("print('a driver says hello'); raise SystemExit(3)", "ended its process with code 3"),
        ("import threading; threading.Event().wait()", "did not end within"),
        ('print(\'{"is_usable": false, "detail": "no such device"}\')', "no such device"),
        ('print(\'{"is_usable": true, "detail": "8 frames"}\'); raise SystemExit(1)', "8 frames"),
    ],
)
def test_a_driver_that_fails_takes_nothing_down(
    untried: None, monkeypatch: pytest.MonkeyPatch, program: str, detail: str
) -> None:
    monkeypatch.setattr(encoder_probe, "_LIMIT_S", 2.0)
    monkeypatch.setattr(encoder_probe, "_command", lambda: (sys.executable, "-c", program))
    finding = encoder_probe.probe_encoder(NVENC)
    assert not finding.is_usable
    assert detail in finding.detail


def test_a_trial_is_made_once_and_the_first_encoder_that_works_is_enough(
    untried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = 'print(\'{"is_usable": true, "detail": "8 frames"}\')'
    monkeypatch.setattr(encoder_probe, "_command", lambda: (sys.executable, "-c", program))
    assert encoder_probe.probe_encoder(NVENC).is_usable
    monkeypatch.setattr(encoder_probe, "_command", lambda: pytest.fail("it was tried again"))
    assert list(encoder_probe.probe_encoders([NVENC, ENCODERS["hevc_qsv"]])) == ["hevc_nvenc"]


def test_the_trial_of_a_real_driver_ends_with_a_reason(untried: None) -> None:
    finding = encoder_probe.probe_encoder(NVENC)
    assert finding.is_usable or finding.detail


# ------------------------------------------------------------ size


def test_the_predicted_size_is_near_the_real_one(tmp_path: Path, plan: EncoderPlan) -> None:
    count = 120
    times = tuple(FrameTime(number * 3000, 3000) for number in range(count))
    encoded(tmp_path / "film.mp4", plan, times=times)
    shots = pictures(plan, count)
    runs = trial_runs(plan, count)
    assert runs.count == 2
    form = VideoForm(shots[0].width, shots[0].height, CLOCK, Fraction(30), SDR)
    samples = [shots[start : start + runs.length] for start in (0, 60)]
    size = predict_size(samples, plan, form, seconds=4.0, frame_count=count)
    assert size == pytest.approx((tmp_path / "film.mp4").stat().st_size, rel=0.35)
    capped = plan.model_copy(update={"max_bit_rate": 16_000})
    assert predict_size(samples, capped, form, seconds=4.0, frame_count=count) < 16_000 * 4 / 8 + 5000


def test_without_pictures_there_is_no_prediction(plan: EncoderPlan) -> None:
    form = VideoForm(64, 64, CLOCK, Fraction(30), SDR)
    with pytest.raises(NothingToPredictFromError):
        predict_size([], plan, form, seconds=1, frame_count=30)
