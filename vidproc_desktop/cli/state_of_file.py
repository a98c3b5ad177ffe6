"""How far a file is, in one number and a few words. Pure."""

from dataclasses import dataclass
from typing import Final

from vidproc_desktop.domain.library import FileRecord, TaskRecord
from vidproc_desktop.domain.segment_cells import SegmentCount, segment_count
from vidproc_desktop.services.file_uris import path_of
from workers.protocol.states import ProcessType, Stage, Status

_STAGE_WORDS: Final = {
    Stage.WAITING: "starting",
    Stage.FETCHING: "fetching",
    Stage.PROBING: "looking",
    Stage.ANALYSING: "analysing",
    Stage.ENHANCING: "enhancing",
    Stage.REMUXING: "copying streams",
    Stage.READING_PICTURES: "reading pictures",
    Stage.VERIFYING: "verifying",
    Stage.ASSEMBLING: "putting together",
    Stage.PUBLISHING: "finishing",
    Stage.SENDING: "sending",
}
_ENHANCEMENT_WEIGHT: Final = 0.95
"""Share of the enhancement in a file's bar; the metadata takes seconds."""


@dataclass(frozen=True, slots=True)
class FileState:
    """One line for a person."""

    words: str
    percent: float
    frames_per_s: float | None
    remaining_s: float | None
    segments: SegmentCount | None = None
    """Of an unfinished enhancement in parts."""

    @property
    def segment_words(self) -> str:
        """`, segments 7/12`, or nothing."""
        return "" if self.segments is None else f", segments {self.segments.done}/{self.segments.total}"

    @property
    def short_words(self) -> str:
        """For a narrow column: `segments 7/12` while they are made, otherwise what is done."""
        is_enhancing = self.words == _STAGE_WORDS[Stage.ENHANCING]
        return self.segment_words.removeprefix(", ") if self.segments and is_enhancing else self.words


def wanted_tasks(file: FileRecord) -> tuple[TaskRecord, ...]:
    """The processes that were asked for."""
    return tuple(task for task in file.tasks if task.is_wanted)


def is_done(file: FileRecord) -> bool:
    """True when everything that was asked for is completed."""
    return all(task.status is Status.COMPLETED for task in wanted_tasks(file))


def describe(file: FileRecord) -> FileState:
    """Words and percent: of the enhancement while it runs, of the metadata otherwise."""
    tasks = wanted_tasks(file)
    leading = next((task for task in tasks if not task.status.is_final), tasks[0])
    segments = None if file.enhancement.status is Status.COMPLETED else segment_count(file)
    return FileState(
        _words(file, leading), _percent(tasks), leading.frames_per_s, leading.remaining_s, segments
    )


def _percent(tasks: tuple[TaskRecord, ...]) -> float:
    if len(tasks) == 1:
        return tasks[0].progress
    enhancement, metadata = tasks
    return enhancement.progress * _ENHANCEMENT_WEIGHT + metadata.progress * (1 - _ENHANCEMENT_WEIGHT)


def _words(file: FileRecord, leading: TaskRecord) -> str:
    if file.is_finished:
        failed = next((task for task in wanted_tasks(file) if task.status is Status.FAILED), None)
        if failed is not None:
            return f"failed: {reason(failed)}"
        if not is_done(file):
            return "stopped"
        return "done, with a remark" if file.warnings else "done"
    if leading.status is Status.PENDING:
        return "waiting" if leading.attempt == 1 else f"waiting for attempt {leading.attempt}"
    if leading.process_type is ProcessType.METADATA_EXTRACTION and len(wanted_tasks(file)) > 1:
        return "reading metadata"
    if file.parts and leading.stage is Stage.WAITING:
        return "waiting for a worker"
    return _STAGE_WORDS[leading.stage]


def reason(task: TaskRecord) -> str:
    """Why a task failed, as a sentence."""
    return task.error.message if task.error is not None else "no reason was given"


def places(file: FileRecord) -> dict[str, str]:
    """Where the results lie: what they are, and their paths."""
    uris: dict[str, str | None] = {}
    enhanced, metadata = file.enhancement_result, file.metadata_result
    if enhanced is not None:
        uris |= {"output": enhanced.output_uri, "report": enhanced.report_uri, "poster": enhanced.poster_uri}
    if metadata is not None:
        uris |= {"metadata": metadata.metadata_uri, "contact_sheet": metadata.contact_sheet_uri}
    return {what: local_path(uri) for what, uri in uris.items() if uri is not None}


def local_path(uri: str) -> str:
    """Path of a `file:` URI; any other address as it is."""
    path = path_of(uri)
    return uri if path is None else str(path)
