"""A machine without a window: everything but the window works with Qt uninstalled."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_WINDOW = ("vidproc_desktop.ui", "vidproc_desktop.app")

_IMPORT_WITHOUT = """
import importlib, sys
for name in {blocked!r}:
    sys.modules[name] = None
for name in {modules!r}:
    importlib.import_module(name)
"""


def _modules_of(package: str) -> list[str]:
    infos = pkgutil.walk_packages([str(_ROOT / package)], prefix=f"{package}.")
    return [name for name in (package, *(info.name for info in infos)) if not name.startswith(_WINDOW)]


def _import_without(blocked: tuple[str, ...], modules: list[str]) -> None:
    program = _IMPORT_WITHOUT.format(blocked=blocked, modules=modules)
    argv = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(argv, cwd=_ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


_QT = ("PySide6", "shiboken6", "qasync", "pyqtgraph")


def test_workers_import_without_qt_and_without_the_desktop() -> None:
    modules = _modules_of("workers")
    assert "workers.protocol.messages" in modules
    _import_without((*_QT, "vidproc_desktop"), modules)


def test_command_line_and_server_import_without_qt() -> None:
    modules = _modules_of("vidproc_desktop")
    assert len(modules) > 5
    _import_without(_QT, modules)


@pytest.mark.parametrize("module", ["workers.protocol", "vidproc_desktop.domain"])
def test_pure_packages_import_without_heavy_libraries(module: str) -> None:
    _import_without(("av", "cv2", "vapoursynth", "aio_pika", "fastapi", *_QT), [module])
