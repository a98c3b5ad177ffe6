"""Whether a file can be enhanced in parts that come out exactly as in one run. Pure; the answer is a reason in words.

What is refused here is done in one task, which copes with any file: it decodes everything from the beginning.
"""

from typing import Final

from workers.media.encoders.catalogue import ENCODERS
from workers.media.packet_scan import PacketScan
from workers.media.planning import Known, can_be_copied
from workers.media.seeking import can_seek
from workers.media.tables import FrameTables
from workers.protocol.plan import EnhancementPlan

_ENTERED_AT_KEYFRAMES: Final = frozenset(
    {
        "av1", "dnxhd", "dvvideo", "ffv1", "ffvhuff", "h264", "hevc", "huffyuv", "mjpeg", "mpeg1video", "mpeg2video",
        "mpeg4", "prores", "rawvideo", "utvideo", "vp8", "vp9",
    }
)  # fmt: skip
"""Codecs whose decoders, started at a keyframe, give what they give when they come there from the beginning."""

_WITHOUT_DISPLAY_TIMES: Final = "avi"


def source_obstacle(known: Known) -> str | None:
    """Why a source is better done in one task, whatever is done to it; None when it can be shared out."""
    info, video = known.examination.info, known.source.video
    findings = (
        (not _is_sound(known.source.scan), "Its pictures cannot be told by their timestamps."),
        (bool(info.warnings) or info.missing_bytes > 0, "The file is damaged or cut short."),
        (video.is_trimmed, "An edit list shows only part of its pictures."),
        (_WITHOUT_DISPLAY_TIMES in info.format_name.split(","), "AVI does not say when pictures are shown."),
        (video.codec not in _ENTERED_AT_KEYFRAMES, f"{video.codec} is not surely decoded from the middle."),
    )
    return next((reason for applies, reason in findings if applies), None)


def plan_obstacle(known: Known, plan: EnhancementPlan, tables: FrameTables | None) -> str | None:
    """Why a plan is better executed in one task; None when its output can be shared out.

    Args:
        known: about the source.
        plan: what is done.
        tables: of the full analysis, where there was one.
    """
    encoder = plan.encoding.encoder
    is_miscounted = tables is not None and tables.frame_count != known.source.scan.count
    findings = (
        (plan.remux, "Nothing would change the picture: it is copied as it is."),
        (is_miscounted, "It does not hold as many pictures as packets."),
        (not ENCODERS[encoder].is_software, f"Segments made by {encoder} are not sure to fit together."),
    )
    return next((reason for applies, reason in findings if applies), None)


def _is_sound(scan: PacketScan) -> bool:
    return scan.is_complete and can_be_copied(scan) and can_seek(scan)
