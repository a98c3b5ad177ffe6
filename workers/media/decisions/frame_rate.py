"""Whether pictures are spaced anew to a constant rate. Pure."""

from fractions import Fraction
from typing import Final

from workers.media.decisions.decision import Decision
from workers.protocol.media import VideoStreamInfo
from workers.protocol.settings import DeinterlaceOutput, EnhancementSettings
from workers.protocol.steps import DeinterlaceStep, FrameRateStep, InverseTelecineStep, PlanStep, StepKind

_SAME: Final = Fraction(1, 10_000)
"""Rates closer than this, relatively, are one: containers round 30000/1001 in many ways."""

_FILM_SHARE: Final = Fraction(4, 5)
"""3:2 pulldown spreads four pictures over five."""


def decide_frame_rate(
    video: VideoStreamInfo, settings: EnhancementSettings, *, pictures_each: Fraction = Fraction(1)
) -> Decision:
    """Only on request: the picture that is shown at each moment, none invented.

    The steps before make `pictures_each` pictures of each picture of the source.
    """
    kind = StepKind.FRAME_RATE
    rate = settings.frame_rate
    if rate is None:
        return Decision(kind, None, "Every picture keeps its own time.")
    own = None if video.average_rate is None else video.average_rate * pictures_each
    if own is not None and not video.is_variable_rate and abs(rate - own) <= own * _SAME:
        return Decision(kind, None, f"The pictures already come at {_in_words(rate)} a second.")
    reason = f"{_in_words(rate)} pictures a second were asked for"
    if own is None:
        reason += "."
    elif video.is_variable_rate:
        reason += f"; the source's rate varies, {_in_words(own)} on average."
    elif rate > own:
        reason += f": some of the source's {_in_words(own)} are shown twice, none is invented."
    else:
        reason += f": some of the source's {_in_words(own)} are left out."
    return Decision(kind, FrameRateStep(rate=rate, reason=reason), reason)


def pictures_each(*steps: PlanStep | None) -> Fraction:
    """Pictures that the steps make of each picture of the source, on average."""
    factor = Fraction(1)
    for step in steps:
        if isinstance(step, InverseTelecineStep):
            factor *= _FILM_SHARE
        if isinstance(step, DeinterlaceStep) and step.output is DeinterlaceOutput.FIELD:
            factor *= 2
    return factor


def _in_words(rate: Fraction) -> str:
    return f"{float(rate):.3f}".rstrip("0").rstrip(".")
