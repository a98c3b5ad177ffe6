"""`vidproc enhance | metadata | doctor`: reads arguments and settings, builds the session and runs it."""

import asyncio
import io
import os
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import psutil

from vidproc_desktop.broker.rabbitmq.address import parse_address
from vidproc_desktop.cli.arguments import Chosen, parse
from vidproc_desktop.cli.bars import BarView
from vidproc_desktop.cli.interrupt import Interrupt
from vidproc_desktop.cli.log_file import open_log
from vidproc_desktop.cli.outcome import EXIT_FAILED, EXIT_USAGE, Outcome
from vidproc_desktop.cli.run import Job, Run
from vidproc_desktop.cli.state_of_file import local_path
from vidproc_desktop.cli.views import ErrorView, JsonView, LineView, View, error_text
from vidproc_desktop.cli.wiring import Place, enhancement_settings, make_session, place_for_run
from vidproc_desktop.config import Settings, load_settings
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.services.session import SessionOptions
from workers.protocol.states import ProcessType

_LOCAL_PATIENCE_S = 60.0
"""Workers of this computer that have not started by then will not."""
_USAGE_CODES = frozenset({UserErrorCode.BROKER_URL_INVALID, UserErrorCode.SETTINGS_INVALID})


def main(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: without the program's name.

    Returns:
        0 all done, 1 some failed, were refused or were stopped, 2 wrong usage.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a name that the terminal cannot show is no reason to fail
    try:
        chosen = parse(arguments, _version())
        settings = _settings(chosen)
        if chosen.command == "doctor":
            from vidproc_desktop.cli.doctor import examine

            return asyncio.run(examine(settings, as_json=chosen.as_json))
        return _run(chosen, settings)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else EXIT_FAILED
    except UserFacingError as error:
        print(error_text(error), file=sys.stderr)
        return EXIT_USAGE if error.code in _USAGE_CODES else EXIT_FAILED
    except BrokenPipeError:
        # Whoever read our lines has gone, as `head` does. Nothing can be told any more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _version() -> str:
    try:
        return metadata.version("vidproc-desktop")
    except metadata.PackageNotFoundError:
        from vidproc_desktop import __version__

        return __version__


def _settings(chosen: Chosen) -> Settings:
    """Environment and settings file, then what the command line says.

    Raises:
        UserFacingError: a setting or the broker's address is wrong.
    """
    settings = load_settings(chosen.data_dir)
    changes: dict[str, object] = {}
    if chosen.broker is not None:
        changes["rabbitmq_url"] = parse_address(chosen.broker).url
    if chosen.workers is not None:
        changes["worker_count"] = chosen.workers
    settings = settings.model_copy(update=changes)
    if chosen.command == "metadata" and settings.rabbitmq_url is None:
        return settings.model_copy(update={"worker_count": 0})  # the one that reads metadata is always there
    if settings.worker_count == 0 and settings.rabbitmq_url is None and chosen.command != "doctor":
        raise UserFacingError(
            UserErrorCode.SETTINGS_INVALID,
            "Without workers on this computer a broker is needed.",
            hint="Give --workers 1 or more, or --broker URL.",
        )
    return settings


def _run(chosen: Chosen, settings: Settings) -> int:
    place = place_for_run(settings, os.getpid())
    view = _view(chosen)
    try:
        _make_place(place)
        open_log(settings.log_folder, settings.log_level)
        outcome = asyncio.run(_carry_out(chosen, settings, place=place, view=view))
        view.summary(outcome)
        return outcome.exit_code
    finally:
        view.close()
        shutil.rmtree(place.folder, ignore_errors=True)


async def _carry_out(chosen: Chosen, settings: Settings, *, place: Place, view: View) -> Outcome:
    to_stdout = chosen.command == "metadata" and chosen.output is None
    output = place.scratch if to_stdout else (chosen.output or settings.processed_dir)
    enhancement = await asyncio.to_thread(enhancement_settings, chosen, settings)
    both = (ProcessType.VIDEO_ENHANCEMENT, ProcessType.METADATA_EXTRACTION)
    options = SessionOptions(
        output_directory=output,
        data_directory=place.folder,
        settings=enhancement,
        broker_url=settings.rabbitmq_url,
        worker_count=settings.worker_count,
        max_size_bytes=settings.max_size_bytes,
        timeout_s=settings.processing_timeout_s,
        max_attempts=settings.max_processing_attempts,
        segment_from_s=settings.segment_from_s,
        segment_s=settings.segment_s,
        metadata_directory=None if chosen.output is not None or to_stdout else settings.metadata_dir,
        thumbnails_directory=None if chosen.output is not None or to_stdout else settings.thumbnails_dir,
    )
    job = Job(
        paths=chosen.files,
        output_directory=output,
        settings=enhancement,
        process_types=both if chosen.command == "enhance" else both[1:],
        broker_timeout_s=chosen.broker_timeout_s,
        worker_timeout_s=_LOCAL_PATIENCE_S if settings.rabbitmq_url is None else None,
    )
    with Interrupt() as interrupt:
        session = make_session(place, settings, options)
        outcome = await Run(session, job, view=view, interrupt=interrupt).carry_out()
    if to_stdout:
        await asyncio.to_thread(_print_documents, outcome)
    return outcome


def _view(chosen: Chosen) -> View:
    if chosen.as_json:
        return JsonView(sys.stdout, sys.stderr)
    if chosen.command == "metadata" and chosen.output is None:
        return ErrorView(sys.stderr)
    if sys.stdout.isatty():
        return BarView(sys.stdout, sys.stderr)
    return LineView(sys.stdout, sys.stderr)


def _print_documents(outcome: Outcome) -> None:
    """The metadata documents, in the order of the files."""
    for file in outcome.files:
        if file.metadata_result is not None:
            text = Path(local_path(file.metadata_result.metadata_uri)).read_text(encoding="utf-8")
            print(text.rstrip("\n"), flush=True)


def _make_place(place: Place) -> None:
    """Make the run's folder, and remove those of runs that were killed.

    Raises:
        UserFacingError: the data folder cannot be written.
    """
    try:
        place.folder.mkdir(parents=True)
        left_behind = [
            entry
            for entry in place.folder.parent.iterdir()
            if (pid := entry.name.partition("-")[0]).isdecimal() and not psutil.pid_exists(int(pid))
        ]
    except OSError as error:
        raise UserFacingError(
            UserErrorCode.STATE_UNUSABLE,
            f"The folder {place.folder.parent} cannot be written.",
            detail=str(error),
            hint="Give --data-dir FOLDER to keep Vidproc's own files elsewhere.",
        ) from error
    for folder in left_behind:
        shutil.rmtree(folder, ignore_errors=True)
