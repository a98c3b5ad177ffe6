"""What only consecutive pictures show: flicker, shake and cuts, from small whole pictures. Pure."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.media.analysis.pictures import Plane8
from workers.protocol.analysis import Figure

_TILES: Final = 4
_LONG_ENOUGH: Final = 8
_FEWEST_TURNS: Final = 2
_SMALL_STEP: Final = 0.2
"""Share of the largest step."""

_CUT_CODES: Final = 12.0
_CUT_RATIO: Final = 3.0
_CUT_LIKENESS: Final = 0.6
"""A cut changes the picture by more than this many codes, by this many times more than the changes beside it, and
leaves less than this correlation."""

_WINDOW_SHARE: Final = 0.02
_FAINT_RESPONSE: Final = 0.03
_CLEAR_RESPONSE: Final = 0.15
"""Height of the peak of the phase correlation between which the confidence in a movement rises from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Movement:
    """What one run showed.

    Attributes:
        flicker: residual brightness of each picture, 8-bit code values; None when the run is too short or is cut.
        agreement: how far all parts of the picture flicker alike, 0–1.
        sway: distances from the smooth path, thousandths of the width; None as above.
        certainty: of `sway`, 0–1.
        steps: pairs of pictures that were compared.
        cuts: of them, how many are a change of scene.
    """

    flicker: NDArray[np.float64] | None
    agreement: float
    sway: NDArray[np.float64] | None
    certainty: float
    steps: int
    cuts: int


def movement_of(smalls: list[Plane8]) -> Movement:
    """Look at one run of consecutive small pictures, all of one size."""
    cuts = _cuts(smalls)
    if len(smalls) < _LONG_ENOUGH or cuts:
        return Movement(None, 0.0, None, 0.0, max(0, len(smalls) - 1), cuts)
    flicker, agreement = _flicker(smalls)
    sway, certainty = _sway(smalls)
    return Movement(flicker, agreement, sway, certainty, len(smalls) - 1, 0)


def _cuts(smalls: list[Plane8]) -> int:
    """Changes that stand out from those before and after, to a picture that is unlike."""
    changes = [float(cv2.absdiff(one, two).mean()) for one, two in pairwise(smalls)]
    found = 0
    for number, change in enumerate(changes):
        beside = max([*changes[max(0, number - 2) : number], *changes[number + 1 : number + 3]], default=0.0)
        if change < _CUT_CODES or change < _CUT_RATIO * beside:
            continue
        found += _likeness(*smalls[number : number + 2]) < _CUT_LIKENESS
    return found


def _likeness(one: Plane8, two: Plane8) -> float:
    """Correlation of both; a flash leaves it high, and a flat picture is like nothing."""
    deviations = float(one.std()) * float(two.std())
    if deviations == 0:
        return 0.0
    product = np.mean((one - one.mean()) * (two - two.mean()))
    return float(product) / deviations


def _flicker(smalls: list[Plane8]) -> tuple[NDArray[np.float64], float]:
    """What a running mean leaves of the brightness of the middle one of 16 tiles.

    Something that moves brightens some tiles and darkens others; a lamp that flickers does the same to all.
    """
    tiles = np.stack(
        [
            cv2.resize(one.astype(np.float32), (_TILES, _TILES), interpolation=cv2.INTER_AREA).ravel()
            for one in smalls
        ]
    ).astype(np.float64)
    if _turns(np.median(tiles, axis=1)) < _FEWEST_TURNS:
        return np.zeros(len(smalls)), 1.0
    residual = tiles - _smooth(tiles)
    common = np.median(residual, axis=1)
    scatter = float(np.sqrt(np.mean((residual - common[:, None]) ** 2)))
    size = float(np.sqrt(np.mean(common**2)))
    return common, size / max(1e-6, size + scatter)


def _turns(series: NDArray[np.float64]) -> int:
    """How often it changes direction, small steps left out: a fade never does."""
    steps = np.diff(series)
    large = np.sign(steps[np.abs(steps) > _SMALL_STEP * np.abs(steps).max(initial=0.0)])
    return int(np.count_nonzero(np.diff(large)))


def _smooth(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Straight line through five neighbours on each side, or as many as there are, at every point."""
    count = series.shape[0]
    places = np.arange(count)
    smooth = np.empty_like(series)
    for number in range(count):
        near = np.abs(places - number) <= 5
        line = np.polyfit(places[near], series[near], 1)
        smooth[number] = line[0] * number + line[1]
    return smooth


def _sway(smalls: list[Plane8]) -> tuple[NDArray[np.float64], float]:
    """The camera's path by phase correlation (Kuglin and Hines 1975), less a parabola: no steady pan has a shake."""
    height, width = smalls[0].shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    pictures = [one.astype(np.float32) for one in smalls]
    moves, responses = [], []
    for one, two in pairwise(pictures):
        move, response = cv2.phaseCorrelate(one, two, window)
        moves.append(move)
        responses.append(response)
    path = np.vstack([(0.0, 0.0), np.cumsum(np.array(moves), axis=0)])
    places = np.arange(len(path))
    smooth = np.polynomial.polynomial.polyval(places, np.polynomial.polynomial.polyfit(places, path, 2)).T
    distance = np.hypot(*(path - smooth).T) * 1000 / width
    low, high = _FAINT_RESPONSE, _CLEAR_RESPONSE
    return distance, float(np.clip((np.median(responses) - low) / (high - low), 0, 1))


def flicker(runs: list[Movement]) -> Figure:
    """Standard deviation over the pictures of all runs."""
    known = [run for run in runs if run.flicker is not None]
    if not known:
        return Figure()
    value = float(
        np.sqrt(np.mean(np.concatenate([run.flicker for run in known if run.flicker is not None]) ** 2))
    )
    confidence = float(np.median([run.agreement for run in known])) * min(1.0, len(known) / 2)
    return Figure(value=value, confidence=min(1.0, confidence))


def shake(runs: list[Movement]) -> Figure:
    """Root mean square over the pictures of all runs, in thousandths of the width."""
    known = [run for run in runs if run.sway is not None]
    if not known:
        return Figure()
    value = float(np.sqrt(np.mean(np.concatenate([run.sway for run in known if run.sway is not None]) ** 2)))
    confidence = float(np.median([run.certainty for run in known])) * min(1.0, len(known) / 2)
    return Figure(value=value, confidence=confidence)


def cuts_per_minute(runs: list[Movement], rate: Fraction | None, frames: int) -> Figure:
    """As seen in the samples; as sure as these are a large part of the file.

    Args:
        runs: what was looked at.
        rate: pictures per second; None: unknown.
        frames: of the whole file.
    """
    steps = sum(run.steps for run in runs)
    if not steps or not rate:
        return Figure()
    minutes = steps / float(rate) / 60
    return Figure(
        value=sum(run.cuts for run in runs) / minutes, confidence=min(1.0, steps / max(1, frames - 1))
    )
