"""What enhancing would do to one picture or a few seconds: made by the real chain around the wanted moment.

The process that calls it stays warm: the last sources remain open, with what was measured in them and with the filters
of the last plan. A picture is made as in the whole run, with every neighbour that the filters look at. A job that
nobody waits for any more is stopped where it reports progress; measuring goes on beside it, for the next one.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from workers.media.filters.network import is_installed
from workers.media.jobs import PreviewJob, PreviewOutcome, Progress, ProgressCallback
from workers.media.plan import plan_enhancement
from workers.media.preview_chain import Chain, build_chain, without_tables
from workers.media.preview_files import Shown, write_clips, write_pictures
from workers.media.preview_source import Check, Errand, Known, looking_at, measuring
from workers.media.seeking import can_seek
from workers.media.size_trial import expected_size
from workers.media.source import require_readable
from workers.media.tabled_steps import needs
from workers.media.tables import FrameTables, TableKind
from workers.protocol.plan import EnhancementPlan
from workers.protocol.states import Stage

_KEPT_SOURCES: Final = 2
_MOST_MEASURED_PX: Final = 1500 * 1920 * 1080
"""Pixels of a whole file that is read to the end for a preview; longer ones are shown without what needs that."""

_INEXACT_TIME: Final = (
    "The file's timestamps are damaged: the moment shown may not be quite the one asked for."
)

type _Identity = tuple[Path, int, int]


def preview(job: PreviewJob, on_progress: ProgressCallback) -> PreviewOutcome:
    """Make the pictures before and after.

    Raises:
        TaskFailedError: the file is not one that can be worked on; the message says why.
        JobStoppedError: raised by `on_progress`, passed on.
    """

    def check() -> None:
        on_progress(Progress(Stage.ENHANCING, 0.0))

    source = _studio().source(job, check)
    try:
        return source.show(job, check)
    except BaseException:
        source.forget_filters()  # they may have kept the error
        raise


@cache
def _studio() -> "_Studio":
    return _Studio()


class _Studio:
    """The sources that were asked about last."""

    def __init__(self) -> None:
        self._sources: OrderedDict[_Identity, _Source] = OrderedDict()

    def source(self, job: PreviewJob, check: Check) -> "_Source":
        """The source of a job, measured."""
        status = require_readable(job.source)
        identity = (job.source, status.st_size, status.st_mtime_ns)
        found = self._sources.get(identity)
        if found is None:
            found = self._sources[identity] = _Source(looking_at(job.source, threads=job.threads))
        self._sources.move_to_end(identity)
        while len(self._sources) > _KEPT_SOURCES:
            self._sources.popitem(last=False)[1].close()
        for other in self._sources.values():
            if other is not found:
                other.forget_filters()  # their pictures are most of what is kept
        try:
            found.looking.wait(check)
        except Exception:
            if found.looking.has_failed:
                del self._sources[identity]
            raise
        return found


@dataclass(slots=True)
class _Source:
    """One source with what is kept of it."""

    looking: Errand[Known]
    tables: dict[frozenset[TableKind], Errand[FrameTables]] = field(default_factory=dict)
    chain: Chain | None = None
    check: Check = field(default=lambda: None)

    def show(self, job: PreviewJob, check: Check) -> PreviewOutcome:
        """Make the pictures of a job."""
        self.check = check
        known = self.looking.wait(check)
        full_plan, tables = self._planned(known, job, check)
        plan, notes = (full_plan, ()) if tables is not None else without_tables(full_plan)
        if not can_seek(known.material.scan):
            notes = (*notes, _INEXACT_TIME)
        chain = self._chain_of(known, plan, tables, job.threads)
        chosen = chain.chosen(job.at_s, job.duration_s)
        chain.prepare(chosen[0])
        check()
        shown = Shown(chain.graph, plan, chosen, chain.clock, known.material.average_rate)
        files = (write_clips if job.duration_s else write_pictures)(shown, job, check)
        if job.wants_size:
            size = expected_size(known, full_plan, chain, threads=job.threads, check=check)
            full_plan = full_plan.model_copy(update={"predicted_size_bytes": size})
        return PreviewOutcome(
            before=files.before,
            after=files.after,
            is_clip=bool(job.duration_s),
            width_px=files.width_px,
            height_px=files.height_px,
            at_s=float(chosen[0].time.ticks * chain.clock.time_base),
            frames=len(chosen),
            plan=full_plan,
            notes=notes,
        )

    def forget_filters(self) -> None:
        """Begin anew with the next job; what was measured stays."""
        chain, self.chain = self.chain, None
        if chain is not None:
            chain.close()

    def close(self) -> None:
        """Let go of the file."""
        self.looking.abandon()
        for tables in self.tables.values():
            tables.abandon()
        self.forget_filters()

    def _planned(
        self, known: Known, job: PreviewJob, check: Check
    ) -> tuple[EnhancementPlan, FrameTables | None]:
        """The plan of the whole run, and its tables where reading the whole file for them takes seconds."""

        def planned(tables: FrameTables | None) -> EnhancementPlan:
            return plan_enhancement(
                known.info, known.analysis, job.settings, has_network=is_installed(), tables=tables
            )

        first = planned(None)
        material, kinds = known.material, frozenset(needs(first))
        pixels = material.scan.count * material.picture.width_px * material.picture.height_px
        if not kinds or pixels > _MOST_MEASURED_PX:
            return first, None
        if kinds not in self.tables:
            self.tables[kinds] = measuring(material, first, threads=job.threads)
        tables = self.tables[kinds].wait(check)
        return planned(tables), tables

    def _go_on(self) -> None:
        self.check()

    def _chain_of(
        self, known: Known, plan: EnhancementPlan, tables: FrameTables | None, threads: int
    ) -> Chain:
        if self.chain is None or self.chain.plan != plan:
            self.forget_filters()
            self.chain = build_chain(known.material, plan, tables, threads=threads, check=self._go_on)
        return self.chain
