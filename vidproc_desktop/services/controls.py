"""Control messages to workers: sent without waiting, and kept for later where the broker does not take them."""

import logging

from vidproc_desktop.errors import UserFacingError
from vidproc_desktop.services.ports import TaskBroker
from vidproc_desktop.services.spawn import Background
from workers.protocol.messages import ControlMessage

_log = logging.getLogger(__name__)


class Controls:
    """Sends through the broker in use. All on the loop's thread.

    Args:
        background: owns what is being sent.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._broker: TaskBroker | None = None
        self._unsent: list[ControlMessage] = []

    def use(self, broker: TaskBroker | None) -> None:
        """Send there from now on; None: nobody is there to be told."""
        self._broker = broker

    def send(self, message: ControlMessage) -> None:
        """Tell the workers, now or when the broker is back."""
        self._background.spawn(self._deliver(message), f"control {message.action.value}")

    def send_unsent(self) -> None:
        """The broker is back."""
        unsent, self._unsent = self._unsent, []
        for message in unsent:
            self.send(message)

    async def _deliver(self, message: ControlMessage) -> None:
        if self._broker is None:
            return
        try:
            await self._broker.control(message)
        except UserFacingError as error:
            _log.info("a control message waits for the broker: %s", error.title)
            self._unsent.append(message)
