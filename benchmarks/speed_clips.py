"""Clips for the speed benchmark, made once a run from a few seconds of real video, or synthesised without them."""

from pathlib import Path
from typing import Final

from benchmarks.speed_runs import MEDIA, ffmpeg

_CAMERA_CLIP: Final = MEDIA / "gopro" / "max-heromode.mp4"
_TAGS: Final = (
    *("-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"),
)


def clean(folder: Path, width: int, height: int, seconds: float) -> Path:
    """A clip well coded in H.264, with sound."""
    clip = folder / f"clean-{height}-{seconds:g}.mp4"
    if not clip.exists():
        ffmpeg(
            *_source(width, height, seconds),
            *("-vf", _picture(width, height), *_TAGS, "-c:v", "libx264", "-crf", "14", "-preset", "veryfast"),
            *("-c:a", "aac", "-ar", "48000", "-t", f"{seconds:g}", clip),
        )
    return clip


def noisy(folder: Path, width: int, height: int, seconds: float, strength: int) -> tuple[Path, Path]:
    """A clip with fresh noise in every picture, without loss, and the clip it was made from."""
    truth, clip = folder / f"truth-{height}.mkv", folder / f"noisy-{height}.mkv"
    lossless = ("-c:v", "ffv1", "-level", "3", "-g", "1", "-slices", "4", "-an", "-t", f"{seconds:g}")
    ffmpeg(*_source(width, height, seconds), "-vf", _picture(width, height), *_TAGS, *lossless, truth)
    noise = f"noise=c0s={strength}:c0f=t:c1s={strength // 2}:c1f=t:c2s={strength // 2}:c2f=t"
    ffmpeg("-i", truth, "-vf", noise, *_TAGS, *lossless, clip)
    return clip, truth


def looped(clip: Path, frames: int, folder: Path) -> Path:
    """The same pictures again and again without coding them again, video only."""
    long = folder / f"{clip.stem}-{frames}-frames.mp4"
    ffmpeg(*("-stream_loop", "-1", "-i", clip, "-map", "0:v:0", "-c", "copy", "-frames:v", str(frames), long))
    return long


def small(folder: Path, width: int, height: int, frames: int, *, noise: int = 0, rate: int = 25) -> Path:
    """A few pictures to loop."""
    clip = folder / f"loop-{height}-{noise}.mp4"
    seconds = frames / rate
    picture = _picture(width, height) + (f",noise=alls={noise}:allf=t" if noise else "")
    ffmpeg(
        *_source(width, height, seconds),
        *(
            "-vf",
            f"{picture},fps={rate}",
            *_TAGS,
            "-an",
            "-c:v",
            "libx264",
            "-bf",
            "0",
            "-preset",
            "veryfast",
        ),
        *("-crf", "18", "-frames:v", str(frames), clip),
    )
    return clip


def camera(folder: Path, width: int, height: int, frames: int, *, noise: int) -> Path:
    """A noisy clip as cameras write it: 60 Mbit/s at 1080 lines, a keyframe every second, video only."""
    clip = folder / f"camera-{height}-{noise}.mp4"
    bit_rate = 60_000_000 * width * height // (1920 * 1080)
    ffmpeg(
        *_source(width, height, frames / 25),
        *("-vf", f"{_picture(width, height)},noise=alls={noise}:allf=t,fps=25", *_TAGS, "-an"),
        *("-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-b:v", str(bit_rate)),
        *("-maxrate", str(bit_rate * 5 // 4), "-bufsize", str(bit_rate), "-frames:v", str(frames), clip),
    )
    return clip


def _picture(width: int, height: int) -> str:
    size = f"scale={width}:{height}:flags=lanczos:in_range=auto:out_range=tv"
    return f"{size},format=yuv420p,setsar=1"


def _source(width: int, height: int, seconds: float) -> tuple[str, ...]:
    if _CAMERA_CLIP.is_file():
        return ("-stream_loop", "-1", "-i", str(_CAMERA_CLIP), "-map", "0:v:0", "-map", "0:a:0")
    picture = f"testsrc2=size={width}x{height}:rate=30:duration={seconds:g}"
    return ("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000")
