"""Files that are broken, hostile or merely unusual, made on the spot."""

import os
import resource
import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.stream import VideoStream

from workers.errors import TaskFailedError
from workers.media import quick_probe as quick_probe_module
from workers.media.probe import examine, probe
from workers.media.quick_probe import quick_probe
from workers.protocol.states import ErrorCode
from workers.validators import check_ffprobe_availability, validate_video_file


def make_video(
    path: Path, *, pts: list[int] | None = None, codec: str = "mpeg4", options: dict[str, str] | None = None
) -> Path:
    """64 × 48, ten pictures of rising brightness at 10 a second, or one for each of `pts` in 1/1000 s."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=10))
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, at in enumerate(pts if pts is not None else range(0, 1000, 100)):
            frame = av.VideoFrame.from_ndarray(
                np.full((72, 64), 30 + 20 * number % 200, np.uint8), format="yuv420p"
            )
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))
    return path


def make_audio(path: Path, *, cover: bool = False) -> Path:
    with av.open(str(path), "w") as container:
        audio = container.add_stream("aac", rate=48000, layout="stereo")
        picture = container.add_stream("mjpeg", rate=1) if cover else None
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuvj420p"
            picture.disposition = Disposition.attached_pic
            frame = av.VideoFrame(32, 32, "yuvj420p")
            container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        for number in range(10):
            sound = av.AudioFrame.from_ndarray(
                np.zeros((2, 1024), np.float32), format="fltp", layout="stereo"
            )
            sound.sample_rate, sound.pts = 48000, number * 1024
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path


def claim_size(path: Path, width: int, height: int) -> Path:
    """Write another picture size into an AVI's two headers."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<ii", data, data.find(b"strf") + 12, width, height)
    struct.pack_into("<II", data, data.find(b"avih") + 8 + 32, width, height)
    path.write_bytes(data)
    return path


def claim_size_in_jpeg_headers(path: Path, width: int, height: int) -> Path:
    """Write another picture size into every JPEG frame header (SOF0) as well."""
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(b"\xff\xc0\x00\x11\x08", at + 1)) >= 0:
        struct.pack_into(">HH", data, at + 5, height, width)
    path.write_bytes(data)
    return path


def refusal(path: Path) -> TaskFailedError:
    with pytest.raises(TaskFailedError) as raised:
        probe(path)
    assert raised.value.message.endswith(".")
    assert path.name in raised.value.message
    return raised.value


def test_what_is_no_video_file(tmp_path: Path) -> None:
    empty, text, noise = tmp_path / "empty.mp4", tmp_path / "text.mp4", tmp_path / "noise.mkv"
    empty.touch()
    text.write_text("A letter that somebody renamed.\n" * 300)
    noise.write_bytes(np.random.default_rng(1).bytes(100_000))
    assert refusal(empty).code is ErrorCode.FILE_EMPTY
    assert refusal(text).code is ErrorCode.NOT_A_VIDEO
    assert refusal(noise).code is ErrorCode.NOT_A_VIDEO
    assert refusal(tmp_path / "gone.mp4").code is ErrorCode.FILE_MISSING
    assert refusal(tmp_path).code is ErrorCode.FILE_UNREADABLE


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert refusal(tmp_path / "pipe.mp4").code is ErrorCode.FILE_UNREADABLE


@pytest.mark.parametrize(
    "error, code",
    [
        (PermissionError(13, "Permission denied"), ErrorCode.FILE_UNREADABLE),
        (OSError(5, "Input/output error"), ErrorCode.FILE_UNREADABLE),
        (FileNotFoundError(2, "No such file"), ErrorCode.FILE_MISSING),
    ],
)
def test_what_the_disk_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, code: ErrorCode
) -> None:
    path = make_video(tmp_path / "video.mp4")

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Path, "open", refuse)
    assert refusal(path).code is code


@pytest.mark.parametrize("suffix", ["mp4", "m3u8", "ffconcat", "sdp", "txt"])
def test_scripts_that_name_other_files_are_not_followed(tmp_path: Path, suffix: str) -> None:
    target = make_video(tmp_path / "target.mp4").name
    for number, script in enumerate(
        (
            f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
            f"ffconcat version 1.0\nfile '{target}'\n",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        )
    ):
        path = tmp_path / f"script{number}.{suffix}"
        path.write_text(script)
        assert refusal(path).code is ErrorCode.NOT_A_VIDEO


def test_a_concat_script_would_have_been_followed_without_the_list_of_formats(tmp_path: Path) -> None:
    """Guards the test above: libav itself does open the target."""
    make_video(tmp_path / "target.mp4")
    script = tmp_path / "script.mp4"
    script.write_text("ffconcat version 1.0\nfile 'target.mp4'\n")
    with av.open(str(script)) as container:
        assert container.streams.video[0].codec_context.width == 64


def test_sound_alone_is_no_video_and_its_cover_does_not_make_it_one(tmp_path: Path) -> None:
    for path in (make_audio(tmp_path / "song.m4a"), make_audio(tmp_path / "cover.mp4", cover=True)):
        refused = refusal(path)
        assert refused.code is ErrorCode.NO_VIDEO_STREAM
        assert "only sound" in refused.message


def test_cover_art_comes_after_the_film_and_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        film = container.add_stream("mpeg4", rate=10)
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        container.mux(cover.encode(av.VideoFrame(32, 32, "yuvj420p")))
        container.mux(cover.encode(None))
        for _ in range(5):
            container.mux(film.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(film.encode(None))
    info = probe(path)
    assert [(stream.codec, stream.is_attached_picture) for stream in info.video] == [
        ("mpeg4", False),
        ("mjpeg", True),
    ]
    assert info.main_video is not None
    assert (info.main_video.width_px, info.main_video.frame_count) == (64, 5)


@pytest.mark.parametrize(
    "suffix, code",
    [("avi", ErrorCode.NO_FRAMES), ("mkv", ErrorCode.NO_FRAMES), ("mp4", ErrorCode.NO_VIDEO_STREAM)],
)
def test_a_stream_without_a_picture(tmp_path: Path, suffix: str, code: ErrorCode) -> None:
    path = tmp_path / f"nothing.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    assert refusal(path).code is code


@pytest.mark.parametrize(
    "width, height", [(65535, 65535), (40000, 4), (16000, 16384), (100_000, 100_000), (2**31 - 1, 2)]
)
def test_absurd_sizes_are_refused_before_memory_is_taken(tmp_path: Path, width: int, height: int) -> None:
    path = claim_size(make_video(tmp_path / "huge.avi", codec="mjpeg"), width, height)
    claim_size_in_jpeg_headers(path, min(width, 65535), min(height, 65535))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(path).code is ErrorCode.DIMENSIONS_OUT_OF_RANGE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100_000


def test_variable_rate_and_reordered_pictures(tmp_path: Path) -> None:
    pts = [0, 40, 80, 200, 240, 500, 540, 580, 900, 1000]
    path = make_video(tmp_path / "variable.mkv", pts=pts, codec="libx264")
    examination = examine(path)
    main = examination.info.main_video
    assert main is not None
    assert main.has_b_frames
    assert main.is_variable_rate
    assert [int(1000 * tick * examination.main_scan.time_base) for tick in examination.main_scan.pts] == pts
    assert main.average_rate == Fraction(9)


def test_a_file_cut_short_is_accepted_with_a_warning(tmp_path: Path) -> None:
    whole = make_video(
        tmp_path / "whole.mp4", pts=list(range(0, 20_000, 100)), options={"movflags": "faststart"}
    ).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    info = probe(cut)
    assert info.main_video is not None
    assert 0 < info.main_video.frame_count < 200
    assert any("cut short" in warning and "200 pictures" in warning for warning in info.warnings)


@pytest.mark.parametrize(
    "name",
    [
        "Ferien am Meer – Größe, 日本語 🎬.mp4",
        "concat:a|b.mp4",
        "%d %s %05d.mp4",
        "-y.mp4",
        "http:..x.mp4",
        "with 'quotes' \"and\" #hash?.mp4",
        "n" * 251 + ".mp4",
        os.fsdecode(b"latin \xe9.mp4"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow all of these names")
def test_every_name_is_opened_as_that_file(tmp_path: Path, name: str) -> None:
    path = make_video(tmp_path / "video.mp4").rename(tmp_path / name)
    info = probe(path)
    assert info.main_video is not None
    assert info.main_video.frame_count == 10


def test_a_slanted_picture_is_straightened_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "slanted.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(-100)
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
    info = probe(path)
    assert info.main_video is not None
    assert info.main_video.rotation_deg == 90
    assert any("multiple of 90°" in warning for warning in info.warnings)


def test_tags_that_are_no_utf8(tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.avi")
    data = path.read_bytes()
    at = data.find(b"Lavf")
    path.write_bytes(data[:at] + b"Stra\xdf" + data[at + 5 :])
    info = probe(path)
    assert any(tag.value.startswith("Straß") for tag in info.tags)
    info.model_dump_json()


def test_too_many_streams_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "many.mov"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=10) for _ in range(257)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        container.start_encoding()
        for stream in streams:
            container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
            container.mux(stream.encode(None))
    refused = refusal(path)
    assert refused.code is ErrorCode.DIMENSIONS_OUT_OF_RANGE
    assert "257 streams" in refused.message


def test_a_large_file_is_judged_by_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "long.mp4", pts=list(range(0, 400_000, 100)))
    monkeypatch.setattr(quick_probe_module, "QUICK_SCAN_MAX_BYTES", 0)
    outcome = quick_probe(path, tmp_path / "small.jpg")
    main = outcome.info.main_video
    assert main is not None
    assert (main.frame_count, main.average_rate, main.is_variable_rate) == (4000, Fraction(10), False)
    assert any("not counted one by one" in warning for warning in outcome.info.warnings)
    assert outcome.thumbnail is not None


def test_large_files_with_uneven_timing_are_seen_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = [250_000 + 70 * number + 25 * (number % 3) for number in range(2000)]
    path = make_video(tmp_path / "long.mp4", pts=[*range(0, 250_000, 100), *later])
    monkeypatch.setattr(quick_probe_module, "QUICK_SCAN_MAX_BYTES", 0)
    main = quick_probe(path, None).info.main_video
    assert main is not None
    assert main.is_variable_rate


def test_validators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert validate_video_file(make_video(tmp_path / "video.mp4")) == (True, None)
    assert validate_video_file(str(tmp_path / "video.mp4")) == (True, None)
    is_valid, message = validate_video_file(tmp_path / "gone.mp4")
    assert not is_valid
    assert message is not None
    assert "no longer there" in message

    monkeypatch.setenv("PATH", str(tmp_path))
    assert check_ffprobe_availability() is False
    program = tmp_path / ("ffprobe.exe" if sys.platform == "win32" else "ffprobe")
    program.write_bytes(b"")
    program.chmod(0o755)
    assert check_ffprobe_availability() is True
