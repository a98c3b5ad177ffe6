"""What is expected of every file of the shared media, and the comparison of a finished enhancement with it.

The table is `expected.toml`. The comparison takes the report as it was written (JSON) and the output file, which is
opened afresh with libav alone: nothing of the media package is trusted here.
"""

import itertools
import tomllib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.subtitles.stream import SubtitleStream

from workers.protocol.report import EnhancementReport

TABLE: Final = Path(__file__).with_name("expected.toml")
_PROFILES: Final = {"Baseline", "Constrained Baseline", "Main", "High"}


@dataclass(frozen=True, slots=True)
class Expectation:
    """One row of the table.

    Attributes:
        file: relative to the media folder.
        code: the error code of a refused file; None when the file is completed.
        notes: codes that must be in the report, and no others.
    """

    file: str
    code: str | None
    frames: int = 0
    audio: int = 0
    chapters: int = 0
    subtitles: int = 0
    width_px: int = 0
    height_px: int = 0
    notes: frozenset[str] = frozenset()

    @property
    def is_refused(self) -> bool:
        """True when the file cannot be enhanced."""
        return self.code is not None


def load() -> dict[str, Expectation]:
    """The table, by file name relative to the media folder."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {name: _expectation(name, row) for name, row in table.items()}


def _expectation(name: str, row: dict[str, object]) -> Expectation:
    if row["outcome"] == "refused":
        return Expectation(file=name, code=str(row["code"]))
    numbers = {key: int(str(row[key])) for key in ("frames", "audio", "chapters", "subtitles")}
    width, height = str(row["size"]).split("x")
    notes = row["notes"]
    assert row["outcome"] == "completed"
    assert isinstance(notes, list)
    return Expectation(
        file=name,
        code=None,
        **numbers,
        width_px=int(width),
        height_px=int(height),
        notes=frozenset(str(note) for note in notes),
    )


def differences(expected: Expectation, report_json: str, output: Path) -> list[str]:
    """Everything in which a finished enhancement differs from what is expected; empty when nothing does.

    Args:
        expected: the row of the source.
        report_json: the report as it lies beside the result.
        output: the result.
    """
    report = EnhancementReport.model_validate_json(report_json)
    said = {
        "frames": report.frames_out,
        "audio": report.audio_tracks,
        "chapters": report.chapters,
        "subtitles": report.subtitle_tracks,
        "width_px": report.plan.width_px,
        "height_px": report.plan.height_px,
        "notes": frozenset(note.code.value for note in report.notes),
    }
    found = [
        f"report: {name} is {_shown(value)}, expected {_shown(getattr(expected, name))}"
        for name, value in said.items()
        if value != getattr(expected, name)
    ]
    failed = [check.name for check in report.checks if not check.passed]
    if failed:
        found.append(f"report: checks failed: {', '.join(failed)}")
    return found + _output_differences(expected, output)


def _shown(value: object) -> str:
    return ", ".join(sorted(value)) or "none" if isinstance(value, frozenset) else str(value)


def _output_differences(expected: Expectation, output: Path) -> list[str]:
    with av.open(str(output)) as container:
        video = container.streams.video[0]
        context = video.codec_context
        seen = {
            "frames": 0,
            "audio": len(container.streams.audio),
            "chapters": len(container.chapters()),
            "subtitles": sum(isinstance(stream, SubtitleStream) for stream in container.streams),
            "width_px": context.width,
            "height_px": context.height,
        }
        times: list[Fraction] = []
        formats: set[str] = set()
        for frame in container.decode(video):
            seen["frames"] += 1
            formats.add(frame.format.name)
            assert frame.pts is not None
            times.append(Fraction(frame.pts))
        profile = context.profile
    found = [
        f"output: {name} is {value}, expected {getattr(expected, name)}"
        for name, value in seen.items()
        if value != getattr(expected, name)
    ]
    if formats != {"yuv420p"} or profile not in _PROFILES:
        found.append(f"output: {profile} {formats} does not play in every browser")
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        found.append("output: timestamps do not ascend")
    return found
