"""Sizes, names, and what may not lie in the repository."""

import ast
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("vidproc_desktop", "workers", "resources")
_MOST_LINES = 400
_MOST_FUNCTION_LINES = 40
# They say nothing about what is inside.
_EMPTY_STEMS = frozenset(
    {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "handler", "stuff"}
)
_EMPTY_ENDINGS = ("Manager", "Helper", "Handler", "Utils")
_MEDIA = frozenset({".mp4", ".mov", ".mkv", ".avi", ".webm", ".mp3", ".wav", ".ts", ".m4a"})
_LOCKS = frozenset({"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"})
# Put together here, so that this file does not name them either.
_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted"),
        ("deb", "debian"),
        ("archive", "ubuntu"),
        ("registry", "npmjs"),
    )
)


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=_ROOT, capture_output=True, check=True).stdout
    return [_ROOT / name for name in listed.decode().split("\0") if name and (_ROOT / name).is_file()]


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (_ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing says which files belong to the repository")
    return _tracked()


def _modules() -> list[Path]:
    return [path for package in _PACKAGES for path in sorted((_ROOT / package).rglob("*.py"))]


def _name(path: Path) -> str:
    return str(path.relative_to(_ROOT))


def test_no_module_is_too_long() -> None:
    lengths = {_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in _modules()}
    assert lengths
    assert {name: length for name, length in lengths.items() if length > _MOST_LINES} == {}


def test_no_function_is_too_long() -> None:
    long = {}
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
                length = (node.end_lineno or node.lineno) - body[0].lineno + 1
                if length > _MOST_FUNCTION_LINES:
                    long[f"{_name(path)}:{node.name}"] = length
    assert long == {}


def test_names_say_something() -> None:
    files = [
        _name(path) for path in _modules() if path.stem in _EMPTY_STEMS or path.parent.name in _EMPTY_STEMS
    ]
    classes = [
        f"{_name(path)}:{node.name}"
        for path in _modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name.endswith(_EMPTY_ENDINGS)
    ]
    assert files + classes == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        _name(path)
        for path in _modules()
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_registry_host_is_named(tracked: list[Path]) -> None:
    named = []
    for path in tracked:
        text = path.read_bytes()
        named += [f"{_name(path)}: {host}" for host in _HOSTS if host.encode() in text]
    assert named == []


def test_no_lock_files_and_no_media(tracked: list[Path]) -> None:
    wrong = [_name(path) for path in tracked if path.name in _LOCKS or path.suffix.lower() in _MEDIA]
    assert wrong == []


def test_pins_are_exact_and_complete() -> None:
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = [line.split("#")[0].strip() for line in (_ROOT / "constraints.txt").read_text().splitlines()]
    pins = [Requirement(line) for line in lines if line]
    assert [str(pin) for pin in pins if pin.url or [s.operator for s in pin.specifier] != ["=="]] == []
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    wanted = {canonicalize_name(Requirement(text).name) for text in [*project["dependencies"], *extras]}
    assert wanted - {canonicalize_name(pin.name) for pin in pins} == set()
