"""The two entry points: `vidproc` (command line) and `vidproc-desktop` (window).

Stands above both halves of the program: the only desktop module that starts the worker program. Imports late, so that
a command loads what it needs and a computer without Qt misses only the window.
"""

import argparse
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

TIED_OPTION: Final = "--until-stdin-closes"
"""For workers that this program starts for a broker: they end when their standard input closes."""
_CHILD_COMMAND: Final = "worker-child"
"""How a frozen worker starts its own children."""
_MEDIA_COMMAND: Final = "media-server"
"""How the program starts its own media server."""
_END_PAUSE_S: Final = 0.25
_END_LIMIT_S: Final = 1.2

_WITHOUT_QT: Final = (
    "The window needs PySide6, which is not installed. Install it with:\n"
    '    python -m pip install "vidproc-desktop[desktop]"\n'
    "The command line works without it: vidproc enhance FILES"
)


def main(argv: Sequence[str] | None = None) -> int:
    """`vidproc`: enhance, metadata, worker, doctor.

    Args:
        argv: arguments without the program's name; None: the process's own.

    Returns:
        0 all done, 1 some failed, 2 wrong usage.
    """
    multiprocessing.freeze_support()
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments else ""
    if command in {"worker", _CHILD_COMMAND}:
        return _worker(command, arguments[1:])
    if command == _MEDIA_COMMAND:
        from vidproc_desktop.server import child

        return child.main()
    from vidproc_desktop import cli

    return cli.main(arguments)


def main_window(argv: Sequence[str] | None = None) -> int:
    """`vidproc-desktop [FILES] [--data-dir DIR]`.

    Returns:
        The window's exit code; 1 when Qt is not installed, 2 for wrong usage.
    """
    multiprocessing.freeze_support()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["worker"], [_CHILD_COMMAND], [_MEDIA_COMMAND]):
        return main(arguments)  # a frozen window is its own worker program
    parser = argparse.ArgumentParser(
        prog="vidproc-desktop", description="Drop videos, get better ones.", allow_abbrev=False
    )
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="videos and folders to begin with"
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where state and scratch files lie")
    chosen = parser.parse_args(arguments)
    try:
        from vidproc_desktop import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"PySide6", "shiboken6", "qasync", "pyqtgraph"}:
            raise
        print(_WITHOUT_QT, file=sys.stderr)
        return 1
    return app.run(chosen.files, chosen.data_dir)


def _worker(command: str, arguments: list[str]) -> int:
    import workers.__main__

    if command == _CHILD_COMMAND:
        return workers.__main__.main(["child", *arguments])
    if TIED_OPTION in arguments:
        arguments.remove(TIED_OPTION)
        threading.Thread(target=_end_with_stdin, name="end-with-stdin", daemon=True).start()
    return workers.__main__.main(arguments)


def _end_with_stdin() -> None:
    """Wait until whoever started us is gone or wants us gone; then hand the task back and end.

    The worker program finishes its task after the first signal and stops at once after the second.
    """
    while os.read(0, 4096):
        pass
    pause = threading.Event()
    for wait_s in (_END_PAUSE_S, _END_LIMIT_S):
        os.kill(os.getpid(), signal.SIGTERM)
        pause.wait(wait_s)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
