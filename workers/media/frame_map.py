"""The frame map: which output picture is made of which source pictures, and when it is shown. Pure.

A map has two sides. `recipe` says what the filters are fed with: picture k of the fed clip is woven from the fields of
up to two source pictures. `pictures` says what comes out: which picture of the filtered clip is shown when. Only the
steps that say so change anything; without them both sides are one-to-one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Final, Protocol

from workers.media.timestamps import FrameTime, TrackClock
from workers.protocol.plan import EnhancementPlan, FrameMapKind
from workers.protocol.settings import DeinterlaceOutput
from workers.protocol.steps import DeinterlaceStep, FrameRateStep, InverseTelecineStep, PlanStep

_FILM_SHARE: Final = Fraction(4, 5)
_CYCLE: Final = 5
"""3:2 pulldown spreads four film pictures over five coded ones."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Where the lines of a fed picture come from: numbers of source pictures; the same one twice for a whole picture.

    Attributes:
        top: source of the lines 0, 2, 4 …
        bottom: source of the lines 1, 3, 5 …
        is_combed: the two do not belong together and nothing fits better: lines of the bottom field are made anew.
    """

    top: int
    bottom: int
    is_combed: bool = False


@dataclass(frozen=True, slots=True)
class OutputPicture:
    """One picture of the output.

    Attributes:
        number: of the picture in the filtered clip.
        sources: numbers of the source pictures it is made of, radii of filters left out.
        time: when it is shown.
    """

    number: int
    sources: tuple[int, ...]
    time: FrameTime


class FrameMap(Protocol):
    """A rule from source pictures to output pictures."""

    def recipe(self, number: int) -> Recipe:
        """What picture `number` of the fed clip is made of."""

    def pictures(self, times: Iterable[FrameTime]) -> Iterator[OutputPicture]:
        """The output, from the time of every source picture in order."""

    def oldest_source(self, number: int) -> int:
        """The lowest source picture that picture `number` of the *filtered* clip, or a later one, is made of."""

    def expected_count(self, source_count: int) -> int:
        """About how many pictures come out."""


@dataclass(frozen=True, slots=True)
class OneToOne:
    """Every picture at its own time."""

    def recipe(self, number: int) -> Recipe:
        """The source picture of the same number."""
        return Recipe(number, number)

    def pictures(self, times: Iterable[FrameTime]) -> Iterator[OutputPicture]:
        """One for one."""
        for number, time in enumerate(times):
            yield OutputPicture(number, (number,), time)

    def oldest_source(self, number: int) -> int:
        """The same number."""
        return number

    def expected_count(self, source_count: int) -> int:
        """The same count."""
        return source_count


@dataclass(frozen=True, slots=True)
class Fields:
    """Two pictures for each source picture: the second is shown halfway to the next source picture."""

    def recipe(self, number: int) -> Recipe:
        """The source picture of the same number: the filter doubles the rate, not the feed."""
        return Recipe(number, number)

    def pictures(self, times: Iterable[FrameTime]) -> Iterator[OutputPicture]:
        """Two for one."""
        for number, time in enumerate(times):
            half = time.duration // 2
            yield OutputPicture(2 * number, (number,), FrameTime(time.ticks, half))
            yield OutputPicture(2 * number + 1, (number,), FrameTime(time.ticks + half, time.duration - half))

    def oldest_source(self, number: int) -> int:
        """Half the number."""
        return number // 2

    def expected_count(self, source_count: int) -> int:
        """Twice the count."""
        return 2 * source_count


@dataclass(frozen=True, slots=True)
class FilmPicture:
    """One picture of the film that pulldown spread over fields.

    Attributes:
        recipe: the fields it is woven from.
        shown_with: source picture it stands at.
    """

    recipe: Recipe
    shown_with: int


@dataclass(frozen=True, slots=True)
class Telecine:
    """Film pictures instead of coded ones, four for five, evenly spaced within every five.

    Attributes:
        film: every film picture in order; `shown_with` ascends.
        source_count: source pictures that the table covers.
    """

    film: tuple[FilmPicture, ...]
    source_count: int

    def recipe(self, number: int) -> Recipe:
        """As the table says; past its end the last picture repeats."""
        return self.film[min(number, len(self.film) - 1)].recipe

    def pictures(self, times: Iterable[FrameTime]) -> Iterator[OutputPicture]:
        """Film pictures, each run of five source pictures shared out among those that stand in it."""
        held: list[FrameTime] = []
        position = number = 0
        for time in times:
            held.append(time)
            if len(held) < _CYCLE:
                continue
            yield from self._shared_out(held, position, number)
            position += _CYCLE
            number = self._first_from(position, number)
            held = []
        if held:
            yield from self._shared_out(held, position, number)

    def oldest_source(self, number: int) -> int:
        """The older of its fields."""
        recipe = self.recipe(number)
        return min(recipe.top, recipe.bottom)

    def expected_count(self, source_count: int) -> int:
        """As many as the table has for so many source pictures."""
        return len(self.film) * source_count // max(1, self.source_count)

    def _first_from(self, position: int, number: int) -> int:
        while number < len(self.film) and self.film[number].shown_with < position:
            number += 1
        return number

    def _shared_out(self, held: Sequence[FrameTime], position: int, number: int) -> Iterator[OutputPicture]:
        until = self._first_from(position + len(held), number)
        count = until - number
        start, end = held[0].ticks, held[-1].end
        if count == 0:
            return
        if count == len(held):
            # Nothing was taken out here: every picture keeps its own time, even or not.
            edges = [time.ticks for time in held] + [end]
        else:
            edges = [start + (end - start) * part // count for part in range(count + 1)]
        for part in range(count):
            recipe = self.film[number + part].recipe
            sources = tuple(sorted({recipe.top, recipe.bottom}))
            yield OutputPicture(number + part, sources, FrameTime(edges[part], edges[part + 1] - edges[part]))


@dataclass(frozen=True, slots=True)
class ConstantRate:
    """Evenly spaced moments, each with the picture that another map shows then.

    Attributes:
        inner: what would be shown without it.
        rate: pictures per second.
        timescale: output ticks per second.
    """

    inner: FrameMap
    rate: Fraction
    timescale: int

    def recipe(self, number: int) -> Recipe:
        """As without it."""
        return self.inner.recipe(number)

    def pictures(self, times: Iterable[FrameTime]) -> Iterator[OutputPicture]:
        """As many as fit until the last picture ends; at least one."""
        step = Fraction(self.timescale) / self.rate
        made = 0
        origin: int | None = None
        shown: OutputPicture | None = None
        for shown in self.inner.pictures(times):
            origin = shown.time.ticks if origin is None else origin
            # The middle of an output picture decides what it shows: nothing is shown earlier than half a step before.
            while origin + step * made + step / 2 < shown.time.end:
                yield self._at(shown, origin + step * made, step)
                made += 1
        if shown is not None and origin is not None and made == 0:
            yield self._at(shown, Fraction(origin), step)

    def oldest_source(self, number: int) -> int:
        """As without it."""
        return self.inner.oldest_source(number)

    def expected_count(self, source_count: int) -> int:
        """As without it: how long the source is, is not known here."""
        return self.inner.expected_count(source_count)

    def _at(self, shown: OutputPicture, moment: Fraction, step: Fraction) -> OutputPicture:
        ticks = round(moment)
        return OutputPicture(
            shown.number, shown.sources, FrameTime(ticks, max(1, round(moment + step) - ticks))
        )


def kind_of(steps: Sequence[PlanStep]) -> FrameMapKind:
    """What the steps of a plan make of the source's pictures; the last one to change their times counts."""
    if any(isinstance(step, FrameRateStep) for step in steps):
        return FrameMapKind.CONSTANT_RATE
    if any(isinstance(step, InverseTelecineStep) for step in steps):
        return FrameMapKind.TELECINE
    return FrameMapKind.FIELDS if _doubles(steps) else FrameMapKind.ONE_TO_ONE


def frame_map(plan: EnhancementPlan, timescale: int, film: Telecine | None) -> FrameMap:
    """The map that a plan states.

    Args:
        plan: its steps decide.
        timescale: of the output track, as `output_clock` made it.
        film: the table of film pictures, where a step needs it.

    Raises:
        ValueError: the plan undoes telecine and there is no table.
    """
    inner: FrameMap = Fields() if _doubles(plan.steps) else OneToOne()
    if any(isinstance(step, InverseTelecineStep) for step in plan.steps):
        if film is None:
            raise ValueError("undoing telecine needs the table of film pictures")
        inner = film
    for step in plan.steps:
        if isinstance(step, FrameRateStep):
            return ConstantRate(inner, step.rate, timescale)
    return inner


def output_clock(plan: EnhancementPlan, source: TrackClock) -> TrackClock:
    """The source's clock, made finer where the new times would not be whole ticks."""
    factor = 1
    for step in plan.steps:
        match step:
            case InverseTelecineStep():
                factor = lcm(factor, _FILM_SHARE.numerator)
            case DeinterlaceStep(output=DeinterlaceOutput.FIELD):
                factor = lcm(factor, 2)
            case FrameRateStep():
                factor = lcm(factor * source.timescale, step.rate.numerator) // source.timescale
    return source.finer(factor)


def output_rate(plan: EnhancementPlan, source_rate: Fraction) -> Fraction:
    """Mean pictures per second of the output."""
    for step in reversed(plan.steps):
        match step:
            case FrameRateStep():
                return step.rate
            case InverseTelecineStep():
                return source_rate * _FILM_SHARE
            case DeinterlaceStep(output=DeinterlaceOutput.FIELD):
                return source_rate * 2
    return source_rate


def _doubles(steps: Sequence[PlanStep]) -> bool:
    return any(isinstance(step, DeinterlaceStep) and step.output is DeinterlaceOutput.FIELD for step in steps)
