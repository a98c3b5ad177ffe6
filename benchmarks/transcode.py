"""Wall time of the default enhancement of a clean 720p clip against plain ffmpeg with the same encoder settings.

Usage: python benchmarks/transcode.py [--clip FILE] [--rounds N] [--speed medium]

Both run in the same minute, alternating, each in a process of its own; probing, analysis and the verification of the
result are inside the measured time. Printed: every round, the median ratio, the goal, and what the stages took.
Without --clip, 21 s of 1280 × 720 are made from ../shared/media or, where that is missing, synthesised.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import imageio_ffmpeg

GOAL: Final = 1.15
_CAMERA_CLIP: Final = Path(__file__).resolve().parents[2] / "shared" / "media" / "gopro" / "max-heromode.mp4"
_CHILD: Final = """
import sys
from pathlib import Path
from workers.media.enhance import enhance
from workers.media.jobs import EnhancementJob
from workers.protocol.settings import EncoderSpeed, EnhancementSettings
source, workspace, speed = Path(sys.argv[1]), Path(sys.argv[2]), EncoderSpeed(sys.argv[3])
settings = EnhancementSettings(remux_when_clean=False, encoder_speed=speed)
job = EnhancementJob(file_id="bench", attempt=1, worker_id="bench", source=source, workspace=workspace,
                     output_name="output.mp4", settings=settings, settings_key="bench")
report = enhance(job, lambda progress: None).report
print("steps:", ", ".join(step.kind.value for step in report.plan.steps) or "none;",
      " ".join(f"{entry.stage} {entry.seconds:.2f} s" for entry in report.timings))
"""


def make_clip(folder: Path) -> Path:
    """A clean 720p clip of at least 20 s with sound."""
    clip = folder / "clip.mp4"
    if _CAMERA_CLIP.is_file():
        source = ["-stream_loop", "1", "-i", str(_CAMERA_CLIP), "-map", "0:v:0", "-map", "0:a:0"]
    else:
        source = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=21"]
        source += ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=21"]
    picture = "scale=1280:720:flags=lanczos:in_range=auto:out_range=tv,format=yuv420p,setsar=1"
    tags = ["-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
    _ffmpeg([*source, "-vf", picture, *tags, "-c:v", "libx264", "-crf", "14", "-preset", "veryfast",
             "-c:a", "aac", "-ar", "48000", "-t", "21", str(clip)])  # fmt: skip
    return clip


def run_peer(clip: Path, folder: Path, speed: str) -> float:
    """Seconds that plain ffmpeg takes."""
    started = time.perf_counter()
    _ffmpeg(["-i", str(clip), "-c:v", "libx264", "-crf", "18", "-preset", speed, "-profile:v", "high",
             "-x264-params", "8x8dct=1:keyint=240:open-gop=0:stitchable=1", "-c:a", "copy",
             "-movflags", "+faststart", str(folder / "peer.mp4")])  # fmt: skip
    return time.perf_counter() - started


def run_product(clip: Path, folder: Path, speed: str) -> tuple[float, str]:
    """Seconds that the enhancement takes, start of the process included, and what its stages took."""
    workspace = Path(tempfile.mkdtemp(dir=folder))
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(clip), str(workspace), speed],
        check=True, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[1],
    )  # fmt: skip
    return time.perf_counter() - started, done.stdout.strip()


def processor_seconds() -> float:
    """User and system time of all finished child processes: says more than wall time on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ffmpeg(arguments: list[str]) -> None:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-hide_banner", "-loglevel", "error", "-y", *arguments], check=True)


def main() -> int:
    """Run the rounds; exit code 1 when the goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--speed", default="medium")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = options.clip or make_clip(folder)
        ratios = []
        for number in range(options.rounds):
            before_s = processor_seconds()
            peer_s = run_peer(clip, folder, options.speed)
            between_s = processor_seconds()
            product_s, stages = run_product(clip, folder, options.speed)
            processor = (processor_seconds() - between_s) / (between_s - before_s)
            ratios.append(product_s / peer_s)
            print(
                f"round {number + 1}: ffmpeg {peer_s:.2f} s, enhancement {product_s:.2f} s, ratio {ratios[-1]:.3f}"
            )
            print(f"  processor time {processor:.3f} times ffmpeg's; {stages}")
    median = statistics.median(ratios)
    print(f"median ratio {median:.3f}, goal {GOAL}: {'reached' if median <= GOAL else 'missed'}")
    return 0 if median <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
