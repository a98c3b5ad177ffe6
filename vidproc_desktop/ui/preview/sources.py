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
    silence = "Without sound until it is put together."
    if ready >= count.total:
        return f"All {count.total} segments are ready. {silence}"
    if has_run_out:
        return f"Segment {ready + 1} of {count.total} is not ready yet. {silence}"
    return f"{_ready_so_far(ready, count)}. {silence}"


def _ready_so_far(ready: int, count: SegmentCount) -> str:
    which = "Segment 1" if ready == 1 else f"Segments 1 to {ready}"
    return f"{which} of {count.total} {'is' if ready == 1 else 'are'} ready"
