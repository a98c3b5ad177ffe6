"""Do the tests notice broken code? Breaks the listed places one by one in a copy; each must turn a test red.

    python -m tests.mutants [NAME …]

`mutants.toml` names for each mutant the file, the text to replace, its replacement and the tests for it.
"""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTEST_TESTS_FAILED = 1
"""pytest exit status for "tests ran and some failed"; anything else is a broken mutant, not a caught one."""
TIMEOUT_S = 420


@dataclass(frozen=True, slots=True)
class Mutant:
    """One deliberate fault."""

    name: str
    why: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]


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


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Exit status of pytest in the copy, and the end of what it printed."""
    environment = os.environ | {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "VIDPROC_TEST_MEDIA": os.environ.get("VIDPROC_TEST_MEDIA", str(ROOT.parent / "shared" / "media")),
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        return PYTEST_TESTS_FAILED, f"no end after {error.timeout:.0f} s"
    return done.returncode, done.stdout.decode(errors="replace")[-2000:]


def judge(tree: Path, mutant: Mutant) -> str | None:
    """None when a test turned red; otherwise why the mutant lives."""
    file = tree / mutant.file
    original = file.read_text(encoding="utf-8")
    try:
        file.write_text(mutate(original, mutant), encoding="utf-8")
        status, output = run_tests(tree, mutant.tests)
    finally:
        file.write_text(original, encoding="utf-8")
    if status == PYTEST_TESTS_FAILED:
        return None
    return f"pytest ended with {status}\n{output}"


def main(names: Sequence[str]) -> int:
    """0 when the unbroken tests are green and every mutant is caught."""
    mutants = load(Path(__file__).with_name("mutants.toml"))
    chosen = [mutant for mutant in mutants if not names or mutant.name in names]
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="vidproc-mutants-") as folder:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        every_test = sorted({test for mutant in chosen for test in mutant.tests})
        status, output = run_tests(tree, every_test)
        if status != 0:
            sys.stdout.write(f"the unbroken tests are not green:\n{output}\n")
            return 1
        for mutant in chosen:
            began = time.monotonic()
            reason = judge(tree, mutant)
            survivors += reason is not None
            word = "caught" if reason is None else "SURVIVED"
            sys.stdout.write(f"{word:9} {mutant.name:34} {time.monotonic() - began:6.1f} s  {mutant.why}\n")
            if reason is not None:
                sys.stdout.write(f"{reason}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - survivors} of {len(chosen)} mutants caught\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
