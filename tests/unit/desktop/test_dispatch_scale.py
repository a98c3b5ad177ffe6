"""What a status costs with ten thousand files, some of them in hundreds of parts: counted, not timed."""

import sys
from collections.abc import Callable
from dataclasses import replace

from tests.unit.desktop.core import Core
from tests.unit.desktop.values import file_record, long_file, part_status, shares
from workers.protocol.segments import ANALYSIS, segment_part
from workers.protocol.states import Status

A, B = segment_part(0), segment_part(1)
COMPLETED = Status.COMPLETED


def steps(action: Callable[[], object]) -> int:
    """Instructions of the interpreter that an action takes: the same on every machine."""
    counted = 0

    def count(code: object, offset: int) -> None:
        nonlocal counted
        counted += 1

    watch = sys.monitoring
    watch.use_tool_id(watch.PROFILER_ID, "steps")
    watch.register_callback(watch.PROFILER_ID, watch.events.INSTRUCTION, count)
    watch.set_events(watch.PROFILER_ID, watch.events.INSTRUCTION)
    try:
        action()
    finally:
        watch.set_events(watch.PROFILER_ID, 0)
        watch.register_callback(watch.PROFILER_ID, watch.events.INSTRUCTION, None)
        watch.free_tool_id(watch.PROFILER_ID)
    return counted


def cost(core: Core, files: int, parts: int) -> tuple[int, int]:
    """Of a status that says how far a segment is, and of one that says that it is finished."""
    core.catalogue.add(file_record(f"other-{n}", position=n + 10) for n in range(files))
    core.catalogue.add(long_file(f"long-{n}", position=n) for n in range(3))
    for name in ("long-0", "long-1", "long-2"):
        answer = shares(*[30.0] * parts)
        core.dispatch.apply(part_status(ANALYSIS, 1, COMPLETED, file_id=name, result=answer))
        core.dispatch.apply(part_status(A, 1, file_id=name))
        core.dispatch.apply(part_status(B, 1, file_id=name))
    moved = part_status(A, 2, file_id="long-1", progress=20, frames_done=60, frames_per_s=12.5)
    ended = part_status(B, 3, COMPLETED, file_id="long-1")
    return steps(lambda: core.dispatch.apply(moved)), steps(lambda: core.dispatch.apply(ended))


async def test_a_status_costs_the_same_however_many_files_and_parts_there_are() -> None:
    few, many = Core(), Core()
    small, large = cost(few, 10, 10), cost(many, 10_000, 300)
    assert max(small) > 0
    for one, other in zip(small, large, strict=True):
        assert other <= 1.2 * one


def waiting(parts: int) -> Core:
    """Three files whose segments all wait."""
    core = Core()
    core.catalogue.add(long_file(f"long-{n}", position=n) for n in range(3))
    for n in range(3):
        answer = shares(*[30.0] * parts)
        core.dispatch.apply(part_status(ANALYSIS, 1, COMPLETED, file_id=f"long-{n}", result=answer))
    return core


def cost_of_publishing(core: Core) -> tuple[int, int]:
    """Of finding what comes first, and of remembering that it was published."""
    published = replace(core.catalogue.files()[1].parts[3], is_published=True)
    return steps(core.outbox._front), steps(lambda: core.outbox._keep((published,)))


async def test_what_is_published_next_costs_the_same_however_much_waits() -> None:
    small, large = cost_of_publishing(waiting(10)), cost_of_publishing(waiting(300))
    for one, other in zip(small, large, strict=True):
        assert 0 < other <= 1.2 * one
