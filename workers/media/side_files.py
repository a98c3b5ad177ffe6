"""The side files of an enhancement in parts: what the analysis leaves for every part, and how a part takes it up.

All of them lie in the folder of the parts, under the names of `workers.protocol.transfers`. A part that misses one, or
finds another one than its plan names, cannot know what the others do: the analysis has to begin again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workers.errors import TaskFailedError
from workers.media.examination_file import ExaminationFileError, load_examination, save_examination
from workers.media.frame_map import OutputPicture
from workers.media.material import Material, material
from workers.media.output_pictures import OutputSchedule, output_schedule, times_sha256
from workers.media.probe import Examination
from workers.media.source import require_readable
from workers.media.tables import FrameTables, TablesError, load_tables
from workers.protocol.segments import SegmentPlan
from workers.protocol.states import ErrorCode
from workers.protocol.transfers import SCAN, TABLES


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What a part goes on with, exactly as the analysis had it.

    Attributes:
        examination: facts and packet scans.
        source: the same for the production.
        tables: of the full analysis, where the plan needs them.
        schedule: which pictures come out, and when.
    """

    examination: Examination
    source: Material
    tables: FrameTables | None
    schedule: OutputSchedule

    def pictures(self, first: int, count: int) -> Iterator[OutputPicture]:
        """Some of the output's pictures, by their place in it."""
        for number, picture in enumerate(self.schedule.pictures()):
            if number >= first + count:
                return
            if number >= first:
                yield picture


def save_side_files(
    examination: Examination, tables: FrameTables | None, folder: Path
) -> tuple[tuple[Path, ...], str]:
    """Write what every part needs; returns the files and the checksum of the one with the scan.

    Raises:
        OSError: they cannot be written.
    """
    scan = folder / SCAN
    sha256 = save_examination(examination, scan)
    if tables is None:
        return (scan,), sha256
    beside = folder / TABLES
    tables.save(beside)
    return (scan, beside), sha256


def take_up(path: Path, parts: Path, plan: SegmentPlan) -> TakenUp:
    """Read the side files of a plan.

    Args:
        path: the source.
        parts: folder with the side files.
        plan: names them by their checksums.

    Raises:
        TaskFailedError: PARTS_MISSING when a file is missing or another one, or when the source is; what
            `open_source` raises for a source that cannot be read.
    """
    size_bytes = require_readable(path).st_size
    try:
        examination = load_examination(parts / SCAN, plan.scan_sha256)
        sha256 = plan.plan.tables_sha256
        tables = None if sha256 is None else load_tables(parts / TABLES, sha256)
    except (ExaminationFileError, TablesError, OSError) as error:
        raise parts_missing(str(error)) from error
    video = examination.info.main_video
    if video is None or examination.info.size_bytes != size_bytes:
        raise parts_missing("the source is not the file that was analysed")
    source = material(path, examination.info, video, examination.main_scan)
    schedule = output_schedule(source, plan.plan, tables)
    times = (picture.time for picture in schedule.pictures())
    if times_sha256(times, schedule.clock.timescale) != plan.times_sha256:
        raise parts_missing("this program would show the pictures at other times")
    return TakenUp(examination, source, tables, schedule)


def parts_missing(detail: str) -> TaskFailedError:
    """The failure after which the analysis begins again."""
    return TaskFailedError(
        ErrorCode.PARTS_MISSING,
        "What was already done for this video is missing or damaged; it is begun again.",
        detail=detail,
    )
