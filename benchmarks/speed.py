"""How fast and how small the engine is, against the goals and against ffmpeg in the same run; prints a markdown table.

Usage: python benchmarks/speed.py [--quick] [--rounds 3] [--rows clean,noisy,pipeline,...] [--out FILE]

Every figure is the median of the rounds; wall time decides, processor time stands beside it for busy machines.
Exit code 1 when a goal is missed.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import speed_cancel, speed_memory, speed_pipeline, speed_tasks, speed_transcode
from benchmarks.quality import table, told
from benchmarks.quality_row import Row, be_quick

_MEMORY: Final = "memory"
GROUPS: Final[dict[str, Callable[[int], list[Row]]]] = {
    "clean": speed_transcode.clean_rows,
    "noisy": speed_transcode.noisy_rows,
    "pipeline": speed_pipeline.rows,
    "metadata": speed_tasks.metadata_rows,
    "preview": speed_tasks.preview_rows,
    "cancel": speed_cancel.rows,
}
NAMES: Final = (*GROUPS, _MEMORY)


def main() -> int:
    """Measure the chosen groups."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="shorter clips")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", default=",".join(NAMES), help="groups, separated by commas")
    parser.add_argument("--out", type=Path, help="write the table to this file, too")
    parser.add_argument(
        "--memory", default=",".join(speed_memory.CLIPS), help="clips of the memory rows, separated by commas"
    )
    parser.add_argument("--pictures", type=int, help="of each clip of the memory rows")
    options = parser.parse_args()
    if options.quick:
        be_quick()
    unknown = set(options.rows.split(",")) - set(NAMES)
    if unknown:
        parser.error(f"no such rows: {', '.join(sorted(unknown))}")
    unknown = set(options.memory.split(",")) - set(speed_memory.CLIPS)
    if unknown:
        parser.error(f"no such clips: {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for name in options.rows.split(","):
        started = time.perf_counter()
        if name == _MEMORY:
            found = speed_memory.rows(options.memory.split(","), options.pictures)
        else:
            found = GROUPS[name](max(1, options.rounds))
        print(f"{table(found)}\n{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        rows += found
    return told("speed", rows, options.out)


if __name__ == "__main__":
    sys.exit(main())
