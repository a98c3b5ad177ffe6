"""What the preview of a file plays: its source, and its result, or as much of that as there is."""

from dataclasses import dataclass

from PySide6.QtCore import QUrl

from vidproc_desktop.domain.library import FileRecord
from vidproc_desktop.domain.segment_cells import (
    SegmentCount,
    ready_segments,
    result_duration_s,
    segment_count,
)
from vidproc_desktop.ui.preview.reel import NOTHING, Clip, Reel, whole

_SILENT = "Without sound until it is put together."


@dataclass(frozen=True, slots=True)
class Sources:
    """Both sides of one file."""

    before: QUrl
    after: Reel


def sources_of(record: FileRecord | None) -> Sources:
    """The source, and the result once it is there; before that the finished segments from the start on."""
    if record is None:
        return Sources(QUrl(), NOTHING)
    result = record.enhancement_result
    after = whole(QUrl(result.output_uri)) if result is not None else _ready_part(record)
    return Sources(QUrl.fromLocalFile(record.source_path), after)


def _ready_part(record: FileRecord) -> Reel:
    film_s = result_duration_s(record)
    ready = ready_segments(record)
    if film_s is None or not ready:
        return NOTHING
    clips = tuple(
        Clip(QUrl(segment.video_uri), round(segment.start_s * 1000), round(segment.duration_s * 1000))
        for segment in ready
    )
    return Reel(clips, round(film_s * 1000))


def ready_words(record: FileRecord, after: Reel, *, has_run_out: bool) -> str:
    """What of a result in parts can be watched; empty for any other file.

    Args:
        record: the file.
        after: what is played of its result.
        has_run_out: it was played as far as it goes.
    """
    count = segment_count(record)
    if not after.is_partial or count is None:
        return ""
    ready = len(after.clips)
    if has_run_out and ready < count.total:
        return f"Segment {ready + 1} of {count.total} is not enhanced yet. {_SILENT}"
    return f"Enhanced so far: {_which(ready, count)}. {_SILENT}"


def _which(ready: int, count: SegmentCount) -> str:
    if ready >= count.total:
        return f"all {count.total} segments"
    return f"segment 1 of {count.total}" if ready == 1 else f"segments 1 to {ready} of {count.total}"
