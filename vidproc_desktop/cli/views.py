"""How a run is shown without bars: plain lines for logs and pipes, JSON lines for programs, or only what failed.

Knows text streams and the values of the core; decides nothing.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Final, Protocol, TextIO

from vidproc_desktop.cli.outcome import Outcome
from vidproc_desktop.cli.state_of_file import describe, places, reason, wanted_tasks
from vidproc_desktop.domain.library import FileRecord, Refusal
from vidproc_desktop.domain.names import displayable
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState
from vidproc_desktop.errors import UserFacingError
from workers.protocol.states import Status

_STEP_PERCENT: Final = 10
_JSON_SPACING_S: Final = 0.5


class View(Protocol):
    """Shows a run. Called on the loop's thread."""

    def added(self, file: FileRecord) -> None:
        """A file was accepted."""

    def refused(self, refusal: Refusal) -> None:
        """A path was not."""

    def changed(self, file: FileRecord) -> None:
        """A file moved on; may come thousands of times a second."""

    def finished(self, file: FileRecord) -> None:
        """Nothing more will happen to the file."""

    def broker(self, health: BrokerHealth) -> None:
        """The connection changed."""

    def notice(self, error: UserFacingError) -> None:
        """The world failed; the run goes on, unless it ends with this."""

    def say(self, text: str) -> None:
        """Something for the person at the terminal."""

    def summary(self, outcome: Outcome) -> None:
        """The run is over."""

    def close(self) -> None:
        """Give the terminal back."""


def error_text(error: UserFacingError) -> str:
    """All of it on one line."""
    return " ".join(part for part in (error.title, error.detail and f"({error.detail})", error.hint) if part)


def summary_text(outcome: Outcome) -> str:
    """One sentence."""
    counts = [f"{outcome.done_count} of {outcome.asked_count} done"]
    counts += [f"{outcome.failed_count} failed"] if outcome.failed_count else []
    counts += [f"{len(outcome.refused)} refused"] if outcome.refused else []
    counts += [f"{outcome.unfinished_count} stopped"] if outcome.unfinished_count else []
    return f"{', '.join(counts)} in {outcome.seconds:.1f} s."


def place_lines(file: FileRecord) -> list[str]:
    """Where the results of one file lie."""
    found = places(file)
    shown = (("output", "enhanced"), ("report", "report"), ("metadata", "metadata"))
    return [f"    {word}: {displayable(found[what])}" for what, word in shown if what in found]


def remark_lines(file: FileRecord) -> list[str]:
    """What of the film is missing although it is done."""
    return [f"    remark: {displayable(text)}" for text in file.warnings]


class ErrorView:
    """Says only what went wrong; standard output belongs to the results."""

    def __init__(self, err: TextIO) -> None:
        self._err = err

    def added(self, file: FileRecord) -> None:
        """Nothing."""

    def refused(self, refusal: Refusal) -> None:
        """A path was not accepted."""
        self.say(f"{refusal.path}: {displayable(refusal.reason)}")

    def changed(self, file: FileRecord) -> None:
        """Nothing."""

    def finished(self, file: FileRecord) -> None:
        """Only when it failed."""
        for task in wanted_tasks(file):
            if task.status is Status.FAILED:
                self.say(f"{displayable(file.source_path)}: {displayable(reason(task))}")

    def broker(self, health: BrokerHealth) -> None:
        """Only when there is something to wait for."""
        if health.state in {BrokerState.UNREACHABLE, BrokerState.BLOCKED, BrokerState.NO_WORKER}:
            self.say(health.message)

    def notice(self, error: UserFacingError) -> None:
        """The world failed."""
        self.say(error_text(error))

    def say(self, text: str) -> None:
        """A line on standard error."""
        print(text, file=self._err, flush=True)

    def summary(self, outcome: Outcome) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing to give back."""


class LineView(ErrorView):
    """Plain lines: changes of state, and every tenth percent."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        super().__init__(err)
        self._out = out
        self._said: dict[str, tuple[int, frozenset[object]]] = {}

    def changed(self, file: FileRecord) -> None:
        """A line when it is worth one."""
        if file.is_finished:
            return
        state = describe(file)
        step = int(state.percent) // _STEP_PERCENT
        news = state.words, *(task.attempt for task in file.tasks)
        last_step, said = self._said.get(file.file_id, (0, frozenset()))
        is_known = state.words == "waiting" or news in said
        if is_known and step <= last_step:
            return
        # Between two segments a file waits for a moment, and then does again what was said already.
        self._said[file.file_id] = max(step, last_step), said | {news}
        speed = f", {state.frames_per_s:.1f} frames/s" if state.frames_per_s else ""
        left = f", {state.remaining_s:.0f} s left" if state.remaining_s else ""
        self._print(f"{file.name}: {state.words} {state.percent:.0f} %{state.segment_words}{speed}{left}")

    def finished(self, file: FileRecord) -> None:
        """What became of it, and where it lies."""
        super().finished(file)
        self._print(
            "\n".join([f"{file.name}: {describe(file).words}", *remark_lines(file), *place_lines(file)])
        )

    def broker(self, health: BrokerHealth) -> None:
        """Every change."""
        if health.state is BrokerState.READY:
            self._print(health.message)
        else:
            super().broker(health)

    def summary(self, outcome: Outcome) -> None:
        """One sentence."""
        self._print(summary_text(outcome))

    def _print(self, text: str) -> None:
        print(text, file=self._out, flush=True)


class JsonView(ErrorView):
    """One JSON object per line on standard output; sentences also go to standard error."""

    def __init__(self, out: TextIO, err: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(err)
        self._out = out
        self._clock = clock
        self._last: dict[str, tuple[float, object]] = {}

    def added(self, file: FileRecord) -> None:
        """`added`."""
        self._write("added", file_id=file.file_id, source=file.source_path, name=file.name)

    def refused(self, refusal: Refusal) -> None:
        """`refused`."""
        super().refused(refusal)
        self._write("refused", source=refusal.path, code=refusal.code.value, reason=refusal.reason)

    def changed(self, file: FileRecord) -> None:
        """`progress`: changes of state always, numbers at most twice a second."""
        if file.is_finished:
            return
        key = tuple((task.status, task.stage, task.attempt) for task in file.tasks)
        last_at, last_key = self._last.get(file.file_id, (float("-inf"), None))
        now = self._clock()
        if key == last_key and now - last_at < _JSON_SPACING_S:
            return
        self._last[file.file_id] = now, key
        state = describe(file)
        self._write(
            "progress",
            file_id=file.file_id,
            source=file.source_path,
            state=state.words,
            percent=round(state.percent, 2),
            frames_per_s=state.frames_per_s,
            remaining_s=state.remaining_s,
            segments=None if state.segments is None else asdict(state.segments),
        )

    def finished(self, file: FileRecord) -> None:
        """`finished`, with every path and error."""
        super().finished(file)
        self._last.pop(file.file_id, None)
        tasks = {
            task.process_type.value: {
                "status": task.status.value,
                "attempts": task.attempt,
                "error": None if task.error is None else task.error.model_dump(mode="json"),
            }
            for task in wanted_tasks(file)
        }
        self._write(
            "finished",
            file_id=file.file_id,
            source=file.source_path,
            name=file.name,
            tasks=tasks,
            warnings=list(file.warnings),
            **places(file),
        )

    def broker(self, health: BrokerHealth) -> None:
        """`broker`."""
        super().broker(health)
        self._write("broker", state=health.state.value, message=health.message)

    def notice(self, error: UserFacingError) -> None:
        """`notice`."""
        super().notice(error)
        self._write("notice", code=error.code.value, title=error.title, detail=error.detail, hint=error.hint)

    def summary(self, outcome: Outcome) -> None:
        """`summary`, the last line."""
        self._write(
            "summary",
            asked=outcome.asked_count,
            done=outcome.done_count,
            failed=outcome.failed_count,
            refused=len(outcome.refused),
            stopped=outcome.unfinished_count,
            seconds=round(outcome.seconds, 3),
            exit_code=outcome.exit_code,
        )

    def _write(self, event: str, **values: object) -> None:
        print(json.dumps({"event": event, **values}, ensure_ascii=False), file=self._out, flush=True)
