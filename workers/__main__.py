"""The worker program: `python -m workers enhance|metadata|all [--stdio | --broker URL]`.

The same program serves a window on the same computer (JSON lines on stdio) and a cluster (RabbitMQ). The first signal
lets running tasks finish within the grace period, the second one stops at once; no process is left either way.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from workers.config import InvalidBrokerUrl, WorkerConfig, check_broker_url
from workers.metadata_extraction_worker import MetadataExtractionWorker
from workers.protocol.states import ProcessType
from workers.runtime import child
from workers.runtime.executor import MEDIA_JOBS
from workers.runtime.identity import WorkerIdentity, claim_identity
from workers.runtime.logs import close_log, open_log, redact
from workers.transport.hosting import ROLES, HostOptions
from workers.transport.stdio import StdioChannel
from workers.video_enhancement_worker import VideoEnhancementWorker

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_LIMIT_S: Final = 5.0
"""After the end of all work a thread may still read a large file; the process does not wait for it longer."""
_log = logging.getLogger("workers")

type AnyWorker = VideoEnhancementWorker | MetadataExtractionWorker


def main(argv: Sequence[str] | None = None, *, jobs: str = MEDIA_JOBS) -> int:
    """Run the worker program until it is told to stop.

    Args:
        argv: arguments without the program's name; None: the process's own.
        jobs: the module that children load; tests pass their own.

    Meant to be the whole life of a process: after its work the process ends within seconds, whatever its threads do.

    Returns:
        0 after an orderly end, 1 when the program could not work, 2 for wrong usage.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["child"]:
        return child.main(arguments[1:])
    if arguments[:1] == ["doctor"]:
        from workers import doctor  # late: it loads every media library

        return doctor.main(arguments[1:])
    if arguments[:1] == ["try-encoder"]:
        from workers.media import encoder_probe

        return encoder_probe.main(arguments[1:])
    parsed = _parser().parse_args(arguments)
    try:
        config = _config(parsed)
    except (InvalidBrokerUrl, ValidationError) as error:
        print(_usage_sentence(error), file=sys.stderr)
        return EXIT_USAGE
    try:
        return _run(config, _process_types(parsed.role), use_stdio=parsed.stdio, jobs=jobs)
    except OSError as error:
        print(f"The worker cannot work here: {redact(str(error))}", file=sys.stderr)
        return EXIT_FAILED
    finally:
        close_log()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vidproc worker", description="Enhances videos and extracts their metadata.", allow_abbrev=False
    )
    parser.add_argument("role", nargs="?", choices=("enhance", "metadata", "all"), default="all")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--stdio", action="store_true", help="JSON lines on standard input and output")
    way.add_argument("--broker", metavar="URL", help="RabbitMQ's address (default: RABBITMQ_URL)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where state and logs lie")
    parser.add_argument("--slots", type=int, metavar="N", help="tasks at the same time (default 1)")
    parser.add_argument(
        "--root", type=Path, action="append", metavar="DIR", help="only files in here may be used; repeatable"
    )
    parser.add_argument("--log-level", choices=("DEBUG", "INFO", "WARNING", "ERROR"), type=str.upper)
    return parser


def _config(parsed: argparse.Namespace) -> WorkerConfig:
    given: dict[str, Any] = {
        "rabbitmq_url": parsed.broker,
        "data_dir": None if parsed.data_dir is None else parsed.data_dir.absolute(),
        "slots": parsed.slots,
        "roots": tuple(root.absolute() for root in parsed.root or ()) or None,
        "log_level": parsed.log_level,
    }
    config = WorkerConfig()
    changes = {name: value for name, value in given.items() if value is not None}
    config = WorkerConfig.model_validate({**config.model_dump(), **changes})
    if not parsed.stdio:
        check_broker_url(config.rabbitmq_url)
    return config


def _usage_sentence(error: InvalidBrokerUrl | ValidationError) -> str:
    if isinstance(error, InvalidBrokerUrl):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"A setting is wrong: {'.'.join(map(str, first['loc']))}: {first['msg']}."


def _process_types(role: str) -> tuple[ProcessType, ...]:
    return tuple(process_type for process_type, name in ROLES.items() if role in (name, "all"))


def _run(config: WorkerConfig, process_types: Sequence[ProcessType], *, use_stdio: bool, jobs: str) -> int:
    with ExitStack() as stack:
        identities = [
            stack.enter_context(claim_identity(config.state_folder, ROLES[process_type], process_type))
            for process_type in process_types
        ]
        name = f"worker-{'-'.join(identity.role for identity in identities)}-{identities[0].place}"
        open_log(config.log_folder, name, config.log_level, to_stderr=not use_stdio)
        channel = StdioChannel() if use_stdio else None
        if channel is not None:
            channel.open()
        workers = [
            _make_worker(identity, HostOptions(config, channel, identity, jobs)) for identity in identities
        ]
        try:
            asyncio.run(_serve(workers, channel, config.shutdown_grace_s))
        finally:
            _log.info("the worker program ends")
    return EXIT_OK


def _make_worker(identity: WorkerIdentity, options: HostOptions) -> AnyWorker:
    if identity.process_type is ProcessType.VIDEO_ENHANCEMENT:
        return VideoEnhancementWorker(options=options)
    return MetadataExtractionWorker(options=options)


class StopRequest:
    """What signals ask for: first to finish, then to stop at once."""

    def __init__(self) -> None:
        self.finish = asyncio.Event()
        self.at_once = asyncio.Event()

    def __call__(self) -> None:
        """A signal came."""
        if self.finish.is_set():
            self.at_once.set()
        self.finish.set()

    def install(self) -> None:
        """Listen to the usual two signals."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            if sys.platform == "win32":
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(self))
            else:
                loop.add_signal_handler(number, self)


async def _serve(workers: Sequence[AnyWorker], channel: StdioChannel | None, grace_s: float) -> None:
    stop = StopRequest()
    stop.install()
    begin = asyncio.create_task(_begin(workers, channel), name="begin")
    endings: list[asyncio.Task[Any]] = [asyncio.create_task(stop.finish.wait(), name="wait-for-signal")]
    if channel is not None:
        endings.append(asyncio.create_task(channel.ended.wait(), name="wait-for-end-of-input"))
    try:
        await asyncio.wait({begin, *endings}, return_when=asyncio.FIRST_COMPLETED)
        if begin.done():
            begin.result()  # raises what went wrong at the start
            drained = asyncio.create_task(_all_drained(workers), name="wait-for-drain")
            endings.append(drained)
            await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
            if stop.finish.is_set():
                await _finish_within(workers, stop, channel, grace_s)
    finally:
        _exit_anyway_after(EXIT_LIMIT_S)
        for task in (begin, *endings):
            task.cancel()
        await asyncio.wait({begin, *endings})
        for worker in workers:
            await worker.close()


async def _begin(workers: Sequence[AnyWorker], channel: StdioChannel | None) -> None:
    for worker in workers:
        await worker.startup()
    if channel is not None:
        channel.listen([worker.consumer for worker in workers])
    await asyncio.gather(*(worker.connect() for worker in workers))
    for worker in workers:
        await worker.start_consuming()


async def _all_drained(workers: Sequence[AnyWorker]) -> bool:
    for worker in workers:
        await worker.consumer.drained.wait()
    return True


async def _finish_within(
    workers: Sequence[AnyWorker], stop: StopRequest, channel: StdioChannel | None, grace_s: float
) -> None:
    """Let running tasks end, until the grace period, a second signal or the end of input."""
    _log.info("told to stop: finishing what runs, at most %g s", grace_s)
    for worker in workers:
        worker.consumer.drain()
    waits: list[asyncio.Task[Any]] = [
        asyncio.create_task(_all_drained(workers), name="drain"),
        asyncio.create_task(stop.at_once.wait(), name="wait-for-second-signal"),
    ]
    if channel is not None:
        waits.append(asyncio.create_task(channel.ended.wait(), name="wait-for-end-of-input"))
    try:
        await asyncio.wait(waits, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
        await asyncio.wait(waits)


def _exit_anyway_after(seconds: float) -> None:
    """A last resort on a thread of its own: nobody waits for a process whose work is over."""

    def wait() -> None:
        threading.Event().wait(seconds)
        os._exit(EXIT_OK)

    threading.Thread(target=wait, name="exit-limit", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
