"""Wrong usage, help, entry points: sentences and exit codes, without tracebacks and without Qt."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.e2e.command_line import ROOT, environment, vidproc

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    "arguments, word",
    [
        ([], "COMMAND"),
        (["improve"], "improve"),
        (["enhance"], "FILE"),
        (["enhance", "a.mp4", "--preset", "vivid"], "balanced"),
        (["enhance", "a.mp4", "--strength", "3"], "0 to 2"),
        (["enhance", "a.mp4", "--strength", "much"], "strength"),
        (["enhance", "a.mp4", "--speed", "warp"], "speed"),
        (["enhance", "a.mp4", "--workers", "-1"], "workers"),
        (["enhance", "a.mp4", "--workers", "0"], "--broker"),
        (["enhance", "a.mp4", "--broker", "http://user:s3cret@broker/"], "web page"),
        (["enhance", "a.mp4", "--broker", "amqp://user:s3cret@/"], "no computer"),
        (["enhance", "a.mp4", "--broker-timeout", "0"], "positive"),
        (["metadata", "a.mp4", "--json"], "-o"),
        (["serve"], "serve"),
    ],
)
def test_wrong_usage_is_told_with_code_2(arguments: list[str], word: str, tmp_path: Path) -> None:
    ended = vidproc(*arguments, VIDPROC_DATA_DIR=str(tmp_path))
    assert ended.code == 2
    assert ended.out == ""
    assert word in ended.err
    assert "Traceback" not in ended.err
    assert "s3cret" not in ended.err


def test_a_wrong_setting_is_wrong_usage(tmp_path: Path) -> None:
    ended = vidproc("enhance", "a.mp4", "--data-dir", tmp_path, VIDPROC_MAX_PROCESSING_ATTEMPTS="many")
    assert ended.code == 2
    assert "MAX_PROCESSING_ATTEMPTS" in ended.err
    unknown = vidproc("enhance", "a.mp4", "--data-dir", tmp_path, VIDPROC_PRESET="vivid")
    assert unknown.code == 2
    assert "balanced" in unknown.err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["enhance", "--help"], ["metadata", "--help"], ["--version"]]
)
def test_help_and_version(arguments: list[str]) -> None:
    ended = vidproc(*arguments)
    assert ended.code == 0
    assert "vidproc" in ended.out
    assert "serve" not in ended.out


def test_the_worker_program_answers_for_itself() -> None:
    helped = vidproc("worker", "--help")
    assert helped.code == 0
    assert "--broker" in helped.out
    wrong = vidproc("worker", "--broker", "http://somewhere/")
    assert wrong.code == 2
    assert "amqp://" in wrong.err


def _python(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True, text=True, timeout=60, env=environment(), cwd=ROOT, check=False,
    )  # fmt: skip


def test_the_command_line_runs_without_qt_and_imports_no_media_library(tmp_path: Path) -> None:
    done = _python(
        """
        import sys
        class NoQt:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {"PySide6", "shiboken6", "qasync", "pyqtgraph"}:
                    raise ModuleNotFoundError(f"no {name}", name=name)
        sys.meta_path.insert(0, NoQt())
        from vidproc_desktop.__main__ import main
        code = main(["metadata", "/nowhere.mp4", "--data-dir", sys.argv[1]])
        loaded = {name.partition(".")[0] for name in sys.modules}
        print(code, sorted(loaded & {"PySide6", "qasync", "pyqtgraph", "av", "cv2", "vapoursynth", "workers.media"}))
        """,
        str(tmp_path),
    )
    assert done.stdout.strip() == "1 []", done.stderr


def test_a_missing_qt_is_a_sentence() -> None:
    done = _python(
        """
        import sys
        class NoQt:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {"PySide6", "shiboken6", "qasync", "pyqtgraph"}:
                    raise ModuleNotFoundError(f"no {name}", name=name)
        sys.meta_path.insert(0, NoQt())
        from vidproc_desktop.__main__ import main_window
        sys.exit(main_window([]))
        """
    )
    assert done.returncode == 1
    assert "[desktop]" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_window_refuses_unknown_options() -> None:
    done = _python(
        "import sys; from vidproc_desktop.__main__ import main_window; sys.exit(main_window(['--fast']))"
    )
    assert done.returncode == 2
    assert "--fast" in done.stderr
