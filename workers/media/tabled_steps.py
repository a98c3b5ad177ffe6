"""Which tables of the full analysis a plan needs, and how its filters find their place in them. Pure."""

from collections.abc import Iterable

from workers.media.frame_map import FilmPicture, Recipe, Telecine
from workers.media.tables import FrameTables, SourcePosition, TableKind, TablesError
from workers.protocol.plan import EnhancementPlan
from workers.protocol.settings import DeinterlaceOutput
from workers.protocol.steps import (
    DeflickerStep,
    DeinterlaceStep,
    InverseTelecineStep,
    PlanStep,
    StabiliseStep,
)


def needs(plan: EnhancementPlan) -> frozenset[TableKind]:
    """What has to be measured on every picture before the plan can be executed; empty for most plans."""
    return needed_by(plan.steps)


def needed_by(steps: Iterable[PlanStep]) -> frozenset[TableKind]:
    """The same for some steps."""
    found = set()
    for step in steps:
        match step:
            case DeflickerStep():
                found.add(TableKind.EXPOSURE)
            case StabiliseStep():
                found.add(TableKind.PATH)
            case InverseTelecineStep():
                found.add(TableKind.FILM)
    return frozenset(found)


def film_of(tables: FrameTables) -> Telecine:
    """The frame map's table of film pictures.

    Raises:
        TablesError: film pictures were not looked for.
    """
    if tables.frame_count and not len(tables.film_top):
        raise TablesError("there is no table of film pictures")
    rows = zip(
        tables.film_top.tolist(),
        tables.film_bottom.tolist(),
        tables.film_is_combed.tolist(),
        tables.film_shown_with.tolist(),
        strict=True,
    )
    return Telecine(
        tuple(FilmPicture(Recipe(top, bottom, bool(combed)), shown) for top, bottom, combed, shown in rows),
        tables.frame_count,
    )


def planned_film(plan: EnhancementPlan, tables: FrameTables | None) -> Telecine | None:
    """The table of film pictures where a plan undoes telecine; None where it does not, or nothing was measured."""
    return film_of(tables) if tables is not None and TableKind.FILM in needs(plan) else None


def source_position(plan: EnhancementPlan, tables: FrameTables) -> SourcePosition:
    """Where pictures stand in the source after the steps that change their number, which come before all others.

    The fields of an interlaced picture are half a picture apart; a film picture stands in the middle of its two
    sources.
    """
    for step in plan.steps:
        if isinstance(step, InverseTelecineStep):
            middles = ((tables.film_top.astype(float) + tables.film_bottom) / 2).tolist()
            return lambda n: float(middles[min(n, len(middles) - 1)])
        if isinstance(step, DeinterlaceStep) and step.output is DeinterlaceOutput.FIELD:
            return lambda n: n / 2
    return float
