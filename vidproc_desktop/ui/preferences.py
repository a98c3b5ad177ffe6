"""What the user chose in the settings dialog, as one value; where it is kept is the caller's business. Pure."""

from dataclasses import dataclass, field

from vidproc_desktop.ui.theme import Appearance
from workers.protocol.settings import EnhancementSettings


@dataclass(frozen=True, slots=True)
class Preferences:
    """Choices of the user."""

    output_directory: str
    worker_count: int
    max_attempts: int
    timeout_s: float
    broker_url: str | None = None
    """None: local mode, without a server."""
    settings: EnhancementSettings = field(default_factory=EnhancementSettings)
    file_exchange: str = "shared"
    """How workers on other computers reach files; see `config.settings.FileExchangeKind`."""
    appearance: Appearance = Appearance.SYSTEM
