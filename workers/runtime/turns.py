"""Which task gets which free child, and which is given back. No I/O: futures and lists on one event loop."""

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto

from workers.protocol.messages import AnyWorkTask
from workers.protocol.states import ProcessType, Stage
from workers.runtime.delivery import Delivery
from workers.runtime.executor import Executor
from workers.runtime.journal import AttemptKey
from workers.runtime.outcome import WorkOutcome
from workers.runtime.reporting import StatusStream

OWN_KEY_PREFIX = "worker."


class Verdict(Enum):
    """Why a waiting task gets no child."""

    CANCELLED = auto()
    GIVEN_BACK = auto()


@dataclass(eq=False, slots=True)
class Held:
    """A task in this worker's hands, from its arrival to its acknowledgement."""

    task: AnyWorkTask
    process_type: ProcessType
    delivery: Delivery
    turn: asyncio.Future[Executor | Verdict]
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    was_finished: bool = False
    """Set before `settled`: its final status is safe."""
    is_cancelled: bool = False
    stream: StatusStream | None = None
    job: asyncio.Task[WorkOutcome] | None = None

    @property
    def key(self) -> AttemptKey:
        """What makes two deliveries the same attempt."""
        return AttemptKey.of(self.task, self.process_type)

    @property
    def is_own(self) -> bool:
        """True when it was sent to this worker alone."""
        return (self.delivery.routing_key or "").startswith(OWN_KEY_PREFIX)

    def cancel(self) -> bool:
        """Stop it, wherever it is; False when its result is being published and it is too late."""
        if self.stream is not None and self.stream.shown.stage is Stage.PUBLISHING:
            return False
        self.is_cancelled = True
        if not self.turn.done():
            self.turn.set_result(Verdict.CANCELLED)
        elif self.job is not None:
            self.job.cancel()
        return True


class Turns:
    """Free children and waiting tasks, first come, first served."""

    def __init__(self) -> None:
        self._free: list[Executor] = []
        self._waiting: list[Held] = []
        self.held: dict[AttemptKey, Held] = {}
        self.slots = 0

    def add_slot(self, executor: Executor) -> None:
        """A further child."""
        self.slots += 1
        self._free.append(executor)

    def hold(self, task: AnyWorkTask, process_type: ProcessType, delivery: Delivery) -> Held:
        """Take a task in; it waits for `turn`."""
        held = Held(task, process_type, delivery, asyncio.get_running_loop().create_future())
        self.held[held.key] = held
        self._waiting.append(held)
        return held

    def let_go(self, held: Held) -> None:
        """The task is settled; whoever waits for the same attempt goes on."""
        if held in self._waiting:
            self._waiting.remove(held)
        self.held.pop(held.key, None)
        held.settled.set()

    def free(self, executor: Executor) -> None:
        """A child has nothing to do."""
        self._free.append(executor)

    def dispatch(self) -> None:
        """Give free children to waiting tasks."""
        self._waiting = [held for held in self._waiting if not held.turn.done()]
        while self._free and self._waiting:
            self._waiting.pop(0).turn.set_result(self._free.pop(0))

    def give_back(self, *, own_too: bool) -> None:
        """Let waiting tasks go to somebody else."""
        for held in self._waiting:
            if (own_too or not held.is_own) and not held.turn.done():
                held.turn.set_result(Verdict.GIVEN_BACK)
        self._waiting = [held for held in self._waiting if not held.turn.done()]

    @property
    def own_load(self) -> int:
        """Tasks in hand that were sent to this worker alone."""
        return sum(held.is_own for held in self.held.values())

    @property
    def running(self) -> list[Held]:
        """Tasks that a child works on."""
        return [held for held in self.held.values() if held.stream is not None]
