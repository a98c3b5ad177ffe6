"""What must be in every result: read back here with libav alone and compared with what was put into the source."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.fixtures.small_films import (
    CLOCK,
    HEIGHT_PX,
    RATE_HZ,
    WIDTH_PX,
    cut_off,
    declare_turned,
    make_film,
    noisy_pictures,
    stated_length_s,
    uneven_times,
)
from workers.media.audio import AudioTrack
from workers.media.audio_audit import AudioAudit, audit
from workers.media.audio_plan import plan_track
from workers.media.enhance import enhance
from workers.media.jobs import EnhancementJob, EnhancementOutcome, Progress
from workers.media.probe import examine
from workers.media.source import open_source
from workers.protocol.report import NoteCode
from workers.protocol.settings import EncoderSpeed, EnhancementSettings
from workers.protocol.steps import DenoiseStep
from workers.runtime.executor import Executor, ExecutorOptions

COUNT = 40
TIMES = uneven_times(COUNT)
LAST = 4321
SETTINGS = EnhancementSettings(encoder_speed=EncoderSpeed.VERYFAST)
COPYING = EnhancementSettings(denoise=False, colour=False, sharpen=False, deinterlace=False)
"""Nothing is left to be done to the pictures."""


def enhanced(source: Path, settings: EnhancementSettings = SETTINGS) -> EnhancementOutcome:
    """The source made better in a fresh folder beside it."""
    workspace = source.with_suffix(".work")
    workspace.mkdir()
    job = EnhancementJob("file-1", 1, "worker", source, workspace, "film.mp4", settings, "key", 2)
    return enhance(job, lambda progress: None)


def frames_of(path: Path) -> list[VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(container.streams.video[0]))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "film.mp4", noisy_pictures(COUNT, 6.0), TIMES, last_duration=LAST)


def test_every_picture_keeps_its_time_to_the_tick(film: Path) -> None:
    frames = frames_of(enhanced(film).output)
    assert [frame.pts * frame.time_base * CLOCK for frame in frames if frame.pts is not None] == TIMES


def test_the_last_picture_stays_as_long_as_it_did(film: Path) -> None:
    assert stated_length_s(enhanced(film).output) * CLOCK == TIMES[-1] + LAST


def test_a_clock_that_starts_late_is_moved_as_a_whole(tmp_path: Path) -> None:
    late = [ticks + 5 * CLOCK for ticks in TIMES]
    source = make_film(tmp_path / "late.mkv", noisy_pictures(COUNT, 6.0), late, sounds=[[(5.0, 6.0)]])
    outcome = enhanced(source)
    starts = [frame.pts for frame in frames_of(outcome.output)]
    assert starts[0] == 0
    assert NoteCode.START_SHIFTED in {note.code for note in outcome.report.notes}
    with av.open(str(outcome.output)) as container:
        first = next(container.decode(container.streams.audio[0]))
        assert abs(first.time or 0.0) < 0.05


def test_every_track_of_sound_is_kept_and_plays_to_its_end(tmp_path: Path) -> None:
    source = make_film(
        tmp_path / "film.mp4", noisy_pictures(COUNT, 6.0), TIMES, sounds=[[(0.0, 1.5)], [(0.0, 1.0)]]
    )
    outcome = enhanced(source)
    assert outcome.report.audio_tracks == 2
    assert [round(float(end_s), 1) for end_s in ends_of_sound(outcome.output)] == [1.5, 1.0]


def test_a_hole_in_the_sound_becomes_silence_and_what_follows_stays_in_step(tmp_path: Path) -> None:
    source = make_film(
        tmp_path / "film.mkv",
        noisy_pictures(COUNT, 6.0),
        TIMES,
        sounds=[[(0.0, 0.5), (1.0, 1.5)]],
        sound_codec="pcm_s16le",
    )
    output = enhanced(source).output
    assert round(float(ends_of_sound(output)[0]), 1) == 1.5
    with av.open(str(output)) as container:
        loud = [
            float(frame.time or 0.0)
            for frame in container.decode(container.streams.audio[0])
            if float(np.abs(frame.to_ndarray()).max()) > 0.1
        ]
    assert not [at_s for at_s in loud if 0.55 < at_s < 0.95]
    assert [at_s for at_s in loud if 1.0 < at_s < 1.1]


@pytest.mark.parametrize("start_s", [0.0, 0.005, 1024 / RATE_HZ, 0.1])
def test_a_result_made_better_again_keeps_its_sound_in_step(tmp_path: Path, start_s: float) -> None:
    source = make_film(
        tmp_path / "film.mkv",
        noisy_pictures(COUNT, 6.0),
        TIMES,
        sounds=[[(0.0, 0.5)], [(start_s, start_s + 0.5)]],
        sound_codec="pcm_s16le",
    )
    once = enhanced(source).output
    again = enhanced(once)
    assert NoteCode.AUDIO_COPIED in {note.code for note in again.report.notes}
    first, second = starts_of_sound(once), starts_of_sound(again.output)
    assert second == first
    assert [round(float(at_s), 3) for at_s in first] == [0.0, round(start_s, 3)]


def test_sound_that_is_less_than_a_sample_late_is_copied_all_the_same(tmp_path: Path) -> None:
    source = make_film(tmp_path / "film.mp4", noisy_pictures(2, 6.0), TIMES[:2], sounds=[[(0.0, 0.5)]])
    with open_source(source) as container:
        audio = examine(source).info.audio[0]
        end_s = audit(container, container.streams.audio[0]).end_s
    late = AudioTrack(
        source,
        plan_track(audio, is_damaged=False),
        origin_s=Fraction(0),
        bit_rate_per_channel=64_000,
        audited=AudioAudit(0, Fraction(1, 4 * RATE_HZ), end_s),
    )
    with av.open(str(tmp_path / "sound.mp4"), "w") as written:
        late.open(written)
        first = next(late.packets())
        written.mux(first)
    late.close()
    assert late.statistics.priming_samples == 0
    assert first.pts == -1024  # the encoder's run-in before zero, and nothing else


@pytest.mark.parametrize("settings", [SETTINGS, COPYING], ids=["pictures encoded", "pictures copied"])
def test_sound_whose_copy_is_not_exact_is_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: EnhancementSettings
) -> None:
    source = make_film(tmp_path / "film.mp4", noisy_pictures(COUNT, 6.0), TIMES, sounds=[[(0.0, 1.5)]])
    exact = AudioTrack._copied_start
    tenth_s = RATE_HZ // 10

    def inexact(track: AudioTrack, packet: Any, rate: int) -> tuple[int, int]:
        start, delay = exact(track, packet, rate)
        return start, delay + tenth_s

    monkeypatch.setattr(AudioTrack, "_copied_start", inexact)
    outcome = enhanced(source, settings)
    texts = [note.text for note in outcome.report.notes if note.code is NoteCode.AUDIO_ENCODED]
    assert any("would not have been exact" in text for text in texts)
    codes = {note.code for note in outcome.report.notes}
    assert (NoteCode.REMUXED in codes) is (settings is COPYING)
    assert NoteCode.AUDIO_COPIED not in codes
    assert starts_of_sound(outcome.output) == [0]


def starts_of_sound(path: Path) -> list[Fraction]:
    """When the first sample of each track is heard."""
    starts = []
    with av.open(str(path)) as container:
        count = len(container.streams.audio)
    for number in range(count):
        with av.open(str(path)) as container:  # afresh: the run-in is not passed over after a seek
            first = next(container.decode(container.streams.audio[number]))
            assert first.pts is not None
            assert first.time_base is not None
            starts.append(first.pts * first.time_base)
    return starts


def ends_of_sound(path: Path) -> list[Fraction]:
    """When the last sample of each track is over."""
    ends = []
    with av.open(str(path)) as container:
        for number in range(len(container.streams.audio)):
            container.seek(0)
            stream = container.streams.audio[number]
            last = list(container.decode(stream))[-1]
            assert last.pts is not None
            assert last.time_base is not None
            ends.append(last.pts * last.time_base + Fraction(last.samples, RATE_HZ))
    return ends


def test_chapters_are_kept(tmp_path: Path) -> None:
    chapters = [(0, 500, "One"), (500, 1200, "Two")]
    source = make_film(tmp_path / "film.mp4", noisy_pictures(COUNT, 6.0), TIMES, chapters=chapters)
    with av.open(str(enhanced(source).output)) as container:
        found = [
            (int(entry["start"] * entry["time_base"] * 1000), entry["metadata"]["title"])
            for entry in container.chapters()
        ]
    assert found == [(0, "One"), (500, "Two")]


def test_text_is_shown_at_its_time_as_long_as_it_was(tmp_path: Path) -> None:
    texts = [(200, 300, "Grüße"), (700, 250, "second")]
    source = make_film(tmp_path / "film.mp4", noisy_pictures(COUNT, 6.0), TIMES, texts=texts)
    with av.open(str(enhanced(source).output)) as container:
        packets = [packet for packet in container.demux(container.streams.subtitles[0]) if packet.size > 2]
        found = [(packet.pts, packet.duration, bytes(packet)[2:].decode()) for packet in packets]
    assert found == texts


def test_colours_are_always_tagged_and_playback_can_start_while_loading(film: Path) -> None:
    output = enhanced(film).output
    first = frames_of(output)[0]
    assert (first.color_primaries, first.color_trc, first.colorspace, first.color_range) == (6, 6, 6, 1)
    data = output.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


TURNS = {
    "quarter": ((0, 1, -1, 0), "top right"),
    "half": ((-1, 0, 0, -1), "bottom right"),
    "three quarters": ((0, -1, 1, 0), "bottom left"),
    "mirrored": ((-1, 0, 0, 1), "top right"),
}
"""Where the display matrix puts the corner at the top left: x' = ax + cy, y' = bx + dy."""


@pytest.mark.parametrize("matrix, corner", TURNS.values(), ids=TURNS)
def test_a_turned_picture_is_turned_the_way_players_would(
    film: Path, matrix: tuple[int, int, int, int], corner: str
) -> None:
    declare_turned(film, matrix)
    outcome = enhanced(film)
    luma = frames_of(outcome.output)[0].to_ndarray(format="gray").astype(float)
    is_upright = matrix[0] == 0
    assert luma.shape == ((WIDTH_PX, HEIGHT_PX) if is_upright else (HEIGHT_PX, WIDTH_PX))
    middle, centre = luma.shape[0] // 2, luma.shape[1] // 2
    quarters = {
        "top left": luma[:middle, :centre],
        "top right": luma[:middle, centre:],
        "bottom left": luma[middle:, :centre],
        "bottom right": luma[middle:, centre:],
    }
    assert max(quarters, key=lambda name: float(quarters[name].mean())) == corner
    with av.open(str(outcome.output)) as container:
        assert frames_of(outcome.output)[0].rotation == 0
        assert container.streams.video[0].width == luma.shape[1]


def test_a_file_that_ends_early_is_said_to_be_shorter_than_it_announces(tmp_path: Path) -> None:
    pictures = noisy_pictures(200, 6.0)
    source = make_film(tmp_path / "film.mp4", pictures, uneven_times(200), faststart=True)
    cut_off(source, 0.5)
    report = enhanced(source).report
    notes = {note.code: note.text for note in report.notes}
    assert "announces 200 pictures" in notes[NoteCode.SOURCE_TRUNCATED]
    assert any("announces 200 pictures" in warning for warning in report.warnings)
    assert report.frames_out < 200


@pytest.mark.parametrize("sigma", [3.0, 12.0])
def test_as_much_noise_is_removed_as_there_is(tmp_path: Path, sigma: float) -> None:
    source = make_film(tmp_path / "film.mp4", noisy_pictures(COUNT, sigma), TIMES)
    report = enhanced(source).report
    step = next(step for step in report.plan.steps if isinstance(step, DenoiseStep))
    assert step.sigma == pytest.approx(sigma, rel=0.15)
    assert report.gate is not None
    assert report.gate.sigma_after < 0.5 * sigma


async def test_a_gentle_attempt_may_follow_in_the_same_child(film: Path) -> None:
    executor = Executor(ExecutorOptions("gentle", ("enhance",)))
    await executor.start()
    try:
        for number, threads in enumerate((2, 1, 2, 1)):
            workspace = film.with_suffix(f".{number}")
            workspace.mkdir()
            job = EnhancementJob("f", 1, "w", film, workspace, "film.mp4", SETTINGS, "key", threads)
            outcome = await executor.run(job, timeout_s=60)
            assert isinstance(outcome, EnhancementOutcome)
            assert outcome.report.frames_out == COUNT
    finally:
        await executor.aclose()


def test_progress_never_falls_and_ends_at_the_end(film: Path) -> None:
    seen: list[Progress] = []
    workspace = film.with_suffix(".work")
    workspace.mkdir()
    enhance(EnhancementJob("f", 1, "w", film, workspace, "film.mp4", SETTINGS, "key", 1), seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
