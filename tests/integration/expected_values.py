"""What the engine does now with the shared media, beside what the table expects, for review by a person.

`python -m tests.integration.expected_values MEDIA [--write] [FILE…]` prints every difference. With `--write` it
writes steps, frame map, encoder, notes and size into `expected.toml`; comments and everything else stay. Counts are
never written: a picture, a track or a chapter fewer is a fault, not a new expectation.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.integration.expectations import TABLE, Expectation, certificate_faults, load, said_by
from workers.errors import TaskFailedError
from workers.media.enhance import enhance
from workers.media.jobs import EnhancementJob
from workers.protocol.report import EnhancementReport
from workers.protocol.settings import EncoderSpeed, EnhancementSettings


def report_of(source: Path) -> EnhancementReport | str:
    """Enhance one file with the default settings; the code of the refusal when it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        settings = EnhancementSettings(encoder_speed=EncoderSpeed.ULTRAFAST)
        job = EnhancementJob("file", 1, "worker", source, Path(folder), "result.mp4", settings, "key", 2)
        try:
            return enhance(job, lambda progress: None).report
        except TaskFailedError as error:
            return error.code.value


def rewritten(table: str, name: str, report: EnhancementReport) -> str:
    """The table with one row brought up to date."""
    head = f'["{name}"]\n'
    start = table.index(head) + len(head)
    end = table.find("\n[", start)
    row = table[start:] if end < 0 else table[start:end]
    said = said_by(report)
    lines = {
        "size": f'"{said["width_px"]}x{said["height_px"]}"',
        "notes": _listed(sorted({note.code.value for note in report.notes})),
        "steps": _listed([step.kind.value for step in report.plan.steps]),
        "frame_map": f'"{said["frame_map"]}"',
        "encoder": None if said["encoder"] is None else f'"{said["encoder"]}"',
    }
    for key, value in lines.items():
        row = re.sub(rf"^{key} = .*\n?", "", row, flags=re.MULTILINE)
        if value is not None:
            body, comments = _split(row)
            row = f"{body}{key} = {value}\n{comments}"
    return table[:start] + row + ("" if end < 0 else table[end:])


def _split(row: str) -> tuple[str, str]:
    """The row's own lines, and what stands between it and the next one: a blank line and that one's comment."""
    lines = row.splitlines(keepends=True)
    own = max(number for number, line in enumerate(lines) if re.match(r"\w+ = ", line)) + 1
    body = "".join(lines[:own])
    return body if body.endswith("\n") else body + "\n", "".join(lines[own:])


def _listed(values: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def _compared(expected: Expectation, report: EnhancementReport) -> list[str]:
    found = [
        f"{name}: {value}, expected {getattr(expected, name)}"
        for name, value in said_by(report).items()
        if value != getattr(expected, name)
    ]
    return [*found, *certificate_faults(report)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and write when asked to; 1 when something differs."""
    parser = argparse.ArgumentParser(prog="expected_values", description="Compare the engine with the table.")
    parser.add_argument("media", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args(arguments)
    differing = 0
    for name, expected in load().items():
        if options.files and name not in options.files:
            continue
        report = report_of(options.media / name)
        if isinstance(report, str):
            lines = [] if report == expected.code else [f"refused with {report}, expected {expected.code}"]
        elif expected.is_refused:
            lines = [f"completed, expected {expected.code}"]
        else:
            lines = _compared(expected, report)
            if options.write:
                TABLE.write_text(rewritten(TABLE.read_text(encoding="utf-8"), name, report), encoding="utf-8")
        differing += bool(lines)
        for line in lines:
            sys.stdout.write(f"{name}: {line}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{differing} files differ.\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
