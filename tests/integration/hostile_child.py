"""A process that does with files what a worker's child does, and may die of them: `python -m … OUT MIB STAGES FILE…`.

For every file it prints two lines of JSON: that it begins, and what became of it. Its address space is limited.
"""

import json
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from workers.errors import TaskFailedError
from workers.media.enhance import enhance
from workers.media.jobs import EnhancementJob, MetadataJob
from workers.media.pictures import extract
from workers.media.quick_probe import quick_probe
from workers.protocol.settings import EncoderSpeed, EnhancementSettings

_SETTINGS: Final = EnhancementSettings(encoder_speed=EncoderSpeed.ULTRAFAST)


def _probed(source: Path, workspace: Path) -> dict[str, Any]:
    outcome = quick_probe(source, workspace / "small.jpg")
    main = outcome.info.main_video
    assert main is not None
    return {
        "size": [main.width_px, main.height_px],
        "frames": main.frame_count,
        "warnings": list(outcome.info.warnings),
        "thumbnail": outcome.thumbnail is not None,
    }


def _described(source: Path, workspace: Path) -> dict[str, Any]:
    outcome = extract(MetadataJob("file", source, workspace, "sheet.jpg", 2), lambda progress: None)
    found = outcome.document.pictures
    return {
        "samples": 0 if found is None else found.sampled_frames,
        "bytes": len(outcome.document.model_dump_json()),
    }


def _enhanced(source: Path, workspace: Path) -> dict[str, Any]:
    job = EnhancementJob("file", 1, "worker", source, workspace, "result.mp4", _SETTINGS, "key", 2)
    outcome = enhance(job, lambda progress: None)
    report = outcome.report
    return {
        "size": [report.plan.width_px, report.plan.height_px],
        "frames_in": report.frames_in,
        "frames_out": report.frames_out,
        "duration_s": None if report.duration_out_s is None else float(report.duration_out_s),
        "steps": [step.kind.value for step in report.plan.steps],
        "remux": report.plan.remux,
        "audio": report.audio_tracks,
        "subtitles": report.subtitle_tracks,
        "chapters": report.chapters,
        "notes": sorted({note.code.value for note in report.notes}),
        "texts": [note.text for note in report.notes if note.code.value.startswith("source_")],
        "failed_checks": [check.name for check in report.checks if not check.passed],
        "poster": outcome.poster is not None,
    }


STAGES: Final[dict[str, Callable[[Path, Path], dict[str, Any]]]] = {
    "probe": _probed,
    "metadata": _described,
    "enhance": _enhanced,
}


def _outcome(stage: str, source: Path, workspace: Path) -> dict[str, Any]:
    workspace.mkdir(parents=True)
    try:
        return STAGES[stage](source, workspace)
    except TaskFailedError as error:
        return {"refused": error.code.value, "message": error.message, "detail": error.detail}
    except Exception as error:  # noqa: BLE001 - every other exception is what is looked for
        return {"bug": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
    finally:
        shutil.rmtree(workspace)


def _tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def peak_mib() -> int:
    """Peak of this program alone: what the kernel counts for a process includes who started it."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM:"))


def main(arguments: list[str]) -> None:
    """Handle every file with every stage."""
    folder, mebibytes, stages, files = Path(arguments[0]), int(arguments[1]), arguments[2], arguments[3:]
    resource.setrlimit(resource.RLIMIT_AS, (mebibytes << 20, mebibytes << 20))
    for number, name in enumerate(files):
        _tell({"begins": name})
        result: dict[str, Any] = {"file": name}
        for stage in stages.split(","):
            started = time.monotonic()
            result[stage] = _outcome(stage, Path(name), folder / f"{number}-{stage}")
            result[stage]["seconds"] = round(time.monotonic() - started, 2)
            result[stage]["peak_mib"] = peak_mib()
        _tell(result)


if __name__ == "__main__":
    main(sys.argv[1:])
