"""Whether coded pictures have the form that was promised: codec, profile, samples, colours, dynamic range.

H.264 must be what every browser plays. HEVC and AV1 cannot be that; they must be what the players that know them take.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workers.media.colour_names import MATRICES, PRIMARIES, TRANSFERS
from workers.media.encoders.catalogue import PIXEL_FORMAT_8, PIXEL_FORMAT_10
from workers.media.encoders.mastering import is_complete
from workers.media.side_data import parse_content_light, parse_mastering_display
from workers.protocol.media import HdrInfo, MasteringDisplay
from workers.protocol.plan import OutputColour
from workers.protocol.report import Check
from workers.protocol.settings import VideoCodec

_CHROMATICITY_TOLERANCE: Final = Fraction(1, 10_000)
_LUMINANCE_TOLERANCE: Final = Fraction(1, 1000)
"""Relative; both are coarser than the steps in which HEVC and AV1 count."""

_LEAST_LUMINANCE_STEP: Final = Fraction(1, 10_000)


@dataclass(frozen=True, slots=True)
class CodedForm:
    """What was promised of the coded pictures."""

    codec: VideoCodec = VideoCodec.H264
    pixel_format: str = PIXEL_FORMAT_8
    hdr: HdrInfo | None = None
    """Description of a high dynamic range that is kept; None for standard range."""


BROWSER_FORM: Final = CodedForm()
"""What plays everywhere."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """What players demand of one codec: profiles by pixel format, sample entries, and which players that are."""

    profiles: Mapping[str, frozenset[str]]
    tags: frozenset[str]
    players: str


_RULES: Final[Mapping[VideoCodec, _Rule]] = {
    VideoCodec.H264: _Rule(
        {PIXEL_FORMAT_8: frozenset({"Baseline", "Constrained Baseline", "Main", "High"})},
        frozenset({"avc1", "avc3"}),
        "every browser",
    ),
    VideoCodec.HEVC: _Rule(
        {PIXEL_FORMAT_8: frozenset({"Main"}), PIXEL_FORMAT_10: frozenset({"Main 10"})},
        frozenset({"hvc1"}),
        "Apple's players, and browsers where the computer decodes HEVC",
    ),
    VideoCodec.AV1: _Rule(
        {PIXEL_FORMAT_8: frozenset({"Main"}), PIXEL_FORMAT_10: frozenset({"Main"})},
        frozenset({"av01"}),
        "Chrome, Edge and Firefox, and Apple's players on new devices",
    ),
}


def form_checks(
    video: VideoStream, first: VideoFrame | None, form: CodedForm, colour: OutputColour
) -> list[Check]:
    """The checks of the pictures' form.

    Args:
        video: of the finished file.
        first: its first decoded picture; None when there is none.
        form: what was promised.
        colour: the tags that were promised.
    """
    checks = [_profile(video, first, form), _colour_tags(first, colour)]
    if form.hdr is not None:
        checks.append(_dynamic_range(first, form.hdr))
    return checks


def _profile(video: VideoStream, first: VideoFrame | None, form: CodedForm) -> Check:
    context = video.codec_context
    rule = _RULES[form.codec]
    codec = context.codec.canonical_name
    pixels = first.format.name if first is not None else "none"
    progressive = first is not None and not first.interlaced_frame
    passed = (
        codec == form.codec.value
        and context.codec_tag in rule.tags
        and pixels == form.pixel_format
        and context.profile in rule.profiles.get(pixels, frozenset())
        and progressive
    )
    scan = "progressive" if progressive else "interlaced"
    detail = f"{codec} {context.profile} {pixels} {scan}, {context.codec_tag}: for {rule.players}"
    return Check(name="browser_profile", passed=passed, detail=detail)


def _colour_tags(first: VideoFrame | None, colour: OutputColour) -> Check:
    if first is None:
        return Check(name="colour_tags", passed=False, detail="no picture")
    found = (
        PRIMARIES.get(first.color_primaries),
        TRANSFERS.get(first.color_trc),
        MATRICES.get(first.colorspace),
        first.color_range,
    )
    passed = found == (colour.primaries, colour.transfer, colour.matrix, 1)
    return Check(name="colour_tags", passed=passed, detail="/".join(str(entry) for entry in found[:3]))


def _dynamic_range(first: VideoFrame | None, promised: HdrInfo) -> Check:
    faults = []
    wanted = promised.mastering_display
    if wanted is not None and is_complete(wanted):
        data = first.side_data.get(Type.MASTERING_DISPLAY_METADATA) if first is not None else None
        found = parse_mastering_display(bytes(data)) if data is not None else None
        if found is None or not _is_like(found, wanted):
            faults.append("the mastering display is " + ("missing" if found is None else "another one"))
    if promised.content_light is not None:
        data = first.side_data.get(Type.CONTENT_LIGHT_LEVEL) if first is not None else None
        light = parse_content_light(bytes(data)) if data is not None else None
        if light != promised.content_light:
            faults.append("the content light level is " + ("missing" if light is None else "another one"))
    detail = "; ".join(faults) or f"{promised.kind.value} is described as in the source"
    return Check(name="dynamic_range", passed=not faults, detail=detail)


def _is_like(found: MasteringDisplay, wanted: MasteringDisplay) -> bool:
    points = ("red", "green", "blue", "white_point")
    chromaticities = [
        abs(have - want) <= _CHROMATICITY_TOLERANCE
        for name in points
        for have, want in zip(getattr(found, name) or (), getattr(wanted, name) or (), strict=False)
    ]
    luminances = [
        abs((getattr(found, name) or 0) - (getattr(wanted, name) or 0))
        <= max(_LEAST_LUMINANCE_STEP, (getattr(wanted, name) or 0) * _LUMINANCE_TOLERANCE)
        for name in ("max_luminance", "min_luminance")
    ]
    return len(chromaticities) == 2 * len(points) and all(chromaticities) and all(luminances)
