"""What comes of work that went well. Pure."""

from dataclasses import dataclass

from workers.protocol.results import TaskResult
from workers.protocol.transfers import SentObject


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A result and what of it was handed over to another computer; its addresses are this worker's own."""

    result: TaskResult
    sent: tuple[SentObject, ...]


type WorkOutcome = TaskResult | HandedOver
