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


def why_whole(known: Known, plan: EnhancementPlan, tables: FrameTables | None) -> str | None:
    """Why a file is better done in one task; None when it can be shared out.

    Args:
        known: about the source.
        plan: what is done.
        tables: of the full analysis, where there was one.
    """
    info, scan, video = known.examination.info, known.source.scan, known.source.video
    findings = (
        (plan.remux, "Nothing would change the picture: it is copied as it is."),
        (not _is_sound(scan), "Its pictures cannot be told by their timestamps."),
        (bool(info.warnings) or info.missing_bytes > 0, "The file is damaged or cut short."),
        (video.is_trimmed, "An edit list shows only part of its pictures."),
        (_WITHOUT_DISPLAY_TIMES in info.format_name.split(","), "AVI does not say when pictures are shown."),
        (video.codec not in _ENTERED_AT_KEYFRAMES, f"{video.codec} is not surely decoded from the middle."),
        (
            tables is not None and tables.frame_count != scan.count,
            "It does not hold as many pictures as packets.",
        ),
        (
            not ENCODERS[plan.encoding.encoder].is_software,
            f"Segments made by {plan.encoding.encoder} are not sure to fit together.",
        ),
    )
    return next((reason for applies, reason in findings if applies), None)


def _is_sound(scan: PacketScan) -> bool:
    return scan.is_complete and can_be_copied(scan) and can_seek(scan)
