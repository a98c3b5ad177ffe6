"""The planner: from what is known, what was measured and what was asked for to what will be done. Pure.

Every step that could be taken appears in the plan, taken or not, with the reason in words.
"""

from fractions import Fraction
from typing import Final

from workers.media.decisions.colour import decide_colour
from workers.media.decisions.decision import Decision
from workers.media.decisions.denoise import decide_denoise
from workers.media.decisions.encoding import Output, decide_encoding
from workers.media.decisions.fields import decide_deinterlace
from workers.media.decisions.sharpen import decide_sharpen
from workers.media.decisions.tone_map import decide_tone_map
from workers.media.encoders.catalogue import SOFTWARE_ONLY, Availability
from workers.media.frame_map import kind_of
from workers.protocol.analysis import Analysis
from workers.protocol.media import FieldOrder, HdrKind, MediaInfo, VideoStreamInfo
from workers.protocol.plan import EnhancementPlan, OutputColour, SkippedStep
from workers.protocol.settings import EnhancementSettings
from workers.protocol.steps import DenoiseStep, GeometryStep, PlanStep, StepKind

_ORDER: Final = {kind: number for number, kind in enumerate(StepKind)}
_HD_LINES: Final = 720
_MAX_SIDE_PX: Final = 16_384
_BROWSER_PROFILES: Final = frozenset({"Baseline", "Constrained Baseline", "Main", "High"})
_UNSPECIFIED: Final = frozenset({None, "unknown", "unspecified", "reserved"})
_RGB_MATRICES: Final = frozenset({"gbr", "rgb"})


def plan_enhancement(
    info: MediaInfo,
    analysis: Analysis,
    settings: EnhancementSettings,
    available: Availability = SOFTWARE_ONLY,
) -> EnhancementPlan:
    """Decide on every step, and on the encoder.

    Args:
        info: of the source.
        analysis: of its pictures.
        settings: what was asked for.
        available: what trials of encoders showed.

    Raises:
        ValueError: the file has no moving picture.
    """
    video = info.main_video
    if video is None:
        raise ValueError("there is no picture to plan for")
    tone = decide_tone_map(video)
    deinterlacing = decide_deinterlace(video, analysis, settings)
    denoising = decide_denoise(analysis, settings)
    is_denoised = isinstance(denoising.step, DenoiseStep)
    colouring = decide_colour(video, analysis, settings)
    sharpening = decide_sharpen(analysis, settings, is_denoised=is_denoised)
    geometry = _decide_geometry(video)
    unordered = (tone, deinterlacing, denoising, colouring, sharpening, geometry)
    decisions = sorted(unordered, key=lambda decision: _ORDER[decision.kind])
    steps: tuple[PlanStep, ...] = tuple(entry.step for entry in decisions if entry.step is not None)
    width, height = output_size(video)
    remux, reason = _decide_remux(info, video, steps, settings)
    return EnhancementPlan(
        settings=settings,
        steps=steps,
        skipped=tuple(
            SkippedStep(kind=entry.kind, reason=entry.reason) for entry in decisions if entry.step is None
        ),
        width_px=width,
        height_px=height,
        colour=output_colour(video),
        remux=remux,
        remux_reason=reason,
        frame_map=kind_of(steps),
        encoding=decide_encoding(
            video, analysis, settings, available, output=Output(width, height, steps=steps)
        ),
    )


def without_picture_steps(plan: EnhancementPlan, reason: str) -> EnhancementPlan:
    """The same plan with only what the output format demands: tone mapping, deinterlacing and geometry."""
    unavoidable = {StepKind.TONE_MAP, StepKind.DEINTERLACE, StepKind.GEOMETRY}
    dropped = [step for step in plan.steps if step.kind not in unavoidable]
    return plan.model_copy(
        update={
            "steps": tuple(step for step in plan.steps if step.kind in unavoidable),
            "skipped": plan.skipped + tuple(SkippedStep(kind=step.kind, reason=reason) for step in dropped),
        }
    )


def without_remux(plan: EnhancementPlan, reason: str) -> EnhancementPlan:
    """The same plan, encoding after all."""
    return plan.model_copy(update={"remux": False, "remux_reason": reason})


def output_size(video: VideoStreamInfo) -> tuple[int, int]:
    """Width and height in px after squaring the pixels, turning, and making both even.

    Pixels are squared by stretching the narrower axis, so that no detail is lost.
    """
    width, height = Fraction(video.width_px), Fraction(video.height_px)
    ratio = video.sample_aspect_ratio if video.sample_aspect_ratio > 0 else Fraction(1)
    if ratio > 1:
        width *= ratio
    else:
        height /= ratio
    if video.rotation_deg in {90, 270}:
        width, height = height, width
    return _even(width), _even(height)


def output_colour(video: VideoStreamInfo) -> OutputColour:
    """Complete tags: the source's own, or BT.709 from 720 lines up and BT.601 below where it does not say."""
    if video.hdr.kind is not HdrKind.SDR:
        return OutputColour(primaries="bt709", transfer="bt709", matrix="bt709", is_assumed=False)
    is_hd = video.height_px >= _HD_LINES or video.width_px >= 1280
    default = "bt709" if is_hd else "smpte170m"
    colour = video.colour
    matrix = None if colour.matrix in _RGB_MATRICES else colour.matrix
    named = (colour.primaries, colour.transfer, matrix)
    primaries, transfer, matrix = (default if name in _UNSPECIFIED else name for name in named)
    return OutputColour(
        primaries=primaries or default,
        transfer=transfer or default,
        matrix=matrix or default,
        is_assumed=any(name in _UNSPECIFIED for name in (colour.primaries, colour.transfer, colour.matrix)),
    )


def _even(size: Fraction) -> int:
    up = -(-size.numerator // size.denominator) if size.denominator == 1 else round(size)
    return min(_MAX_SIDE_PX, max(2, up + up % 2))


def _decide_geometry(video: VideoStreamInfo) -> Decision:
    width, height = output_size(video)
    reasons = []
    if video.rotation_deg or video.is_mirrored:
        mirrored = " and mirrored" if video.is_mirrored else ""
        reasons.append(f"the file asks players to turn it by {video.rotation_deg}°{mirrored}")
    if video.sample_aspect_ratio not in {0, 1}:
        reasons.append(f"its pixels are not square ({video.sample_aspect_ratio})")
    if video.width_px % 2 or video.height_px % 2:
        reasons.append("H.264 for browsers needs an even size")
    kind = StepKind.GEOMETRY
    if not reasons and (width, height) == (video.width_px, video.height_px):
        return Decision(kind, None, "The picture is upright, its pixels are square and its size is even.")
    reason = "; ".join(reasons) or "the size changes"
    reason = f"{reason[0].upper()}{reason[1:]}."
    rotation = video.rotation_deg if video.rotation_deg in {90, 180, 270} else 0
    step = GeometryStep(
        rotation_deg=rotation,  # type: ignore[arg-type]  # checked in the line above
        mirror=video.is_mirrored,
        width_px=width,
        height_px=height,
        reason=reason,
    )
    return Decision(kind, step, reason)


def _decide_remux(
    info: MediaInfo, video: VideoStreamInfo, steps: tuple[PlanStep, ...], settings: EnhancementSettings
) -> tuple[bool, str]:
    if steps:
        return False, "The picture is changed: " + ", ".join(step.kind.value for step in steps) + "."
    if not settings.remux_when_clean:
        return False, "Copying was switched off."
    misfit = _misfit(info, video)
    if misfit is not None:
        return False, f"Nothing would change the picture, but {misfit}."
    return (
        True,
        "Nothing would change the picture, and it already plays everywhere: it is copied bit for bit.",
    )


def _misfit(info: MediaInfo, video: VideoStreamInfo) -> str | None:
    """Why the coded pictures cannot be copied into a file for browsers; None when they can."""
    findings = (
        (video.codec != "h264", f"{video.codec} does not play in every browser"),
        (video.profile not in _BROWSER_PROFILES, f"the H.264 profile {video.profile} does not"),
        (video.pixel_format != "yuv420p", f"its pixels are {video.pixel_format}, not 8-bit 4:2:0"),
        (video.colour.range == "pc", "it uses the full range"),
        (
            video.field_order not in {FieldOrder.PROGRESSIVE, FieldOrder.UNKNOWN},
            "it is coded as interlaced",
        ),
        (bool(info.warnings), "the file is damaged"),
    )
    return next((text for applies, text in findings if applies), None)
