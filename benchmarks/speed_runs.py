"""Programs run and measured one by one: wall time, processor time and peak memory of each, ours and the peers'.

It knows processes and what the product writes into its report; nothing of goals.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import imageio_ffmpeg

from workers.media.encode import keyframe_interval
from workers.media.encoders.buffer import buffer_bits
from workers.media.encoders.options import EncodingOrder, encoder_options, keeps_up
from workers.media.filters.graph import searches_motion
from workers.media.freed_memory import ALLOCATOR_ENVIRONMENT
from workers.media.probe import probe
from workers.protocol.plan import EnhancementPlan
from workers.protocol.settings import EnhancementSettings

ROOT: Final = Path(__file__).resolve().parents[1]
MEDIA: Final = ROOT.parent / "shared" / "media"
_ENHANCE: Final = """
import resource, sys, time
from pathlib import Path
from workers.media.jobs import EnhancementJob
from workers.protocol.settings import EnhancementSettings
from workers.runtime import media_jobs
media_jobs.warm_up(["enhance"])
before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
settings = EnhancementSettings.model_validate_json(sys.argv[3])
job = EnhancementJob(file_id="bench", attempt=1, worker_id="bench", source=Path(sys.argv[1]),
                     workspace=Path(sys.argv[2]), output_name="output.mp4", settings=settings, settings_key="bench")
report = media_jobs.run(job, lambda progress: None).report
wall_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
print(report.model_dump_json())
print(wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
"""


@dataclass(frozen=True, slots=True)
class Used:
    """What one program took, its start included."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    output: str


@dataclass(frozen=True, slots=True)
class Enhanced:
    """One enhancement in a process of its own.

    Attributes:
        used: by the whole process, the loading of its libraries included.
        job_s: wall time of the job alone: workers keep such a process waiting with its libraries loaded.
        job_cpu_s: processor time of the same.
        video: the result.
        plan: what was done.
        stages: wall time of each stage.
    """

    used: Used
    job_s: float
    job_cpu_s: float
    video: Path
    plan: EnhancementPlan
    stages: dict[str, float]

    @property
    def steps(self) -> str:
        """Names of the picture steps."""
        return ", ".join(step.kind.value for step in self.plan.steps) or "no steps"


def run(
    command: list[str], *, directory: Path = ROOT, environment: Mapping[str, str] = MappingProxyType({})
) -> Used:
    """Run a program to its end, with something added to its environment.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    with tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=directory,
            env={**_environment(), **environment},
        )
        assert process.stdout is not None
        with process.stdout:
            output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        text = errors.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output, text)
    unit = 1 if sys.platform == "darwin" else 1024
    return Used(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit, output + text)


def ffmpeg(*arguments: str | Path, level: str = "error") -> Used:
    """Run ffmpeg."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    return run(
        [program, "-hide_banner", "-nostdin", "-loglevel", level, "-y", *(str(entry) for entry in arguments)]
    )


def python(program: str, *arguments: str | Path) -> Used:
    """Run a text as a Python program that finds the product, set up as the product's own processes are."""
    command = [sys.executable, "-c", program, *(str(entry) for entry in arguments)]
    return run(command, environment=ALLOCATOR_ENVIRONMENT)


def enhance(clip: Path, folder: Path, **settings: Any) -> Enhanced:
    """The default preset on a clip, verification and everything else inside, never copying."""
    workspace = Path(tempfile.mkdtemp(dir=folder))
    wanted = EnhancementSettings(remux_when_clean=False, **settings)
    used = python(_ENHANCE, clip, workspace, wanted.model_dump_json())
    first, second = used.output.splitlines()[:2]
    report = json.loads(first)
    job_s, job_cpu_s = (float(text) for text in second.split())
    stages: dict[str, float] = {}
    for entry in report["timings"]:
        stages[entry["stage"]] = stages.get(entry["stage"], 0.0) + entry["seconds"]
    plan = EnhancementPlan.model_validate(report["plan"])
    return Enhanced(used, job_s, job_cpu_s, workspace / "output.mp4", plan, stages)


def encoder_arguments(clip: Path, plan: EnhancementPlan) -> list[str]:
    """What makes ffmpeg encode exactly as the plan says."""
    video = probe(clip).main_video
    assert video is not None
    assert video.average_rate is not None
    encoding, rate = plan.encoding, video.average_rate
    buffer = None
    if encoding.max_bit_rate is not None:
        buffer = buffer_bits(encoding.max_bit_rate, plan.width_px, plan.height_px, rate)
    order = EncodingOrder(
        encoding,
        keyframe_interval(rate),
        buffer_bits=buffer,
        picture_px=plan.width_px * plan.height_px,
        is_beside_search=searches_motion(plan) and keeps_up(encoding),
    )
    options = encoder_options(order)
    pairs = [text for name, value in options.items() for text in (f"-{name}", value)]
    return ["-c:v", encoding.encoder, *pairs, "-profile:v", "high", "-c:a", "copy", "-movflags", "+faststart"]


def psnr_db(clip: Path, truth: Path) -> float:
    """Of luma, over all pictures, paired by their order: containers round times differently."""
    ordered = "settb=1/25,setpts=N,format=yuv420p"
    graph = f"[0:v]{ordered}[a];[1:v]{ordered}[b];[a][b]psnr=shortest=1"
    used = ffmpeg("-i", clip, "-i", truth, "-an", "-lavfi", graph, "-f", "null", "-", level="info")
    line = next(line for line in used.output.splitlines() if "PSNR y:" in line)
    return float(line.partition("PSNR y:")[2].split()[0])


def _environment() -> dict[str, str]:
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
