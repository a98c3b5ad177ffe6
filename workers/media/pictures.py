"""Metadata extraction: every fact about a file, colour statistics of sampled frames, and a contact sheet.

It runs inside the child process that the runtime starts and writes only into the job's workspace.
"""

from datetime import UTC, datetime
from fractions import Fraction

from workers.media.colour_statistics import summarise_colours
from workers.media.display import Picture, display_picture
from workers.media.jobs import MetadataJob, MetadataOutcome, Progress, ProgressCallback
from workers.media.probe import Examination, OpenedExamination, examining, summarise
from workers.media.sampled_frames import OpenedStream, affordable_targets, sample_frames
from workers.media.thumbnails import THUMBNAIL_LONG_SIDE_PX, choose_poster, draw_contact_sheet, write_jpeg
from workers.protocol.pictures import MetadataDocument
from workers.protocol.states import Stage

SAMPLED_FRAMES = 24

_PROBING_SHARE = 0.3
_SHEET_FILE = "contact_sheet.jpg"
_THUMBNAIL_FILE = "thumbnail.jpg"


def extract(job: MetadataJob, on_progress: ProgressCallback) -> MetadataOutcome:
    """Read everything about `job.source`.

    A file without one decodable picture still gets its document; it then says so in its warnings.

    Raises:
        TaskFailedError: the file is not one that can be worked on, or the workspace cannot be written to.
    """
    on_progress(Progress(Stage.PROBING, 0.0))
    with examining(
        job.source,
        lambda fraction: on_progress(Progress(Stage.PROBING, _PROBING_SHARE * fraction)),
        threads=job.threads,
    ) as opened:
        on_progress(Progress(Stage.READING_PICTURES, _PROBING_SHARE))
        pictures, times_s = _sampled_pictures(job, opened, on_progress)
    outcome = _outcome(job, opened.examination, pictures, times_s)
    on_progress(Progress(Stage.READING_PICTURES, 1.0, len(pictures), len(pictures)))
    return outcome


def _sampled_pictures(
    job: MetadataJob, opened: OpenedExamination, on_progress: ProgressCallback
) -> tuple[list[Picture], list[Fraction]]:
    stream = opened.examination.info.main_video
    assert stream is not None, "an examination is only made of files with a moving picture"
    scan = opened.examination.main_scan
    targets = affordable_targets(scan, SAMPLED_FRAMES, stream.width_px * stream.height_px)
    samples = sample_frames(
        job.source,
        scan,
        targets,
        threads=job.threads,
        opened=OpenedStream(opened.container, opened.first.frames),
    )
    found: list[tuple[Fraction, Picture]] = []
    for number, sample in enumerate(samples, start=1):
        found.append((sample.time_s, display_picture(sample.frame, stream, THUMBNAIL_LONG_SIDE_PX)))
        fraction = _PROBING_SHARE + (0.95 - _PROBING_SHARE) * min(1.0, number / max(1, len(targets)))
        on_progress(Progress(Stage.READING_PICTURES, fraction, number, len(targets)))
    found.sort(key=lambda entry: entry[0])
    return [picture for _, picture in found], [time_s for time_s, _ in found]


def _outcome(
    job: MetadataJob, examination: Examination, pictures: list[Picture], times_s: list[Fraction]
) -> MetadataOutcome:
    info = examination.info
    sheet_path = thumbnail_path = description = None
    if pictures:
        sheet, description = draw_contact_sheet(pictures, times_s, job.contact_sheet_name)
        sheet_path, thumbnail_path = job.workspace / _SHEET_FILE, job.workspace / _THUMBNAIL_FILE
        write_jpeg(sheet, sheet_path)
        write_jpeg(pictures[choose_poster(pictures)], thumbnail_path)
    else:
        info = info.model_copy(update={"warnings": (*info.warnings, "Not one picture could be decoded.")})
    document = MetadataDocument(
        file_id=job.file_id,
        file_name=job.source.name.encode("utf-8", "replace").decode(),
        media=info,
        pictures=summarise_colours(pictures) if pictures else None,
        contact_sheet=description,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return MetadataOutcome(document, summarise(info), sheet_path, thumbnail_path)
