"""Rows on what people wait for: metadata, a preview picture, and the end of what they have cancelled."""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.quality_row import Row, at_most
from benchmarks.speed_clips import camera, clean
from benchmarks.speed_runs import ffmpeg, python

_THUMBNAILS: Final = 24
_METADATA: Final = """
import json, resource, sys, tempfile, time
from pathlib import Path
from workers.media.jobs import MetadataJob
from workers.media.pictures import extract
found = []
for number in range(int(sys.argv[2]) + 1):
    folder = Path(tempfile.mkdtemp(dir=sys.argv[3]))
    job = MetadataJob("bench", Path(sys.argv[1]), folder, "sheet.jpg")
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    extract(job, lambda progress: None)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found.append((time.perf_counter() - started, cpu))
print(json.dumps(found))
"""
_PREVIEW: Final = """
import json, resource, sys, time
from pathlib import Path
from workers.media.jobs import PreviewJob
from workers.media.preview import preview
from workers.protocol.settings import EnhancementSettings
found = []
for at_s in json.loads(sys.argv[3]):
    job = PreviewJob(Path(sys.argv[1]), Path(sys.argv[2]), "p", EnhancementSettings(), at_s, 0.0, 1920)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    outcome = preview(job, lambda progress: None)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found.append((time.perf_counter() - started, cpu))
print(json.dumps({"found": found, "steps": [step.kind.value for step in outcome.plan.steps]}))
"""
_MOMENTS: Final = (2.0, 2.04, 2.2, 4.0, 1.0, 3.3, 4.6)
"""The first is the cold one; then the next picture, a few pictures on, and jumps."""


def metadata_rows(rounds: int) -> list[Row]:
    """A warm worker's seconds for a 1080p clip, contact sheet and histograms inside."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = clean(folder, 1920, 1080, 10.0)
        found = json.loads(python(_METADATA, clip, str(rounds), folder).output.splitlines()[0])[1:]
        select = f"select='not(mod(n\\,{300 // _THUMBNAILS}))',scale=320:-2"
        peers = [
            ffmpeg(
                *("-i", clip, "-an", "-vf", select, "-fps_mode", "vfr", "-frames:v", str(_THUMBNAILS)),
                folder / "thumb%02d.jpg",
            )
            for _ in range(rounds)
        ]
    wall, cpu = (statistics.median(column) for column in zip(*found, strict=True))
    peer_cpu = statistics.median(peer.cpu_s for peer in peers)
    return [
        Row(
            name="metadata",
            what="1080p clip of 10 s, facts, contact sheet and histograms: seconds of a warm worker",
            goal="≤ 0.30 s",
            stretch="",
            value=f"{wall:.3f} s, {cpu:.3f} s of processor time",
            peer=f"ffmpeg, {_THUMBNAILS} thumbnails alone: {statistics.median(p.wall_s for p in peers):.2f} s, "
            f"{peer_cpu:.2f} s of processor time",
            verdict=at_most(wall, 0.30),
        )
    ]


def preview_rows(rounds: int) -> list[Row]:
    """Single pictures of the real chain in a noisy 1080p clip as a camera writes it, seeking inside."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = camera(folder, 1920, 1080, 125, noise=20)
        moments = _MOMENTS[: 1 + 2 * rounds]
        done = json.loads(python(_PREVIEW, clip, folder, json.dumps(moments)).output.splitlines()[0])
        peer = [
            ffmpeg("-ss", f"{at_s:g}", "-i", clip, "-vf", "nlmeans=s=6:p=7:r=11", "-frames:v", "1",
                   folder / "peer.png")
            for at_s in moments[1:]
        ]  # fmt: skip
    cold, *warm = done["found"]
    wall, cpu = (statistics.median(column) for column in zip(*warm, strict=True))
    each = " ".join(f"{entry[0]:.2f}" for entry in warm)
    return [
        Row(
            name="preview",
            what="noisy 1080p H.264, 60 Mbit/s, a keyframe a second; before and after: seconds after the first",
            goal="≤ 0.50 s",
            stretch="",
            value=f"{wall:.2f} s, {cpu:.2f} s of processor time ({each}); the first, with all measuring, "
            f"{cold[0]:.1f} s; {', '.join(done['steps']) or 'no steps'}",
            peer=f"ffmpeg, seek and nlmeans: {statistics.median(p.wall_s for p in peer):.2f} s, "
            f"{statistics.median(p.cpu_s for p in peer):.2f} s of processor time",
            verdict=at_most(wall, 0.50),
        )
    ]
