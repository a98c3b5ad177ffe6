"""Odd and hostile media, small, made on the spot: each maker writes one file into a folder and returns its path.

What ffmpeg's command line can make is a row of `BY_PROGRAM`; the rest is written packet by packet with PyAV.
"""

import struct
import subprocess
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, cast

import av
import imageio_ffmpeg
import numpy as np
from av.video.stream import VideoStream

type Maker = Callable[[Path], Path]

_PICTURE: Final = ("-f", "lavfi", "-i")


def _source(size: str = "96x64", rate: str = "25", seconds: str = "0.4") -> tuple[str, ...]:
    return (*_PICTURE, f"testsrc2=size={size}:rate={rate}:duration={seconds}")


def _sound(seconds: str = "0.4", rate: int = 48000) -> tuple[str, ...]:
    return (*_PICTURE, f"sine=d={seconds}:r={rate}")


def _coded(name: str, codec: str, pixels: str, *, size: str = "96x64", frames: int = 4) -> tuple[str, ...]:
    scaled = ("-vf", f"scale={size.replace('x', ':')},setsar=1")
    return (
        *_source(),
        *scaled,
        "-c:v",
        codec,
        "-pix_fmt",
        pixels,
        "-frames:v",
        str(frames),
        "-strict",
        "-2",
        name,
    )


H264: Final = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
H264_B: Final = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-pix_fmt", "yuv420p")

BY_PROGRAM: Final[dict[str, tuple[str, ...]]] = {
    # Samples.
    "grey.mkv": _coded("grey.mkv", "ffv1", "gray"),
    "grey10.mkv": _coded("grey10.mkv", "ffv1", "gray10le"),
    "grey12.mkv": _coded("grey12.mkv", "ffv1", "gray12le"),
    "grey16.mkv": _coded("grey16.mkv", "ffv1", "gray16le"),
    "grey_alpha.mov": _coded("grey_alpha.mov", "png", "ya8"),
    "mono.mkv": _coded("mono.mkv", "png", "monob"),
    "palette.gif": _coded("palette.gif", "gif", "pal8"),
    "rgb.avi": (*_source(), "-c:v", "rawvideo", "-pix_fmt", "bgr24", "rgb.avi"),
    "rgb555.avi": (*_source(), "-c:v", "rawvideo", "-pix_fmt", "rgb555le", "rgb555.avi"),
    "rgb_planar12.mkv": _coded("rgb_planar12.mkv", "ffv1", "gbrp12le"),
    "rgba64.mov": _coded("rgba64.mov", "png", "rgba64be"),
    "yuv410.mkv": _coded("yuv410.mkv", "ffv1", "yuv410p"),
    "twelve_bit.mkv": _coded("twelve_bit.mkv", "ffv1", "yuv420p12le"),
    "twelve_bit_444.mkv": _coded("twelve_bit_444.mkv", "ffv1", "yuv444p12le"),
    "sixteen_bit.mkv": _coded("sixteen_bit.mkv", "ffv1", "yuv420p16le"),
    "xyz.mov": _coded("xyz.mov", "jpeg2000", "xyz12le"),
    "alpha_qtrle.mov": _coded("alpha_qtrle.mov", "qtrle", "argb"),
    "alpha_prores.mov": _coded("alpha_prores.mov", "prores_ks", "yuva444p10le"),
    "alpha_vp9.webm": _coded("alpha_vp9.webm", "libvpx-vp9", "yuva420p"),
    "alpha_vp8.webm": (*_source(), "-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", "alpha_vp8.webm"),
    "full_range.avi": (*_source(), "-c:v", "mjpeg", "-pix_fmt", "yuvj422p", "full_range.avi"),
    # Sizes.
    "one_pixel.mkv": _coded("one_pixel.mkv", "ffv1", "yuv420p", size="1x1"),
    "two_pixels.mkv": _coded("two_pixels.mkv", "ffv1", "yuv420p", size="2x2"),
    "odd_small.mkv": _coded("odd_small.mkv", "ffv1", "yuv420p", size="15x17"),
    "line.mkv": _coded("line.mkv", "ffv1", "gray", size="4000x1"),
    "column.mkv": _coded("column.mkv", "png", "rgb24", size="1x2000"),
    "eight_k.mp4": (*_source("7680x4320"), *H264, "-frames:v", "2", "eight_k.mp4"),
    "flat_16k.mkv": (
        *_PICTURE, "color=gray:size=15360x8640:rate=1:duration=1", "-c:v", "ffv1", "-pix_fmt", "gray",
        "-frames:v", "1", "flat_16k.mkv",
    ),
    "wide_16k.mkv": (
        *_PICTURE, "color=gray:size=16384x64:rate=5:duration=1", "-c:v", "ffv1", "-pix_fmt", "yuv420p",
        "-frames:v", "2", "wide_16k.mkv",
    ),
    "sar_huge.mkv": (*_source(), "-vf", "setsar=20/1", "-c:v", "ffv1", "sar_huge.mkv"),
    "sar_tiny.mkv": (*_source(), "-vf", "setsar=1/20", "-c:v", "ffv1", "sar_tiny.mkv"),
    # Rates and times.
    "thousand_fps.mkv": (*_source(rate="1000", seconds="0.05"), "-c:v", "ffv1", "thousand_fps.mkv"),
    "ten_seconds_each.mkv": (*_source(rate="1/10", seconds="50"), *H264, "ten_seconds_each.mkv"),
    "one_frame.mp4": (*_source(), *H264, "-frames:v", "1", "one_frame.mp4"),
    "one_frame.avi": (*_source(), "-c:v", "mpeg4", "-frames:v", "1", "one_frame.avi"),
    "elementary.h264": (*_source(), *H264_B, "elementary.h264"),
    "elementary.hevc": (*_source(), "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=0",
                        "-pix_fmt", "yuv420p", "elementary.hevc"),
    "elementary.m2v": (*_source(), "-c:v", "mpeg2video", "-bf", "2", "elementary.m2v"),
    "elementary.m4v": (*_source(), "-c:v", "mpeg4", "-bf", "2", "elementary.m4v"),
    "b_frames.avi": (*_source(), "-c:v", "mpeg4", "-bf", "2", "b_frames.avi"),
    "b_frames_h264.avi": (*_source(), *H264_B, "b_frames_h264.avi"),
    "wraps_around.ts": (*_source(seconds="2"), *_sound("2"), *H264_B, "-c:a", "aac", "-output_ts_offset", "95442.7",
                        "wraps_around.ts"),
    "begins_late.mkv": (*_source(), *_sound(), *H264, "-c:a", "aac", "-output_ts_offset", "1000000",
                        "begins_late.mkv"),
    "shown_before_decoded.mp4": (*_source(), *_sound(), *H264_B, "-c:a", "aac", "-movflags", "negative_cts_offsets",
                                 "shown_before_decoded.mp4"),
    "empty_edit.mp4": ("-itsoffset", "2", *_source(), *_sound("3"), *H264_B, "-c:a", "aac", "empty_edit.mp4"),
    "sound_first.mkv": ("-itsoffset", "5", *_source(), *_sound("6"), *H264, "-c:a", "aac", "sound_first.mkv"),
    "sound_outlives.mp4": (*_source(), *_sound("8"), *H264, "-c:a", "aac", "sound_outlives.mp4"),
    "live.mkv": (*_source(), *_sound(), *H264, "-c:a", "aac", "-live", "1", "live.mkv"),
    "fragments.mp4": (*_source(seconds="1"), *_sound("1"), *H264_B, "-g", "5", "-c:a", "aac",
                      "-movflags", "frag_keyframe+empty_moov", "fragments.mp4"),
    "interlaced.mpg": (*_source("96x64"), "-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-vf", "setfield=tff",
                       "interlaced.mpg"),
    # Sound.
    "thirty_tracks.mkv": (*_source(), *_sound("0.1"), "-map", "0:v", *(["-map", "1:a"] * 30), *H264,
                          "-c:a", "pcm_s16le", "thirty_tracks.mkv"),
    "sound_65k.mkv": (*_source(), *_sound(rate=65000), *H264, "-c:a", "flac", "-ar", "65000", "sound_65k.mkv"),
    "sound_192k.mkv": (*_source(), *_sound(rate=192000), *H264, "-c:a", "flac", "sound_192k.mkv"),
    "sound_4k.mkv": (*_source(), *_sound(rate=4000), *H264, "-c:a", "pcm_u8", "sound_4k.mkv"),
    "sixteen_channels.mov": (*_source(), *_PICTURE, "anoisesrc=d=0.4:a=0.1,aformat=channel_layouts=hexadecagonal",
                             *H264, "-c:a", "pcm_s16le", "sixteen_channels.mov"),
}  # fmt: skip
"""Name to arguments of the program; the last one is the name again."""


def by_program(arguments: Iterable[str], folder: Path) -> Path:
    """Run the ffmpeg program in a folder; the last argument is the file's name."""
    arguments = tuple(arguments)
    program = imageio_ffmpeg.get_ffmpeg_exe()
    head = [program, "-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-threads", "1"]
    subprocess.run([*head, *arguments], cwd=folder, check=True, timeout=120)
    return folder / arguments[-1]


def pictures(width: int, height: int, count: int, pixel_format: str = "yuv420p") -> Iterable[av.VideoFrame]:
    """Pictures of slowly changing brightness."""
    rows = np.linspace(0, 120, height)[:, np.newaxis]
    columns = np.linspace(0, 60, width)[np.newaxis]
    for number in range(count):
        grey = (rows + columns + 5 * number).astype(np.uint8)
        yield av.VideoFrame.from_ndarray(grey, format="gray").reformat(format=pixel_format)


def joined(
    path: Path, codec: str, parts: Iterable[tuple[int, int, str]], options: dict[str, str] | None = None
) -> Path:
    """One stream whose parts have different sizes or pixel formats, five pictures each; headers lie in the packets.

    Args:
        path: the file; its suffix chooses the container.
        codec: an encoder whose keyframes say everything a decoder needs.
        parts: width, height and pixel format.
        options: of the encoder.
    """
    tick = Fraction(1, 25)
    with av.open(str(path), "w") as container:
        stream: VideoStream | None = None
        at = 0
        for width, height, pixel_format in parts:
            encoder = cast(Any, av.CodecContext.create(codec, "w"))
            encoder.width, encoder.height, encoder.pix_fmt = width, height, pixel_format
            encoder.time_base, encoder.framerate, encoder.options = tick, 1 / tick, options or {}
            encoder.max_b_frames = 0
            encoder.open()
            if stream is None:
                stream = cast(VideoStream, container.add_stream(codec, rate=25, options=options or {}))
                stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
                stream.codec_context.max_b_frames = 0
                container.start_encoding()
            for frame in pictures(width, height, 5, pixel_format):
                frame.pts, frame.time_base = at, tick
                at += 1
                _mux(container, stream, encoder.encode(frame), tick)
            _mux(container, stream, encoder.encode(None), tick)
    return path


def _mux(container: Any, stream: VideoStream, packets: Iterable[Any], tick: Fraction) -> None:
    for packet in packets:
        packet.stream = stream
        packet.time_base = tick
        container.mux(packet)


def timed(
    path: Path, times: Iterable[int], *, codec: str = "libx264", tick: Fraction = Fraction(1, 1000)
) -> Path:
    """One picture for each time, in ticks."""
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=25))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.time_base = tick
        stream.codec_context.max_b_frames = 0
        times = list(times)
        for frame, at in zip(pictures(96, 64, len(times)), times, strict=True):
            frame.pts, frame.time_base = at, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turned(path: Path) -> Path:
    """A quarter turn and pixels of 4:3 together."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.sample_aspect_ratio = Fraction(4, 3)
        stream.set_display_rotation(-90)
        for frame in pictures(96, 64, 5):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def with_subtitles(folder: Path, name: str, cues: str) -> Path:
    """A film with a SubRip track of exactly this text."""
    (folder / "cues.srt").write_text(cues, encoding="utf-8")
    return by_program((*_source(seconds="2"), "-i", "cues.srt", *H264, "-c:s", "srt", name), folder)


def with_chapters(folder: Path, name: str) -> Path:
    """Two seconds of film with chapters inside, across and beyond the end, and one of no length."""
    spans = ((0, 1000), (1000, 9000), (9000, 900_000), (500, 500))
    text = ";FFMETADATA1\n" + "".join(
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle=Nr {start}\n" for start, end in spans
    )
    (folder / "chapters.txt").write_text(text, encoding="utf-8")
    return by_program(
        (*_source(seconds="2"), "-i", "chapters.txt", "-map_metadata", "1", *H264, name), folder
    )


def with_broken_tags(folder: Path, name: str) -> Path:
    """Tags that are no UTF-8, one of them with a NUL and control characters inside."""
    path = by_program(
        (*_source(), *H264, "-metadata", "title=AAAAAAAAAAAA", "-metadata", "artist=BBBBBBBBBBBB", name),
        folder,
    )
    data = path.read_bytes()
    path.write_bytes(
        data.replace(b"A" * 12, b"\xff\xfe\xc3(\x80abcdef\xe4").replace(
            b"B" * 12, b"a\x00b\x1b[31m\xed\xa0\x80c"
        )
    )
    return path


def without_a_picture(folder: Path, name: str) -> Path:
    """A header with a video stream, and no packet."""
    path = folder / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    return path


def claiming(folder: Path, name: str, width: int, height: int) -> Path:
    """A small Motion JPEG in AVI whose headers, down to every picture's own, claim another size."""
    path = by_program((*_source(), "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-frames:v", "2", name), folder)
    data = bytearray(path.read_bytes())
    struct.pack_into("<ii", data, data.find(b"strf") + 12, width, height)
    struct.pack_into("<II", data, data.find(b"avih") + 8 + 32, width, height)
    at = -1
    while (at := data.find(b"\xff\xc0\x00\x11\x08", at + 1)) >= 0:
        struct.pack_into(">HH", data, at + 5, min(height, 65535), min(width, 65535))
    path.write_bytes(data)
    return path


X264: Final = {"preset": "ultrafast", "x264-params": "repeat-headers=1:log-level=-1"}
SMALL, LARGE = (96, 64), (192, 128)


def _join(name: str, codec: str, sizes: Iterable[tuple[int, int]], pixels: Iterable[str]) -> Maker:
    parts = [(*size, pixel) for size, pixel in zip(sizes, pixels, strict=True)]
    options = X264 if codec == "libx264" else {}
    return lambda folder: joined(folder / name, codec, parts, options)


def _same(pixels: str) -> tuple[str, str]:
    return (pixels, pixels)


BY_HAND: Final[dict[str, Maker]] = {
    "grows_h264.ts": _join("grows_h264.ts", "libx264", (SMALL, LARGE), _same("yuv420p")),
    "shrinks_h264.ts": _join("shrinks_h264.ts", "libx264", (LARGE, SMALL), _same("yuv420p")),
    "grows_h264.mkv": _join("grows_h264.mkv", "libx264", (SMALL, LARGE), _same("yuv420p")),
    "grows_vp9.webm": _join("grows_vp9.webm", "libvpx-vp9", (SMALL, LARGE), _same("yuv420p")),
    "shrinks_vp9.webm": _join("shrinks_vp9.webm", "libvpx-vp9", (LARGE, SMALL), _same("yuv420p")),
    "grows_mjpeg.avi": _join("grows_mjpeg.avi", "mjpeg", (SMALL, LARGE), _same("yuvj420p")),
    "shrinks_mjpeg.mov": _join("shrinks_mjpeg.mov", "mjpeg", (LARGE, SMALL), _same("yuvj420p")),
    "becomes_huge.avi": _join("becomes_huge.avi", "mjpeg", (SMALL, (4096, 2304)), _same("yuvj420p")),
    "format_mjpeg.avi": _join("format_mjpeg.avi", "mjpeg", (SMALL, SMALL), ("yuvj420p", "yuvj444p")),
    "format_h264.ts": _join("format_h264.ts", "libx264", (SMALL, SMALL), ("yuv420p", "yuv422p")),
    "depth_h264.ts": _join("depth_h264.ts", "libx264", (SMALL, SMALL), ("yuv420p", "yuv420p10le")),
    "hours_apart.mkv": lambda folder: timed(
        folder / "hours_apart.mkv", [0, 40, 80, 10_800_000, 10_800_040, 36_000_000]
    ),
    "before_zero.mkv": lambda folder: timed(folder / "before_zero.mkv", range(-400, 400, 40)),
    "far_in_the_future.nut": lambda folder: timed(
        folder / "far_in_the_future.nut", range(1 << 50, (1 << 50) + 400, 40)
    ),
    "turned_and_wide.mp4": lambda folder: turned(folder / "turned_and_wide.mp4"),
    "absurd_subtitles.mkv": lambda folder: with_subtitles(
        folder, "absurd_subtitles.mkv",
        "1\n00:00:00,500 --> 00:00:01,000\nright\n\n2\n99:59:59,000 --> 99:59:59,900\nlate\n\n"
        "3\n00:00:01,500 --> 596:31:23,000\nlong\n\n4\n00:00:01,000 --> 00:00:00,100\nbackwards\n",
    ),
    "chapters_beyond.mkv": lambda folder: with_chapters(folder, "chapters_beyond.mkv"),
    "chapters_beyond.mp4": lambda folder: with_chapters(folder, "chapters_beyond.mp4"),
    "broken_tags.mkv": lambda folder: with_broken_tags(folder, "broken_tags.mkv"),
    "broken_tags.mp4": lambda folder: with_broken_tags(folder, "broken_tags.mp4"),
    "nothing.avi": lambda folder: without_a_picture(folder, "nothing.avi"),
    "nothing.mkv": lambda folder: without_a_picture(folder, "nothing.mkv"),
    "nothing.mp4": lambda folder: without_a_picture(folder, "nothing.mp4"),
    "claims_65535.avi": lambda folder: claiming(folder, "claims_65535.avi", 65535, 65535),
    "claims_16384.avi": lambda folder: claiming(folder, "claims_16384.avi", 16384, 16384),
    "claims_8192.avi": lambda folder: claiming(folder, "claims_8192.avi", 8192, 8192),
}  # fmt: skip
"""Name to maker."""


def make(name: str, folder: Path) -> Path:
    """Make one of the files by name."""
    if name in BY_PROGRAM:
        return by_program(BY_PROGRAM[name], folder)
    return BY_HAND[name](folder)


WHOLE: Final[dict[str, tuple[str, ...]]] = {
    "whole.mp4": (*_source(seconds="2"), *_sound("2"), *H264_B, "-g", "12", "-c:a", "aac", "-movflags", "+faststart",
                  "whole.mp4"),
    "whole.mkv": (*_source(seconds="2"), *_sound("2"), *H264_B, "-g", "12", "-c:a", "libopus", "whole.mkv"),
    "whole.ts": (*_source(seconds="2"), *_sound("2"), "-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2", "whole.ts"),
    "whole.avi": (*_source(seconds="2"), *_sound("2"), "-c:v", "mpeg4", "-c:a", "libmp3lame", "whole.avi"),
}  # fmt: skip
"""Sound files of four containers, to be damaged."""


def damaged(whole: Path, seed: int) -> Path:
    """A copy with some bits flipped: few or many, anywhere or in the first kilobyte, as the seed says."""
    random = np.random.default_rng(seed)
    data = bytearray(whole.read_bytes())
    reach = min(len(data), 1024) if seed % 4 == 0 else len(data)
    for at in random.integers(0, reach, size=int(random.choice([1, 5, 25, 200]))):
        data[at] ^= 1 << int(random.integers(8))
    path = whole.with_name(f"flipped{seed}{whole.suffix}")
    path.write_bytes(data)
    return path


def cut(whole: Path, part: int, parts: int) -> Path:
    """A copy that ends after `part` of `parts` equal pieces."""
    data = whole.read_bytes()
    path = whole.with_name(f"cut{part}{whole.suffix}")
    path.write_bytes(data[: len(data) * part // parts])
    return path
