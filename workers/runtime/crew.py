"""The children of one worker: one per slot, and one for probes as soon as there is a probe."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from workers.config import WorkerConfig
from workers.runtime.executor import Executor, ExecutorOptions
from workers.runtime.previewing import STOP_LIMIT_S


@dataclass(frozen=True, slots=True)
class CrewOptions:
    """What a crew is for."""

    worker_id: str
    kind: str
    """The kind of jobs that the slots do."""
    slots: int
    jobs: str
    memory_limit_bytes: int | None
    stand_ins: Path | None = None
    """Below it lie stand-ins of other computers' files."""

    @classmethod
    def of(cls, worker_id: str, kind: str, config: WorkerConfig, jobs: str) -> Self:
        """As a worker's settings say."""
        return cls(worker_id, kind, config.slots, jobs, config.memory_limit_bytes, config.remote_folder)


class Crew:
    """Starts, warms up and ends the children. `start()` first, `aclose()` at the end."""

    def __init__(self, options: CrewOptions) -> None:
        self._options = options
        self._executors: list[Executor] = []
        self._prober: Executor | None = None

    async def start(self) -> list[Executor]:
        """Start a child for every slot. They warm up on their own.

        Raises:
            OSError: no process can be started.
        """
        for number in range(1, self._options.slots + 1):
            executor = self._make(f"#{number}", self._options.kind)
            self._executors.append(executor)
            await executor.start()
        return list(self._executors)

    async def wait_warm(self) -> bool:
        """True once every slot waits for a job; False when one cannot load what it needs."""
        return all(await asyncio.gather(*(executor.wait_warm() for executor in self._executors)))

    async def prober(self) -> Executor:
        """A child of its own for probes, so that a dropped file never waits for a long task."""
        if self._prober is None:
            self._prober = self._make("#probe", "probe")
            await self._prober.start()
        return self._prober

    def preview_executor(self) -> Executor:
        """For a child that makes previews; whoever asks ends it."""
        return self._make("#preview", "preview", stop_limit_s=STOP_LIMIT_S)

    @property
    def child_pids(self) -> list[int]:
        """Leaders of the process groups that have to be gone when this worker is."""
        return [pid for executor in self._everybody() if (pid := executor.child_pid) is not None]

    async def aclose(self) -> None:
        """Kill every child and wait until they are gone."""
        for executor in self._everybody():
            await executor.aclose()
        self._executors.clear()
        self._prober = None

    def _everybody(self) -> list[Executor]:
        return [*self._executors, *([self._prober] if self._prober is not None else [])]

    def _make(self, suffix: str, kind: str, *, stop_limit_s: float = 0.0) -> Executor:
        options = self._options
        name = options.worker_id + suffix
        return Executor(
            ExecutorOptions(
                name,
                (kind,),
                options.jobs,
                options.memory_limit_bytes,
                stop_limit_s=stop_limit_s,
                stand_ins=options.stand_ins,
            )
        )
