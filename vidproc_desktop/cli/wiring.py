"""Builds a session for one run of the command line from the adapters. Starts nothing."""

import secrets
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vidproc_desktop.broker.accepter import LocalAccepter
from vidproc_desktop.broker.commands import WorkerRole, stdio_command
from vidproc_desktop.broker.local import LocalBroker, LocalCommands
from vidproc_desktop.broker.prober import LocalProber
from vidproc_desktop.broker.rabbitmq import (
    BrokerWorkers,
    RabbitMQBroker,
    broker_identity,
    test_connection,
)
from vidproc_desktop.cli.arguments import Chosen
from vidproc_desktop.config import Settings
from vidproc_desktop.domain.presets import PRESET_NAMES
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from vidproc_desktop.exchanges import make_exchange
from vidproc_desktop.services.ports import Transport
from vidproc_desktop.services.presets import load_preset
from vidproc_desktop.services.session import Session, SessionOptions, SessionPorts
from vidproc_desktop.store.database import Database
from workers.protocol.settings import EnhancementSettings


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run keeps its own files: a run never meets an open window or another run in one database."""

    folder: Path

    @property
    def database(self) -> Path:
        """The run's library."""
        return self.folder / "library.sqlite3"

    @property
    def scratch(self) -> Path:
        """Results that are printed and then thrown away."""
        return self.folder / "results"


def place_for_run(settings: Settings, pid: int) -> Place:
    """A folder of this run's own."""
    return Place(settings.data_folder / "cli" / f"{pid}-{secrets.token_hex(4)}")


def enhancement_settings(chosen: Chosen, settings: Settings) -> EnhancementSettings:
    """Preset, then what was said beside it. Blocking file I/O.

    Raises:
        UserFacingError: the settings name a preset that there is not.
    """
    if chosen.command != "enhance":
        return EnhancementSettings()
    name = chosen.preset or settings.preset
    try:
        preset = load_preset(name).settings
    except KeyError as error:
        raise UserFacingError(
            UserErrorCode.SETTINGS_INVALID,
            f"There is no preset named “{name}”.",
            hint=f"There are: {', '.join(PRESET_NAMES)}.",
        ) from error
    changes = {"strength": chosen.strength, "encoder_speed": chosen.speed}
    given = {name: value for name, value in changes.items() if value is not None}
    return EnhancementSettings.model_validate({**preset.model_dump(), **given})


def make_session(place: Place, settings: Settings, options: SessionOptions) -> Session:
    """The same services as the window's, on a store of their own."""
    data_dir = settings.data_dir
    environment = settings.worker_environment()
    commands = LocalCommands(
        enhance=stdio_command(WorkerRole.ENHANCE, data_dir, environment),
        metadata=stdio_command(WorkerRole.METADATA, data_dir, environment),
    )
    ports = SessionPorts(
        store=Database(place.database),
        prober=LocalProber(commands.metadata, max_size_bytes=options.max_size_bytes),
        connect=partial(_connect, settings, commands),
        test_connection=test_connection,
        broker_identity=broker_identity,
        accepter=LocalAccepter(commands.metadata),
        exchange=partial(make_exchange, settings),
    )
    return Session(ports, replace(options, data_directory=place.folder))


def _connect(settings: Settings, commands: LocalCommands, url: str | None, client_id: str) -> Transport:
    if url is None:
        local = LocalBroker(commands, count=settings.worker_count)
        return Transport(local, local, is_local=True)
    workers = BrokerWorkers(url, data_dir=settings.data_dir, environment=settings.worker_environment())
    broker = RabbitMQBroker(url, client_id=client_id, workers=workers, is_passing=True)
    return Transport(broker, workers, is_local=False)
