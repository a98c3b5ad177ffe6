"""Which tasks were cancelled before they arrived. Pure; the clock is passed in."""

from collections import OrderedDict
from typing import Final

from workers.protocol.messages import ControlMessage, WorkTask
from workers.protocol.segments import PartName
from workers.protocol.states import ProcessType

REMEMBERED_S: Final = 6 * 3600.0
MAX_REMEMBERED: Final = 20_000

type _Wish = tuple[str, str, PartName | None]
"""Client (empty: any), file, part."""


class Cancellations:
    """Remembers a cancel for some hours, so that a queued task is dropped when it arrives.

    It concerns one record, the whole file's or that of one part: who cancels a file in parts names each.
    A later attempt is a new wish and passes: a cancel concerns the attempt it names and those before, or, when it
    names none, the first attempt that arrives.
    """

    def __init__(self) -> None:
        self._until: OrderedDict[_Wish, tuple[int | None, float]] = OrderedDict()

    def remember(self, message: ControlMessage, process_type: ProcessType, now_s: float) -> None:
        """Keep a cancel that names a file and concerns this process."""
        if message.file_id is None or message.process_type not in (None, process_type):
            return
        key = (message.client_id or "", message.file_id, message.part)
        self._until[key] = (message.attempt, now_s + REMEMBERED_S)
        self._until.move_to_end(key)
        self._forget(now_s)

    def settle(self, task: WorkTask) -> None:
        """The cancelled attempt was found (running, waiting or finished): later ones pass."""
        for key in _wishes(task):
            if key in self._until:
                self._until[key] = (task.attempt, self._until[key][1])

    def covers(self, task: WorkTask, now_s: float) -> bool:
        """True when this attempt was cancelled."""
        self._forget(now_s)
        for key in _wishes(task):
            if key in self._until:
                last_attempt = self._until[key][0]
                if last_attempt is None or task.attempt <= last_attempt:
                    return True
        return False

    def _forget(self, now_s: float) -> None:
        while self._until:
            first = next(iter(self._until))
            if self._until[first][1] > now_s and len(self._until) <= MAX_REMEMBERED:
                return
            del self._until[first]


def concerns(message: ControlMessage, task: WorkTask) -> bool:
    """True when a cancel of this process means the task, wherever it is."""
    is_named = message.file_id is None or (message.file_id, message.part) == (task.file_id, task.part)
    return (
        is_named
        and message.client_id in (None, task.client_id)
        and (message.attempt is None or task.attempt <= message.attempt)
    )


def _wishes(task: WorkTask) -> tuple[_Wish, _Wish]:
    """What a cancel may have been remembered under that concerns this task."""
    return (task.client_id, task.file_id, task.part), ("", task.file_id, task.part)
