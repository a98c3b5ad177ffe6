"""Do the tests notice broken code? Breaks the listed places one by one in a copy; each must turn a test red.

    python -m tests.mutants [NAME …]

`mutants.toml` names for each mutant the file, the text to replace, its replacement and the tests for it.
"""

import ast
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("mutants.toml")
PYTEST_TESTS_FAILED = 1
"""pytest exit status for "tests ran and some failed"; anything else is a broken mutant, not a caught one."""
TEST_LIMIT_S = 90
"""One test that hangs over a mutant has noticed it, too."""
RUN_LIMIT_S = 420
_RED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+::.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One deliberate fault."""

    name: str
    why: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TestRun:
    """What pytest made of a tree."""

    status: int
    red: str | None
    """The first test that failed."""
    output: str
    """The end of what was printed."""


def load(path: Path) -> tuple[Mutant, ...]:
    """Read the list. Raises KeyError or TypeError when an entry is incomplete."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(
        Mutant(**{key: value for key, value in entry.items() if key != "tests"}, tests=tuple(entry["tests"]))
        for entry in document["mutant"]
    )


def mutate(source: str, mutant: Mutant) -> str:
    """The source with the fault in it.

    Raises:
        ValueError: the place is not there exactly once, nothing would change, or the result is no Python.
    """
    if source.count(mutant.find) != 1:
        raise ValueError(f"{mutant.name}: the text to replace occurs {source.count(mutant.find)} times")
    changed = source.replace(mutant.find, mutant.replace)
    if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source)):
        raise ValueError(f"{mutant.name}: the replacement changes nothing")
    return changed


def copy_tree(target: Path) -> None:
    """Copy what git tracks or would track, as it stands in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def run_tests(tree: Path, tests: Sequence[str]) -> TestRun:
    """Run tests in the copy, up to the first that fails."""
    environment = os.environ | {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "VIDPROC_TEST_MEDIA": os.environ.get("VIDPROC_TEST_MEDIA", str(ROOT.parent / "shared" / "media")),
    }
    options = ["-x", "-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", f"--timeout={TEST_LIMIT_S}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=os.name == "posix",
    )
    try:
        printed = process.communicate(timeout=RUN_LIMIT_S)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        return TestRun(PYTEST_TESTS_FAILED, f"no end after {RUN_LIMIT_S} s", "")
    finally:
        _end(process)
    found = _RED.search(printed)
    return TestRun(process.returncode, found.group(1) if found else None, printed[-2000:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of a test run behind, however it went."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    if process.poll() is None:
        process.communicate()


def judge(tree: Path, mutant: Mutant) -> TestRun:
    """What the tests say with the fault in place; the file is as it was afterwards.

    Raises:
        ValueError: see `mutate`.
    """
    file = tree / mutant.file
    original = file.read_text(encoding="utf-8")
    try:
        file.write_text(mutate(original, mutant), encoding="utf-8")
        return run_tests(tree, mutant.tests)
    finally:
        file.write_text(original, encoding="utf-8")


def report(tree: Path, mutant: Mutant) -> bool:
    """Judge a mutant and print a line. True when it was caught."""
    began = time.monotonic()
    try:
        run = judge(tree, mutant)
    except ValueError as error:
        sys.stdout.write(f"BROKEN    {error}\n")
        return False
    is_caught = run.status == PYTEST_TESTS_FAILED and run.red is not None
    word = "caught" if is_caught else "SURVIVED"
    sys.stdout.write(f"{word:9} {mutant.name:34} {time.monotonic() - began:6.1f} s  {mutant.why}\n")
    sys.stdout.write(
        f"{'':10}by {run.red}\n" if is_caught else f"pytest ended with {run.status}\n{run.output}\n"
    )
    sys.stdout.flush()
    return is_caught


def main(names: Sequence[str]) -> int:
    """0 when the unbroken tests are green and every mutant is caught."""
    mutants = load(LIST)
    unknown = set(names) - {mutant.name for mutant in mutants}
    if unknown:
        sys.stdout.write(f"no such mutant: {', '.join(sorted(unknown))}\n")
        return 2
    chosen = [mutant for mutant in mutants if not names or mutant.name in names]
    with tempfile.TemporaryDirectory(prefix="vidproc-mutants-") as folder:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        run = run_tests(tree, sorted({test for mutant in chosen for test in mutant.tests}))
        if run.status != 0:
            sys.stdout.write(f"the unbroken tests are not green:\n{run.output}\n")
            return 1
        caught = sum(report(tree, mutant) for mutant in chosen)
    sys.stdout.write(f"{caught} of {len(chosen)} mutants caught\n")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
