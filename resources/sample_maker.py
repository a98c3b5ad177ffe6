"""Makes a small noisy video, so that there is something to enhance where nobody brought one.

    python -m resources.sample_maker OUT.mp4

Knows the ffmpeg program and nothing of the product. ffmpeg's own test sources draw the picture: a fractal that zooms
(fine texture, steady motion), dulled as by a poor camera, with sensor-like noise; the sound is two tones.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg


@dataclass(frozen=True, slots=True)
class SampleSpec:
    """What the sample looks and sounds like.

    Attributes:
        width_px: Even picture width.
        height_px: Even picture height.
        rate: Frames per second.
        duration_s: Length.
        noise_strength: ffmpeg's `noise` strength on luma; 24 gives a standard deviation of about 7 of 255.
        seed: Makes the noise repeatable.
        keyframe_every: Frames from one keyframe to the next, at most.
    """

    width_px: int = 640
    height_px: int = 360
    rate: Fraction = Fraction(25)
    duration_s: int = 4
    noise_strength: int = 24
    seed: int = 7
    keyframe_every: int = 250


def ffmpeg_program() -> str:
    """The ffmpeg to use: VIDPROC_FFMPEG, or the one that comes with imageio-ffmpeg."""
    return os.environ.get("VIDPROC_FFMPEG") or str(imageio_ffmpeg.get_ffmpeg_exe())


def _picture(spec: SampleSpec) -> Any:
    size = f"{spec.width_px}x{spec.height_px}"
    source = ffmpeg.input(
        f"mandelbrot=size={size}:rate={spec.rate}:start_scale=0.9:end_scale=0.3:end_pts=120",
        f="lavfi",
        t=spec.duration_s,
    )
    dull = source.filter("format", "yuv420p").filter("eq", contrast=0.7, brightness=-0.06, saturation=0.7)
    return dull.filter(
        "noise", c0s=spec.noise_strength, c0f="t", c1s=8, c1f="t", c2s=8, c2f="t", all_seed=spec.seed
    )


def _sound(spec: SampleSpec) -> Any:
    tones = "0.2*sin(2*PI*330*t)|0.2*sin(2*PI*440*t)"
    return ffmpeg.input(f"aevalsrc={tones}:s=48000:d={spec.duration_s}", f="lavfi")


def make_sample(target: Path, spec: SampleSpec | None = None) -> None:
    """Writes an H.264/AAC MP4; it appears under its name only when it is complete.

    Args:
        target: The file to make; one that exists is replaced.
        spec: What to draw.

    Raises:
        RuntimeError: When ffmpeg fails; with its last lines.
        OSError: When the folder cannot be written to.
    """
    spec = spec or SampleSpec()
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".sample-") as folder:
        partial = Path(folder) / "sample.mp4"
        command = ffmpeg.output(
            _picture(spec), _sound(spec), str(partial),
            vcodec="libx264", crf=20, preset="veryfast", g=spec.keyframe_every, pix_fmt="yuv420p",
            acodec="aac", audio_bitrate="96k",
            colorspace="bt709", color_primaries="bt709", color_trc="bt709", color_range="tv", movflags="+faststart",
        )  # fmt: skip
        argv = ffmpeg.compile(
            command, cmd=[ffmpeg_program(), "-hide_banner", "-nostdin", "-loglevel", "error"]
        )
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(
                "ffmpeg could not make the sample: " + "\n".join(done.stderr.splitlines()[-5:])
            )
        partial.replace(target)


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the sample named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m resources.sample_maker", description="Make a small noisy video."
    )
    parser.add_argument("target", type=Path, metavar="OUT.mp4")
    target: Path = parser.parse_args(arguments).target
    try:
        make_sample(target)
    except (OSError, RuntimeError) as error:
        print(f"The sample could not be made: {error}", file=sys.stderr)
        return 1
    print(f"A noisy sample: {target}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
