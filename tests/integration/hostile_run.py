"""Runs files through the stages of a worker's child, in processes that may crash or hang while the tests go on.

`python -m tests.integration.hostile_run SEEDS [FIRST]` is the long version of the fuzzing test: it prints what went
wrong and ends with 1 if something did.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.integration.hostile_makers import WHOLE, by_program, cut, damaged

ROOT: Final = Path(__file__).resolve().parents[2]
PARTS: Final = 20
STAGES: Final = ("probe", "metadata", "enhance")
_ROOM_MIB: Final = 4096
"""Address space, not memory: libraries reserve more than they use."""
_MAX_SECONDS: Final = 30.0
"""For one stage of one tiny file; far more than it takes even on a busy machine, far less than for ever."""


def outcomes(
    files: Iterable[Path],
    folder: Path,
    *,
    stages: Iterable[str] = STAGES,
    room_mib: int = _ROOM_MIB,
    timeout_s: float = 240.0,
) -> dict[str, dict[str, Any]]:
    """What became of every file, by name; a crash or a hang is `{"crash": …}`, and the rest goes on without it."""
    waiting = {str(path): path.name for path in files}
    found: dict[str, dict[str, Any]] = {}
    while waiting:
        lines, ending = _child(list(waiting), folder, stages, room_mib, timeout_s)
        begun = None
        for line in lines:
            begun = line.get("begins", begun)
            if "file" in line:
                found[waiting.pop(line["file"])] = line
                begun = None
        if begun is not None:
            found[waiting.pop(begun)] = {"crash": ending}
        elif waiting:
            raise RuntimeError(f"the child ended without a word: {ending}")
    return found


def _child(
    files: list[str], folder: Path, stages: Iterable[str], room_mib: int, timeout_s: float
) -> tuple[list[dict[str, Any]], str]:
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.integration.hostile_child"]
    child = subprocess.Popen(
        [*command, str(folder / "work"), str(room_mib), ",".join(stages), *files],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = child.communicate(timeout=timeout_s)
        ending = f"exit {child.returncode}: {err[-2000:]}"
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        ending = f"no end after {timeout_s} s: {err[-2000:]}"
    return [
        json.loads(line) for line in out.splitlines() if line.startswith("{") and line.endswith("}")
    ], ending


def faults(name: str, result: dict[str, Any]) -> Iterator[str]:
    """What must not happen to any file, whatever is in it."""
    if "crash" in result:
        yield f"{name}: {result['crash']}"
        return
    for stage in STAGES:
        outcome = result.get(stage, {})
        if "bug" in outcome:
            yield f"{name}, {stage}: {outcome['trace']}"
        if outcome.get("seconds", 0) > _MAX_SECONDS:
            yield f"{name}, {stage}: took {outcome['seconds']} s"
        if "refused" in outcome and not str(outcome["message"]).endswith("."):
            yield f"{name}, {stage}: no sentence: {outcome['message']}"
        if outcome.get("failed_checks"):
            yield f"{name}, {stage}: {outcome['failed_checks']}"
        if outcome.get("refused") in {"verification_failed", "internal"}:
            yield f"{name}, {stage}: {outcome['message']} {outcome['detail']}"


def losses(name: str, result: dict[str, Any], whole: int) -> Iterator[str]:
    """A film that became shorter without a word."""
    outcome = result.get("enhance", {})
    if outcome.get("frames_out", whole) < whole and not {"source_truncated", "source_damaged"} & set(
        outcome["notes"]
    ):
        yield f"{name}: {outcome['frames_out']} of {whole} pictures, told only {outcome['notes']}"


def damaged_files(folder: Path, seeds: Iterable[int]) -> list[Path]:
    """One file with flipped bits for each seed, the containers in turn."""
    wholes = [by_program(arguments, folder) for arguments in WHOLE.values()]
    return [damaged(wholes[(seed + seed // 4) % len(wholes)], seed) for seed in seeds]


def cut_files(folder: Path, *, all_of_each: bool) -> list[Path]:
    """Files that end early at twenty points: of one container after the other, or of each."""
    wholes = [by_program(arguments, folder) for arguments in WHOLE.values()]
    if all_of_each:
        return [cut(whole, part, PARTS) for whole in wholes for part in range(PARTS)]
    return [cut(wholes[part % len(wholes)], part, PARTS) for part in range(PARTS)]


def main(arguments: list[str]) -> int:
    """Fuzz for long."""
    seeds, first = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 1000
    started, wrong = time.monotonic(), 0
    for begin in range(first, first + seeds, 100):
        with tempfile.TemporaryDirectory() as folder:
            end = min(begin + 100, first + seeds)
            files = damaged_files(Path(folder), range(begin, end))
            if begin == first:
                files += cut_files(Path(folder), all_of_each=True)
            for name, result in outcomes(files, Path(folder), timeout_s=900).items():
                for fault in faults(name, result):
                    wrong += 1
                    sys.stdout.write(fault + "\n")
    sys.stdout.write(f"{seeds} seeds, {wrong} faults, {time.monotonic() - started:.0f} s\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
