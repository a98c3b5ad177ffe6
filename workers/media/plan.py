"""The planner: from what is known, what was measured and what was asked for to what will be done. Pure.

Every step that could be taken appears in the plan, taken or not, with the reason in words.
"""

from typing import Final

from workers.media.decisions.colour import decide_colour
from workers.media.decisions.crop import decide_crop
from workers.media.decisions.deband import decide_deband
from workers.media.decisions.deblock import decide_deblock
from workers.media.decisions.decision import Decision
from workers.media.decisions.deflicker import decide_deflicker
from workers.media.decisions.dehalo import decide_dehalo
from workers.media.decisions.denoise import decide_denoise
from workers.media.decisions.encoding import Output, decide_encoding, keeps_hdr
from workers.media.decisions.fields import decide_deinterlace, decide_inverse_telecine
from workers.media.decisions.frame_rate import decide_frame_rate, pictures_each
from workers.media.decisions.geometry import decide_geometry, output_size
from workers.media.decisions.grain import decide_grain
from workers.media.decisions.sharpen import decide_sharpen
from workers.media.decisions.stabilise import decide_stabilise
from workers.media.decisions.tone_map import decide_tone_map
from workers.media.decisions.upscale import decide_upscale
from workers.media.encoders.catalogue import PIXEL_FORMAT_10, SOFTWARE_ONLY, Availability
from workers.media.frame_map import kind_of
from workers.media.tabled_steps import needed_by
from workers.media.tables import FrameTables
from workers.protocol.analysis import Analysis
from workers.protocol.media import FieldOrder, HdrKind, MediaInfo, VideoStreamInfo
from workers.protocol.plan import EnhancementPlan, OutputColour, SkippedStep
from workers.protocol.settings import EnhancementSettings, VideoCodec
from workers.protocol.steps import CropStep, DenoiseStep, FrameRateStep, PlanStep, StepKind, UpscaleStep

_ORDER: Final = {kind: number for number, kind in enumerate(StepKind)}
_UNAVOIDABLE: Final = frozenset(
    {
        StepKind.INVERSE_TELECINE,
        StepKind.DEINTERLACE,
        StepKind.CROP,
        StepKind.TONE_MAP,
        StepKind.STABILISE,
        StepKind.UPSCALE,
        StepKind.GEOMETRY,
        StepKind.FRAME_RATE,
    }
)
_SMALLEST_SIDE_PX: Final = 16
"""Below it a picture has no room for the neighbourhoods that filters look at, and some of them refuse it."""
_FOR_ANY_SIZE: Final = frozenset(
    {StepKind.CROP, StepKind.TONE_MAP, StepKind.UPSCALE, StepKind.GEOMETRY, StepKind.FRAME_RATE}
)
_HD_LINES: Final = 720
_BROWSER_PROFILES: Final = frozenset({"Baseline", "Constrained Baseline", "Main", "High"})
_UNSPECIFIED: Final = frozenset({None, "unknown", "unspecified", "reserved"})
_RGB_MATRICES: Final = frozenset({"gbr", "rgb"})


def plan_enhancement(
    info: MediaInfo,
    analysis: Analysis,
    settings: EnhancementSettings,
    available: Availability = SOFTWARE_ONLY,
    *,
    has_network: bool = False,
    tables: FrameTables | None = None,
) -> EnhancementPlan:
    """Decide on every step, and on the encoder.

    Args:
        info: of the source.
        analysis: of its pictures.
        settings: what was asked for.
        available: what trials of encoders showed.
        has_network: whether the neural network for enlarging is installed.
        tables: of the full analysis, once a first plan without them has asked for it.

    Raises:
        ValueError: the file has no moving picture.
    """
    video = info.main_video
    if video is None:
        raise ValueError("there is no picture to plan for")
    decisions = _decisions(video, analysis, settings, has_network=has_network, tables=tables)
    steps: tuple[PlanStep, ...] = tuple(entry.step for entry in decisions if entry.step is not None)
    crop = next((step for step in steps if isinstance(step, CropStep)), None)
    factor = next((step.factor for step in steps if isinstance(step, UpscaleStep)), 1)
    width, height = output_size(video, crop=crop, factor=factor)
    rate = next((step.rate for step in steps if isinstance(step, FrameRateStep)), None)
    output = Output(width, height, rate, steps)
    encoding = decide_encoding(video, analysis, settings, available, output=output)
    is_hdr = keeps_hdr(video, settings)
    if is_hdr and encoding.pixel_format != PIXEL_FORMAT_10:
        # No encoder here can hold it.
        mapped = settings.model_copy(update={"keep_hdr": False})
        plan = plan_enhancement(info, analysis, mapped, available, has_network=has_network, tables=tables)
        return plan.model_copy(update={"settings": settings})
    remux, reason = _decide_remux(info, video, steps, settings)
    return EnhancementPlan(
        settings=settings,
        steps=steps,
        skipped=tuple(
            SkippedStep(kind=entry.kind, reason=entry.reason) for entry in decisions if entry.step is None
        ),
        width_px=width,
        height_px=height,
        colour=output_colour(video, keeps_hdr=is_hdr),
        remux=remux,
        remux_reason=reason,
        frame_map=kind_of(steps),
        encoding=encoding,
        tables_sha256=tables.sha256 if tables is not None and needed_by(steps) else None,
    )


def _decisions(
    video: VideoStreamInfo,
    analysis: Analysis,
    settings: EnhancementSettings,
    *,
    has_network: bool,
    tables: FrameTables | None,
) -> list[Decision]:
    """One for each step, in the order in which the steps run."""
    cropping = decide_crop(video, analysis, settings)
    crop = cropping.step if isinstance(cropping.step, CropStep) else None
    denoising = decide_denoise(analysis, settings)
    denoise = denoising.step if isinstance(denoising.step, DenoiseStep) else None
    enlarging = decide_upscale(video, settings, crop=crop, has_network=has_network)
    factor = enlarging.step.factor if isinstance(enlarging.step, UpscaleStep) else 1
    telecine = decide_inverse_telecine(analysis, settings)
    fields = decide_deinterlace(video, analysis, settings)
    decisions = (
        telecine,
        fields,
        cropping,
        decide_deflicker(video, analysis, settings, tables),
        decide_deblock(video, analysis, settings, is_denoised=denoise is not None),
        decide_tone_map(video, settings),
        denoising,
        decide_stabilise(video, analysis, settings, tables),
        decide_dehalo(analysis, settings),
        decide_deband(analysis, settings),
        decide_colour(video, analysis, settings),
        enlarging,
        decide_sharpen(analysis, settings),
        decide_grain(settings, denoise),
        decide_geometry(video, crop=crop, factor=factor),
        decide_frame_rate(video, settings, pictures_each=pictures_each(telecine.step, fields.step)),
    )
    return sorted((_possible(entry, video) for entry in decisions), key=lambda entry: _ORDER[entry.kind])


def _possible(decision: Decision, video: VideoStreamInfo) -> Decision:
    """The decision, unless the picture is too small for its step."""
    is_tiny = min(video.width_px, video.height_px) < _SMALLEST_SIDE_PX
    if decision.step is None or not is_tiny or decision.kind in _FOR_ANY_SIZE:
        return decision
    return Decision(
        decision.kind, None, f"A picture of {video.width_px} × {video.height_px} pixels is too small for it."
    )


def without_picture_steps(plan: EnhancementPlan, reason: str) -> EnhancementPlan:
    """The same plan with only what the output's format, size and timing demand."""
    unavoidable = _UNAVOIDABLE
    dropped = [step for step in plan.steps if step.kind not in unavoidable]
    return plan.model_copy(
        update={
            "steps": tuple(step for step in plan.steps if step.kind in unavoidable),
            "skipped": plan.skipped + tuple(SkippedStep(kind=step.kind, reason=reason) for step in dropped),
            # Grain that the chain does not put in must not be looked for by the encoder.
            "encoding": plan.encoding.model_copy(update={"film_grain": 0}),
        }
    )


def without_remux(plan: EnhancementPlan, reason: str) -> EnhancementPlan:
    """The same plan, encoding after all."""
    return plan.model_copy(update={"remux": False, "remux_reason": reason})


def output_colour(video: VideoStreamInfo, *, keeps_hdr: bool = False) -> OutputColour:
    """Complete tags: the source's own, or BT.709 from 720 lines up and BT.601 below where it does not say.

    High dynamic range that is kept stays what it is, with the colours of ITU-R BT.2100 where it does not say.
    """
    if keeps_hdr:
        return _hdr_colour(video)
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


def _hdr_colour(video: VideoStreamInfo) -> OutputColour:
    colour = video.colour
    transfer = "arib-std-b67" if video.hdr.kind is HdrKind.HLG else "smpte2084"
    named = (colour.primaries, colour.transfer, colour.matrix)
    primaries, transfer, matrix = (
        default if name is None or name in _UNSPECIFIED | _RGB_MATRICES else name
        for name, default in zip(named, ("bt2020", transfer, "bt2020nc"), strict=True)
    )
    return OutputColour(
        primaries=primaries,
        transfer=transfer,
        matrix=matrix,
        is_assumed=any(name in _UNSPECIFIED for name in named),
    )


def _decide_remux(
    info: MediaInfo, video: VideoStreamInfo, steps: tuple[PlanStep, ...], settings: EnhancementSettings
) -> tuple[bool, str]:
    if steps:
        return False, "The picture is changed: " + ", ".join(step.kind.value for step in steps) + "."
    if not settings.remux_when_clean:
        return False, "Copying was switched off."
    if settings.codec is not VideoCodec.H264:
        return False, f"Nothing would change the picture, but {settings.codec.value} was asked for."
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
