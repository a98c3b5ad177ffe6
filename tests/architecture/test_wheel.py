"""The built wheel works by itself: it holds every package and its data, and needs no Qt."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_QT_NAMES = ("PySide6", "shiboken6", "qasync", "pyqtgraph")


def _run(argv: list[str | Path], *, cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        [str(a) for a in argv], cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what is in the checkout now, without the network."""
    out = tmp_path_factory.mktemp("wheel")
    argv: list[str | Path] = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        out,
        _ROOT,
    ]
    _run(argv, cwd=out, env=dict(os.environ))
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def program_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with the wheel installed. Its libraries are linked from the test environment, all but Qt."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    _run([sys.executable, "-m", "venv", "--without-pip", folder], cwd=folder.parent, env=dict(os.environ))
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for entry in Path(sysconfig.get_path("platlib")).iterdir():
        is_ours = (
            entry.name.lower().startswith(("vidproc", "_editable_impl", "__editable__"))
            or entry.suffix == ".pth"
        )
        if not is_ours and not entry.name.startswith(_QT_NAMES):
            (site / entry.name).symlink_to(entry)
    argv: list[str | Path] = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install"]
    _run([*argv, "--no-deps", "--no-index", "--quiet", wheel], cwd=folder, env=dict(os.environ))
    return folder / "bin"


def test_wheel_holds_the_packages_and_their_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "resources",
        "vidproc_desktop",
        "workers",
    }
    assert any(name.startswith("resources/presets/") and name.endswith(".toml") for name in names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_installed_wheel_runs_without_qt(program_folder: Path, tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    probe = (
        "import importlib.util, importlib.resources, pathlib, workers, workers.__main__, vidproc_desktop\n"
        f"assert not any(importlib.util.find_spec(name) for name in {_QT_NAMES!r})\n"
        f"assert pathlib.Path({str(_ROOT)!r}) not in pathlib.Path(workers.__file__).parents\n"
        "presets = importlib.resources.files('resources') / 'presets'\n"
        "print(*sorted(entry.name for entry in presets.iterdir()))\n"
    )
    assert ".toml" in _run([program_folder / "python", "-c", probe], cwd=tmp_path, env=env)
    assert "enhance" in _run([program_folder / "vidproc", "--help"], cwd=tmp_path, env=env)
    _run([program_folder / "vidproc", "worker", "--help"], cwd=tmp_path, env=env)
