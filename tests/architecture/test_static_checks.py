"""Linters, types and the import contract hold."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]

_CHECKS = {
    "ruff check": ["ruff", "check", "--no-fix", "--output-format=concise", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy", "--no-error-summary"],
    "import contract": ["lint-imports"],
}


@pytest.mark.parametrize("name", list(_CHECKS))
def test_check_passes(name: str) -> None:
    program, *arguments = _CHECKS[name]
    argv = [str(Path(sys.executable).parent / program), *arguments]
    done = subprocess.run(argv, cwd=_ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
