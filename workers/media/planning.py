"""The plan of a run: decided once after the quick analysis, and again where every picture has to be looked at."""

from collections.abc import Callable
from dataclasses import dataclass

from workers.media.decisions.encoding import wanted_encoders
from workers.media.encoder_probe import probe_encoders
from workers.media.encoders.catalogue import SOFTWARE_ONLY, Availability
from workers.media.filters.network import is_installed
from workers.media.full_analysis import full_analysis
from workers.media.material import Material
from workers.media.packet_scan import PacketScan
from workers.media.plan import plan_enhancement, without_remux
from workers.media.probe import Examination
from workers.media.tabled_steps import needs
from workers.media.tables import FrameTables
from workers.protocol.analysis import Analysis
from workers.protocol.plan import EnhancementPlan
from workers.protocol.settings import EncoderChoice, EnhancementSettings


@dataclass(frozen=True, slots=True)
class Known:
    """What a plan is made from.

    Attributes:
        examination: every fact about the file.
        source: the same for the production.
        analysis: of samples of its pictures.
        settings: what was asked for.
    """

    examination: Examination
    source: Material
    analysis: Analysis
    settings: EnhancementSettings


def plan_run(
    known: Known, *, threads: int, on_frame: Callable[[int], None]
) -> tuple[EnhancementPlan, FrameTables | None]:
    """The plan, and the tables of the full analysis where one of its steps asked for them.

    Args:
        known: about the source.
        threads: upper bound for the decoder; 0: one for each core.
        on_frame: called with the number of pictures looked at so far; what it raises ends the work.
    """
    tables: FrameTables | None = None
    plan = _planned(known, None)
    if needs(plan) and not plan.remux:
        tables = full_analysis(known.source, plan, threads=threads, on_frame=on_frame)
        plan = _planned(known, tables)
    if plan.remux and not can_be_copied(known.examination.main_scan):
        reason = "Nothing would change the picture, but its packets cannot be copied as they are."
        return without_remux(plan, reason), tables
    return plan, tables


def _planned(known: Known, tables: FrameTables | None) -> EnhancementPlan:
    """With the encoders that work here; they are only tried where one was asked for."""
    settings = known.settings

    def planned(available: Availability) -> EnhancementPlan:
        return plan_enhancement(
            known.examination.info,
            known.analysis,
            settings,
            available,
            has_network=is_installed(),
            tables=tables,
        )

    plan = planned(SOFTWARE_ONLY)
    if settings.encoder is not EncoderChoice.HARDWARE or plan.remux:
        return plan
    size_px = (plan.width_px, plan.height_px)
    return planned(
        probe_encoders(wanted_encoders(settings), size_px=size_px, pixel_format=plan.encoding.pixel_format)
    )


def can_be_copied(scan: PacketScan) -> bool:
    """True when every packet has a sound timestamp and none is hidden by an edit list or damaged."""
    clean = not (scan.hidden or scan.without_timestamp or scan.out_of_order or scan.damaged)
    return clean and bool(scan.pts) and bool(scan.keyframe_pts) and scan.keyframe_pts[0] == scan.pts[0]
