"""How many pictures and threads each stage of a run gets: what the slowest stage needs, and no more memory."""

import os
from dataclasses import dataclass
from typing import Final

from workers.media.encoders.options import keeps_up
from workers.media.filters.graph import SourcePicture, searches_motion
from workers.protocol.plan import EnhancementPlan

_MOST_WAITING: Final = 6
_FEWEST_WAITING: Final = 2
_WAITING_PX: Final = 4 * 1920 * 1080
"""Pixels that wait between two threads: small pictures come in bursts, of large ones two bridge any gap."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The bounds of one run.

    Attributes:
        decoder_threads: upper bound; 0: one for each core.
        read_ahead: source pictures decoded before they are asked for.
        waiting: finished pictures that wait for the encoder.
        encoder_threads: upper bound; 0: the encoder decides.
        is_beside_search: whether the encoder runs beside a search for motion that it never keeps waiting.
    """

    decoder_threads: int
    read_ahead: int
    waiting: int
    encoder_threads: int
    is_beside_search: bool


def pace_of(plan: EnhancementPlan, source: SourcePicture, threads: int) -> Pace:
    """The bounds for a plan.

    Args:
        plan: what is done.
        source: what decoded pictures are like.
        threads: upper bound for every pool; 0: one for each core.
    """
    if not searches_motion(plan):
        return Pace(
            decoder_threads=threads,
            read_ahead=waiting_pictures(source.width_px, source.height_px),
            waiting=waiting_pictures(plan.width_px, plan.height_px),
            encoder_threads=threads,
            is_beside_search=False,
        )
    others, is_patient = beside_search(threads), keeps_up(plan.encoding)
    return Pace(
        decoder_threads=others,
        read_ahead=1,
        waiting=1,
        encoder_threads=others if is_patient else threads,
        is_beside_search=is_patient,
    )


def waiting_pictures(width_px: int, height_px: int) -> int:
    """How many pictures of a size may wait between two threads."""
    return max(_FEWEST_WAITING, min(_MOST_WAITING, _WAITING_PX // max(1, width_px * height_px)))


def beside_search(threads: int) -> int:
    """Threads for what decodes or encodes while a search for motion keeps all of them busy: half of them.

    Every further thread holds pictures, and would only wait.
    """
    return max(1, (threads or os.cpu_count() or 1) // 2)
