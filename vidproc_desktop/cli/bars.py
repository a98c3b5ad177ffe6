"""Progress bars on a terminal: one line for each file that is being worked on, and one for all.

Knows rich and the values of the core.
"""

from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from vidproc_desktop.cli.outcome import Outcome
from vidproc_desktop.cli.state_of_file import describe, is_done
from vidproc_desktop.cli.views import ErrorView, place_lines, remark_lines, summary_text
from vidproc_desktop.domain.library import FileRecord, Refusal
from vidproc_desktop.domain.workers import BrokerHealth, BrokerState
from workers.protocol.states import Status


class BarView(ErrorView):
    """Bars with name, state, percent, frames/s and time left. What is finished moves up into the scrollback."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        super().__init__(err)
        self._console = Console(file=out, highlight=False)
        name = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        state = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        self._progress = Progress(
            TextColumn("{task.fields[name]}", table_column=name),
            TextColumn("{task.fields[state]}", table_column=state),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            TextColumn("{task.percentage:>3.0f} %"),
            _FieldColumn("speed", 11),
            _FieldColumn("left", 8),
            console=self._console,
            expand=True,
        )
        self._bars: dict[str, TaskID] = {}
        self._all: TaskID | None = None
        self._is_drawing = False
        self._count = self._finished_count = 0

    def added(self, file: FileRecord) -> None:  # noqa: ARG002 - the bar for all only counts
        """One more in the line for all."""
        self._count += 1
        if self._all is None:
            self._progress.start()
            self._is_drawing = True
            self._all = self._progress.add_task("", name="[bold]All files", state="", speed="", left="")
        self._progress.update(self._all, total=self._count)
        self._count_up()

    def changed(self, file: FileRecord) -> None:
        """Move the bar; it appears when work begins."""
        if file.is_finished or all(task.status is Status.PENDING for task in file.tasks):
            return
        state = describe(file)
        if file.file_id not in self._bars:
            self._bars[file.file_id] = self._progress.add_task(
                "", total=100, name=escape(file.name), state="", speed="", left=""
            )
        self._progress.update(
            self._bars[file.file_id],
            completed=state.percent,
            state=state.short_words,
            speed=f"{state.frames_per_s:.1f} fps" if state.frames_per_s else "",
            left=_clock(state.remaining_s),
        )

    def finished(self, file: FileRecord) -> None:
        """The bar goes, a line stays."""
        bar = self._bars.pop(file.file_id, None)
        if bar is not None:
            self._progress.remove_task(bar)
        self._finished_count += 1
        self._count_up()
        style = "green" if is_done(file) else "red"
        self._console.print(Text.assemble((describe(file).words, style), f"  {file.name}"))
        for line in remark_lines(file):
            self._console.print(Text(line, style="yellow"), soft_wrap=True)
        for line in place_lines(file):
            self._console.print(Text(line, style="dim"), soft_wrap=True)

    def refused(self, refusal: Refusal) -> None:
        """A line above the bars."""
        self._tell(f"{refusal.path}: {refusal.reason}")

    def broker(self, health: BrokerHealth) -> None:
        """A line above the bars."""
        if health.state not in {BrokerState.STARTING, BrokerState.STOPPED}:
            self._console.print(Text(health.message, style="dim"))

    def say(self, text: str) -> None:
        """A line above the bars, when they are on this terminal; else on standard error."""
        self._tell(text)

    def summary(self, outcome: Outcome) -> None:
        """One sentence below everything."""
        self.close()
        self._console.print(summary_text(outcome))

    def close(self) -> None:
        """Stop drawing."""
        if self._all is not None:
            self._progress.remove_task(self._all)
            self._all = None
        for bar in self._bars.values():
            self._progress.remove_task(bar)
        self._bars.clear()
        if self._is_drawing:
            self._is_drawing = False
            self._progress.stop()

    def _tell(self, text: str) -> None:
        if self._err.isatty():
            self._console.print(Text(text, style="yellow"), soft_wrap=True)
        else:
            super().say(text)

    def _count_up(self) -> None:
        if self._all is not None:
            words = f"{self._finished_count} of {self._count}"
            self._progress.update(self._all, completed=self._finished_count, state=words)


class _FieldColumn(ProgressColumn):
    """A field of the task, in a column that keeps its width."""

    def __init__(self, field: str, width: int) -> None:
        super().__init__(table_column=Column(width=width, justify="right", no_wrap=True))
        self._field = field

    def render(self, task: "object") -> Text:
        """The field's text."""
        fields: dict[str, str] = getattr(task, "fields", {})
        return Text(fields.get(self._field, ""))


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
