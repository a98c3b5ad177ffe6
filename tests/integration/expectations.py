"""What is expected of every file of the shared media, and the comparison of a finished enhancement with it.

The table is `expected.toml`. The comparison takes the report as it was written (JSON) and the output file, which is
opened afresh with libav alone: nothing of the media package is trusted here.
"""

import itertools
import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.subtitles.stream import SubtitleStream

from workers.protocol.report import EnhancementReport, NoteCode
from workers.protocol.steps import StepKind

TABLE: Final = Path(__file__).with_name("expected.toml")
GATED: Final = frozenset(
    {StepKind.DENOISE, StepKind.COLOUR, StepKind.SHARPEN, StepKind.DEBLOCK, StepKind.DEBAND}
)
"""Steps that change how a picture looks, so that harm is measured."""
_PROFILES: Final = {"Baseline", "Constrained Baseline", "Main", "High"}


@dataclass(frozen=True, slots=True)
class Expectation:
    """One row of the table.

    Attributes:
        file: relative to the media folder.
        code: the error code of a refused file; None when the file is completed.
        notes: codes that must be in the report, and no others.
        steps: kinds of the plan's steps, in order.
        frame_map: how output pictures follow from source pictures.
        encoder: libav's name; None where the pictures are copied.
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
    steps: tuple[str, ...] = ()
    frame_map: str = ""
    encoder: str | None = None

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
        steps=_texts(row["steps"]),
        frame_map=str(row["frame_map"]),
        encoder=str(row["encoder"]) if "encoder" in row else None,
    )


def _texts(value: object) -> tuple[str, ...]:
    assert isinstance(value, list)
    return tuple(str(entry) for entry in value)


def said_by(report: EnhancementReport) -> dict[str, object]:
    """What a report says about everything that the table states, by the names of `Expectation`."""
    plan = report.plan
    return {
        "frames": report.frames_out,
        "audio": report.audio_tracks,
        "chapters": report.chapters,
        "subtitles": report.subtitle_tracks,
        "width_px": plan.width_px,
        "height_px": plan.height_px,
        "notes": frozenset(note.code.value for note in report.notes),
        "steps": tuple(step.kind.value for step in plan.steps),
        "frame_map": plan.frame_map.value,
        "encoder": None if plan.remux else plan.encoding.encoder,
    }


def differences(expected: Expectation, report_json: str, output: Path) -> list[str]:
    """Everything in which a finished enhancement differs from what is expected; empty when nothing does.

    Args:
        expected: the row of the source.
        report_json: the report as it lies beside the result.
        output: the result.
    """
    report = EnhancementReport.model_validate_json(report_json)
    found = [
        f"report: {name} is {_shown(value)}, expected {_shown(getattr(expected, name))}"
        for name, value in said_by(report).items()
        if value != getattr(expected, name)
    ]
    return found + list(certificate_faults(report)) + _output_differences(expected, output)


def certificate_faults(report: EnhancementReport) -> Iterator[str]:
    """What is missing of the proof that the output is whole and not harmed."""
    failed = [check.name for check in report.checks if not check.passed]
    if failed or not report.checks:
        yield f"report: checks failed: {', '.join(failed) or 'none was made'}"
    fell_back = any(note.code is NoteCode.HARM_GATE_FELL_BACK for note in report.notes)
    kinds = {step.kind for step in report.plan.steps}
    gate = report.gate
    if gate is None:
        if kinds & GATED or fell_back:
            yield "report: picture steps ran, and the do-no-harm gate did not measure"
        return
    numbers = (gate.sigma_before, gate.sigma_after, gate.newly_clipped_share)
    if gate.sampled_frames < 1 or not all(math.isfinite(number) and number >= 0 for number in numbers):
        yield f"report: the do-no-harm gate has no numbers: {gate}"
    if gate.passed == fell_back:
        yield "report: what the do-no-harm gate found and what was done do not agree"


def _shown(value: object) -> str:
    if isinstance(value, frozenset | tuple):
        return ", ".join(sorted(value) if isinstance(value, frozenset) else value) or "none"
    return str(value)


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
