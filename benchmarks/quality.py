"""How good the pictures get, against the goals and against the best that ffmpeg can do; prints a markdown table.

Usage: python benchmarks/quality.py [--quick] [--rows denoise,fields,upscale] [--out FILE]

Lossless clips are degraded, enhanced by the product's own analysis, plan and filters with the default preset, and
compared with what they were. Each group of rows is a module `benchmarks.quality_<name>` with `rows() -> list[Row]`.
Exit code 1 when a goal is missed.
"""

import argparse
import importlib
import importlib.util
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.quality_row import Row, Verdict, be_quick

__all__ = ["GROUPS", "Row", "Verdict", "main"]

GROUPS: Final = ("denoise", "clean", "estimate", "flicker", "fields", "upscale")
"""Each is a module `benchmarks.quality_<name>`."""


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = ["| group | what | goal | stretch | ours | peer | |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        cells = (row.name, row.what, row.goal, row.stretch, row.value, row.peer, row.verdict.value)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def machine() -> str:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text("utf-8").splitlines()
            if "model name" in line
        ]
        model = f"{names[0]} × {len(names)}" if names else model
    return f"{model}, {platform.system()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"


def told(program: str, rows: list[Row], out: Path | None) -> int:
    """Print the whole table, also to a file where one is named; the exit code is 1 when a goal is missed."""
    text = f"{machine()}; `python benchmarks/{program}.py {' '.join(sys.argv[1:])}`\n\n{table(rows)}\n"
    print(text)
    if out is not None:
        out.write_text(text, "utf-8")
    return 1 if any(row.verdict is Verdict.MISSED for row in rows) else 0


def main() -> int:
    """Measure the chosen groups."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer clips and pictures")
    parser.add_argument("--rows", default=",".join(GROUPS), help="groups, separated by commas")
    parser.add_argument("--out", type=Path, help="write the table to this file, too")
    options = parser.parse_args()
    if options.quick:
        be_quick()
    rows: list[Row] = []
    for name in options.rows.split(","):
        if importlib.util.find_spec(f"benchmarks.quality_{name}") is None:
            print(f"{name}: no such rows", file=sys.stderr)
            continue
        started = time.perf_counter()
        found: list[Row] = importlib.import_module(f"benchmarks.quality_{name}").rows()
        print(f"{table(found)}\n{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        rows += found
    return told("quality", rows, options.out)


if __name__ == "__main__":
    sys.exit(main())
