"""When every picture of a source is shown, and which pictures a plan makes of them: known before one is decoded."""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from workers.media.frame_map import FrameMap, OutputPicture, frame_map, output_clock
from workers.media.material import Material
from workers.media.tabled_steps import planned_film
from workers.media.tables import FrameTables
from workers.media.timestamps import FrameTime, RepairCounts, SourceTime, TimestampRepair, TrackClock
from workers.protocol.plan import EnhancementPlan

_ENTRY: Final = struct.Struct("<qq")


@dataclass(frozen=True, slots=True)
class OutputSchedule:
    """What is shown when.

    Attributes:
        clock: of the output's track.
        map: from source pictures to output pictures.
        source_times: of every source picture, on that clock.
        repairs: how many of the source's timestamps could not be used as they were.
    """

    clock: TrackClock
    map: FrameMap
    source_times: tuple[FrameTime, ...]
    repairs: RepairCounts

    def pictures(self) -> Iterator[OutputPicture]:
        """The whole output."""
        return self.map.pictures(self.source_times)


def output_schedule(source: Material, plan: EnhancementPlan, tables: FrameTables | None) -> OutputSchedule:
    """The schedule of a plan, as the whole run finds it in a sound file.

    Args:
        source: its packet scan decides.
        plan: what is done.
        tables: of the full analysis, for plans that need them.
    """
    clock = output_clock(plan, source.clock)
    scan = source.scan
    stated = [SourceTime(pts, 0) for pts in scan.pts]
    if stated:
        stated[-1] = SourceTime(scan.pts[-1], scan.last_duration)
    unknown = [SourceTime(None, 0)] * max(0, scan.count - len(stated))
    repair = TimestampRepair(clock, source.nominal_s)
    times = tuple(repair.times([*stated, *unknown]))
    return OutputSchedule(
        clock, frame_map(plan, clock.timescale, planned_film(plan, tables)), times, repair.counts
    )


def times_sha256(times: Iterable[FrameTime], timescale: int) -> str:
    """Checksum of when pictures are shown: hexadecimal SHA-256."""
    digest = hashlib.sha256(str(timescale).encode())
    for time in times:
        digest.update(_ENTRY.pack(time.ticks, time.duration))
    return digest.hexdigest()
