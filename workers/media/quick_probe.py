"""A quick look at a dropped file: facts and one small picture, in bounded time whatever the size of the file."""

from collections.abc import Iterator
from pathlib import Path

from workers.media.display import Picture, display_picture
from workers.media.jobs import ProbeOutcome
from workers.media.limits import QUICK_SCAN_MAX_BYTES
from workers.media.packet_scan import PacketScan
from workers.media.probe import Examination, examine, examine_samples, summarise
from workers.media.sampled_frames import affordable_targets, sample_frames
from workers.media.source import require_readable
from workers.media.thumbnails import THUMBNAIL_LONG_SIDE_PX, is_telling, write_jpeg
from workers.protocol.media import VideoStreamInfo

_CANDIDATES = 12
"""Early pictures that are looked at before the best of them is taken although it shows little."""


def quick_probe(source: Path, thumbnail: Path | None) -> ProbeOutcome:
    """Look at a file; write a JPEG of an early picture that shows something to `thumbnail`.

    Files above 256 MB are not read to the end: their pictures are counted from the header, their timing judged
    by samples. A file whose facts are sound but whose pictures cannot be decoded comes back without a thumbnail.

    Raises:
        TaskFailedError: the file is not one that can be worked on; the message says why.
    """
    is_small = require_readable(source).st_size <= QUICK_SCAN_MAX_BYTES
    examination = examine(source) if is_small else examine_samples(source)
    written = None
    if thumbnail is not None:
        picture = early_picture(source, examination)
        if picture is not None:
            write_jpeg(picture, thumbnail)
            written = thumbnail
    return ProbeOutcome(examination.info, summarise(examination.info), written)


def early_picture(source: Path, examination: Examination) -> Picture | None:
    """The first of a few early pictures that is neither black nor flat, else the brightest of them."""
    stream = examination.info.main_video
    assert stream is not None, "an examination is only made of files with a moving picture"
    brightest: Picture | None = None
    for picture in _candidates(source, examination.main_scan, stream):
        if is_telling(picture):
            return picture
        if brightest is None or picture.mean() > brightest.mean():
            brightest = picture
    return brightest


def _candidates(source: Path, scan: PacketScan, stream: VideoStreamInfo) -> Iterator[Picture]:
    targets = affordable_targets(scan, _CANDIDATES, stream.width_px * stream.height_px)
    for sample in sample_frames(source, scan, targets):
        yield display_picture(sample.frame, stream, THUMBNAIL_LONG_SIDE_PX)
