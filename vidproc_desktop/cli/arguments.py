"""What can be said on the command line. Pure: knows the words, does nothing."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vidproc_desktop.domain.presets import PRESET_NAMES
from workers.protocol.settings import EncoderSpeed

MAX_WORKERS = 64
_ENHANCE = """\
Every result is an .mp4 named after its source, with its report, metadata, poster and contact sheet beside it.
The sources are never changed. Exit code: 0 all done, 1 some failed, were refused or were stopped, 2 wrong usage.
"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the user chose; None: the settings decide."""

    command: str
    files: tuple[Path, ...] = ()
    output: Path | None = None
    preset: str | None = None
    strength: float | None = None
    speed: EncoderSpeed | None = None
    broker: str | None = None
    broker_timeout_s: float | None = None
    workers: int | None = None
    as_json: bool = False
    data_dir: Path | None = None


def parse(arguments: Sequence[str], version: str) -> Chosen:
    """Read the arguments.

    Raises:
        SystemExit: 2 for wrong usage, 0 after `--help` and `--version`; argparse has printed already.
    """
    parser = _parser(version)
    found = parser.parse_args(arguments)
    values = {name: value for name, value in vars(found).items() if name in Chosen.__dataclass_fields__}
    chosen = Chosen(**(values | {"files": tuple(values.get("files") or ())}))
    if chosen.command == "metadata" and chosen.as_json and chosen.output is None:
        parser.error("metadata prints JSON anyway; --json is for runs with -o")
    return chosen


def _parser(version: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vidproc", description="Drop a video, get a better one.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"vidproc {version}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_enhance(commands)
    _add_metadata(commands)
    # Carried out before this parser is asked; here for the help.
    commands.add_parser("worker", help="work for a broker: vidproc worker --broker URL", add_help=False)
    doctor = commands.add_parser(
        "doctor", help="what is installed, what works, is the broker reachable", allow_abbrev=False
    )
    doctor.add_argument("--broker", metavar="URL", help="the broker to try (default: the settings')")
    doctor.add_argument(
        "--json", dest="as_json", action="store_true", help="one JSON object instead of a table"
    )
    _add_data_dir(doctor)
    return parser


def _add_enhance(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    enhance = commands.add_parser(
        "enhance",
        help="make videos better",
        description="Enhances videos; folders are searched for them.",
        epilog=_ENHANCE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_files(enhance, "where the results go (default: the settings', else your videos folder)")
    enhance.add_argument(
        "--preset", metavar="NAME", choices=PRESET_NAMES, help=f"how much: {', '.join(PRESET_NAMES)}"
    )
    enhance.add_argument(
        "--strength",
        type=_strength,
        metavar="X",
        help="scales every picture step: 0 nothing, 1 as measured, 2",
    )
    enhance.add_argument(
        "--speed",
        type=EncoderSpeed,
        choices=list(EncoderSpeed),
        metavar="SPEED",
        help=f"encoder speed: {', '.join(EncoderSpeed)}; faster means larger files",
    )
    _add_run(enhance)


def _add_metadata(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    metadata = commands.add_parser(
        "metadata",
        help="read everything that a video says about itself",
        description="Reads metadata. Without -o, one JSON document for each file goes to standard output.",
        allow_abbrev=False,
    )
    _add_files(metadata, "write the documents and contact sheets here")
    _add_run(metadata)


def _add_files(parser: argparse.ArgumentParser, output_help: str) -> None:
    parser.add_argument("files", nargs="+", type=_path, metavar="FILE", help="videos, or folders with videos")
    parser.add_argument("-o", "--output", type=_path, metavar="DIR", help=output_help)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--broker",
        metavar="URL",
        help="use RabbitMQ: amqp://user:password@computer:5672/ (default: the settings')",
    )
    parser.add_argument(
        "--broker-timeout",
        dest="broker_timeout_s",
        type=_seconds,
        metavar="SECONDS",
        help="give up when the broker cannot be reached for this long (default: keep trying)",
    )
    parser.add_argument(
        "--workers",
        type=_workers,
        metavar="N",
        help="workers on this computer; 0 with a broker leaves the work to the cluster",
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="one JSON object per line")
    _add_data_dir(parser)


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=_path, metavar="DIR", help="where state, logs and scratch files lie"
    )


def _path(text: str) -> Path:
    """Not empty: `Path("")` is the current folder, and what an unset variable of a script leaves behind."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path was given")
    return Path(text)


def _strength(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 2:
        raise argparse.ArgumentTypeError("the strength is a number from 0 to 2")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError("a positive number of seconds is needed")
    return value


def _workers(text: str) -> int:
    value = int(text)
    if not 0 <= value <= MAX_WORKERS:
        raise argparse.ArgumentTypeError(f"a number from 0 to {MAX_WORKERS} is needed")
    return value
