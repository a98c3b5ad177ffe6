"""Fetching ahead what the next segment of a file will need, while the present one is being worked on.

It only fills the stand-in: a guess that was wrong costs transfer, nothing else.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from workers.errors import TaskFailedError
from workers.exchange.addresses import Addresses, StoppedError
from workers.exchange.stand_ins import BLOCK_BYTES, Blocks
from workers.protocol.segments import SegmentSpan
from workers.runtime.part_documents import read_plan

DELAY_S: Final = 1.0
"""The segment at work comes first: it reads most at its beginning."""
STOP_LIMIT_S: Final = 0.25
_MARGIN: Final = 0.02
"""Of the file, on both sides: pictures are not spread evenly over the bytes, and the decoder begins earlier."""
_log = logging.getLogger(__name__)


@asynccontextmanager
async def fetch_ahead(
    source: Path, parts: Path, settings_key: str, span: SegmentSpan, addresses: Addresses
) -> AsyncIterator[None]:
    """Meanwhile fetch the bytes of a segment, as far as time allows.

    Args:
        source: folder of the stand-in.
        parts: the parts' folder, with the plan.
        settings_key: of the plan.
        span: the segment.
        addresses: for this alone; closed at the end, whatever is on its way.
    """
    running = asyncio.ensure_future(asyncio.to_thread(_fetch, source, parts, settings_key, span, addresses))
    try:
        yield
    finally:
        addresses.close()
        await asyncio.wait({running}, timeout=STOP_LIMIT_S)


def _fetch(source: Path, parts: Path, settings_key: str, span: SegmentSpan, addresses: Addresses) -> None:
    """Raises nothing: whoever needs the bytes will fetch them, and tell what is wrong."""
    try:
        addresses.rest(DELAY_S)
        plan = read_plan(parts, settings_key)
        if plan is None:
            return
        blocks = Blocks(source, addresses)
        try:
            for number in wanted_blocks(blocks.size_bytes, plan.plan.output_pictures, span):
                blocks.fetch(number)
        finally:
            blocks.close()
            _log.info("fetched ahead: %d bytes", blocks.fetched_bytes)
    except StoppedError:
        _log.debug("the segment at work is done before the next one was fetched")
    except (OSError, TaskFailedError) as error:
        _log.info("fetching ahead ended early: %s", type(error).__name__)


def wanted_blocks(size_bytes: int, pictures: int, span: SegmentSpan) -> range:
    """The blocks that a segment will read, as far as can be told from its share of the pictures. Pure."""
    count = -(-size_bytes // BLOCK_BYTES)
    begin = span.first / max(pictures, 1) - _MARGIN
    end = (span.first + span.count) / max(pictures, 1) + _MARGIN
    return range(max(0, int(begin * count)), min(count, int(end * count) + 1))
