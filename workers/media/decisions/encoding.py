"""Which encoder codes the pictures, how well, how fast, and with how many bits at most. Pure.

x264's tunes were measured against none at equal size. `grain` is taken where strong fine noise stays in the picture
(see `_GRAIN_TUNE`). `animation` is never taken: it saves 3 to 6 % on two animated clips by SSIM and VMAF-NEG, and 2 to
12 % on two filmed ones, so the figures show only that they do not value what the tune gives up.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from workers.media.decisions.bit_rate_cap import OutputForm, is_from_better_codec, justified_bit_rate
from workers.media.encoders.catalogue import (
    PIXEL_FORMAT_8,
    PIXEL_FORMAT_10,
    SOFTWARE_ONLY,
    Availability,
    Encoder,
    EncoderFamily,
    EncoderFinding,
    hardware_encoders,
    software_encoder,
)
from workers.media.encoders.scales import native_preset, native_quality
from workers.protocol.analysis import Analysis
from workers.protocol.media import HdrInfo, HdrKind, VideoStreamInfo
from workers.protocol.plan import EncoderPlan, EnhancementPlan
from workers.protocol.settings import EncoderChoice, EnhancementSettings, VideoCodec
from workers.protocol.steps import DenoiseStep, GrainStep, PlanStep

_NAMES: Final = {VideoCodec.H264: "H.264", VideoCodec.HEVC: "HEVC", VideoCodec.AV1: "AV1"}
_DOLBY_VISION_WITHOUT_BASE: Final = 5
"""The profile whose pictures mean nothing without Dolby's own metadata."""

_NOISY_SIGMA: Final = 1.5
"""From here on noise costs many bits; the same limit decides whether it is worth removing."""


_ROOMY_CRF: Final = 16.0
"""From here up, nine real clips without noise took 0.6 to 2.2 times their source's bits: the cap is not in sight.

Where it is: a source of 90 kbit/s whose AV1 decoder adds grain took 41 times its bits uncapped, and 3.4 capped
(VMAF-NEG to the decoded source 94.3 and 92.8); one of HEVC at crf 30 takes 3.6."""

_LARGER: Final = 1.5

_GRAIN_TUNE: Final = "grain"
_GRAIN_TUNE_CRF: Final = 4.0
_GRAIN_SIGMA: Final = 3.0
"""With its tune for grain and a rate factor higher by 4, x264 makes files of 0.99, 0.83 and 1.02 times the size from
three clips with white grain of σ 4, 5 and 6, with VMAF-NEG higher by 0.4, 0.3 and 0.9, and 99.6, 96.2 and 100.3 % of
the finest contrast kept instead of 97.5, 94.2 and 96.3."""

_FILM_GRAIN_PER_SIGMA: Final = 12
_LEAST_FILM_GRAIN: Final = 8
_MOST_FILM_GRAIN: Final = 50
"""SVT-AV1 takes the grain out, describes it, and the player makes it anew. At these levels it comes back as strong as
it was put in (σ 1.3, 2.5 and 5.0 became 1.3, 2.5 and 4.5), where coding it as picture, at crf 24 and preset 8, left
0.7, 0.8 and 3.2; and for σ 5.0 the file has 59 instead of 443 kB."""


@dataclass(frozen=True, slots=True)
class Output:
    """What the steps leave for the encoder.

    Attributes:
        width_px: of the output.
        height_px: of the output.
        rate: pictures per second; None: the source's.
        steps: of the plan.
    """

    width_px: int
    height_px: int
    rate: Fraction | None = None
    steps: tuple[PlanStep, ...] = ()


@dataclass(frozen=True, slots=True)
class _Choice:
    encoder: Encoder
    reasons: tuple[str, ...]


def decide_encoding(
    video: VideoStreamInfo,
    analysis: Analysis,
    settings: EnhancementSettings,
    available: Availability = SOFTWARE_ONLY,
    *,
    output: Output | None = None,
) -> EncoderPlan:
    """Everything about the encoder.

    Args:
        video: the source.
        analysis: of its pictures.
        settings: what was asked for.
        available: what trials of encoders showed.
        output: what will be coded; None: pictures as the source has them.
    """
    form = output or Output(video.width_px, video.height_px)
    keeps = keeps_hdr(video, settings)
    pixel_format = PIXEL_FORMAT_10 if keeps else PIXEL_FORMAT_8
    choice = _choose(settings, available, form, pixel_format)
    encoder = choice.encoder
    if keeps and encoder.input_10 is None:  # only where no HEVC or AV1 is left
        pixel_format = PIXEL_FORMAT_8
    reasons = [*choice.reasons, _hdr_reason(video, settings, is_kept=pixel_format == PIXEL_FORMAT_10)]
    grain = _film_grain(encoder, form.steps)
    if grain:
        reasons.append("The grain is described in the stream, and the player makes it.")
    tune = _tune(encoder, analysis, form.steps)
    crf = settings.crf + (_GRAIN_TUNE_CRF if tune is not None else 0)
    if tune is not None:
        reasons.append("Tuned for the grain that is kept.")
    cap = _cap(video, analysis, settings, form, encoder)
    reasons.append(cap.reason)
    return EncoderPlan(
        encoder=encoder.name,
        codec=encoder.codec,
        quality=native_quality(encoder.family, encoder.codec, crf),
        preset=native_preset(encoder.family, settings.encoder_speed),
        tune=tune,
        max_bit_rate=cap.bit_rate,
        film_grain=grain,
        pixel_format=pixel_format,
        reason=" ".join(reason for reason in reasons if reason),
    )


def keeps_hdr(video: VideoStreamInfo, settings: EnhancementSettings) -> bool:
    """True when high dynamic range stays what it is; tone mapping and the output's colours follow from it."""
    hdr = video.hdr
    if not settings.keep_hdr or settings.codec is VideoCodec.H264 or hdr.kind is HdrKind.SDR:
        return False
    return hdr.dolby_vision_profile != _DOLBY_VISION_WITHOUT_BASE


def kept_hdr(plan: EnhancementPlan, video: VideoStreamInfo) -> HdrInfo | None:
    """The description that goes into the output; None where its pictures are of standard range."""
    return video.hdr if plan.encoding.pixel_format == PIXEL_FORMAT_10 else None


def wanted_encoders(settings: EnhancementSettings) -> tuple[Encoder, ...]:
    """Those whose trials matter for these settings, the preferred ones first."""
    hardware = hardware_encoders(settings.codec) if settings.encoder is EncoderChoice.HARDWARE else ()
    return (*hardware, software_encoder(settings.codec))


def _choose(
    settings: EnhancementSettings, available: Availability, form: Output, pixel_format: str
) -> _Choice:
    obstacles: list[str] = []
    for encoder in wanted_encoders(settings):
        finding = available.get(encoder.name)
        if finding is None or (pixel_format == PIXEL_FORMAT_10 and encoder.input_10 is None):
            continue  # not tried: a more preferred one works, or nothing was tried at all
        obstacle = _obstacle(encoder, finding, form)
        if obstacle is not None:
            obstacles.append(obstacle)
            continue
        name = f"{_NAMES[encoder.codec]} by {encoder.name}"
        if not encoder.is_software:
            return _Choice(encoder, (f"{name}, which a trial showed to work.",))
        if settings.encoder is EncoderChoice.HARDWARE and not obstacles:
            obstacles.append("No graphics processor's encoder was tried.")
        return _Choice(encoder, (*_in_short(obstacles), f"{name}."))
    return _Choice(software_encoder(VideoCodec.H264), (*obstacles, "H.264 by libx264 instead."))


def _obstacle(encoder: Encoder, finding: EncoderFinding, form: Output) -> str | None:
    if not finding.is_usable:
        return f"{encoder.name} does not work here: {_sentence(finding.detail)}"
    if min(form.width_px, form.height_px) < encoder.min_side_px:
        return f"{encoder.name} takes no pictures of {form.width_px} × {form.height_px}."
    return None


def _in_short(reasons: Iterable[str]) -> tuple[str, ...]:
    """Why no graphics processor encodes: the first reason stands for those of the other vendors."""
    found = tuple(reasons)
    if len(found) <= 1:
        return found
    return (f"{found[0]} {len(found) - 1} more encoders of graphics processors do not work either.",)


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _hdr_reason(video: VideoStreamInfo, settings: EnhancementSettings, *, is_kept: bool) -> str:
    if video.hdr.kind is HdrKind.SDR or not settings.keep_hdr:
        return ""
    if is_kept:
        lost = " without Dolby's own metadata" if video.hdr.kind is HdrKind.DOLBY_VISION else ""
        return f"High dynamic range is kept{lost}, in 10 bits."
    if settings.codec is VideoCodec.H264:
        return "High dynamic range cannot be kept in H.264 that browsers play."
    return "High dynamic range cannot be kept: this kind of Dolby Vision has no pictures of its own."


@dataclass(frozen=True, slots=True)
class _Cap:
    bit_rate: int | None
    reason: str


def _cap(
    video: VideoStreamInfo,
    analysis: Analysis,
    settings: EnhancementSettings,
    form: Output,
    encoder: Encoder,
) -> _Cap:
    """Only where it could be reached: keeping an eye on it costs the encoder 3 % more time."""
    if not settings.cap_bit_rate:
        return _Cap(None, "The bit rate is not capped, as asked for.")
    codec = encoder.codec
    is_noisy = _is_noisy(analysis, form.steps) and not _film_grain(encoder, form.steps)
    output = OutputForm(form.width_px, form.height_px, form.rate, is_noisy)
    cap = justified_bit_rate(video, output, codec)
    is_larger = form.width_px * form.height_px > _LARGER * video.width_px * video.height_px
    is_smaller_source = is_from_better_codec(video) and codec is VideoCodec.H264
    if is_noisy or is_larger or is_smaller_source or settings.crf < _ROOMY_CRF:
        return _Cap(cap.bit_rate, cap.reason)
    roomy = f"Constant quality keeps a picture without noise below what is justified ({cap.reason[:-1]})."
    return _Cap(None, roomy)


def _tune(encoder: Encoder, analysis: Analysis, steps: tuple[PlanStep, ...]) -> str | None:
    """For fine, strong noise that is coded; noise that a codec has shaped is no grain."""
    if encoder.family is not EncoderFamily.X264 or not _is_noisy(analysis, steps):
        return None
    grain = next((step.sigma for step in steps if isinstance(step, GrainStep)), None)
    natural = 0.0 if analysis.noise_is_correlated else analysis.noise_sigma
    return _GRAIN_TUNE if (natural if grain is None else grain) >= _GRAIN_SIGMA else None


def _film_grain(encoder: Encoder, steps: tuple[PlanStep, ...]) -> int:
    """SVT-AV1's level for the grain that the chain puts in; 0 without one, and for other encoders."""
    sigma = next((step.sigma for step in steps if isinstance(step, GrainStep)), 0.0)
    if encoder.family is not EncoderFamily.SVT_AV1 or sigma <= 0:
        return 0
    return max(_LEAST_FILM_GRAIN, min(_MOST_FILM_GRAIN, round(sigma * _FILM_GRAIN_PER_SIGMA)))


def _is_noisy(analysis: Analysis, steps: tuple[PlanStep, ...]) -> bool:
    """Noise is in the picture and stays, or grain is put in."""
    if any(isinstance(step, GrainStep) for step in steps):
        return True
    is_denoised = any(isinstance(step, DenoiseStep) for step in steps)
    return analysis.noise_sigma >= _NOISY_SIGMA and analysis.noise_confidence > 0.5 and not is_denoised
